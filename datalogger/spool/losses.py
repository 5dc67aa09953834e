"""Every report given up is counted by sink and reason, and logged at most once a minute."""

from collections import Counter

import structlog

from datalogger.clock import Clock
from datalogger.metrics import Metrics

_log = structlog.get_logger(__name__)

EVERY_S = 60.0


class Losses:
    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._untold: Counter[tuple[str, str]] = Counter()
        self._told: dict[tuple[str, str], float] = {}

    def count(self, sink: str, reason: str, amount: int = 1) -> None:
        """reason: full, thinned, age, replay-policy, removed, request, damaged or quarantine-full."""
        if amount:
            self._metrics.add("datalogger_sink_dropped_total", sink, reason, amount=amount)
            self._untold[sink, reason] += amount
            self.tell()

    def tell(self, *, all: bool = False) -> None:
        """Log what was not told yet, unless that was done less than a minute ago."""
        now = self._clock.monotonic()
        for sink, reason in list(self._untold):
            last = self._told.get((sink, reason))
            if all or last is None or now - last >= EVERY_S:
                _log.warning("reports dropped", sink=sink, reason=reason, count=self._untold.pop((sink, reason)))
                self._told[sink, reason] = now
