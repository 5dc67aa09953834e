"""Report JSON: the one form a report takes outside the process. A public promise; change it only by adding.

One object, no line end. Numbers are integers with a scaler, never floats; times carry their offset.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from datalogger.model import Entry, Record, Report

_encode = msgspec.json.encode

_NOTHING = (0, 255)  # A-XDR null-data, don't-care
_BOOLEAN = 3


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
    if report.profile:
        shown["profile"] = report.profile
    if report.security is not None:
        shown["security"] = report.security
    shown["records"] = [_record(record) for record in report.records]
    return _encode(shown)


def encode_rejected(reason: str, *, octets: int, offset: int, detail: str = "") -> bytes:
    """What could not be read: how many octets, where they began in the input, and why."""
    return _encode({"rejected": reason, "octets": octets, "offset": offset, "detail": detail})


def _record(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {"obis": record.obis} if record.obis else {}  # a value nobody has a name for has none
    if record.name:
        shown["name"] = record.name
    if record.position is not None:
        shown["position"] = record.position
    if record.class_id is not None:
        shown["class"] = record.class_id
    if record.attribute is not None:
        shown["attribute"] = record.attribute
    _add_number(shown, record)
    if record.tag is not None or record.name:
        _add_particulars(shown, record)
    if record.text is not None:
        shown["text"] = record.text
    if record.octets is not None:
        shown["octets"] = record.octets.hex().upper()
    if record.time is not UNSET:
        shown["time"] = _time(record.time)
    if record.entries is not None:
        shown["entries"] = [_entry(entry) for entry in record.entries]
    if record.push_objects is not None:
        shown["push_objects"] = [
            {"obis": one.obis, "class": one.class_id, "attribute": one.attribute, "data_index": one.data_index}
            for one in record.push_objects
        ]
    return shown


def _add_particulars(shown: dict[str, Any], record: Record) -> None:
    """What only an A-XDR value or a register can be: nothing, a truth, a float, a number whose scaler nobody knows."""
    if record.tag in _NOTHING or record.not_measured:
        shown["value"] = None
    elif record.tag == _BOOLEAN:
        shown["value"] = bool(record.value)
        del shown["scaler"]
    elif record.real is not None:
        shown["float"] = record.real
        shown["scaler"] = record.scaler
        if record.unit is not None:
            shown["unit"] = record.unit
    if record.unscaled:
        shown.pop("scaler", None)
        shown["unscaled"] = True
    if record.not_measured:
        shown["not_measured"] = True
    if record.status is not None:
        shown["status"] = record.status
    if record.tag is not None:
        shown["tag"] = record.tag


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
