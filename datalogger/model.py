"""The record model: what every protocol turns into and every sink is given."""

import math
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


class PushObject(Struct, frozen=True, gc=False, array_like=True):
    """One line of a push object list: which attribute of which object the push carries."""

    obis: Obis
    class_id: int
    attribute: int
    data_index: int


class Record(Struct, frozen=True, gc=False, omit_defaults=True):
    """One COSEM object as the meter sent it: physical = value × 10^scaler.

    A number is an integer `value` with `scaler` and `unit` (never a float, but for `real`, where
    the meter itself sent an IEEE float); otherwise `text`, `octets`, a `time` alone (a clock) or
    `entries`. `time` beside a value is its capture time: UNSET where the meter sends none, None
    where it says that it has none.

    DLMS only, None where the push does not say:
    position:     0-based index in the body of a value that came without its name. With `obis` ""
                  nobody knows its meaning; beside a name, that name comes from a meter profile.
    class_id, attribute: the COSEM class and attribute
    tag:          the A-XDR type (facts of the coding: 6 is double-long-unsigned); a null-data value has
                  tag 0 and no value, a boolean tag 3 and value 0 or 1
    status:       of an extended register
    unscaled:     a register's raw number: neither wire, configuration nor profile knows its scaler
    not_measured: the number is the meter's way to say that there is none; `value` is None then
    push_objects: the push object list itself

    Modbus only:
    name:         of the register in its map; a register that has no logical name has `obis` ""
    """

    obis: Obis
    value: int | None = None
    scaler: int = 0
    unit: str | None = None
    text: str | None = None
    time: datetime | UnsetType | None = UNSET
    octets: bytes | None = None
    entries: tuple[Entry, ...] | None = None
    position: int | None = None
    class_id: int | None = None
    attribute: int | None = None
    tag: int | None = None
    status: int | None = None
    real: float | None = None
    unscaled: bool = False
    not_measured: bool = False
    push_objects: tuple[PushObject, ...] | None = None
    name: str = ""

    @property
    def physical(self) -> Decimal | None:
        """The value in `unit`, exactly; None where there is none, or nobody knows the scaler."""
        number = self.real if self.value is None else self.value
        if number is None or self.unscaled or not math.isfinite(number):
            return None
        return Decimal(number).scaleb(self.scaler)


class Security(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the envelope of a ciphered frame said, and whether it was held to it.

    system_title: eight octets, upper-case hex
    tag: the authentication tag held; was there and nobody has the key to check it; was not there
    """

    system_title: str
    invocation_counter: int
    tag: Literal["verified", "unchecked", "absent"]


class Report(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """All records of one telegram, push or poll, and the raw frame they came from.

    meter:       the main meter's identifier; "" where the frame names none
    meter_time:  the meter's own clock, zone-aware; None where it has none or calls it invalid
    received_at: when the last octet came in, UTC; None for a report decoded from a file
    check:       "absent" where the protocol has no check sum and none could be verified
    odd_lines:   how many lines had no known form and are kept as text
    frame:       what came in: a P1 telegram (deciphered where it was ciphered), or all octets of a push; of a poll
                 nothing
    profile:     DLMS: the meter profile that gave meaning; "" where none was needed or none is known. Modbus: the
                 register map
    security:    of a ciphered frame
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
    profile: str = ""
    security: Security | None = None


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
