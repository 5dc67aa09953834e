"""A capture in a file: bytes as they came from the line, or the same as hex text with comments."""

from pathlib import Path
from typing import NamedTuple

import click

from datalogger.cli.hex_text import HexText, NotHex, looks_like_hex

MOST = 16 * 1024 * 1024  # octets of a file; a day of a push a second is 50 MB, and an hour of it shows all a meter does


class Captured(NamedTuple):
    """text: the hex text with its comments; b"" where the file is no hex."""

    octets: bytes
    text: bytes


def read_capture(path: Path) -> Captured:
    """A file, or `-` for standard input; click's own exceptions where it cannot be read."""
    with click.open_file(str(path), "rb") as file:
        octets: bytes = file.read(MOST + 1)
    if len(octets) > MOST:
        raise click.UsageError(f"{path}: more than {MOST} octets: cut out some minutes of it (head -c 1000000)")
    if looks_like_hex(octets) is False or not octets.strip():
        return Captured(octets, b"")
    reader = HexText()
    try:
        found = reader.feed(octets)
        reader.end()
    except NotHex as error:
        raise click.UsageError(f"{path}: {error}") from error
    return Captured(found, octets)
