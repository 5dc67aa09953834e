"""COSEM dates and times: 12 octets date-time, 5 date, 4 time.

Any field may say "not specified" or "every": what has no moment is None, never a guess.
"""

from calendar import monthrange
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

Policy = Literal["trust", "local", "standard", "arrival"]
"""What the meter's clock shows.

trust:    what its deviation says; where it gives none, local time
local:    local time of the zone, summer time included; the deviation is not looked at
standard: the zone's standard time all year; the deviation is not looked at
arrival:  nothing of use
"""

DATE_TIME_SIZE, DATE_SIZE, TIME_SIZE = 12, 5, 4

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


def parse(octets: bytes) -> CosemTime | None:
    """None where these are not twelve octets."""
    if len(octets) != DATE_TIME_SIZE:
        return None
    day, clock = parse_date(octets[:5]), parse_time(octets[5:9])
    deviation: int | None = int.from_bytes(octets[9:11], "big", signed=True)
    status = octets[11]
    return CosemTime(
        datetime.combine(day, clock) if day is not None and clock is not None else None,
        deviation if deviation is not None and abs(deviation) <= _LARGEST_DEVIATION else None,
        None if status == _ANY else status,
    )


def parse_date(octets: bytes) -> date | None:
    """Five octets: year, month, day of month, day of week (not looked at: meters fill it with anything)."""
    if len(octets) != DATE_SIZE:
        return None
    year, month, day = int.from_bytes(octets[:2], "big"), octets[2], octets[3]
    if year not in YEARS or not 1 <= month <= 12:
        return None
    if day in (_LAST_DAY, _DAY_BEFORE_LAST):
        day += monthrange(year, month)[1] - _LAST_DAY
    try:
        return date(year, month, day)
    except ValueError:
        return None


def parse_time(octets: bytes) -> time | None:
    """Four octets: hour, minute, second, and hundredths, which no meter's clock is worth: they are left out, so that
    what was pushed in one second has one time."""
    if len(octets) != TIME_SIZE:
        return None
    hour, minute, second, hundredths = octets
    if hundredths > 99 and hundredths != _ANY:
        return None
    try:
        return time(hour, minute, second)
    except ValueError:
        return None


def resolve(octets: bytes, zone: tzinfo, policy: Policy) -> datetime | None:
    """The moment that twelve octets name, as a time with a fixed offset; None where they name none."""
    found = parse(octets)
    if found is None or found.local is None or policy == "arrival":
        return None
    if policy == "standard":
        return found.local.replace(tzinfo=_standard(zone, found.local.year))
    if policy == "trust" and found.deviation is not None:
        return _by_deviation(found.local, found.deviation)
    return _in_zone(found.local, found.status, zone)


def sent(octets: bytes, zone: tzinfo, policy: Policy) -> datetime | None:
    """As `resolve`, but what the meter says of its deviation always holds: the time as it was sent."""
    found = parse(octets)
    if found is not None and found.local is not None and found.deviation is not None:
        return _by_deviation(found.local, found.deviation)
    return resolve(octets, zone, "standard" if policy == "standard" else "local")


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


def _by_deviation(local: datetime, deviation: int) -> datetime:
    return local.replace(tzinfo=timezone(timedelta(minutes=-deviation)))


def _in_zone(local: datetime, status: int | None, zone: tzinfo) -> datetime:
    """Local time; the clock status says which of the two in the doubled hour, the first where there is none."""
    second = status is not None and not status & _DAYLIGHT_SAVING
    offset = local.replace(tzinfo=zone, fold=int(second)).utcoffset()
    return local.replace(tzinfo=timezone(offset or timedelta(0)))


@lru_cache(maxsize=256)
def _standard(zone: tzinfo, year: int) -> timezone:
    """The smaller of January's and July's offset: right south of the equator too, and where the zone's data call
    winter the exception (Dublin)."""
    return timezone(min(datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta(0) for month in (1, 7)))
