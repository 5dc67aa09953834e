"""datalogger decode: Report JSON, one object a line, from captured bytes or hex text."""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from datalogger.cli.arguments import system_title as title_in_hex
from datalogger.cli.arguments import zone as zone_named
from datalogger.cli.hex_text import HexText, NotHex, keys_named, looks_like_hex, title_named
from datalogger.cli.key_options import key_options
from datalogger.cli.say import say, silence
from datalogger.config.checks import nearest
from datalogger.encoding.report_json import encode_rejected, encode_report
from datalogger.errors import ConfigError
from datalogger.meters import profiles
from datalogger.meters.decoder import MeterDecoder
from datalogger.meters.meaning import Reading
from datalogger.model import Report
from datalogger.protocol import detect
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.security import MemoryCounters, Security
from datalogger.protocol.framers import FRAMERS
from datalogger.protocol.framing import Frame, Framer, Reason, Rejected

BLOCK = 64 * 1024  # octets read at once
WORTH_A_BAR = 4 * 1024 * 1024  # octets: about a second of decoding


class How(NamedTuple):
    """What the command line says of the meters in the files."""

    zone: ZoneInfo
    framing: str
    keys: Keys | None
    system_title: bytes | None
    profile: str | None
    known: profiles.Profiles

    def decoder(self, block: "_Block") -> MeterDecoder:
        """For one file, which begins with this block: a counter that repeats in another is no replay."""
        title = self.system_title or block.system_title
        security = Security(self.keys or block.keys or Keys(), system_title=title, counters=MemoryCounters())
        return MeterDecoder(Reading(zone=self.zone), security, lambda: self.known, self.profile)


@click.command(
    epilog="""\b
Examples:
  datalogger decode capture.bin
  timeout 30 cat /dev/ttyUSB0 | datalogger decode
  datalogger decode --key-file meter.key push.hex
  datalogger decode --zone Europe/Vilnius telegram.txt | jq '.records[] | select(.unit == "Wh")'

\b
Exit status: 0 every frame was read; 1 something was rejected, or nothing was found; 2 wrong usage.
A reader that leaves (| head) ends it: then the status speaks of what was read so far.
"""
)
@click.option(
    "--zone",
    type=zone_named,
    metavar="NAME",
    default="Europe/Amsterdam",
    show_default=True,
    help="Zone of meter times that carry no summer or winter flag.",
)
@click.option(
    "--framing",
    type=click.Choice(list(FRAMERS)),
    default="auto",
    show_default=True,
    help="What the bytes are: P1 telegrams, or DLMS in HDLC or M-Bus frames, in the TCP/UDP wrapper, or bare.",
)
@key_options
@click.option("--system-title", metavar="HEX", type=title_in_hex, help="Of a meter that leaves it out.")
@click.option("--profile", metavar="ID", help="The meter's profile, where it does not say which it is.")
@click.option(
    "--profiles",
    "directory",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Meter profiles of your own.",
)
@click.option("--hex", "as_hex", is_flag=True, help="The input is hex text (recognised by itself; # begins a comment).")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
def decode(
    zone: ZoneInfo,
    framing: str,
    keys: Keys | None,
    system_title: bytes | None,
    profile: str | None,
    directory: Path | None,
    as_hex: bool,
    files: tuple[Path, ...],
) -> None:
    """Print what is in FILEs (or standard input) as Report JSON, one object a line.

    A file is bytes as they came from the line, or the same as hex text. What cannot be read is
    a line too: {"rejected": …, "octets": …, "offset": …, "detail": …}. What a person should know
    beside it goes to standard error. Hex text may name its keys in comments (# key: …, # auth-key: …,
    # system-title: …); they hold where none is given here.
    """
    try:
        known = profiles.load(directory)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    if profile is not None and profile not in known:
        mend = nearest(profile, known) or "; see datalogger profiles list"
        raise click.BadParameter(f"no profile {profile}{mend}", param_hint="--profile")
    how = How(zone, framing, keys, system_title, profile, known)
    sound = True
    try:
        for path in files or (Path("-"),):
            sound = _decode_file(path, how, as_hex) and sound
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


def _decode_file(path: Path, how: How, as_hex: bool) -> bool:
    """Whether there was something to read, and all of it was read."""
    printed = _Printed(path)
    try:
        blocks = _octets(path, as_hex)
        first = next(blocks, _Block(b""))
        framer = _framer(how.framing, first.octets)
        decoder = how.decoder(first)
        for block in itertools.chain([first], blocks):
            printed.show(framer.feed(block.octets), decoder)
        printed.show(framer.idle(), decoder)
        printed.events(decoder.idle())
    except NotHex as error:
        raise click.UsageError(f"{path}: {error}") from error
    except BrokenPipeError:
        raise ReaderGone(sound=printed.sound) from None
    if not printed.found:
        say(f"{path}: no telegram and no push found", err=True)
    return printed.found and printed.sound


def _framer(framing: str, first: bytes) -> Framer:
    """A file is a document: what it begins with may say what it is, where a line must show a sound frame."""
    return detect.document(first)() if framing == "auto" else FRAMERS[framing]()


class _Printed:
    """What was printed of one file."""

    def __init__(self, path: Path) -> None:
        self.found = False  # there was anything to tell
        self.sound = True
        self._path = path
        self._offset = 0
        self._told: set[Notice] = set()

    def show(self, events: list[Frame | Rejected], decoder: MeterDecoder) -> None:
        for event in events:
            self.events(decoder.take(event) if isinstance(event, Frame) else [*decoder.damaged(event), event])
            self._offset += len(event.octets)
        if events:
            sys.stdout.buffer.flush()

    def events(self, events: Iterable[Report | Rejected | Notice]) -> None:
        for event in events:
            if isinstance(event, Report):
                self._line(encode_report(event))
            elif isinstance(event, Notice):
                if event not in self._told:
                    self._told.add(event)
                    say(f"{self._path}: {event.reason}: {event.detail}", err=True)
            elif event.reason is not Reason.PADDING:
                self.sound = False
                octets = len(event.octets)
                self._line(encode_rejected(event.reason, octets=octets, offset=self._offset, detail=event.detail))

    def _line(self, line: bytes) -> None:
        self.found = True
        sys.stdout.buffer.write(line + b"\n")


class _Block(NamedTuple):
    """Octets of the input; keys, system_title: those that hex text names in its comments."""

    octets: bytes
    keys: Keys | None = None
    system_title: bytes = b""


def _octets(path: Path, as_hex: bool) -> Iterator[_Block]:
    """The input block by block, hex text turned into octets. NotHex where it is none."""
    with click.open_file(str(path), "rb") as file:
        blocks = _blocks(file, path)
        first = b""
        hexadecimal = True if as_hex else None
        while hexadecimal is None and len(first) < BLOCK and (block := next(blocks, b"")):
            first += block
            hexadecimal = looks_like_hex(first)
        if hexadecimal is False or (hexadecimal is None and len(first) >= BLOCK):  # blanks alone are no hex
            yield _Block(first)
            yield from map(_Block, blocks)
            return
        text = HexText()
        yield _Block(text.feed(first), keys_named(first), title_named(first))
        for block in blocks:
            yield _Block(text.feed(block))
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
