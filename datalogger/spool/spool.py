"""The spool: every report is kept here until every sink that wants it has it.

The event loop owns the RAM side (`Tail`, one `Pending` a sink), one thread owns the file (`Store`).
A report is appended in RAM; what some sink still wants when the window closes goes to disk, together
with all moved cursors, in one transaction. Nothing leaves RAM before that transaction has returned.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping

import structlog

from datalogger.clock import Clock
from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.errors import ConfigError
from datalogger.metrics import Metrics
from datalogger.model import Delivery, Report
from datalogger.spool import database
from datalogger.spool.cursors import SINKS
from datalogger.spool.eviction import Loss
from datalogger.spool.keeper import Keeper, Outcome
from datalogger.spool.log import Log
from datalogger.spool.pending import PAGE_LIMIT, UNPROVEN, Backlog, Held, Pending
from datalogger.spool.quarantine import Aside
from datalogger.spool.store import Busy, Store
from datalogger.spool.upkeep import Upkeep

__all__ = ["Backlog", "Spool"]

_log = structlog.get_logger(__name__)

PATIENCE_S = 5.0  # at the start, with another process that has the spool
ATTEMPTS = 20  # in that time
ROUND_S = 1.0  # between two rounds of `keep` while something waits
REST_S = 3.0  # while nothing does: each time that a sleeping machine wakes costs as much as a delivery
ASIDES = 1000  # quarantined records held in RAM while the disk fails, some 10 MB; the oldest leave first, counted


def check_sinks(sinks: Mapping[str, SinkOptions]) -> None:
    """ConfigError where there are more than a row has bits for."""
    if len(sinks) > SINKS:
        raise ConfigError(
            f"[sink.*]: {len(sinks)} sinks, the spool can serve {SINKS}; run a second daemon for the rest"
        )


async def within(event: asyncio.Event, seconds: float) -> None:
    """Wait for it; after `seconds` it is set from here. Less than half of what `asyncio.timeout` costs."""
    if not event.is_set():
        timer = asyncio.get_running_loop().call_later(seconds, event.set)
        try:
            await event.wait()
        finally:
            timer.cancel()


class Spool:
    """All methods are called from the event loop; `keep` must be running for anything to reach the disk."""

    def __init__(
        self,
        options: SpoolOptions,
        sinks: Mapping[str, SinkOptions],
        *,
        clock: Clock,
        metrics: Metrics,
        connect: database.Connect = database.connect,
    ) -> None:
        check_sinks(sinks)
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._keeper = Keeper(options, sinks, clock, metrics, connect)
        self._upkeep = Upkeep(self._keeper, self._take_back)
        self._wake = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None  # ends the rest of `keep` when a window closes
        self._resting = False
        self._closed = False

    # ── the life of the spool ────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Take up the file. What cannot be opened is retried; delivery goes on from RAM.

        SpoolError where another process has the spool, and after PATIENCE_S still has it: the one case in which
        this raises. Two daemons on one spool would both deliver all of it. Nothing is open then.
        """
        keeper = self._keeper
        if keeper.store is not None:
            await self._open_file(keeper.store)
            if not keeper.store.began:
                # The file may hold any sequences: begin above all it can have, so that it can be gone on with later.
                keeper.first = keeper.next = max(keeper.next, int(self._clock.now().timestamp()) << 16)
                keeper.disk_through = keeper.next - 1
        keeper.show_state()

    async def _open_file(self, store: Store) -> None:
        for left in reversed(range(ATTEMPTS)):
            try:
                async with self._keeper.turn:
                    await self._keeper.open(None)
            except Busy:
                if not left:
                    self._closed = True
                    await store.close()
                    raise
                await asyncio.sleep(PATIENCE_S / ATTEMPTS)  # a command line may have it for a moment
            else:
                return

    async def keep(self, beat: Callable[[], None] = lambda: None) -> None:
        """The endless loop that commits, bounds, retries and obeys requests; one task of the pipeline.

        beat: called at every turn, at least every REST_S while the disk answers.
        """
        while True:
            beat()
            self._resting = True
            await within(self._wake, self._pause())
            self._resting = False
            self._stand_down()
            self._wake.clear()
            await self.tick()

    def _watch_window(self) -> None:
        """What waits in RAM goes to disk when the window closes, although `keep` rests; what was taken before does not
        even wake it.
        """
        if not self._keeper.has_news:
            self._stand_down()
        elif self._resting and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(self._options.window, self._wake.set)

    def _stand_down(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    async def tick(self) -> None:
        """One round of `keep`."""
        keeper, now = self._keeper, self._clock.monotonic()
        if keeper.store is not None and (not keeper.failing or now >= keeper.retry_at):
            async with keeper.turn:
                await keeper.commit(keeper.due(now), probe=keeper.failing)
            if not keeper.failing:
                await self._upkeep.tick(now)
        keeper.losses.tell()

    def _pause(self) -> float:
        keeper, now = self._keeper, self._clock.monotonic()
        if keeper.failing:
            return min(ROUND_S, max(0.0, keeper.retry_at - now))
        if keeper.store is None:
            return REST_S
        if self._upkeep.busy:
            return 0.0
        due = keeper.due_in(now)
        return REST_S if due == float("inf") else min(ROUND_S, self._options.window, due)

    async def close(self) -> None:
        """Commit everything still wanted and every cursor, mark the end clean. Safe to call twice."""
        keeper = self._keeper
        if self._closed:
            return
        self._closed = True
        if keeper.store is not None:
            async with keeper.turn:
                if not await keeper.commit(list(keeper.tail), probe=keeper.failing):
                    # The file may have been found damaged at this very commit: then a new one is open.
                    await keeper.commit(list(keeper.tail), probe=keeper.failing)
                high = keeper.next
                await keeper.attempt(lambda log: log.finish(high))
            await keeper.store.close()
            if lost := len(keeper.tail):
                _log.error("reports lost: the store failed to the end", count=lost, file=str(self._options.path))
        keeper.losses.tell(all=True)

    async def reconfigure(self, sinks: Mapping[str, SinkOptions]) -> None:
        """A reload: sinks added (from the head on), removed (their backlog is an orphan's), changed."""
        check_sinks(sinks)
        keeper = self._keeper
        async with keeper.turn:
            removed, added = keeper.pending.keys() - sinks.keys(), sinks.keys() - keeper.pending.keys()
            if removed or added:
                await keeper.commit(list(keeper.tail))
            for name in removed:
                for sequence in list(keeper.pending[name].fresh):  # in RAM only: there is no file to keep it in
                    keeper.settle(name, sequence)
                    keeper.losses.count(name, "removed")
                del keeper.pending[name]
                keeper.arrived.pop(name).set()
            for name in added:
                keeper.pending[name] = Pending(name, position=keeper.disk_through)
                keeper.orphans.pop(name, None)
                for held in keeper.tail:  # salvaged for it as an orphan, and not yet on disk
                    if name in held.wanted:
                        keeper.pending[name].append(held)
                keeper.arrived[name] = asyncio.Event()
            keeper.sinks = dict(sinks)
            if removed or added:
                now = self._clock.now() if self._clock.trusted else None
                standings = await keeper.attempt(lambda log: log.register(list(sinks), now))
                if standings is None:
                    keeper.unregistered |= added
                keeper.take_up([known for known in standings or () if known.name in added])
        keeper.tell_waiters()

    # ── reports in ───────────────────────────────────────────────────────────────────────────────

    def append(self, report: Report, wanted: Collection[str]) -> int:
        """Take a report for the sinks named. Never blocks, never raises; its sequence."""
        keeper = self._keeper
        sequence, keeper.next = keeper.next, keeper.next + 1
        size = 512 + 2 * len(report.frame) + 192 * len(report.records)  # what its objects take up in RAM
        names = {name for name in wanted if name in keeper.pending and not self._is_full(name, size)}
        if names:
            received = report.received_at or self._clock.now()
            self._hold(Held(sequence, report, received, self._clock.trusted, size, self._clock.monotonic(), names))
        return sequence

    def _take_back(self, report: Report, wanted: frozenset[str] | None, forced: bool) -> None:
        """A report saved from a damaged file: new, doubtful, and due on disk at once. wanted None: nobody knows who."""
        keeper = self._keeper
        known = keeper.pending.keys() | keeper.orphans.keys()
        names = set(keeper.pending) if wanted is None else known & wanted
        for gone in (wanted or frozenset()) - names:
            keeper.losses.count(gone, "removed")
        if names:
            sequence, keeper.next = keeper.next, keeper.next + 1
            size = 512 + 2 * len(report.frame) + 192 * len(report.records)
            received, due = report.received_at or self._clock.now(), float("-inf")
            self._hold(Held(sequence, report, received, False, size, due, names, set(names), forced))

    def _hold(self, held: Held) -> None:
        keeper = self._keeper
        keeper.tail.append(held)
        for name in held.wanted & keeper.pending.keys():
            keeper.pending[name].append(held)
            if keeper.offers_fresh:
                keeper.arrived[name].set()
        if self._options.durability == "strict" or keeper.pressed:
            self._wake.set()
        self._watch_window()
        if keeper.tail.octets > self._options.memory_bytes:
            oldest, thin = keeper.policies()
            for sink, reason, sequence in keeper.tail.surplus(self._options.memory_bytes, oldest=oldest, thin=thin):
                keeper.settle(sink, sequence)
                keeper.losses.count(sink, reason)
            keeper.tell_waiters()

    def _is_full(self, sink: str, size: int) -> bool:
        """Whether this sink takes no new report now, by its policy drop-newest."""
        keeper = self._keeper
        if keeper.sinks[sink].when_full != "drop-newest":
            return False
        full = self._upkeep.full or keeper.tail.octets + size > self._options.memory_bytes
        if full:
            keeper.losses.count(sink, "full")
        return full

    # ── reports out ──────────────────────────────────────────────────────────────────────────────

    async def take(self, sink: str, limit: int) -> list[Delivery]:
        """The next pending, oldest first, at most PAGE_LIMIT; settles nothing, so the same until settled."""
        keeper, pending, limit = self._keeper, self._keeper.pending[sink], min(limit, PAGE_LIMIT)
        if len(pending.settled) >= UNPROVEN and not keeper.failing:
            async with keeper.turn:
                await keeper.commit([])
        if pending.stored and len(pending.ahead) < limit:
            async with keeper.turn:
                await keeper.read_ahead(pending, limit)
        return pending.next(limit, fresh=keeper.offers_fresh and (not pending.stored or keeper.failing))

    async def take_live(self, sink: str, limit: int) -> list[Delivery]:
        """Of what came in a moment ago, and is still in RAM, the oldest."""
        return self._keeper.pending[sink].live(limit, fresh=self._keeper.offers_fresh)

    async def arrival(self, sink: str, timeout: float) -> None:
        """Return when something came for this sink since the last return, or after `timeout` seconds."""
        arrived = self._keeper.arrived[sink]
        await within(arrived, timeout)
        arrived.clear()

    def rouse(self, sink: str) -> None:
        """Let `arrival` return at once: whoever waits for this sink has something else to look at."""
        if (arrived := self._keeper.arrived.get(sink)) is not None:
            arrived.set()

    def accept(self, sink: str, sequences: Collection[int]) -> None:
        """The receiver has them."""
        keeper = self._keeper
        if sink in keeper.pending:
            for sequence in sequences:
                keeper.settle(sink, sequence)
            keeper.tell_waiters()
            self._watch_window()

    async def set_aside(self, sink: str, answers: Mapping[int, str], reason: str) -> None:
        """Into quarantine, each with the server's answer. reason: rejected, stale or suspect."""
        keeper, now = self._keeper, self._clock.now()
        for sequence, answer in answers.items():
            held = keeper.settle(sink, sequence)
            received, report = (held.received, held.report) if held is not None else (now, None)
            source, flags = report.source if report else "", database.TRUSTED * (held is not None and held.trusted)
            keeper.asides.append(Aside(sink, sequence, source, received, flags, now, reason, answer, report))
            self._metrics.add("datalogger_sink_quarantined_total", sink, reason)
        if keeper.store is None:
            keeper.asides.clear()  # memory mode: nobody could ever look at them
        elif not keeper.failing:
            async with keeper.turn:
                await keeper.commit(keeper.due(self._clock.monotonic()))
        for aside in keeper.asides[:-ASIDES]:
            keeper.losses.count(aside.sink, "quarantine-full")
        del keeper.asides[:-ASIDES]
        keeper.tell_waiters()

    def doubt(self, sink: str, sequences: Collection[int]) -> None:
        """An attempt ended without an answer: offer them as doubtful from now on, also after a restart."""
        pending = self._keeper.pending[sink]
        for sequence in sequences:
            held = pending.fresh.get(sequence) or pending.ahead.get(sequence) or pending.recent.get(sequence)
            if held is not None:
                held.doubtful = held.doubtful | {sink}
            if sequence not in pending.fresh:
                pending.doubts.add(sequence)
                self._keeper.now_dirty()

    async def skip_backlog(self, sink: str, keep: int) -> int:
        """Give up all but the newest `keep`; how many that were."""
        keeper, pending = self._keeper, self._keeper.pending[sink]
        fresh = list(pending.fresh)
        given_up = fresh[: max(0, len(fresh) - keep)]
        for sequence in given_up:
            keeper.settle(sink, sequence)
        keeper.losses.count(sink, "replay-policy", len(given_up))
        keeper.tell_waiters()

        def work(log: Log, _: int) -> Outcome[tuple[int, bool]]:
            count, octets, more = log.skip(sink, keep)
            return Outcome([Loss(sink, "replay-policy", count, octets)] if count else [], (count, more))

        total, more = len(given_up), True
        while more and (pending.stored or pending.ahead):
            # All of RAM goes with it: one that is to be kept must not go to disk unseen, and be given up there.
            count, more = await keeper.change(work, {sink}, flush=True) or (0, False)
            total += count
        return total

    # ── what is known ────────────────────────────────────────────────────────────────────────────

    def backlog(self, sink: str) -> Backlog:
        """Cheap: from counters in RAM."""
        return self._keeper.pending[sink].backlog()

    @property
    def state(self) -> str:
        """durable; memory: nothing is kept on disk, as configured; degraded: the disk fails, RAM carries on."""
        if self._keeper.store is None:
            return "memory"
        return "degraded" if self._keeper.failing else "durable"

    def durable_through(self) -> int:
        """The highest sequence up to which everything is settled or committed."""
        return self._keeper.durable_through()

    async def settled_or_durable(self, sequence: int) -> None:
        """Wait until `durable_through` has reached it."""
        await self._keeper.settled_or_durable(sequence)
