"""Durations and sizes as people write them: "10s", "5m", "30d", "256MB"."""

import re
from datetime import timedelta
from decimal import Decimal

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB)", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_LONGEST = 36500 * 86400.0  # a century: beyond it somebody slipped, and a date cannot hold it
_LARGEST = 2**53  # octets; a JSON number holds it exactly
_OCTETS = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3}


class Duration(float):
    """Seconds."""

    @classmethod
    def parse(cls, text: object) -> "Duration":
        """ValueError with the mend where `text` is no duration."""
        found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise ValueError(f'{_unitless(text, "s")}expected a duration such as "500ms", "10s", "5m", "2h" or "30d"')
        seconds = float(found[1]) * _SECONDS[found[2]]
        if seconds > _LONGEST:
            raise ValueError('longer than a century: expected a duration such as "10s" or "30d"')
        return cls(seconds)

    def __str__(self) -> str:
        for unit in ("d", "h", "m", "s"):
            if self >= _SECONDS[unit] and self % _SECONDS[unit] == 0:
                return f"{int(self / _SECONDS[unit])}{unit}"
        return f"{self * 1000:g}ms"

    @property
    def delta(self) -> timedelta:
        return timedelta(seconds=self)


class ByteSize(int):
    """Octets; 1 kB is 1000."""

    @classmethod
    def parse(cls, text: object) -> "ByteSize":
        """ValueError with the mend where `text` is no size."""
        found = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise ValueError(f'{_unitless(text, "MB")}expected a size such as "500kB", "256MB" or "2GB"')
        octets = Decimal(found[1]) * _OCTETS[found[2]]
        if octets > _LARGEST:
            raise ValueError('larger than any disk: expected a size such as "256MB" or "2GB"')
        return cls(octets)

    def __str__(self) -> str:
        for unit in ("GB", "MB", "kB"):
            if self >= _OCTETS[unit] and self % _OCTETS[unit] == 0:
                return f"{self // _OCTETS[unit]}{unit}"
        return f"{int(self)}B"


def _unitless(value: object, unit: str) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number or (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
        return f'a number without a unit, write "{str(value).strip()}{unit}": '
    return ""
