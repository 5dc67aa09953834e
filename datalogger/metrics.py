"""Counters, gauges and one histogram, in the Prometheus text format.

Every family is declared here, so a name or label misspelt elsewhere is an error at once.
"""

from bisect import bisect_left
from collections import defaultdict
from typing import Literal, NamedTuple

# Seconds: from the last octet of a telegram to its acceptance; from the moment a poll is due to its begin.
BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)


class Family(NamedTuple):
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...]


FAMILIES = {
    "datalogger_frames_good_total": Family("counter", "Frames decoded into a report.", ("source",)),
    "datalogger_frames_rejected_total": Family("counter", "Frames or noise refused.", ("source", "reason")),
    "datalogger_notices_total": Family("counter", "Reports with something a person should know.", ("source", "reason")),
    "datalogger_octets_total": Family("counter", "Octets read from the line.", ("source",)),
    "datalogger_odd_lines_total": Family("counter", "Lines of no known form, kept as text.", ("source",)),
    "datalogger_last_frame_timestamp_seconds": Family("gauge", "When the last good frame came in.", ("source",)),
    "datalogger_source_up": Family("gauge", "1 while the line is open.", ("source",)),
    "datalogger_source_reconnects_total": Family("counter", "Times the line was opened again.", ("source",)),
    "datalogger_polls_total": Family("counter", "Polls of a meter that is asked.", ("source", "unit")),
    "datalogger_polls_missed_total": Family("counter", "Polls left out: the line was too slow.", ("source",)),
    "datalogger_poll_lateness_seconds": Family("histogram", "From the due moment of a poll to its begin.", ("source",)),
    "datalogger_unit_up": Family("gauge", "1 while the meter answers.", ("source", "unit")),
    "datalogger_sink_depth": Family("gauge", "Reports waiting for this sink.", ("sink",)),
    "datalogger_sink_bytes": Family("gauge", "Octets waiting for this sink.", ("sink",)),
    "datalogger_sink_oldest_age_seconds": Family("gauge", "Age of the oldest report waiting.", ("sink",)),
    "datalogger_sink_delivered_total": Family("counter", "Reports the receiver has accepted.", ("sink",)),
    "datalogger_sink_retries_total": Family("counter", "Deliveries that failed and are tried again.", ("sink",)),
    "datalogger_sink_dropped_total": Family("counter", "Reports given up for this sink.", ("sink", "reason")),
    "datalogger_sink_quarantined_total": Family("counter", "Reports set aside.", ("sink", "reason")),
    "datalogger_sink_last_success_timestamp_seconds": Family("gauge", "When it last accepted one.", ("sink",)),
    "datalogger_sink_state": Family("gauge", "1 for the state the sink is in.", ("sink", "state")),
    "datalogger_sink_latency_seconds": Family("histogram", "Last octet from the meter to accepted.", ("sink",)),
    "datalogger_spool_state": Family("gauge", "1 for the state the store is in.", ("state",)),
    "datalogger_spool_bytes": Family("gauge", "Octets the store takes up on disk.", ()),
    "datalogger_spool_commits_total": Family("counter", "Transactions written to disk.", ()),
    "datalogger_spool_failures_total": Family("counter", "Transactions that failed.", ()),
    "datalogger_spool_damaged_total": Family("counter", "Records or files found damaged.", ("what",)),
}


class Metrics:
    """The figures of one process. Labels are positional, in the order the family declares."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in FAMILIES}
        self._buckets: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))

    def add(self, name: str, *labels: str, amount: float = 1) -> None:
        values = self._series(name, labels)
        values[labels] = values.get(labels, 0) + amount

    def set(self, name: str, *labels: str, value: float) -> None:
        self._series(name, labels)[labels] = value

    def state(self, name: str, *labels: str, state: str) -> None:
        """Of a family whose last label is a state: exactly one is 1."""
        values = self._series(name, (*labels, state))
        for known in values:
            if known[:-1] == labels:
                values[known] = 0
        values[(*labels, state)] = 1

    def observe(self, name: str, *labels: str, value: float) -> None:
        """One observation of a histogram; `_values` holds its sum."""
        self.add(name, *labels, amount=value)
        self._buckets[name, labels][bisect_left(BUCKETS, value)] += 1

    def get(self, name: str, *labels: str) -> float:
        """0 where nothing was counted yet."""
        return self._values[name].get(labels, 0)

    def forget(self, label: str, value: str) -> None:
        """Drop every series whose `label` is `value`: a source or sink that is configured no more."""
        for name, family in FAMILIES.items():
            if label in family.labels:
                place = family.labels.index(label)
                for labels in [known for known in self._values[name] if known[place] == value]:
                    del self._values[name][labels]
                    self._buckets.pop((name, labels), None)

    def _series(self, name: str, labels: tuple[str, ...]) -> dict[tuple[str, ...], float]:
        """The series of a family; an error at the misspelt call, not when somebody reads the figures."""
        if len(labels) != len(FAMILIES[name].labels):
            raise ValueError(f"{name} has the labels {FAMILIES[name].labels}, not {labels}")
        return self._values[name]

    def render(self) -> str:
        """The Prometheus text format, version 0.0.4."""
        lines = []
        for name, family in FAMILIES.items():
            if not self._values[name]:
                continue
            lines += [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
            for labels, value in sorted(self._values[name].items()):
                pairs = [f'{key}="{_escape(text)}"' for key, text in zip(family.labels, labels, strict=True)]
                if family.kind == "histogram":
                    lines += self._histogram(name, labels, pairs, value)
                else:
                    lines.append(f"{name}{_braces(pairs)} {_number(value)}")
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str, labels: tuple[str, ...], pairs: list[str], total: float) -> list[str]:
        lines, count = [], 0
        bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
        for bound, amount in zip(bounds, self._buckets[name, labels], strict=True):
            count += amount
            bucket = [*pairs, f'le="{bound}"']
            lines.append(f"{name}_bucket{_braces(bucket)} {count}")
        return [*lines, f"{name}_sum{_braces(pairs)} {_number(total)}", f"{name}_count{_braces(pairs)} {count}"]


def _braces(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    """Counts as integers, the rest in the fewest digits that read back the same."""
    value = float(value)
    return str(int(value)) if value.is_integer() else repr(value)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
