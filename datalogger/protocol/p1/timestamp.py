"""Times as P1 meters write them.

`YYMMDDhhmmss` with `S` (summer) or `W` (winter): the flag decides the offset, not the calendar
(Nordic meters keep `W` all year). Without a flag it is local time in the meter's zone, and in the
doubled hour of autumn the first of the two.
"""

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from msgspec import UNSET, UnsetType

_SPACED = re.compile(r"([0-9]{4}|[0-9]{2})-?([0-9]{2})-?([0-9]{2}) ([0-9]{2}):?([0-9]{2})(?::?([0-9]{2}))?")
_COSEM = re.compile(r"[0-9A-Fa-f]{24}")

_DAYLIGHT_SAVING = 0x80  # bit of the clock status, the last octet of a COSEM date-time
_STATUS_UNKNOWN = 0xFF
_EARLIEST = "1970"
_FIRST_OF_19 = "70"  # two digits from 70 on are 19xx: `700101010000W` is what a meter says for "never"
_SUMMER = {"S": True, "s": True, "W": False, "w": False}


def read(text: str, zone: tzinfo) -> datetime | UnsetType | None:
    """The moment `text` names, zone-aware; None where it has the form of a time but is none
    (`632525252525W`); UNSET where it has not even the form.
    """
    length = len(text)
    if length == 13 or length == 15:
        summer = _SUMMER.get(text[-1])
        if summer is not None and (digits := text[:-1]).isdecimal():
            return _moment(digits[:-6], digits[-6:], summer, zone)
    elif length == 24 and _COSEM.fullmatch(text):
        return _cosem(bytes.fromhex(text), zone)
    if " " in text and (found := _SPACED.fullmatch(text)):
        year, month, day, hour, minute, second = found.groups("00")
        return _moment(year + month + day, hour + minute + second, None, zone)
    return UNSET


def read_naive(text: str, zone: tzinfo) -> datetime | UnsetType | None:
    """As `read`, and also `YYMMDDhhmmss` without a flag, where the place says that it is a time."""
    if len(text) == 12 and text.isdecimal():
        return _moment(text[:6], text[6:], None, zone)
    return read(text, zone)


def _cosem(octets: bytes, zone: tzinfo) -> datetime | None:
    """A COSEM date-time of 12 octets. Its deviation is not used: meters disagree about the sign."""
    year, month, day, hour, minute, second = int.from_bytes(octets[:2]), octets[2], octets[3], *octets[5:8]
    status = octets[11]
    summer = None if status == _STATUS_UNKNOWN else bool(status & _DAYLIGHT_SAVING)
    return _moment(f"{year:04}{month:02}{day:02}", f"{hour:02}{minute:02}{second:02}", summer, zone)


def _moment(date: str, clock: str, summer: bool | None, zone: tzinfo) -> datetime | None:
    """`date` is YYYYMMDD or YYMMDD, `clock` hhmmss; None where there is no such moment."""
    if len(date) == 6:
        date = ("19" if date >= _FIRST_OF_19 else "20") + date
    if date < _EARLIEST:
        return None
    try:
        if summer is None:
            offset = datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=zone).strftime("%z")
        else:
            offset = _offsets(zone, date[:4])[summer]
        return datetime.fromisoformat(f"{date}T{clock}{offset}")  # much faster than from six numbers
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=256)
def _offsets(zone: tzinfo, year_text: str) -> tuple[str, str]:
    """Standard and daylight saving offset of the zone in that year, as `+hhmm`.

    The smaller and the larger of January's and July's, which also holds south of the equator and
    where the zone's data call winter the exception (Dublin). A zone without daylight saving gets
    the usual hour: the meter says that it has it.
    """
    year = int(year_text)
    offsets = sorted(datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta(0) for month in (1, 7))
    standard, daylight = offsets[0], offsets[1] if offsets[1] > offsets[0] else offsets[0] + timedelta(hours=1)
    standard_text, daylight_text = (f"{datetime(year, 1, 1, tzinfo=timezone(o)):%z}" for o in (standard, daylight))
    return standard_text, daylight_text
