"""datalogger decode: Report JSON, one object a line, from captured bytes or hex text."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from datalogger.cli.hex_text import HexText, NotHex, looks_like_hex
from datalogger.cli.say import say, silence
from datalogger.config.checks import time_zone
from datalogger.encoding.report_json import encode_rejected, encode_report
from datalogger.errors import DecodeError
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.p1.framer import P1Framer
from datalogger.protocol.p1.telegram import decode_telegram

BLOCK = 64 * 1024  # octets read at once
WORTH_A_BAR = 4 * 1024 * 1024  # octets: about a second of decoding


def _zone(ctx: click.Context, param: click.Parameter, name: str) -> ZoneInfo:
    try:
        return time_zone(name)
    except ValueError as error:
        raise click.BadParameter(f"{name!r}: {error}") from None


@click.command(
    epilog="""\b
Examples:
  datalogger decode capture.bin
  timeout 30 cat /dev/ttyUSB0 | datalogger decode
  datalogger decode --zone Europe/Vilnius telegram.txt | jq '.records[] | select(.unit == "Wh")'

\b
Exit status: 0 every frame was read; 1 something was rejected, or nothing was found; 2 wrong usage.
A reader that leaves (| head) ends it: then the status speaks of what was read so far.
"""
)
@click.option(
    "--zone",
    callback=_zone,
    metavar="NAME",
    default="Europe/Amsterdam",
    show_default=True,
    help="Zone of meter times that carry no summer or winter flag.",
)
@click.option(
    "--framing",
    type=click.Choice(["auto", "p1"]),
    default="auto",
    show_default=True,
    help="What the bytes are. P1 telegrams are all that this version reads.",
)
@click.option("--hex", "as_hex", is_flag=True, help="The input is hex text (recognised by itself; # begins a comment).")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
def decode(zone: ZoneInfo, framing: str, as_hex: bool, files: tuple[Path, ...]) -> None:
    """Print what is in FILEs (or standard input) as Report JSON, one object a line.

    A file is bytes as they came from the line, or the same as hex text. What cannot be read is
    a line too: {"rejected": …, "octets": …, "offset": …, "detail": …}.
    """
    del framing  # both choices mean the same until there is a second framing
    sound = True
    try:
        for path in files or (Path("-"),):
            sound = _decode_file(path, zone, as_hex) and sound
    except KeyboardInterrupt:
        sys.exit(130)  # as the shell counts it; nobody who pressed Ctrl-C needs to be told
    except ReaderGone as gone:
        silence(sys.stdout)
        sound = gone.sound and sound
    sys.exit(0 if sound else 1)


class ReaderGone(Exception):
    """Nobody reads the output any more (`| head`), so there is nothing left to do.

    sound: whether all was well with what was read so far
    """

    def __init__(self, *, sound: bool) -> None:
        super().__init__()
        self.sound = sound


def _decode_file(path: Path, zone: ZoneInfo, as_hex: bool) -> bool:
    """Whether there was something to read, and all of it was read."""
    output = sys.stdout.buffer
    framer = P1Framer()
    offset, found, sound = 0, False, True  # found: whether there is anything to tell

    def show(events: list[Frame | Rejected]) -> None:
        nonlocal offset, found, sound
        for event in events:
            line, good = _line(event, offset, zone)
            offset += len(event.octets)
            sound = sound and good
            if line:
                found = True
                output.write(line + b"\n")
        if events:
            output.flush()

    try:
        for octets in _octets(path, as_hex):
            show(framer.feed(octets))
        show(framer.idle())
    except NotHex as error:
        raise click.UsageError(f"{path}: {error}") from error
    except BrokenPipeError:
        raise ReaderGone(sound=sound) from None
    if not found:
        say(f"{path}: no telegram found", err=True)
    return found and sound


def _line(event: Frame | Rejected, offset: int, zone: ZoneInfo) -> tuple[bytes, bool]:
    """The line to print for this event, if any, and whether all is well with it."""
    if isinstance(event, Rejected):
        if event.reason is Reason.PADDING:
            return b"", True
        return encode_rejected(event.reason, octets=len(event.octets), offset=offset, detail=event.detail), False
    try:
        return encode_report(decode_telegram(event.payload, check=event.check, zone=zone)), True
    except DecodeError as error:
        return encode_rejected(error.reason, octets=len(event.octets), offset=offset, detail=error.detail), False


def _octets(path: Path, as_hex: bool) -> Iterator[bytes]:
    """The input block by block, hex text turned into octets. NotHex where it is none."""
    with click.open_file(str(path), "rb") as file:
        blocks = _blocks(file, path)
        first = b""
        hexadecimal = True if as_hex else None
        while hexadecimal is None and len(first) < BLOCK and (block := next(blocks, b"")):
            first += block
            hexadecimal = looks_like_hex(first)
        if hexadecimal is False or (hexadecimal is None and len(first) >= BLOCK):  # blanks alone are no hex
            yield first
            yield from blocks
            return
        text = HexText()
        yield text.feed(first)
        for block in blocks:
            yield text.feed(block)
        text.end()


def _blocks(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """What can be read at once, with a progress bar where a person would wait for it."""
    read: Callable[[int], bytes] = getattr(
        file, "read1", file.read
    )  # a pipe gives what is there: a live line is shown live
    size = path.stat().st_size if path.is_file() else 0
    if size < WORTH_A_BAR or not sys.stderr.isatty() or sys.stdout.isatty():
        while block := read(BLOCK):
            yield block
        return
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(path.name, total=size)
        while block := read(BLOCK):
            yield block
            progress.advance(task, len(block))
