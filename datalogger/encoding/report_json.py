"""Report JSON: the one form a report takes outside the process. A public promise; change it only by adding.

One object, no line end. Numbers are integers with a scaler, never floats; times carry their offset.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from datalogger.model import Entry, Record, Report

_encode = msgspec.json.encode


def encode_report(report: Report) -> bytes:
    """`source` and `received_at` are left out where they are not known, `check` where it held."""
    shown: dict[str, Any] = {"protocol": report.protocol}
    if report.source:
        shown["source"] = report.source
    shown["meter"] = report.meter
    if report.protocol == "p1":
        shown["identification"] = report.identification
    shown["meter_time"] = _time(report.meter_time)
    if report.received_at is not None:
        shown["received_at"] = report.received_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if report.check == "absent":
        shown["check"] = report.check
    if report.odd_lines:
        shown["odd_lines"] = report.odd_lines
    shown["records"] = [_record(record) for record in report.records]
    return _encode(shown)


def encode_rejected(reason: str, *, octets: int, offset: int, detail: str = "") -> bytes:
    """What could not be read: how many octets, where they began in the input, and why."""
    return _encode({"rejected": reason, "octets": octets, "offset": offset, "detail": detail})


def _record(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {"obis": record.obis} if record.obis else {}  # a line of no known form has none
    _add_number(shown, record)
    if record.text is not None:
        shown["text"] = record.text
    if record.octets is not None:
        shown["octets"] = record.octets.hex().upper()
    if record.time is not UNSET:
        shown["time"] = _time(record.time)
    if record.entries is not None:
        shown["entries"] = [_entry(entry) for entry in record.entries]
    return shown


def _entry(entry: Entry) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if entry.time is not UNSET:
        shown["time"] = _time(entry.time)
    if entry.occurred is not UNSET:
        shown["occurred"] = _time(entry.occurred)
    _add_number(shown, entry)
    if entry.text is not None:
        shown["text"] = entry.text
    return shown


def _add_number(shown: dict[str, Any], number: Record | Entry) -> None:
    if number.value is not None:
        shown["value"] = number.value
        shown["scaler"] = number.scaler
        if number.unit is not None:
            shown["unit"] = number.unit


def _time(moment: datetime | UnsetType | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else None
