"""COSEM dates and times: 12 octets date-time, 5 date, 4 time.

Any field may say "not specified" or "every": what has no moment is None, never a guess.
"""

import struct
from calendar import monthrange
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

Policy = Literal["trust", "local", "standard", "arrival"]
"""What the meter's clock shows.

trust:    what its deviation says; where it gives none, local time
local:    local time of the zone, summer time included; the deviation is not looked at
standard: the zone's standard time all year; the deviation is not looked at
arrival:  nothing of use
"""

DATE_TIME_SIZE = 12
_FIELDS = struct.Struct(">H7BhB")

YEARS = range(1970, 9999)  # so that every zone has this moment; and no meter's clock can mean an earlier one
_PLAUSIBLE_YEARS = range(1990, 2101)
_ANY_YEAR, _ANY = 0xFFFF, 0xFF
_LAST_DAY, _DAY_BEFORE_LAST = 0xFE, 0xFD
_DAYLIGHT_SAVING_ENDS, _DAYLIGHT_SAVING_BEGINS = 0xFD, 0xFE  # instead of a month
_LARGEST_DEVIATION = 720  # minutes
_NO_DEVIATION = -0x8000
_DAYLIGHT_SAVING = 0x80
_STATUS_BITS = 0x8F  # daylight saving, invalid status, different base, doubtful, invalid; the others are reserved


class CosemTime(NamedTuple):
    """A date-time as its twelve octets have it.

    local:     naive; None where they name no moment
    deviation: minutes to add to reach UTC; None where the meter gives none, or an impossible one
    status:    the clock status; None where the meter gives none
    """

    local: datetime | None
    deviation: int | None
    status: int | None


@lru_cache(maxsize=16)  # a push names its moment in several places, and is asked for it twice; so does `resolve`
def parse(octets: bytes) -> CosemTime | None:
    """None where these are not twelve octets."""
    if len(octets) != DATE_TIME_SIZE:
        return None
    # The day of the week is not looked at: meters fill it with anything. Nor are hundredths, which no meter's clock is
    # worth: so what was pushed in one second has one time.
    year, month, day, _, hour, minute, second, hundredths, deviation, status = _FIELDS.unpack(octets)
    return CosemTime(
        _local(year, month, day, hour, minute, second) if hundredths <= 99 or hundredths == _ANY else None,
        deviation if abs(deviation) <= _LARGEST_DEVIATION else None,
        None if status == _ANY else status,
    )


def _local(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime | None:
    if year not in YEARS:
        return None
    if day in (_LAST_DAY, _DAY_BEFORE_LAST) and 1 <= month <= 12:
        day += monthrange(year, month)[1] - _LAST_DAY
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 the offset is for others to say
    except ValueError:
        return None


@lru_cache(maxsize=16)
def resolve(octets: bytes, zone: tzinfo, policy: Policy) -> datetime | None:
    """The moment that twelve octets name, as a time with a fixed offset; None where they name none."""
    found = parse(octets)
    if found is None or found.local is None or policy == "arrival":
        return None
    if policy == "standard":
        return found.local.replace(tzinfo=_standard(zone, found.local.year))
    if policy == "trust" and found.deviation is not None:
        return found.local.replace(tzinfo=_fixed(timedelta(minutes=-found.deviation)))
    return _in_zone(found.local, found.status, zone)


def sent(octets: bytes, zone: tzinfo, policy: Policy) -> datetime | None:
    """As `resolve`, but what the meter says of its deviation always holds: the time as it was sent."""
    found = parse(octets)
    states_it = found is not None and found.deviation is not None
    return resolve(octets, zone, "trust" if states_it else "standard" if policy == "standard" else "local")


def looks_like(octets: bytes) -> bool:
    """Could these octets be a date-time? For octet strings of which nobody says so: no text and no number passes."""
    if len(octets) != DATE_TIME_SIZE:
        return False
    year, deviation = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[9:11], "big", signed=True)
    month, day, weekday, hour, minute, second, hundredths = octets[2:9]
    status = octets[11]
    return (
        (year in _PLAUSIBLE_YEARS or year == _ANY_YEAR)
        and (1 <= month <= 12 or month in (_ANY, _DAYLIGHT_SAVING_ENDS, _DAYLIGHT_SAVING_BEGINS))
        and (1 <= day <= 31 or day >= _DAY_BEFORE_LAST)
        and (weekday <= 7 or weekday == _ANY)
        and (hour <= 23 or hour == _ANY)
        and (minute <= 59 or minute == _ANY)
        and (second <= 59 or second == _ANY)
        and (hundredths <= 99 or hundredths == _ANY)
        and (abs(deviation) <= _LARGEST_DEVIATION or deviation == _NO_DEVIATION)
        and (not status & ~_STATUS_BITS or status == _ANY)
    )


@lru_cache(maxsize=64)
def _fixed(offset: timedelta) -> timezone:
    return timezone(offset)


def _in_zone(local: datetime, status: int | None, zone: tzinfo) -> datetime:
    """Local time; the clock status says which of the two in the doubled hour, the first where there is none."""
    second = status is not None and not status & _DAYLIGHT_SAVING
    offset = zone.utcoffset(local.replace(fold=1) if second else local)
    return local.replace(tzinfo=_fixed(offset or timedelta(0)))


@lru_cache(maxsize=256)
def _standard(zone: tzinfo, year: int) -> timezone:
    """The smaller of January's and July's offset: right south of the equator too, and where the zone's data call
    winter the exception (Dublin)."""
    return timezone(min(datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta(0) for month in (1, 7)))
