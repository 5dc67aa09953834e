"""The spool: durable appends, writes in the healthy state and in an outage, and a backlog of a month.

Disk figures need a real disk under the temporary directory (TMPDIR): on a tmpfs the kernel counts no writes.
"""

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

from bench.figures import Figure, show
from datalogger.clock import SystemClock
from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.spool import bodies
from datalogger.spool.spool import Spool
from datalogger.words import ByteSize, Duration
from tests.spool.clock import StillClock
from tests.spool.reports import report

BURST = 64  # reports that come in one turn of the event loop
APPENDS = 30_000
HEALTHY = 1_000
OUTAGE = 600  # commits of one telegram each
BACKLOG = 2_600_000  # a month of one telegram a second
WEEKEND = 172_800
SINKS = {"one": SinkOptions(kind="bench"), "two": SinkOptions(kind="bench")}
ROOM = ByteSize(2_000_000_000)

Mode = Literal["strict", "grouped"]


def figures() -> list[Figure]:
    reports = [report(number) for number in range(2000)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [
            asyncio.run(appends(folder / "strict.db", reports, "strict")),
            asyncio.run(appends(folder / "grouped.db", reports, "grouped")),
            *asyncio.run(healthy(folder / "healthy.db", reports)),
            asyncio.run(outage(folder / "outage.db", reports)),
            *asyncio.run(size(folder / "size.db", reports)),
            *month(folder / "month.db", reports),
        ]


@asynccontextmanager
async def kept(options: SpoolOptions) -> AsyncIterator[Spool]:
    """An open spool with its loop running."""
    spool = Spool(options, SINKS, clock=SystemClock(), metrics=Metrics())
    await spool.open()
    keeping = asyncio.ensure_future(spool.keep())
    try:
        yield spool
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await spool.close()


async def appends(path: Path, reports: list[Report], mode: Mode) -> Figure:
    """Bursts, with never more than 4096 reports not yet durable."""
    options = SpoolOptions(path=path, durability=mode, window=Duration(0.01), max_bytes=ROOM, memory_bytes=ROOM)
    async with kept(options) as spool:
        began, last = time.perf_counter(), 0
        for start in range(0, APPENDS, BURST):
            for number in range(start, start + BURST):
                last = spool.append(reports[number % len(reports)], SINKS)
            await asyncio.sleep(0)
            await spool.settled_or_durable(last - 4096)
        await spool.settled_or_durable(last)
        rate = APPENDS / (time.perf_counter() - began)
        commits = spool._metrics.get("datalogger_spool_commits_total")
    return Figure(
        f"durable appends, {mode}", f"{rate:,.0f}/s in {commits:.0f} commits", "at least 10,000/s", rate >= 10_000
    )


async def healthy(path: Path, reports: list[Report]) -> list[Figure]:
    """Both sinks take every report as it comes, over many windows."""
    options = SpoolOptions(path=path, window=Duration(0.05))
    delays: list[float] = []
    appended: dict[int, float] = {}

    async def sink(spool: Spool, name: str) -> None:
        taken = 0
        while taken < HEALTHY:
            await spool.arrival(name, 5)
            while batch := await spool.take(name, 10):
                delays.extend(time.perf_counter() - appended[delivery.sequence] for delivery in batch)
                spool.accept(name, [delivery.sequence for delivery in batch])
                taken += len(batch)

    async with kept(options) as spool:
        sinks = [asyncio.ensure_future(sink(spool, name)) for name in SINKS]
        await asyncio.sleep(0.2)
        before = written()
        for number in range(HEALTHY):
            at = time.perf_counter()
            appended[spool.append(reports[number], SINKS)] = at
            await asyncio.sleep(0.003)
        await asyncio.gather(*sinks)
        await asyncio.sleep(0.2)
        octets = written() - before
    delays.sort()
    p99 = delays[len(delays) * 99 // 100] * 1000
    return [
        Figure(f"written over {HEALTHY:,} reports, all sinks up", f"{octets:,} B", "0 B", octets == 0),
        Figure("from append to the sink, p99", f"{p99:.2f} ms", "under 1 ms", p99 < 1),
    ]


async def outage(path: Path, reports: list[Report]) -> Figure:
    """One telegram a second that one sink does not take: one commit each."""
    clock = StillClock()
    spool = Spool(SpoolOptions(path=path), SINKS, clock=clock, metrics=Metrics())
    await spool.open()
    before = written()
    for number in range(OUTAGE):
        spool.append(reports[number], ("one",))
        clock.advance(1.01)
        await spool.tick()
    octets = (written() - before) / OUTAGE
    await spool.close()
    return Figure("written per telegram in an outage, 1/s", f"{octets / 1000:.1f} kB", "(pages of 4 kB)")


async def size(path: Path, reports: list[Report]) -> list[Figure]:
    options = SpoolOptions(path=path, max_bytes=ROOM, memory_bytes=ROOM)
    spool = Spool(options, SINKS, clock=StillClock(), metrics=Metrics())
    await spool.open()
    count = 20_000
    for number in range(count):
        spool.append(reports[number % len(reports)], ("one",))
    await spool.close()
    each = path.stat().st_size / count
    alone = sum(len(bodies.alone(known).octets) for known in reports) / len(reports)
    weekend = each * WEEKEND / 1e6
    return [
        Figure("on disk per telegram", f"{each:.0f} B", f"(body alone without dictionary: {alone:.0f} B)"),
        Figure("a weekend at 1/s", f"{weekend:.0f} MB", "well under 256 MB", weekend < 128),
    ]


def month(path: Path, reports: list[Report]) -> list[Figure]:
    """A backlog of a month, opened by a process of its own."""
    asyncio.run(_two_rows(path, reports))
    with sqlite3.connect(path) as connection:  # the rest is made by SQLite: a hundred times faster than appending
        connection.execute("PRAGMA synchronous = OFF")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        connection.execute(
            f"{numbers} INSERT INTO log SELECT i, received + i * 1000000, flags, source, wanted, doubtful, size"
            " FROM n, log WHERE seq = 2",
            (BACKLOG,),
        )
        connection.execute(
            f"{numbers} INSERT INTO body SELECT i, crc, dictionary, octets FROM n, body WHERE seq = 2", (BACKLOG,)
        )
    connection.close()
    command = [sys.executable, "-m", "bench.spool", "open", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, grown, depth, first = json.loads(done.stdout.splitlines()[-1])
    assert depth == BACKLOG
    return [
        Figure(f"opening a backlog of {BACKLOG:,}", f"{seconds:.2f} s", "under 2 s", seconds < 2),
        Figure("memory it adds, at its peak", f"{grown:.1f} MB", "under 20 MB", grown < 20),
        Figure("from open to its first report", f"{first * 1000:.1f} ms"),
    ]


async def _two_rows(path: Path, reports: list[Report]) -> None:
    spool = Spool(SpoolOptions(path=path), SINKS, clock=StillClock(), metrics=Metrics())
    await spool.open()
    spool.append(reports[0], SINKS)
    spool.append(reports[1], SINKS)
    await spool.close()


async def _open(path: Path) -> None:
    spool = Spool(SpoolOptions(path=path, max_bytes=ROOM), SINKS, clock=SystemClock(), metrics=Metrics())
    before, began = memory("VmRSS"), time.perf_counter()
    await spool.open()
    opened = time.perf_counter()
    batch = await spool.take("one", 32)
    first, grown = time.perf_counter() - opened, memory("VmHWM") - before
    assert len(batch) == 32
    print(json.dumps([opened - began, grown, spool.backlog("one").depth, first]))
    await spool.close()


def written() -> int:
    """Octets this process has made the disk write, as the kernel counts them."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def memory(key: str) -> float:
    """MB"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["open"]:
        asyncio.run(_open(Path(sys.argv[2])))
    else:
        show("The spool", figures())
