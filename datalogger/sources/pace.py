"""How fast a capture is replayed: the seconds between two of its telegrams. Pure."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

# A telegram → the seconds that pass before it, since the one before.
Pace = Callable[[bytes], float]

# Between telegrams that carry no time: DSMR 2.2 and 3 send one in 10 s.
STEP = timedelta(seconds=10)

# More than this (or less than nothing) lies between two captures joined in one file, not between two telegrams.
LONGEST_GAP = timedelta(hours=1)

_STAMP = re.compile(rb"^0-0:1\.0\.0(?:[*.]255)?\((\d{12})([SWsw]?)\)", re.MULTILINE)
_FACTOR = re.compile(r"(\d+(?:\.\d+)?)x")


def even(seconds: float) -> Pace:
    """One telegram in so many seconds, whatever they say; 0 for as fast as they are taken."""
    return lambda telegram: seconds if telegram.startswith(b"/") else 0


class OwnPace:
    """As the telegrams' own times (0-0:1.0.0) say, `factor` times as fast."""

    def __init__(self, factor: float = 1) -> None:
        self._factor = factor
        self._at: datetime | None = None
        self._begun = False

    def __call__(self, telegram: bytes) -> float:
        if not telegram.startswith(b"/"):
            return 0  # octets before the first telegram
        begun, self._begun = self._begun, True
        before, stamp = self._at, meter_time(telegram)
        gap = STEP if stamp is None or before is None else stamp - before
        if not timedelta(0) <= gap <= LONGEST_GAP:
            gap = STEP
        self._at = stamp or (before + STEP if before else None)
        return gap.total_seconds() / self._factor if begun else 0


def meter_time(telegram: bytes) -> datetime | None:
    """In winter time, without a zone: only differences are meant. None where there is none, or no such date."""
    found = _STAMP.search(telegram)
    if found is None:
        return None
    try:
        stamp = datetime.strptime(found[1].decode(), "%y%m%d%H%M%S")  # noqa: DTZ007 the zone does not matter here
    except ValueError:
        return None
    return stamp - timedelta(hours=1) if found[2].upper() == b"S" else stamp


def named(speed: str) -> Pace:
    """ "own", "max" or a factor such as "10x"; ValueError with the mend."""
    if speed == "own":
        return OwnPace()
    if speed == "max":
        return even(0)
    factor = _FACTOR.fullmatch(speed)
    if factor is None or float(factor[1]) == 0:
        raise ValueError('expected "own", "max" or a factor such as "10x"')
    return OwnPace(float(factor[1]))
