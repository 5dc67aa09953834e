"""The spool: every report is kept here until every sink that wants it has it."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping
from contextlib import suppress

from datalogger.clock import Clock
from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.metrics import Metrics
from datalogger.model import Delivery, Report
from datalogger.spool.pending import Backlog, Held, Pending

__all__ = ["Backlog", "Spool"]


class Spool:
    def __init__(
        self, options: SpoolOptions, sinks: Mapping[str, SinkOptions], *, clock: Clock, metrics: Metrics
    ) -> None:
        self._options = options
        self._sinks = dict(sinks)
        self._clock = clock
        self._metrics = metrics
        self._next = 1
        self._tail: OrderedDict[int, Held] = OrderedDict()
        self._pending = {name: Pending(name) for name in sinks}
        self._arrived = {name: asyncio.Event() for name in sinks}
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._disk_through = 0

    async def open(self) -> None:
        """Never raises over its store."""

    def append(self, report: Report, wanted: Collection[str]) -> int:
        """Take a report for the sinks named. Never blocks, never raises; its sequence."""
        sequence, self._next = self._next, self._next + 1
        names = {name for name in wanted if name in self._pending}
        if names:
            received = report.received_at or self._clock.now()
            size = 256 + len(report.frame) + 64 * len(report.records)
            held = Held(sequence, report, received, self._clock.trusted, size, self._clock.monotonic(), names)
            self._tail[sequence] = held
            for name in names:
                self._pending[name].append(held)
                self._arrived[name].set()
        return sequence

    async def keep(self) -> None:
        """The endless loop that commits, bounds, retries; runs as one task of the pipeline."""
        while True:
            await asyncio.sleep(1)

    async def take(self, sink: str, limit: int) -> list[Delivery]:
        """The next pending, oldest first; settles nothing, so the same answer until settled."""
        return self._pending[sink].next(limit, fresh=True)

    async def take_live(self, sink: str, limit: int) -> list[Delivery]:
        return self._pending[sink].live(limit, fresh=True)

    async def arrival(self, sink: str, timeout: float) -> None:
        """Return when something came for this sink since the last call returned, or after `timeout`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._arrived[sink].wait()
        self._arrived[sink].clear()

    def accept(self, sink: str, sequences: Collection[int]) -> None:
        """The receiver has them."""
        for sequence in sequences:
            held = self._pending[sink].settle(sequence, self._disk_through)
            if held is not None and not held.wanted:
                self._tail.pop(sequence, None)
        self._tell_waiters()

    async def set_aside(self, sink: str, answers: Mapping[int, str], reason: str) -> None:
        """Into quarantine. reason: rejected, stale or suspect."""
        self.accept(sink, list(answers))

    def doubt(self, sink: str, sequences: Collection[int]) -> None:
        """An attempt ended without an answer: offer them as doubtful from now on."""
        for sequence in sequences:
            if (held := self._tail.get(sequence)) is not None:
                held.doubtful = held.doubtful | {sink}

    async def skip_backlog(self, sink: str, keep: int) -> int:
        """Give up all but the newest `keep`; how many that were."""
        fresh = list(self._pending[sink].fresh)
        given_up = fresh[: len(fresh) - keep]
        self.accept(sink, given_up)
        return len(given_up)

    def backlog(self, sink: str) -> Backlog:
        return self._pending[sink].backlog()

    @property
    def state(self) -> str:
        """durable, memory or degraded."""
        return "memory"

    def durable_through(self) -> int:
        """The highest sequence up to which everything is settled or committed."""
        return next(iter(self._tail), self._next) - 1

    async def settled_or_durable(self, sequence: int) -> None:
        if self.durable_through() < sequence:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((sequence, waiter))
            await waiter

    async def reconfigure(self, sinks: Mapping[str, SinkOptions]) -> None:
        """A reload: sinks added, removed, changed."""
        for name in sinks.keys() - self._pending.keys():
            self._pending[name] = Pending(name)
            self._arrived[name] = asyncio.Event()
        self._sinks = dict(sinks)

    async def close(self) -> None:
        """Commit everything still wanted; safe to call twice."""

    def _tell_waiters(self) -> None:
        through = self.durable_through()
        for sequence, waiter in self._waiters:
            if sequence <= through and not waiter.done():
                waiter.set_result(None)
        self._waiters = [known for known in self._waiters if not known[1].done()]
