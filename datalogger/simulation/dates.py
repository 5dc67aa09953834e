"""COSEM dates and times in place: day and hour are written anew, all else of the octets stays."""

from datetime import datetime

DATE_OCTETS = (5, 12)  # a date alone; a date-time

_YEARS = range(1990, 2100)  # others are no date of a meter, but octets that happen to look like one


def read_date(octets: bytes) -> datetime | None:
    """Of a date (5 octets: midnight) or a date-time (12); None where it is none, or leaves something open."""
    if len(octets) not in DATE_OCTETS or int.from_bytes(octets[:2], "big") not in _YEARS:
        return None
    if octets[4] not in (*range(8), 0xFF):  # the weekday, 0 where a meter does not know it
        return None
    try:
        hour, minute, second = octets[5:8] if len(octets) == 12 else (0, 0, 0)
        return datetime(int.from_bytes(octets[:2], "big"), octets[2], octets[3], hour, minute, second)  # noqa: DTZ001 as on the wire
    except ValueError:
        return None


def has_year(octets: bytes) -> bool:
    """Whether these begin as a date does, possible or not, or leave the year open."""
    return int.from_bytes(octets[:2], "big") in (*_YEARS, 0xFFFF)


def write_date(octets: bytes, time: datetime) -> bytes:
    """The same octets with another day and, in a date-time, hour, minute and second; the weekday where there is one."""
    weekday = time.isoweekday() if octets[4] in range(1, 8) else octets[4]
    day = time.year.to_bytes(2, "big") + bytes((time.month, time.day, weekday))
    if len(octets) == 5:
        return day
    return day + bytes((time.hour, time.minute, time.second)) + octets[8:]


def is_time_of_day(octets: bytes) -> bool:
    """Hour, minute, second, hundredths."""
    return len(octets) == 4 and octets[0] < 24 and octets[1] < 60 and octets[2] < 60 and octets[3] < 100
