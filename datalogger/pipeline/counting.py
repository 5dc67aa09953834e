"""Keeps the invocation counters of the meters that encipher, while the daemon runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from datalogger.clock import Clock
from datalogger.meters.counters import CounterFile
from datalogger.protocol.dlms.security import Counters, MemoryCounters
from datalogger.sinks.own_thread import OwnThread

log = structlog.get_logger()

# How often it is looked whether the counters are due, and the longest that writing them may hold up the end. Seconds.
LOOK = 5.0
GRACE = 2.0

HANGS = "the disk does not answer"


class CounterKeeper:
    """The invocation counters of all sources: in a file beside the spool; in RAM only where nothing may be written."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._file = None if path is None else CounterFile(path, clock)
        self._disk = OwnThread()
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
        """Write them now; a disk that hangs is neither waited for nor asked again before it answers."""
        if self._file is None:
            return
        if self._disk.busy:
            _say(HANGS)
            return
        flushing = self._disk.start(self._file.flush)
        self._disk.end()  # until it is wanted again, in a minute
        try:
            async with asyncio.timeout(GRACE):
                _say(await asyncio.shield(flushing))
        except TimeoutError:
            _say(HANGS)


def _say(trouble: str) -> None:
    if trouble:
        log.warning("invocation counters", detail=trouble, repeats="counters")
