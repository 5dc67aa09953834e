"""Keeps the invocation counters of the meters that encipher, while the daemon runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from datalogger.clock import Clock
from datalogger.meters.counters import CounterFile
from datalogger.protocol.dlms.security import Counters, MemoryCounters

log = structlog.get_logger()

# How often it is looked whether the counters are due, and the longest that writing them may hold up the end. Seconds.
LOOK = 5.0
GRACE = 2.0


class CounterKeeper:
    """The invocation counters of all sources: in a file beside the spool; in RAM only where nothing may be written."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._file = None if path is None else CounterFile(path, clock)
        self.counters: Counters = self._file or MemoryCounters()
        self._writing: asyncio.Future[str] | None = None  # one at a time: a disk that hangs holds one thread, not all

    def load(self) -> None:
        if self._file is not None:
            _say(self._file.load())

    async def keep(self, beat: Callable[[], None]) -> None:
        """Write them when they are due, until cancelled."""
        while True:
            beat()
            await asyncio.sleep(LOOK)
            if self._file is not None and self._file.due():
                await self.write()

    async def write(self) -> None:
        """Write them now; a disk that hangs is waited for no longer than GRACE."""
        if self._file is None or (self._writing is not None and not await self._written(self._writing)):
            return
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._file.flush))
        await self._written(self._writing)

    async def _written(self, writing: "asyncio.Future[str]") -> bool:
        """Whether this writing has ended, which may have begun before."""
        await asyncio.wait([writing], timeout=GRACE)
        if not writing.done():
            _say("the disk does not answer")
            return False
        self._writing = None
        _say(writing.result())
        return True


def _say(trouble: str) -> None:
    if trouble:
        log.warning("invocation counters", detail=trouble, repeats="counters")
