"""What is done beside the commits: bounds, salvage, orphans, requests from the command line, giving back disk space."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

import structlog
from msgspec.structs import replace

from datalogger.model import Report
from datalogger.spool import database, eviction, requests
from datalogger.spool.cursors import SINKS
from datalogger.spool.eviction import Aged, Loss, Step
from datalogger.spool.keeper import Keeper, Outcome
from datalogger.spool.log import Log
from datalogger.spool.quarantine import Aside
from datalogger.spool.requests import Progress, Request
from datalogger.spool.salvage import Saved, Sinks

_log = structlog.get_logger(__name__)

T = TypeVar("T")

ORPHAN_DAYS = 14
MINUTE_S = 60.0
LOOK_S = 3.0  # how often the file is looked at for requests from the command line
ROOM = 0.98  # of the bound: below it nothing more is given up, so that one round is enough for a while
SAVED = 50  # records salvaged in one round
VACUUM_PAGES = 2000  # 8 MB given back in one round

TakeBack = Callable[[Report, frozenset[str] | None, bool], None]


class Upkeep:
    """One round a second; each looks at RAM, and touches the disk only where something is to be done."""

    def __init__(self, keeper: Keeper, take_back: TakeBack) -> None:
        self._keeper = keeper
        self._take_back = take_back
        self._aged = Aged()
        self._minute = self._look_at = 0.0
        self._version: int | None = None
        self._seen: tuple[int, ...] | None = None  # the files, when the version was looked at
        self._commits = -1.0  # so that what an earlier process has left free is given back, too
        self._steps: Iterator[Step] | None = None  # of giving up reports, while the bound is exceeded
        self._step: Step | None = None
        self._quiet_until = 0.0
        self._short = 0
        self._saved = Counter[str]()
        self._saved_through = 0  # the sequence of the last report that came out of a damaged file
        self.full = False
        """Whether sinks with drop-newest take no more."""

    @property
    def busy(self) -> bool:
        """Whether the next round should follow at once."""
        assert self._keeper.store is not None
        return self._steps is not None or (self._keeper.store.salvaging and self._may_salvage)

    async def tick(self, now: float) -> None:
        await self._bounds(now)
        if now >= self._minute:
            self._minute = now + MINUTE_S
            self._seen = None  # two writes may fall into one tick of the file system's clock
            await self._age()
            await self._orphans()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            await self._requests()
        await self._salvage()
        await self._give_back()

    async def _bounds(self, now: float) -> None:
        """One step of making room, where the file is larger than it may be."""
        keeper = self._keeper
        self.full = self._excess(ROOM if self.full else 1.0) > 0
        if self._steps is None:
            if now < self._quiet_until or self._excess() <= 0:
                return
            oldest, thin = keeper.policies()
            orphans = await self._look(lambda log: [name for name in log.sinks if name not in keeper.pending])
            self._steps = eviction.steps([*oldest, *(orphans or ())], thin)
            self._step = next(self._steps, None)
        while (step := self._step) is not None and self._excess(ROOM) > 0:
            more = await keeper.change(lambda log, _: Outcome(*step(log)), keeper.pending.keys())
            if more:
                return
            if more is None:
                break
            self._step = next(self._steps, None)
        if self._excess(ROOM) > 0:
            self._quiet_until = now + MINUTE_S  # nothing more may go: do not look at every row again at once
        self._steps = self._step = None

    def _excess(self, room: float = 1.0) -> float:
        """Octets to give up: above `room` of what max_bytes leaves beside the journal, or missing on the disk.

        What RAM could hold too stays in any case: another program that fills the disk must not empty the spool.
        """
        options, space = self._keeper.options, self._keeper.space
        limit = max(options.max_bytes - database.JOURNAL, options.max_bytes / 2)
        self._short = 0
        if space.used > options.memory_bytes:
            with suppress(OSError):
                self._short = options.min_free - shutil.disk_usage(options.path.parent).free
        return max(space.used - limit * room, min(self._short - space.free, space.used - options.memory_bytes))

    async def _age(self) -> None:
        """Give up what is too old. Only while the clock is trusted: a Raspberry Pi may wake in 1970, or think so."""
        keeper, clock = self._keeper, self._keeper.clock
        if not clock.trusted:
            return
        before = clock.now() - keeper.options.max_age.delta
        more = await self._look(lambda log: self._aged.find(log, before))
        while more:
            more = await keeper.change(lambda log, _: Outcome(*self._aged(log, before)), keeper.pending.keys())

    async def _orphans(self) -> None:
        """The backlog of a sink configured no more is kept for ORPHAN_DAYS, then dropped."""
        keeper, clock = self._keeper, self._keeper.clock
        if not clock.trusted:
            return
        now = clock.now()
        expired = await self._look(lambda log: log.orphans(keeper.pending.keys(), now, now - timedelta(ORPHAN_DAYS)))
        for name in expired or ():

            def work(log: Log, _: int, name: str = name) -> Outcome[bool]:
                count, octets, more = log.skip(name, 0)
                if not more:
                    log.forget(name)
                return Outcome([Loss(name, "removed", count, octets)] if count else [], more)

            more: bool | None = True
            while more:
                more = await keeper.change(work, ())
            if more is None:
                return  # the disk failed: again in a minute
            keeper.orphans.pop(name, None)
            _log.warning("backlog of a removed sink dropped", sink=name, kept_days=ORPHAN_DAYS)

    async def _requests(self) -> None:
        """Another process wrote into the file: it asks for something."""
        state = self._state_of_files()
        if state is not None and state == self._seen:
            return
        version = await self._look(lambda log: log.data_version())
        if version is None or version == self._version:
            self._seen = None if version is None else state
            return
        for request in await self._look(lambda log: requests.waiting(log.connection)) or ():
            progress = Progress()

            def step(log: Log, first: int, request: Request = request, progress: Progress = progress) -> Outcome[bool]:
                return request.step(log, first, progress)

            reserve = requests.BATCH if request.verb == "replay" else 0
            more: bool | None = True
            while more:
                more = await self._keeper.change(step, {request.sink}, flush=True, reserve=reserve)
            if more is None:
                return  # the disk does not take it now: the request stands in the file, and is met again
            _log.info("request carried out", verb=request.verb, sink=request.sink, count=progress.done)
        self._version = version

    def _state_of_files(self) -> tuple[int, ...] | None:
        """Changes with every write, ours too. None where one of them is not there, and the thread is to find out."""
        path = self._keeper.options.path
        try:
            found = [path.stat(), path.with_name(f"{path.name}-wal").stat()]
        except OSError:
            return None
        return tuple(figure for file in found for figure in (file.st_ino, file.st_size, file.st_mtime_ns))

    @property
    def _may_salvage(self) -> bool:
        return self._keeper.tail.octets < self._keeper.options.memory_bytes / 2

    async def _salvage(self) -> None:
        keeper, store = self._keeper, self._keeper.store
        on_disk = keeper.durable_through() >= self._saved_through and not keeper.asides
        if store is not None and store.salvaged and on_disk:
            await store.mark_salvaged()
            if not store.salvaging:
                keeper.orphans.clear()  # the new file knows them
        if store is None or not store.salvaging or not self._may_salvage:
            return
        async with keeper.turn:
            for saved in await store.saved(SAVED):
                match saved:
                    case Sinks(orphaned):
                        gone = [name for name in orphaned if name not in keeper.pending]
                        room = max(0, SINKS - len(keeper.pending | keeper.orphans))
                        keeper.orphans.update({name: orphaned[name] for name in gone[:room]})
                    case Saved(report, wanted, forced):
                        self._saved["report"] += 1
                        self._take_back(report, wanted, forced)
                    case Aside():
                        self._saved["quarantined"] += 1
                        # Under a new sequence: the new file may have given the old one again.
                        keeper.asides.append(replace(saved, sequence=keeper.next))
                        keeper.next += 1
                    case None:
                        self._saved["lost"] += 1
                        keeper.metrics.add("datalogger_spool_damaged_total", "record")
            self._saved_through = keeper.next - 1
        if not store.salvaging:
            if self._saved:
                told = {"saved": self._saved["report"], "quarantined": self._saved["quarantined"]}
                _log.warning("salvage done", **told, lost=self._saved["lost"])
            else:
                _log.warning("salvage done: no report that is still wanted could be read")
            self._saved.clear()

    async def _give_back(self) -> None:
        """After a backlog, or on a nearly full disk: what the file does not need goes back to the file system."""
        keeper = self._keeper
        commits = keeper.metrics.get("datalogger_spool_commits_total")
        drained = not any(pending.depth for pending in keeper.pending.values())
        if commits != self._commits and (drained or self._short > 0):
            more = await self._look(lambda log: log.give_back(VACUUM_PAGES))
            self._commits = self._commits if more else commits

    async def _look(self, work: Callable[[Log], T]) -> T | None:
        async with self._keeper.turn:
            return await self._keeper.attempt(work)
