"""What a value must be beyond its type. Written beside the field: `Annotated[Duration, POSITIVE]`.

For numbers and texts msgspec's own `Meta(ge=…, min_length=…)` serves as well.
"""

import difflib
import math
import stat
import zoneinfo
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from datalogger.words import ByteSize


class Check(NamedTuple):
    """`allow` raises ValueError with the mend; the loader names file, line, key and value."""

    allow: Callable[[Any], object]


def nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean "…"?', or nothing where no name is near."""
    found = nearest_of(name, known)
    return f'; did you mean "{found}"?' if found else ""


def nearest_of(name: str, known: Iterable[str]) -> str | None:
    """The known name that is near to this one, in whatever case."""
    folded = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def listen_address(text: str) -> tuple[str, int] | None:
    """Host and port of "HOST:PORT" or "[IPV6]:PORT"; None for "". ValueError with the mend."""
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    plain = host.isprintable() and " " not in host and (bracketed or ":" not in host)
    if not (colon and host and plain and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise ValueError('expected "HOST:PORT" such as "127.0.0.1:8420", a port from 0 to 65535, or "" for none')
    return host, int(port)


def host_and_port(host: str, port: int) -> str:
    """As `listen_address` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _positive(value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError("must be more than 0")


def _no_directory(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:  # not there yet, or not to be looked at: that shows when it is opened
        return
    if stat.S_ISDIR(mode):
        raise ValueError(f"is a directory: name a file in it, such as {path / 'spool.db'}")


def at_least(least: ByteSize, what_for: str) -> Check:
    """Of sizes."""

    def allow(size: ByteSize) -> None:
        if size < least:
            raise ValueError(f"must be at least {least}, {what_for}")

    return Check(allow)


def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """ValueError with the mend where there is none of this name."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:
            raise ValueError("this machine has no time zone data: apt install tzdata, or pip install tzdata") from None
        raise ValueError(f"no such time zone{nearest(name, known) or '; such as Europe/Amsterdam'}") from None


POSITIVE = Check(_positive)
NO_DIRECTORY = Check(_no_directory)
ZONE = Check(time_zone)
ADDRESS = Check(listen_address)
