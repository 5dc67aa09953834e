"""Files that a person can read: reports as JSON lines, or telegrams as they came in."""

import asyncio
import contextlib
import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeVar

import msgspec
import structlog

from datalogger.clock import Clock
from datalogger.config.checks import POSITIVE
from datalogger.config.schema import SinkOptions
from datalogger.encoding.report_json import encode_report
from datalogger.errors import ReportsRejected, SinkError, SinkMisconfigured, SinkUnavailable
from datalogger.model import Delivery, Report
from datalogger.sinks.archive import Archive, Tidying
from datalogger.sinks.own_thread import OwnThread
from datalogger.words import ByteSize

log = structlog.get_logger()

T = TypeVar("T")

# A line that was cut by a crash is looked for this far from the end; no report is as long.
LONGEST_LINE = 1024 * 1024  # octets

# How long `reachable` looks for the directory. Seconds.
REACH = 2.0

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_WRONG_PATH = {
    errno.EEXIST: "is no directory",
    errno.ENOTDIR: "leads through what is no directory",
    errno.ENAMETOOLONG: "is too long a name",
    errno.ELOOP: "leads through a link in a circle",
}


class FileSinkConfig(SinkOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A directory of files, one per source and day: `house-2026-11-20.jsonl`."""

    path: Path
    """The directory; it is made where it is missing."""
    format: Literal["report", "telegram"] = "report"
    """Report JSON, one object a line (.jsonl), or telegrams octet for octet as the meter sent them (.p1)."""
    rotate: Literal["day", "never"] = "day"
    """A new file at midnight, by this machine's time zone and the time a report came in."""
    max_bytes: Annotated[ByteSize | None, POSITIVE] = None
    """A new file, with a number, before one grows beyond this; None: however large."""
    gzip: bool = False
    """Pack files that are no longer written to."""
    keep: Annotated[int | None, POSITIVE] = None
    """How many older files of a source to keep, the oldest being deleted; None: all."""
    fsync: bool = False
    """Have every batch on the disk before it counts as taken; False: the system writes it within half a minute."""

    @property
    def accepts(self) -> frozenset[str] | None:
        return frozenset({"p1"}) if self.format == "telegram" else None


class FileSink:
    """Appends. Every batch is written wholly, or taken back from the files and offered again.

    A disk may block for as long as it likes (a network file system whose server is gone, a worn SD card): all
    that touches it runs in this sink's own thread.
    """

    config_type: ClassVar[type[FileSinkConfig]] = FileSinkConfig
    # More would not be cheaper, and its encoding would keep the neighbours waiting.
    batch_limit: ClassVar[int] = 50

    def __init__(self, name: str, config: FileSinkConfig, clock: Clock) -> None:
        self._log = log.bind(sink=name)
        self._config = config
        self._clock = clock
        # A little less than what the forwarder allows, so that the sink can say what it was that took so long.
        self._limit = config.timeout * 0.95
        self._disk = OwnThread()
        self._since = 0.0  # on the monotonic clock: when the disk was last given something to do
        # What follows is the thread's.
        self._archive = Archive(config.path, ".jsonl" if config.format == "report" else ".p1")
        self._current: dict[str, tuple[str, int, Path]] = {}  # source → day, number and path of the file at hand
        self._stop = threading.Event()
        self._tidying: threading.Thread | None = None
        self._retired: set[Path] = set()  # what the tidying under way packs or deletes

    async def open(self) -> None:
        self._stop.clear()
        await self._at_disk(self._make_directory)

    async def deliver(self, batch: Sequence[Delivery]) -> None:
        rejected, pieces = {}, []
        for index, delivery in enumerate(batch):
            piece = self._encode(delivery.report)
            if piece is None:
                rejected[index] = "no telegram: it came over a protocol that has none"
            else:
                pieces.append(piece)
        if pieces:
            written: list[_Written] = []
            undo = partial(self._take_back, written)
            await self._at_disk(partial(self._append_all, pieces, written), undo)
        if rejected:
            raise ReportsRejected(rejected)

    async def reachable(self) -> bool:
        try:
            async with asyncio.timeout(REACH):
                return await self._at_disk(self._config.path.is_dir)
        except (SinkUnavailable, OSError):  # TimeoutError too
            return False

    async def close(self) -> None:
        self._stop.set()
        self._disk.end()

    async def _at_disk(self, work: Callable[[], T], undo: Callable[[], None] | None = None) -> T:
        """What comes of `work`. SinkUnavailable where it takes too long, or what went before still does.

        undo: runs after `work` where nobody waited for its end: the batch will be offered again.
        """
        if self._disk.busy:
            raise self._stuck()
        self._since = self._clock.monotonic()
        outcome = self._disk.start(work)
        try:
            async with asyncio.timeout(self._limit):
                return await asyncio.shield(outcome)
        except (TimeoutError, asyncio.CancelledError) as end:
            if undo is not None:
                self._disk.start(undo)
            if isinstance(end, TimeoutError):
                raise self._stuck() from None
            raise

    def _stuck(self) -> SinkUnavailable:
        waited = self._clock.monotonic() - self._since
        return SinkUnavailable(
            f"{self._config.path} does not take a write for {waited:.0f} s: is the disk, or the server that it is "
            "mounted from, alive?"
        )

    def _make_directory(self) -> None:
        path = self._config.path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._explain(error, path) from None
        if not os.access(path, os.W_OK | os.X_OK):
            raise self._explain(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), path)
        self._current.clear()

    def _encode(self, report: Report) -> "_Piece | None":
        if self._config.format == "report":
            octets = encode_report(report) + b"\n"
        elif report.frame:
            # A telegram begins at the beginning of a line, also after one that has no line end of its own.
            octets = report.frame if report.frame.endswith(b"\n") else report.frame + b"\r\n"
        else:
            return None
        return _Piece(report.source, self._day(report), octets)

    def _day(self, report: Report) -> str:
        if self._config.rotate == "never":
            return ""
        return (report.received_at or self._clock.now()).astimezone().strftime("%Y-%m-%d")

    def _append_all(self, pieces: "Sequence[_Piece]", written: "list[_Written]") -> None:
        """All of them or none; what is done so far stands in `written`. SinkError."""
        path = self._config.path
        try:
            for path, octets in self._by_file(pieces):
                written.append(_append(path, octets, whole_lines=self._config.format == "report"))
            if self._config.fsync:
                for path, _, _ in written:
                    _sync(path)
        except OSError as error:
            self._take_back(written)
            raise self._explain(error, path) from None

    def _take_back(self, written: "list[_Written]") -> None:
        while written:
            with contextlib.suppress(OSError):  # then a report stands there twice, which is better than not at all
                _cut_off(*written.pop())
        self._current.clear()

    def _by_file(self, pieces: "Sequence[_Piece]") -> "Iterator[tuple[Path, bytes]]":
        """What is appended to which file. A file is chosen only when what goes before it is written."""
        gathered: list[bytes] = []
        path, room, last = Path(), 0, None
        for piece in sorted(pieces, key=lambda piece: piece[:2]):
            if piece[:2] != last or len(piece.octets) > room:
                if gathered:
                    yield path, b"".join(gathered)
                path, room = self._choose(piece)
                gathered, last = [], piece[:2]
            gathered.append(piece.octets)
            room -= len(piece.octets)
        if gathered:
            yield path, b"".join(gathered)

    def _choose(self, piece: "_Piece") -> tuple[Path, int]:
        """The file for this piece, and how many octets may be appended to it."""
        source, day, octets = piece
        known = self._current.get(source)
        number, path = known[1:] if known and known[0] == day else self._archive.current(source, day)
        while path in self._retired:
            number, path = number + 1, self._archive.path(source, day, number + 1)
        size = _size(path)
        limit = self._config.max_bytes or sys.maxsize
        if size and size + len(octets) > limit:
            number, path, size = number + 1, self._archive.path(source, day, number + 1), 0
        self._current[source] = (day, number, path)
        if known is None or size == 0:
            self._tidy(source, day, number)
        return path, max(limit - size, len(octets))

    def _tidy(self, source: str, day: str, number: int) -> None:
        """Pack and delete older files beside the deliveries, in another thread: a day of reports takes seconds."""
        config = self._config
        if not config.gzip and config.keep is None:
            return
        if self._tidying is not None and self._tidying.is_alive():
            return  # it has its turn with the next file
        plan = self._archive.plan(source, day, number, pack=config.gzip, keep=config.keep)
        self._retired = {*plan.delete, *plan.pack}
        if self._retired:
            self._tidying = threading.Thread(target=self._tidy_now, args=(plan,), daemon=True)
            self._tidying.start()

    def _tidy_now(self, plan: Tidying) -> None:
        try:
            plan.run(self._stop)
        except OSError as error:
            # The reports are safe where they are; only the room they take is not what was asked for.
            self._log.warning("older files not packed or deleted", error=str(error), repeats="tidying")

    def _explain(self, error: OSError, path: Path) -> SinkError:
        what = f"{path}: {error.strerror or error}"
        if error.errno in _NO_SPACE:
            return SinkUnavailable(f"{what}: make room, or have less kept with keep, max_bytes and gzip")
        if error.errno in _FORBIDDEN:
            return SinkMisconfigured(f"{what}: let the user that datalogger runs as write there (chown, chmod)")
        if error.errno == errno.EISDIR:
            return SinkMisconfigured(f"{path} is a directory: move it away, a file is to be written there")
        if error.errno in _WRONG_PATH:
            why = _WRONG_PATH[error.errno]
            return SinkMisconfigured(f"{path} {why}: path must name a directory, or one that can be made")
        return SinkUnavailable(what)


