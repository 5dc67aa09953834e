"""What the event loop holds in RAM, and how it gets to the disk and back.

One piece of work on the file at a time (`turn`), so what it did is exactly known when it returns.
RAM is changed by a commit only after that commit has returned.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar

import structlog
from msgspec import Struct

from datalogger.clock import Clock
from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.metrics import Metrics
from datalogger.spool import cursors, database
from datalogger.spool.cursors import Standing
from datalogger.spool.eviction import Loss
from datalogger.spool.log import Changes, Log, Space, Written
from datalogger.spool.losses import Losses
from datalogger.spool.pending import AHEAD, Held, Pending
from datalogger.spool.quarantine import Aside
from datalogger.spool.salvage import Known
from datalogger.spool.store import Busy, Failing, Lost, Store
from datalogger.spool.tail import Tail

_log = structlog.get_logger(__name__)

T = TypeVar("T")

RETRY_S = 30.0
BUSY_RETRY_S = 1.0
PRESSURE = 4  # a commit begins when RAM is full to this part: as much again comes in while it runs, twice


class Outcome(Struct, Generic[T]):
    """What a piece of work on the file did: losses by sink (rows added count below zero), and its result."""

    losses: list[Loss]
    result: T


class Keeper:
    def __init__(
        self,
        options: SpoolOptions,
        sinks: Mapping[str, SinkOptions],
        clock: Clock,
        metrics: Metrics,
        connect: database.Connect,
    ) -> None:
        self.options = options
        self.sinks = dict(sinks)
        self.clock = clock
        self.metrics = metrics
        self.losses = Losses(clock, metrics)
        self.tail = Tail()
        self.pending = {name: Pending(name) for name in sinks}
        self.arrived = {name: asyncio.Event() for name in sinks}
        self.store: Store | None = None
        if options.durability != "memory":
            self.store = Store(options.path, options.min_free, clock=clock, metrics=metrics, connect=connect)
        self.asides: list[Aside] = []  # set aside, and not yet on disk
        self.orphans: dict[str, int | None] = {}  # of files being salvaged → since when, in µs, where that is known
        self.space = Space(0, 0, 0)
        self.first = 1  # the first sequence this process can give
        self.next = 1
        self.disk_through = 0  # everything up to here is on disk or settled
        self.failing = False
        self.unregistered: set[str] = set()  # sinks added while the disk failed: the file may hold a backlog of theirs
        self.retry_at = 0.0
        self.turn = asyncio.Lock()
        self._told = ""  # the failure that was logged last
        self._dirty_since: float | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    # ── settled, durable ─────────────────────────────────────────────────────────────────────────

    @property
    def offers_fresh(self) -> bool:
        """Whether a sink may see what is in RAM only: in strict mode not, as long as the disk takes it."""
        return self.options.durability != "strict" or self.failing

    def settle(self, sink: str, sequence: int) -> Held | None:
        """This sink is done with it. The entry, where RAM has it."""
        pending = self.pending[sink]
        held = pending.settle(sequence, self.disk_through)
        if held is not None and not held.wanted:
            self.tail.remove(sequence)
        if pending.dirty:
            self.now_dirty()
        return held

    def now_dirty(self) -> None:
        """The disk has something to learn; it does within a window."""
        if self._dirty_since is None:
            self._dirty_since = self.clock.monotonic()

    def durable_through(self) -> int:
        first = self.tail.first
        return (first.sequence if first is not None else self.next) - 1

    async def settled_or_durable(self, sequence: int) -> None:
        if self.durable_through() < sequence:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((sequence, waiter))
            await waiter

    def tell_waiters(self) -> None:
        if self._waiters:
            through = self.durable_through()
            for sequence, waiter in self._waiters:
                if sequence <= through and not waiter.done():
                    waiter.set_result(None)
            self._waiters = [known for known in self._waiters if not known[1].done()]

    def policies(self) -> tuple[list[str], list[str]]:
        """Sinks that drop the oldest, sinks that thin. Sinks with drop-newest give up nothing they have."""
        oldest = [name for name, options in self.sinks.items() if options.when_full == "drop-oldest"]
        return oldest, [name for name, options in self.sinks.items() if options.when_full == "thin"]

    # ── to the disk ──────────────────────────────────────────────────────────────────────────────

    async def open(self, floor: int | None) -> None:
        """Inside a turn. Take up the file, or be in the failing state.

        floor: the first sequence this process has given. None at the start, where Busy is raised.
        """
        assert self.store is not None
        known = self.store.began
        try:
            standings, following, self.space = await self.store.open(list(self.pending), floor)
        except Failing as error:
            if floor is None and isinstance(error, Busy):
                raise
            self.fail(error)
            return
        except Lost:
            self._back_into_ram()
            await self.open(floor)
            return
        self.metrics.set("datalogger_spool_bytes", value=sum(self.space))
        if not known:
            self.next = max(self.next, following)
            if floor is None:
                self.first, self.disk_through = self.next, self.next - 1
            self.take_up(standings)
        else:
            self.take_up([standing for standing in standings if standing.name in self.unregistered])
        self.unregistered.clear()

    def take_up(self, standings: Sequence[Standing]) -> None:
        """These sinks' backlogs in the file are theirs to deliver now."""
        for standing in standings:
            if (pending := self.pending.get(standing.name)) is not None:
                pending.stored, pending.front = standing.depth, standing.oldest
                pending.read_through = standing.position
                pending.octets += standing.octets
                self.arrived[standing.name].set()

    def due(self, now: float) -> list[Held]:
        """What must go to disk now: what is older than the window and all before it.

        All of it in strict mode, or where it comes in faster than RAM should hold it.
        """
        if self.options.durability == "strict" or self.pressed:
            return list(self.tail)
        return self.tail.through(now - self.options.window)

    @property
    def pressed(self) -> bool:
        """Whether RAM fills up before the window closes, as with a capture file that is read at full speed."""
        return self.store is not None and self.tail.octets > self.options.memory_bytes / PRESSURE

    def due_in(self, now: float) -> float:
        """Seconds until something must go to disk; infinity where nothing waits for that."""
        window = self.options.window
        first = self.tail.first
        if first is not None and (self.options.durability == "strict" or self.pressed):
            return 0.0
        moments = [first.appended + window] if first is not None else []
        if self._dirty_since is not None:
            moments.append(self._dirty_since + window)
        return max(0.0, min(moments) - now) if moments else float("inf")

    @property
    def has_news(self) -> bool:
        """Whether RAM knows anything that the disk is to know when the window closes, or before."""
        return len(self.tail) > 0 or self._dirty_since is not None

    async def commit(self, entries: Sequence[Held], *, probe: bool = False) -> bool:
        """Inside a turn. Everything RAM knows and the disk does not; False where the disk did not take it.

        probe: the disk was failing: open the file again, and write something even if nothing waits.
        """
        changes = self._changes(entries)
        if not changes and not probe:
            return not self.failing
        if probe and self.store is not None:
            self.failing = False
            await self.open(self.first)
            if self.failing:
                return False
            changes = self._changes(entries)
        written = await self.attempt(lambda log: log.commit(changes))
        if written is None:
            return False
        self._apply(changes, written)
        if probe:
            self._told = ""
            _log.warning("spool works again", file=str(self.options.path))
            self.show_state()
        return True

    async def change(
        self, work: Callable[[Log, int], Outcome[T]], sinks: Collection[str], *, flush: bool = False, reserve: int = 0
    ) -> T | None:
        """Change rows of these sinks in one transaction. None where the disk did not take it.

        flush:   all in RAM goes to disk with it
        reserve: how many sequences the work may give, from its second argument on
        """
        async with self.turn:
            for name in sinks:
                if name in self.pending:
                    self.pending[name].unload()
            # With what is due anyway: many such changes in a row must not hold up the window.
            changes = self._changes(list(self.tail) if flush else self.due(self.clock.monotonic()))
            first, self.next = self.next, self.next + reserve
            changes.high = self.next

            def transact(log: Log) -> tuple[Written, Outcome[T], dict[str, datetime | None]]:
                with database.transaction(log.connection):
                    written = log.apply(changes)
                    outcome = work(log, first)
                written.space = log.space()
                return (
                    written,
                    outcome,
                    {loss.sink: cursors.oldest(log.connection, loss.sink) for loss in outcome.losses},
                )

            done = await self.attempt(transact)
            if done is None:
                return None
            written, outcome, oldest = done
            self._apply(changes, written)
            for name in sinks:  # what went to disk just now may have been given up there in the same transaction
                if name in self.pending:
                    self.pending[name].unload()
            if reserve:
                self.disk_through = max(self.disk_through, first + reserve - 1)
            for loss in outcome.losses:
                self.losses.count(loss.sink, loss.reason, max(0, loss.reports))
                if (pending := self.pending.get(loss.sink)) is not None:
                    pending.stored -= loss.reports
                    pending.octets -= loss.octets
                    pending.front = oldest[loss.sink]
                    self.arrived[loss.sink].set()
            return outcome.result

    async def attempt(self, work: Callable[[Log], T]) -> T | None:
        """Inside a turn. None where the disk failed; the rest of the program need not know more."""
        if self.store is None or self.failing:
            return None
        try:
            return await self.store.run(work)
        except Failing as error:
            self.fail(error)
        except Lost:
            self._back_into_ram()
            await self.open(self.first)
        return None

    def fail(self, error: Failing) -> None:
        """The disk fails: RAM carries on, and the file is tried again later."""
        if error.kind != self._told:  # not at every retry
            self._told = error.kind
            _log.error("spool degraded: reports are kept in RAM only", error=str(error))
        self.failing = True
        self.retry_at = self.clock.monotonic() + (BUSY_RETRY_S if isinstance(error, Busy) else RETRY_S)
        self.show_state()
        if self.options.durability == "strict":
            for event in self.arrived.values():
                event.set()

    def show_state(self) -> None:
        state = "memory" if self.store is None else "degraded" if self.failing else "durable"
        self.metrics.state("datalogger_spool_state", state=state)

    # ── from the disk ────────────────────────────────────────────────────────────────────────────

    async def read_ahead(self, pending: Pending, limit: int) -> None:
        """Inside a turn. The next page of a backlog."""
        at, after = self.clock.now(), pending.read_through
        wanted = max(limit, AHEAD) - len(pending.ahead)
        page = await self.attempt(lambda log: log.page(pending.sink, after, wanted, at))
        if page is None:
            return
        lost, octets = page.damaged
        if lost:
            pending.stored -= lost
            pending.octets -= octets
            self.metrics.add("datalogger_spool_damaged_total", "record", amount=lost)
            self.losses.count(pending.sink, "damaged", lost)
        pending.was_read(page.rows, page.read_through, page.exhausted)

    def _changes(self, entries: Sequence[Held]) -> Changes:
        positions, cleared, late, doubts = {}, {}, {}, {}
        for name, pending in self.pending.items():
            if not pending.dirty:
                continue
            position = pending.position(self.disk_through)
            if pending.settled:
                positions[name] = position
            if behind := [sequence for sequence in pending.settled if sequence > position]:
                cleared[name] = behind
            if pending.late:
                late[name] = sorted(pending.late)
            if pending.doubts:
                doubts[name] = sorted(pending.doubts)
        snapshot = [(held, tuple(held.wanted), tuple(held.doubtful)) for held in entries]
        settled = {name: frozenset(self.pending[name].settled) for name in positions}
        return Changes(
            snapshot, positions, cleared, late, doubts, list(self.asides), self.next, settled, dict(self.orphans)
        )

    def _apply(self, changes: Changes, written: Written) -> None:
        """The commit has returned."""
        self.metrics.add("datalogger_spool_commits_total")
        self.metrics.set("datalogger_spool_bytes", value=sum(written.space))
        self.space = written.space
        for name, settled in changes.settled.items():
            if name in self.pending:
                self.pending[name].settled -= settled
        for name, doubts in changes.doubts.items():
            if name in self.pending:
                self.pending[name].doubts -= set(doubts)
        for name, late in changes.late.items():
            if name in self.pending:
                self.pending[name].is_settled(late, written.late[name])
        del self.asides[: len(changes.asides)]
        for sink, count in written.dropped.items():
            self.losses.count(sink, "quarantine-full", count)
        for held, wanted, doubtful in changes.entries:
            self.tail.remove(held.sequence)
            size = written.sizes[held.sequence]
            for name in wanted:
                if (pending := self.pending.get(name)) is not None:
                    pending.went_to_disk(held, size, live_first=self.sinks[name].order == "live-first")
                    if name in held.doubtful and name not in doubtful:
                        pending.doubts.add(held.sequence)
            held.size = size
            self.disk_through = max(self.disk_through, held.sequence)
        self._dirty_since = None
        if any(pending.dirty for pending in self.pending.values()):
            self.now_dirty()
        if changes.entries and self.options.durability == "strict":
            for name in {name for _, wanted, _ in changes.entries for name in wanted}:
                if name in self.arrived:
                    self.arrived[name].set()
        self.tell_waiters()

    def _back_into_ram(self) -> None:
        """The file is gone: what RAM still has of it is in RAM only again; the rest is the salvage's."""
        assert self.store is not None
        known, entries = {}, {held.sequence: held for held in self.tail}
        for name, pending in self.pending.items():
            have = {**pending.recent, **pending.ahead}
            settled = frozenset(pending.settled | pending.late | have.keys())
            known[name] = Known(pending.read_through, settled)
            for sequence in sorted(have):
                held = entries.setdefault(sequence, have[sequence])
                held.wanted = held.wanted | {name}
            fresh = sorted({*have, *pending.fresh})
            pending.start_again([entries[sequence] for sequence in fresh])
        self._dirty_since = None  # the new file has nothing to learn of the old one
        self.store.know(known)
        self.tail.prepend(entries[sequence] for sequence in sorted(entries))
        first = self.tail.first
        self.disk_through = (first.sequence if first is not None else self.next) - 1
