"""A capture file, replayed: the octets as they came from the line."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, ClassVar

from datalogger.clock import Clock
from datalogger.config.checks import POSITIVE
from datalogger.config.metering import MeterOptions
from datalogger.config.schema import SourceOptions
from datalogger.errors import SourceEnded, SourceError
from datalogger.sources import pace
from datalogger.words import Duration

BLOCK = 64 * 1024

# Octets without the start of a telegram that are held together; what is longer is no telegram.
LONGEST_PIECE = 64 * 1024


class ReplayConfig(MeterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind = "replay"."""

    path: Path
    """Raw octets, as from the line."""
    speed: str = "own"
    """"own": as the telegrams' own times say (10 s between those without one); "10x": so much faster; "max"."""
    every: Annotated[Duration | None, POSITIVE] = None
    """One telegram in this time, instead of a speed."""
    repeat: bool = False
    """At the end begin again."""
    silence: Annotated[Duration, POSITIVE] = Duration(7 * 86400)
    """A capture has its gaps, and no cable that could be out."""
    replay_check: bool = False
    """A capture may be read again."""

    def line_problems(self) -> list[str]:
        problems = []
        try:
            pace.named(self.speed)
        except ValueError as error:
            problems.append(f"speed: {error}")
        if self.every is not None and self.speed != "own":
            problems.append("every: beside speed: give only one of the two")
        return problems

    def worth_knowing(self) -> list[str]:
        return [said for said in super().worth_knowing() if not said.startswith("replay_check")]


class Replay:
    """Hands on one telegram, and what lies behind it, at a time. Opened again, it goes on where it was."""

    config_type: ClassVar[type[SourceOptions]] = ReplayConfig

    def __init__(self, name: str, config: ReplayConfig, clock: Clock) -> None:
        self._path = config.path
        self._repeat = config.repeat
        self._clock = clock
        self._gap = pace.even(config.every) if config.every is not None else pace.named(config.speed)
        self._file: BinaryIO | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._offset = 0  # behind what was cut off last
        self._next: bytes | None = None  # read, and not due yet
        self._due: float | None = None  # when, on the monotonic clock

    async def open(self) -> None:
        await self.close()
        # Before it is opened: to open a named pipe would wait for its writer.
        if not self._path.is_file():
            what = "is not a file" if self._path.exists() else "no such file"
            raise SourceError(f"{self._path}: {what}; path names a capture, raw octets as from the line")
        try:
            self._file = self._path.open("rb")
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}") from error
        self._begin_at(self._offset)

    def _begin_at(self, offset: int) -> None:
        assert self._file is not None
        self._file.seek(offset)
        self._pieces = pieces(self._file)
        self._offset = offset

    async def read(self) -> bytes:
        if self._file is None:
            raise SourceError(f"{self._path} is not open")
        if self._next is None:
            self._next = self._following()
            now = self._clock.monotonic()
            self._due = (now if self._due is None else self._due) + self._gap(self._next)
        assert self._due is not None
        # Also when nothing is to wait for: at full speed nobody else would have a turn.
        await asyncio.sleep(max(0.0, self._due - self._clock.monotonic()))
        piece, self._next = self._next, None
        return piece

    def _following(self) -> bytes:
        try:
            piece = next(self._pieces, None)
            if piece is None and self._repeat and self._offset:
                self._begin_at(0)
                piece = next(self._pieces, None)
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}") from error
        if piece is None:
            raise SourceEnded(f"the replay of {self._path} is done")
        self._offset += len(piece)
        return piece

    async def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """Cut before every line that begins with `/`, as a telegram does. Joined, they are the file."""
    held = bytearray()
    while block := file.read(BLOCK):
        look = max(len(held) - 1, 0)
        held += block
        while (cut := held.find(b"\n/", look) + 1) > 0:
            yield bytes(held[:cut])
            del held[:cut]
            look = 0
        if len(held) > LONGEST_PIECE:
            # The last octet stays: it may be the end of the line before a telegram.
            yield bytes(held[:-1])
            del held[:-1]
    if held:
        yield bytes(held)
