"""The P1 corpus: telegrams with the records a reader must find, and streams with what must come out."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import UNSET

from datalogger.model import Entry, Record

DATA = Path(__file__).parents[2] / "data" / "p1"


class Case(NamedTuple):
    """One telegram (`octets`) or stream, and the JSON beside it (`expected`)."""

    name: str
    path: Path
    octets: bytes
    expected: dict[str, Any]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.expected["zone"])


def _cases(folder: str, suffix: str) -> list[Case]:
    paths = sorted((DATA / folder).glob(f"*{suffix}"))
    return [Case(p.stem, p, p.read_bytes(), json.loads(p.with_suffix(".json").read_bytes())) for p in paths]


TELEGRAMS = _cases("telegrams", ".txt")
STREAMS = _cases("streams", ".bin")


def telegram(name: str) -> bytes:
    return (DATA / "telegrams" / f"{name}.txt").read_bytes()


def agrees(record: Record, expected: dict[str, Any], zone: ZoneInfo) -> bool:
    """Whether the record says what the corpus expects of it."""
    if record.obis not in (expected["obis"], expected.get("also_obis")):
        return False
    match expected["kind"]:
        case "text" | "code":
            return record.text in (expected["text"], expected.get("ascii"))
        case "value":
            return record.time is UNSET and _same_number(record, expected)
        case "timed_value" | "mbus_profile":
            return _same_number(record, expected) and _same_time(record.time, expected["time"], zone)
        case "clock":
            return record.value is None and _same_time(record.time, expected["time"], zone)
        case "values":
            rows = expected["values"]
        case "event_log" | "peak_history" | "snapshot":
            rows = expected["entries"]
        case kind:
            raise AssertionError(f"no test for the kind {kind}")
    entries = record.entries
    return (
        entries is not None
        and len(entries) == len(rows)
        and all(_same_row(entry, row, zone) for entry, row in zip(entries, rows, strict=True))
    )


def _same_number(number: Record | Entry, expected: dict[str, Any]) -> bool:
    return [number.value, number.scaler, number.unit] == [expected[key] for key in ("value", "scaler", "unit")]


def _same_row(entry: Entry, expected: dict[str, Any], zone: ZoneInfo) -> bool:
    return (
        _same_number(entry, expected)
        and ("time" in expected) == (entry.time is not UNSET)
        and ("occurred" in expected) == (entry.occurred is not UNSET)
        and ("time" not in expected or _same_time(entry.time, expected["time"], zone))
        and ("occurred" not in expected or _same_time(entry.occurred, expected["occurred"], zone))
    )


def _same_time(moment: object, expected: str | None, zone: ZoneInfo) -> bool:
    """A time without offset is meant in the zone."""
    if expected is None or not isinstance(moment, datetime):
        return moment is expected
    wanted = datetime.fromisoformat(expected)
    if wanted.tzinfo is None:
        wanted = wanted.replace(tzinfo=zone)
    return moment.isoformat() == wanted.isoformat()
