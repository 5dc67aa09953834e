"""The one thread that owns the file, and what happens when the file or the disk under it fails."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

import structlog

from datalogger.clock import Clock
from datalogger.errors import SpoolError
from datalogger.metrics import Metrics
from datalogger.spool import database, faults, private, quarantine, salvage
from datalogger.spool.cursors import Standing
from datalogger.spool.lock import Lock
from datalogger.spool.log import Log, Space
from datalogger.spool.quarantine import Aside, Mark
from datalogger.spool.salvage import Known, Saved, Sinks

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class Failing(SpoolError):
    """The disk does not take it, or gives nothing: keep all in RAM, try again later.

    kind: the same for what need not be told again, though its figures change.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind or message


class Busy(Failing):
    """Another process has the spool open, perhaps only a command line, for a moment."""


class Lost(SpoolError):
    """The file was damaged and is set aside; a new one has to be opened."""


class Store:
    """Runs work on the open log in its own thread, one piece after the other."""

    def __init__(self, path: Path, min_free: int, *, clock: Clock, metrics: Metrics, connect: database.Connect) -> None:
        self._path = path
        self._min_free = min_free
        self._clock = clock
        self._metrics = metrics
        self._connect = connect
        self._lock = Lock(path)
        self._log: Log | None = None  # touched in the thread only
        self._files: dict[str, tuple[int, int]] = {}  # suffix → device and inode of what is open
        self._thread: ThreadPoolExecutor | None = None
        self._set_aside: list[tuple[Path, dict[str, Known]]] = []  # still to be salvaged
        self._finished: list[Path] = []
        self._salvage: tuple[Path, Generator[Sinks | Saved | Aside | None, None, None]] | None = None
        self._looked = False
        self.began = False
        """Whether this process has had the file open: its backlog is known then."""

    async def open(self, names: Collection[str], floor: int | None) -> tuple[list[Standing], int, Space]:
        """Open or begin the file: where every sink stands in it, the next free sequence, its size.

        floor: the first sequence this process has given, None where it gave none. A file that knows a
        higher one cannot be gone on with, and is set aside. Failing where nothing can be opened; Lost where a file
        that was removed could be copied at last, see `run`: then open again.
        """
        return await self._in_thread(lambda: self._open(names, floor))

    async def run(self, work: Callable[[Log], T]) -> T:
        """Failing or Lost; the file is closed then, unless it was removed and cannot be copied: `open` tries again."""
        return await self._in_thread(lambda: self._run(work))

    async def close(self) -> None:
        await self._in_thread(self._shut)
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    def know(self, known: Mapping[str, Known]) -> None:
        """For the salvage of the file that was just lost: what RAM knows better."""
        self._set_aside[-1][1].update(known)

    @property
    def salvaged(self) -> bool:
        """Whether a file was read to its end and not yet marked so."""
        return bool(self._finished)

    @property
    def salvaging(self) -> bool:
        return bool(self._salvage or self._set_aside)

    async def saved(self, limit: int) -> list[Sinks | Saved | Aside | None]:
        """What comes next (see `salvage.salvage`) from a file set aside; fewer than `limit` when that was all."""
        return await self._in_thread(lambda: self._saved(limit))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        # The thread cannot be called back, and what it did must be known: a cancellation waits for it.
        task, cancelled = asyncio.current_task(), False
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                cancelled = True
                if task is not None:
                    task.uncancel()
        if cancelled and task is not None:
            task.cancel()  # felt at the next await, after the caller has taken note of the result
        return future.result()

    def _open(self, names: Collection[str], floor: int | None) -> tuple[list[Standing], int, Space]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._log is not None:
                self._check_place(self._log)
                self._close_log()  # it was put back
            database.check_kind(self._path)
            if not self._lock.acquire():
                pid = self._lock.holder()
                raise Busy(
                    f"{self._path} is in use by another datalogger{f' (pid {pid})' if pid else ''}:"
                    " stop it, or give this one a [spool] path of its own"
                )
            if not self._looked:  # an earlier process may have ended before its salvage did
                self._looked = True
                self._set_aside += [(path, {}) for path in salvage.to_salvage(self._path)]
            try:
                return self._begin(names, floor)
            except (sqlite3.Error, SpoolError) as error:
                if not database.is_damage(error):
                    raise
                self._give_up_file(error)
                return self._begin(names, floor)
        except Lost:
            raise
        except (sqlite3.Error, SpoolError, OSError) as error:
            raise self._failing(error) from error

    def _begin(self, names: Collection[str], floor: int | None) -> tuple[list[Standing], int, Space]:
        log = Log(self._path, self._connect)
        try:
            if floor is not None and not self.began and log.next > floor:
                raise database.Damaged(f"{self._path}: knows sequence {log.next}, this process began at {floor}")
            if self.began:  # the same process again: it knows what went out
                log.was_clean = True
            standings = log.begin(names, self._clock.now() if self._clock.trusted else None)
        except BaseException:
            log.close()
            raise
        self._log, self.began = log, True
        self._files = {suffix: self._stands_there(suffix) for suffix in salvage.SUFFIXES}
        return standings, log.next, log.space()

    def _stands_there(self, suffix: str = "") -> tuple[int, int]:
        """Device and inode of what is at the path; zeros where nothing is."""
        try:
            found = Path(f"{self._path}{suffix}").stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_dev, found.st_ino

    def _had_open(self, suffix: str = "") -> bool:
        """Whether what is at the path is what this process opened, and not something put in its place since."""
        return self._stands_there(suffix) == self._files.get(suffix)

    def _run(self, work: Callable[[Log], T]) -> T:
        if self._log is None:
            raise Failing(f"{self._path}: not open")
        try:
            self._check_place(self._log)
            return work(self._log)
        except Lost:
            raise
        except (sqlite3.Error, OSError, SpoolError) as error:
            self._metrics.add("datalogger_spool_failures_total")
            if not database.is_damage(error) or not self._had_open():
                raise self._failing(error) from error
            try:
                self._give_up_file(error)
            except OSError as second:
                raise self._failing(second) from second
            raise Lost(str(error)) from error

    def _check_place(self, log: Log) -> None:
        """Lost where somebody removed the file or put another in its place: what is written now would be gone with
        this process.

        It can still be read, so a copy is set aside, to be salvaged into a new file. Failing where there is no room
        for one: the open file is the last hold on what it has, and is closed only when its copy is whole.
        """
        if self._had_open():
            return
        target = salvage.free_name(self._path, self._clock.now())
        try:
            private.make(target)
            log.connection.execute("VACUUM INTO ?", (str(target),))
        except (sqlite3.Error, OSError) as error:
            with suppress(OSError):
                target.unlink(missing_ok=True)
            if database.is_damage(error):
                raise  # no later copy would be better
            raise Failing(
                f"{self._path} was removed or replaced while in use and cannot be copied back yet; what it holds"
                f" is lost if datalogger ends before: {faults.explain(error, self._path, self._min_free)}",
                kind="removed, full" if faults.is_full(error) else "removed",
            ) from error
        self._close_log()
        for suffix in ("-wal", "-shm"):  # of the file that is gone: SQLite would read them into the next one
            if self._had_open(suffix):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        self._metrics.add("datalogger_spool_damaged_total", "file")
        _log.error(
            "the spool's file was removed or replaced while in use: what it held is salvaged into a new one",
            file=str(self._path), set_aside=str(salvage.final_name(target)),
        )  # fmt: skip
        self._set_aside.append((target, {}))
        self.began = False
        raise Lost(f"{self._path} was removed or replaced")

    def _give_up_file(self, why: Exception) -> None:
        self._close_log()
        ours = self._had_open() or salvage.is_ours(self._path)
        target = salvage.set_aside(self._path, self._clock.now())
        self._metrics.add("datalogger_spool_damaged_total", "file")
        if ours:
            _log.error(
                "spool damaged: set aside, a new one begun; what can be read is salvaged",
                file=str(self._path), set_aside=str(salvage.final_name(target)), error=str(why),
            )  # fmt: skip
            self._set_aside.append((target, {}))
        else:
            _log.error(
                "what stood at [spool] path is no spool of datalogger: renamed, otherwise left alone; a new one begun",
                file=str(self._path), set_aside=str(target), error=str(why),
            )  # fmt: skip
        self.began = False

    def _saved(self, limit: int) -> list[Sinks | Saved | Aside | None]:
        if self._salvage is None:
            if not self._set_aside or self._log is None:
                return []
            again: set[Mark] = set()
            with suppress(sqlite3.Error):  # the next commit meets it, too
                again = quarantine.marks(self._log.connection)
            path, known = self._set_aside.pop(0)
            self._salvage = path, salvage.salvage(path, known, again)
        path, rows = self._salvage
        try:
            found = list(islice(rows, limit))
        except (sqlite3.Error, OSError) as error:
            _log.error("salvage ended early", file=str(path), error=str(error))
            found = []
        if len(found) < limit:
            self._salvage = None
            self._finished.append(path)
        return found

    async def mark_salvaged(self) -> None:
        """What `saved` gave is on disk in the new file."""
        await self._in_thread(self._mark_salvaged)

    def _mark_salvaged(self) -> None:
        while self._finished:
            with suppress(OSError):
                salvage.mark_done(self._path, self._finished.pop())

    def _failing(self, error: Exception) -> Failing:
        if database.is_damage(error) or not self._may_be_removed():
            self._close_log()
        if isinstance(error, Failing):
            return error
        return Failing(faults.explain(error, self._path, self._min_free), kind="full" if faults.is_full(error) else "")

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            try:
                log.close()
            except sqlite3.Error as error:  # what was committed stands in the write-ahead log
                _log.warning("spool closed with an error", file=str(self._path), error=str(error))

    def _may_be_removed(self) -> bool:
        """Whether closing the open file may give up the last hold on it."""
        try:
            return not self._had_open()
        except OSError:  # whether it is there cannot be told
            return True

    def _shut(self) -> None:
        if self._salvage is not None:
            self._salvage[1].close()  # its connection may be closed in this thread only
        if self._log is not None and self._may_be_removed():
            _log.error(
                "reports lost: the spool's file was removed while in use, and there was no room to copy it back",
                file=str(self._path),
            )
        self._close_log()
        self._lock.release()
