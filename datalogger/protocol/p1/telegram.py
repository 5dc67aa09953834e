"""Reads one P1 telegram into a `Report`. No variant to choose: each line is read by its own form.

value            1-0:1.8.1(001073.079*kWh)                    star or unit may be missing
time and value   0-1:24.2.1(200512134558S)(00112.384*m3)      in either order
M-Bus profile    0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)(00024.123)
rows             1-0:99.97.0(1)(0-0:96.7.19)(170609063239S)(0000000267*s)
                 0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)
                 0-0:98.1.0(230801000000S)(000663.924*kWh)(000012.100*kWh)
two values       1-1:31.4.0(100*A)(-63*A)
anything else    0-0:96.14.0(0002)                            text, number or clock: see `objects`
"""

import re
from binascii import unhexlify
from collections.abc import Sequence
from datetime import datetime, tzinfo

from msgspec import UNSET, UnsetType

from datalogger import units
from datalogger.errors import DecodeError
from datalogger.model import Entry, Record, Report
from datalogger.obis import Obis
from datalogger.protocol.framing import Reason
from datalogger.protocol.p1 import timestamp
from datalogger.protocol.p1.objects import OBJECTS, Bare

MAX_DIGITS = 18  # what fits a signed 64-bit integer, whoever stores it; meters send 15 at most

# Whose identifier the report carries: the first of these that is there and not empty.
MAIN_METER = (
    "0-0:96.1.1*255",  # Netherlands, Belgium
    "0-0:96.1.0*255",  # Hungary, Ireland, Slovenia
    "0-0:42.0.0*255",  # Luxembourg: the COSEM logical device name
    "0-0:96.1.255*255",  # Germany, D0 push
    "1-0:96.1.0*255",  # Germany
    "1-0:0.0.0*255",  # Germany: the identification number on the meter's face
    "0-0:0.0.0*255",
)

_Value = tuple[int, int, str | None]  # value, scaler, unit

_SCALES: dict[str, tuple[str | None, int]] = {"": (None, 0), **units.SPELLINGS}
_CLOSED_UNITS = {f"{spelling})": scale for spelling, scale in units.SPELLINGS.items()}
_SIGN_OR_NO_STAR = re.compile(r"([+-]?[0-9]+)(?:\.([0-9]*))?(?:\*?([^0-9.*+-].*))?")
_REFERENCE = re.compile(r"(?:[0-9]+-)?[0-9]+:[0-9]+[.:][0-9]+\.[0-9]+(?:[*.][0-9]+)?")
_FLAGS = ("S", "W", "s", "w")
_SURELY_HEX = 16  # digits; fewer, and all of them decimal, may be a plain serial number


class _Odd(Exception):
    """This line has no known form."""


def decode_telegram(payload: bytes, *, check: bool, zone: tzinfo) -> Report:
    """The report of one telegram, from its `/` to its end.

    check: whether a check sum was there and held (`Frame.check`)
    zone:  resolves times that carry no summer or winter flag
    A line of no known form is kept as text (without OBIS code: under the empty one) and counted.
    DecodeError (malformed): no header, or not one object.
    """
    text = payload.replace(b"\r", b"").decode("latin-1")
    header, _, body = text.partition("\n")
    if not header.startswith("/"):
        raise DecodeError(
            Reason.MALFORMED, f"a telegram begins with /, not with {payload[:8].hex().upper() or 'nothing'}"
        )
    # A line that begins with a bracket goes on with the line before (the readings of DSMR 2.2).
    body = f"\n{body}".replace("\n(", "(")
    body = body[: end if (end := body.rfind("\n!")) >= 0 else None]
    records: list[Record] = []
    names: dict[str, str] = {}
    meter_time: datetime | None = None
    odd = 0
    objects, add, closed_units = OBJECTS, records.append, _CLOSED_UNITS  # looked up 36 times in a telegram
    for line in body.split("\n"):
        spelling, _, rest = line.partition("(")
        found = objects[spelling]
        if found is None:
            if line:
                add(Record(Obis(""), text=line))
                odd += 1
            continue
        obis, bare = found
        number, _, unit = rest.partition("*")
        if scale := closed_units.get(unit):  # most lines: `number*unit)`
            whole, _, fraction = number.partition(".")
            digits = whole + fraction
            if digits.isdecimal() and len(digits) <= MAX_DIGITS:
                symbol, power = scale
                add(Record(obis, int(digits), power - len(fraction), symbol))
                continue
        elif bare == "number" and (digits := rest[:-1]).isdecimal() and rest[-1] == ")" and len(digits) <= MAX_DIGITS:
            add(Record(obis, int(digits)))
            continue
        try:
            record = _record(obis, bare, rest, zone)
        except _Odd:
            record = Record(obis, text=rest.removesuffix(")"))
            odd += 1
        add(record)
        if bare == "name" and record.text:
            names.setdefault(obis, record.text)
        elif bare == "clock" and meter_time is None and isinstance(record.time, datetime):
            meter_time = record.time
    if odd == len(records):
        raise DecodeError(Reason.MALFORMED, f"no object line in {len(payload)} octets")
    return Report(
        protocol="p1",
        meter=next((names[meter] for meter in MAIN_METER if meter in names), ""),
        identification=header[1:],
        meter_time=meter_time,
        check="ok" if check else "absent",
        records=tuple(records),
        odd_lines=odd,
        frame=payload,
    )


