from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.metrics import Metrics
from datalogger.spool.spool import Spool
from datalogger.words import Duration
from tests.spool.clock import StillClock
from tests.spool.reports import report

SINK = SinkOptions(kind="test")


class Bench:
    """A spool on a clock that stands still; rounds of `keep` are called by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.options = SpoolOptions(path=path, window=Duration(1))
        self.sinks = {"a": SINK, "b": SINK}
        self.clock = StillClock()
        self.metrics = Metrics()

    def configure(self, **changes: Any) -> None:
        """Options of [spool]."""
        self.options = replace(self.options, **changes)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Spool]:
        self.metrics = Metrics()
        spool = Spool(self.options, self.sinks, clock=self.clock, metrics=self.metrics)
        await spool.open()
        try:
            yield spool
        finally:
            await spool.close()

    async def window_closes(self, spool: Spool) -> None:
        self.clock.advance(1.5)
        await spool.tick()

    async def drain(self, spool: Spool, sink: str, limit: int = 100) -> list[int]:
        """Take and accept everything; the sequences, as they came."""
        found: list[int] = []
        while batch := await spool.take(sink, limit):
            found += [delivery.sequence for delivery in batch]
            spool.accept(sink, [delivery.sequence for delivery in batch])
        return found

    def fill(self, spool: Spool, count: int, wanted: tuple[str, ...] = ("a", "b")) -> list[int]:
        return [spool.append(report(number, received=self.clock.now()), wanted) for number in range(count)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "spool.db")
