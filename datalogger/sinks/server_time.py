"""The time DSMR-reader will read in a telegram, as that server reads it and not as the standard says.

Always `0-0:1.0.0`, always Europe/Amsterdam, S or W deciding only the ambiguous hour; where the line is
missing or impossible the server takes its own clock, so such a telegram must not come late.
"""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_LINE = re.compile(rb"^\d-\d:1\.0\.0.*?\(([^()]*)\)[^\n]*\r\n", re.MULTILINE)


def server_time(telegram: bytes) -> datetime | None:
    """In UTC; None where the server finds no time in it and takes its own."""
    lines = _LINE.findall(telegram)
    if not lines:
        return None
    stamp = lines[-1].decode("latin-1")  # of several the last one counts
    summer = len(stamp) == 13 and stamp[12] == "S"
    zone = ZoneInfo("Europe/Amsterdam")
    try:
        # The last character is cut off unseen: without an S or W that is a digit of the seconds.
        local = datetime.strptime(stamp[:-1], "%y%m%d%H%M%S").replace(tzinfo=zone, fold=0 if summer else 1)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
