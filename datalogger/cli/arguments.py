"""What a word on the command line turns into; whatever is wrong with it is a wrong use, with the mend."""

from zoneinfo import ZoneInfo

import click

from datalogger.config.checks import listen_address, time_zone
from datalogger.words import Duration

TITLE_DIGITS = 16


def duration(text: str) -> Duration:
    try:
        return Duration.parse(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}") from None


def address(text: str) -> tuple[str, int]:
    try:
        found = listen_address(text)
    except ValueError:
        found = None
    if found is None:
        raise click.BadParameter(f'{text!r}: expected HOST:PORT such as "127.0.0.1:8023"; port 0 takes any')
    return found


def zone(name: str) -> ZoneInfo:
    try:
        return time_zone(name)
    except ValueError as error:
        raise click.BadParameter(f"{name!r}: {error}") from None


def system_title(text: str) -> bytes:
    try:
        title = bytes.fromhex(text)
    except ValueError:
        title = b""
    if 2 * len(title) != TITLE_DIGITS:
        # It may be a key, in the wrong place: so it is not shown.
        raise click.BadParameter(f"{TITLE_DIGITS} hex digits are wanted, and this has {len(text)} characters")
    return title
