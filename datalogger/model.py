"""The record model: what every protocol turns into and every sink is given."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from datalogger.obis import Obis


class Entry(Struct, frozen=True, gc=False, omit_defaults=True):
    """One row of a profile generic: an event log, a peak history, a month's end.

    `time` is the period's end (or the event's moment), `occurred` the moment of the peak.
    """

    time: datetime | UnsetType | None = UNSET
    value: int | None = None
    scaler: int = 0
    unit: str | None = None
    occurred: datetime | UnsetType | None = UNSET
    text: str | None = None


class Record(Struct, frozen=True, gc=False, omit_defaults=True):
    """One COSEM object as the meter sent it: physical = value × 10^scaler.

    A number is an integer `value` with `scaler` and `unit` (never a float); otherwise `text`,
    `octets`, a `time` alone (a clock) or `entries`. `time` beside a value is its capture time:
    UNSET where the meter sends none, None where it says that it has none.
    """

    obis: Obis
    value: int | None = None
    scaler: int = 0
    unit: str | None = None
    text: str | None = None
    time: datetime | UnsetType | None = UNSET
    octets: bytes | None = None
    entries: tuple[Entry, ...] | None = None

    @property
    def physical(self) -> Decimal | None:
        """The value in `unit`, exactly."""
        return None if self.value is None else Decimal(self.value).scaleb(self.scaler)


class Report(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """All records of one telegram, push or poll, and the raw frame they came from.

    meter:       the main meter's identifier; "" where the frame names none
    meter_time:  the meter's own clock, zone-aware; None where it has none or calls it invalid
    received_at: when the last octet came in, UTC; None for a report decoded from a file
    check:       "absent" where the protocol has no check sum and none could be verified
    odd_lines:   how many lines had no known form and are kept as text
    """

    protocol: Literal["p1", "dlms", "modbus"]
    source: str = ""
    meter: str = ""
    identification: str = ""
    meter_time: datetime | None = None
    received_at: datetime | None = None
    check: Literal["ok", "absent"] = "ok"
    records: tuple[Record, ...] = ()
    odd_lines: int = 0
    frame: bytes = b""


class Delivery(Struct, frozen=True, gc=False):
    """One report on its way to one sink.

    sequence: its place in the spool; strictly rising
    doubtful: an earlier attempt ended without an answer, so the receiver may have it already
    forced:   a person asked for it to be sent again: no freshness rule applies
    """

    sequence: int
    report: Report
    doubtful: bool = False
    forced: bool = False

    @property
    def id(self) -> str:
        """Meter, meter time and sequence, for receivers that can refuse a duplicate."""
        report = self.report
        stamp = report.meter_time or report.received_at
        return f"{report.meter or report.source}/{stamp.isoformat() if stamp else '-'}/{self.sequence}"