class _Piece(NamedTuple):
    source: str
    day: str
    octets: bytes


class _Written(NamedTuple):
    """What was appended to one file: from which size, to which."""

    path: Path
    before: int
    after: int


def _append(path: Path, octets: bytes, *, whole_lines: bool) -> _Written:
    """Append all or nothing. What a crash left of a last line is seen to first. OSError."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            size = _end_torn_line(file, size, whole_lines=whole_lines)
        done = 0
        try:
            while done < len(octets):
                done += os.write(file, memoryview(octets)[done:])
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                _cut_off(file, size, size + done)
            raise
        return _Written(path, size, size + done)
    finally:
        os.close(file)


def _end_torn_line(file: int, size: int, *, whole_lines: bool) -> int:
    """See to it that the next line begins cleanly; the new size.

    Of a report cut short nothing can be read, and as its batch was never taken it comes again: it is
    cut off. Where only the line end is missing, or in telegrams (a framer finds its way), one is added.
    """
    if whole_lines:
        tail = os.pread(file, min(size, LONGEST_LINE), max(0, size - LONGEST_LINE))
        begun = tail[tail.rfind(b"\n") + 1 :]
        if len(begun) < LONGEST_LINE and not _is_json(begun):
            os.ftruncate(file, size - len(begun))
            return size - len(begun)
    end = b"\n" if whole_lines else b"\r\n"
    os.write(file, end)
    return size + len(end)


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except ValueError:
        return False
    return True


def _sync(path: Path) -> None:
    """Its content and its name are on the disk. OSError."""
    for place in (path, path.parent):
        file = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _size(path: Path) -> int:
    """0 where there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _cut_off(file: Path | int, before: int, after: int) -> None:  # a path, or an open file's number
    """Make `file` as it was before. OSError.

    Not where somebody has written there since: a write that was stuck may end long after a reload gave
    this archive another sink, and what that one wrote is taken.
    """
    if os.stat(file).st_size == after:  # noqa: PTH116 - pathlib knows no open files
        os.truncate(file, before)