def _record(obis: Obis, bare: Bare, rest: str, zone: tzinfo) -> Record:
    """`rest` is what stands behind the first bracket of the line."""
    group = rest[:-1]
    if rest[-1:] != ")":
        raise _Odd
    if ")(" in group:
        groups = group.split(")(")
        if len(groups) > 2 or bare == "profile":
            return _profile(obis, groups, zone)
        return _pair(obis, groups[0], groups[1], zone)
    if bare == "name":
        return Record(obis, text=_plain(group))
    if bare == "message":
        return Record(obis, text=_from_hex(group))
    if bare == "profile":
        return _profile(obis, [group], zone)
    if bare == "clock" or group[-1:] in _FLAGS:  # with its flag a time is one wherever it stands
        read = timestamp.read_naive if bare == "clock" else timestamp.read
        time = read(group, zone)
        if time is not UNSET:
            return Record(obis, time=time)
    if bare == "number" or "*" in group:
        value = _value(group)
        if value is not None:
            return Record(obis, *value)
        if bare == "number" and "*" in group:
            raise _Odd
    return Record(obis, text=group)


def _pair(obis: Obis, first: str, second: str, zone: tzinfo) -> Record:
    """A value and its capture time, in either order, or two values."""
    time, group = timestamp.read_naive(first, zone), second
    if time is UNSET:
        time, group = timestamp.read_naive(second, zone), first
    if time is UNSET:
        return Record(obis, entries=tuple(Entry(UNSET, *_sure_value(group)) for group in (first, second)))
    value = _value(group)
    if value is None:
        return Record(obis, text=group, time=time)
    number, scaler, unit = value
    return Record(obis, number, scaler, unit, time=time)


def _profile(obis: Obis, groups: Sequence[str], zone: tzinfo) -> Record:
    """Rows of a profile generic, or the M-Bus profile with its one reading."""
    if len(groups) == 7 and _REFERENCE.fullmatch(groups[4]):
        return _mbus_reading(obis, groups, zone)
    if len(groups) == 1:
        return Record(obis, entries=()) if groups[0] in ("", "0") else Record(obis, *_sure_value(groups[0]))
    first = 0
    if groups[0].isdecimal():  # how many rows, then the objects in them
        first = 1
        while first < len(groups) and ":" in groups[first] and _REFERENCE.fullmatch(groups[first]):
            first += 1
    rows = groups[first:] if first > 1 else groups
    return Record(obis, entries=_rows(rows, zone))


def _rows(groups: Sequence[str], zone: tzinfo) -> tuple[Entry, ...]:
    """Each value ends a row. One time before it is the row's, of two the second is the moment of the
    peak; a value without a time of its own shares the time of the row before (a month-end snapshot).
    """
    rows: list[Entry] = []
    time: datetime | UnsetType | None = UNSET
    occurred: datetime | UnsetType | None = UNSET
    times = 0  # in the row so far
    for group in groups:
        read = timestamp.read(group, zone)
        if read is UNSET:
            if group:
                number, scaler, unit = _sure_value(group)
                rows.append(Entry(time, number, scaler, unit, occurred))
                times, occurred = 0, UNSET
            continue
        times += 1
        if times == 1:
            time = read
        elif times == 2:
            occurred = read
        else:
            raise _Odd
    if times:
        raise _Odd
    return tuple(rows)


def _mbus_reading(obis: Obis, groups: Sequence[str], zone: tzinfo) -> Record:
    """DSMR 2.2 and 3.0: the reading belongs to the object in the fifth group, if that is on the line's
    own channel (some meters print channel 1 for every channel).
    """
    captured, _, _, _, name, unit, reading = groups
    time = timestamp.read_naive(captured, zone)
    if time is UNSET:
        raise _Odd
    named = OBJECTS[name]
    if named is not None and named[0].partition(":")[0] == obis.partition(":")[0]:
        obis = named[0]
    return Record(obis, *_sure_value(f"{reading}*{unit}" if unit else reading), time=time)


def _value(group: str) -> _Value | None:
    """A number with or without unit, with or without the star between; None where it is none."""
    number, _, unit = group.partition("*")
    whole, _, fraction = number.partition(".")
    scale = _SCALES.get(unit)
    if scale is None or not (whole + fraction).isdecimal():
        found = _SIGN_OR_NO_STAR.fullmatch(group)
        if found is None:
            return None
        whole, fraction, unit = found.groups("")
        scale = units.parse(unit) if unit else _SCALES[""]
    if scale is None or len(whole) + len(fraction) > MAX_DIGITS:
        return None
    symbol, power = scale
    return int(whole + fraction), power - len(fraction), symbol


def _sure_value(group: str) -> _Value:
    value = _value(group)
    if value is None:
        raise _Odd
    return value


def _plain(group: str) -> str:
    """An identifier: the text behind its hex, where it is surely hex."""
    return group if len(group) < _SURELY_HEX and group.isdecimal() else _from_hex(group)


def _from_hex(group: str) -> str:
    """The text behind hex of printable ASCII; anything else as sent."""
    try:
        text = unhexlify(group).decode("ascii")
    except ValueError:
        return group
    return text if text.isprintable() else group
