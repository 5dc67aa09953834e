"""Report ↔ octets, exactly: how the spool keeps a report.

MessagePack of plain arrays, trailing defaults left out. A time is ISO 8601 text with its offset
(MessagePack's own timestamp would turn it into UTC), None where there is none, False where UNSET.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from datalogger.errors import DecodeError
from datalogger.model import Entry, Record, Report
from datalogger.obis import Obis

VERSION = 1

_Body = tuple[
    Literal[1],
    Literal["p1", "dlms", "modbus"],
    str,  # source
    str,  # meter
    str,  # identification
    str | None,  # meter_time
    str | None,  # received_at
    Literal["ok", "absent"],
    int,  # odd_lines
    bytes,  # frame
    list[list[Any]],  # records; `_to_record` checks them
]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)


def encode(report: Report) -> bytes:
    return _encoder.encode(
        (
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
    )


def decode(octets: bytes) -> Report:
    """DecodeError where these octets are no report, or one in a form this program does not know."""
    try:
        _, protocol, source, meter, identification, meter_time, received_at, check, odd_lines, frame, records = (
            _decoder.decode(octets)
        )
        return Report(
            protocol=protocol,
            source=source,
            meter=meter,
            identification=identification,
            meter_time=None if meter_time is None else datetime.fromisoformat(meter_time),
            received_at=None if received_at is None else datetime.fromisoformat(received_at),
            check=check,
            records=tuple([_to_record(*fields) for fields in records]),
            odd_lines=odd_lines,
            frame=frame,
        )
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise DecodeError("malformed", f"no report in these {len(octets)} octets: {error}") from error


def _from_record(record: Record) -> tuple[Any, ...]:
    if record.time is not UNSET or record.octets is not None or record.entries is not None:
        entries = None if record.entries is None else [_from_entry(entry) for entry in record.entries]
        time = _from_time(record.time)
        return (
            record.obis, record.value, record.scaler, record.unit, record.text, time, record.octets, entries
        )  # fmt: skip
    if record.text is not None:
        return (record.obis, record.value, record.scaler, record.unit, record.text)
    return (record.obis, record.value, record.scaler, record.unit)


def _to_record(
    obis: str,
    value: int | None,
    scaler: int,
    unit: str | None,
    text: str | None = None,
    time: str | bool | None = False,
    octets: bytes | None = None,
    entries: list[list[Any]] | None = None,
) -> Record:
    rows = None if entries is None else tuple([_to_entry(*fields) for fields in entries])
    return Record(Obis(obis), value, scaler, unit, text, _to_time(time), octets, rows)


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
