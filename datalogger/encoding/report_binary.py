"""Report ↔ octets, exactly: how the spool keeps a report.

MessagePack of plain arrays, trailing defaults left out. A time is ISO 8601 text with its offset
(MessagePack's own timestamp would turn it into UTC), None where there is none, False where UNSET.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from datalogger.errors import DecodeError
from datalogger.model import Entry, PushObject, Record, Report, Security
from datalogger.obis import Obis

VERSION = 1


class _Body(msgspec.Struct, array_like=True, gc=False):
    """Fields are only ever added, at the end and with a default: spools outlive versions of this program."""

    version: Literal[1]
    protocol: Literal["p1", "dlms", "modbus"]
    source: str
    meter: str
    identification: str
    meter_time: str | None
    received_at: str | None
    check: Literal["ok", "absent"]
    odd_lines: int
    frame: bytes
    records: list[list[Any]]  # `_to_record` checks them
    profile: str = ""
    security: tuple[str, int, Literal["verified", "unchecked", "absent"]] | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)


def encode(report: Report) -> bytes:
    body = (
        VERSION,
        report.protocol,
        report.source,
        report.meter,
        report.identification,
        None if report.meter_time is None else report.meter_time.isoformat(),
        None if report.received_at is None else report.received_at.isoformat(),
        report.check,
        report.odd_lines,
        report.frame,
        [_from_record(record) for record in report.records],
    )
    if report.security is not None:
        security = report.security
        return _encoder.encode(
            (*body, report.profile, (security.system_title, security.invocation_counter, security.tag))
        )
    return _encoder.encode((*body, report.profile) if report.profile else body)


def decode(octets: bytes) -> Report:
    """DecodeError where these octets are no report, or one in a form this program does not know."""
    try:
        body = _decoder.decode(octets)
        return Report(
            protocol=body.protocol,
            source=body.source,
            meter=body.meter,
            identification=body.identification,
            meter_time=None if body.meter_time is None else datetime.fromisoformat(body.meter_time),
            received_at=None if body.received_at is None else datetime.fromisoformat(body.received_at),
            check=body.check,
            records=tuple([_to_record(*fields) for fields in body.records]),
            odd_lines=body.odd_lines,
            frame=body.frame,
            profile=body.profile,
            security=None if body.security is None else Security(*body.security),
        )
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise DecodeError("malformed", f"no report in these {len(octets)} octets: {error}") from error


def _from_record(record: Record) -> tuple[Any, ...]:
    if record.name:
        return (*_whole(record), record.name)
    if record.tag is not None or record.position is not None or record.push_objects is not None:
        return _whole(record)
    if record.time is not UNSET or record.octets is not None or record.entries is not None:
        return _common(record)
    if record.text is not None:
        return (record.obis, record.value, record.scaler, record.unit, record.text)
    return (record.obis, record.value, record.scaler, record.unit)


def _whole(record: Record) -> tuple[Any, ...]:
    return (
        *_common(record),
        record.position,
        record.class_id,
        record.attribute,
        record.tag,
        record.status,
        record.real,
        record.unscaled,
        record.not_measured,
        record.push_objects,
    )


def _common(record: Record) -> tuple[Any, ...]:
    entries = None if record.entries is None else [_from_entry(entry) for entry in record.entries]
    time = _from_time(record.time)
    return (record.obis, record.value, record.scaler, record.unit, record.text, time, record.octets, entries)


def _to_record(
    obis: str,
    value: int | None,
    scaler: int,
    unit: str | None,
    text: str | None = None,
    time: str | bool | None = False,
    octets: bytes | None = None,
    entries: list[list[Any]] | None = None,
    position: int | None = None,
    class_id: int | None = None,
    attribute: int | None = None,
    tag: int | None = None,
    status: int | None = None,
    real: float | None = None,
    unscaled: bool = False,
    not_measured: bool = False,
    push_objects: list[list[Any]] | None = None,
    name: str = "",
) -> Record:
    rows = None if entries is None else tuple([_to_entry(*fields) for fields in entries])
    objects = None if push_objects is None else tuple([PushObject(*fields) for fields in push_objects])
    return Record(
        Obis(obis), value, scaler, unit, text, _to_time(time), octets, rows,
        position, class_id, attribute, tag, status, real, unscaled, not_measured, objects, name,
    )  # fmt: skip


def _from_entry(entry: Entry) -> tuple[Any, ...]:
    return (_from_time(entry.time), entry.value, entry.scaler, entry.unit, _from_time(entry.occurred), entry.text)


def _to_entry(
    time: str | bool | None,
    value: int | None,
    scaler: int,
    unit: str | None,
    occurred: str | bool | None,
    text: str | None,
) -> Entry:
    return Entry(_to_time(time), value, scaler, unit, _to_time(occurred), text)


def _from_time(time: datetime | UnsetType | None) -> str | bool | None:
    return time.isoformat() if isinstance(time, datetime) else None if time is None else False


def _to_time(time: str | bool | None) -> datetime | UnsetType | None:
    return datetime.fromisoformat(time) if isinstance(time, str) else None if time is None else UNSET
