"""Bounds: size, age and free disk; what each policy gives up, and that it is counted."""

import shutil
from collections import namedtuple
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from datalogger.spool.spool import Spool
from datalogger.words import ByteSize, Duration
from tests.spool.conftest import SINK, Bench
from tests.spool.reports import START, report

pytestmark = pytest.mark.slow

Usage = namedtuple("Usage", "total used free")


async def outage(bench: Bench, spool: Spool, seconds: int, wanted: tuple[str, ...]) -> list[int]:
    """One report a second, and the window closing every hundred of them."""
    sequences = []
    for number in range(seconds):
        bench.clock.advance(1)
        sequences.append(spool.append(report(number, received=bench.clock.now()), wanted))
        if number % 100 == 99:
            await spool.tick()
    await bench.window_closes(spool)
    return sequences


async def settle_bounds(spool: Spool) -> None:
    """Rounds until nothing more is given up."""
    await spool.tick()
    while spool._upkeep.busy:
        await spool.tick()


async def test_the_oldest_are_dropped_when_the_file_is_full(bench: Bench) -> None:
    bench.configure(max_bytes=ByteSize(400_000))
    async with bench.open() as spool:
        sequences = await outage(bench, spool, 4000, ("a",))
        await settle_bounds(spool)
        assert spool._keeper.space.used <= 200_000, "the other half is for the journal"
        dropped = int(bench.metrics.get("datalogger_sink_dropped_total", "a", "full"))
        assert dropped > 0
        assert spool.backlog("a").depth == 4000 - dropped
        assert await bench.drain(spool, "a") == sequences[dropped:]


async def test_nothing_is_dropped_below_the_bound(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = await outage(bench, spool, 1000, ("a", "b"))
        await settle_bounds(spool)
        assert await bench.drain(spool, "a") == sequences


async def test_a_thinned_backlog_keeps_the_first_of_every_ten_seconds(bench: Bench) -> None:
    bench.sinks = {"a": replace(SINK, when_full="thin")}
    async with bench.open() as spool:
        await outage(bench, spool, 3000, ("a",))
        spool._keeper.options = replace(bench.options, max_bytes=ByteSize(2 * (spool._keeper.space.used - 50_000)))
        await settle_bounds(spool)
        left = spool.backlog("a").depth
        assert left == 3000 - bench.metrics.get("datalogger_sink_dropped_total", "a", "thinned")
        assert 300 <= left <= 301
        batch = await spool.take("a", 100)
        stretches = [int(d.report.received_at.timestamp()) // 10 for d in batch if d.report.received_at]
        assert stretches == list(range(stretches[0], stretches[0] + 100)), "one in each, and none left out"


async def test_thinning_goes_on_to_a_minute_and_a_quarter_of_an_hour_where_that_is_not_enough(bench: Bench) -> None:
    bench.sinks = {"a": replace(SINK, when_full="thin")}
    async with bench.open() as spool:
        await outage(bench, spool, 4000, ("a",))
        used, depths = spool._keeper.space.used, []
        for _ in range(3):
            # half of it is for the pages, the other half for the journal
            spool._keeper.options = replace(bench.options, max_bytes=ByteSize(2 * (spool._keeper.space.used - 1)))
            await settle_bounds(spool)
            bench.clock.advance(61)
            depths.append(spool.backlog("a").depth)
        assert used > spool._keeper.space.used
        assert depths[0] in (400, 401)
        assert depths[1] < 100
        assert depths[2] >= 1, "the energy of the last stretch survives"


async def test_drop_newest_keeps_what_it_has(bench: Bench) -> None:
    bench.sinks = {"a": replace(SINK, when_full="drop-newest")}
    bench.configure(max_bytes=ByteSize(300_000))
    async with bench.open() as spool:
        sequences = await outage(bench, spool, 4000, ("a",))
        left = spool.backlog("a").depth
        assert left < 4000
        assert left + bench.metrics.get("datalogger_sink_dropped_total", "a", "full") == 4000
        assert await bench.drain(spool, "a") == sequences[:left]


async def test_a_sink_that_keeps_what_it_has_is_not_robbed_by_its_neighbour(bench: Bench) -> None:
    bench.sinks = {"keeps": replace(SINK, when_full="drop-newest"), "a": SINK}
    bench.configure(max_bytes=ByteSize(300_000))
    async with bench.open() as spool:
        sequences = await outage(bench, spool, 3000, ("keeps", "a"))
        await settle_bounds(spool)
        kept = spool.backlog("keeps").depth
        assert await bench.drain(spool, "keeps") == sequences[:kept]


@pytest.mark.parametrize("trusted", [True, False])
async def test_age_counts_only_under_a_trusted_clock(bench: Bench, trusted: bool) -> None:
    bench.configure(max_age=Duration(86400))
    bench.clock.trusted_now = trusted
    async with bench.open() as spool:
        old = bench.fill(spool, 10)
        await bench.window_closes(spool)
        bench.clock.advance(2 * 86400)
        young = bench.fill(spool, 10)
        await bench.window_closes(spool)
        assert await bench.drain(spool, "a") == (young if trusted else old + young)
        assert bench.metrics.get("datalogger_sink_dropped_total", "a", "age") == (10 if trusted else 0)


async def test_a_report_from_before_the_clock_was_right_has_no_age(bench: Bench) -> None:
    """A Raspberry Pi woke in 1970 and was put right later."""
    bench.clock.trusted_now, bench.clock.wall = False, datetime.fromtimestamp(0, tz=START.tzinfo)
    async with bench.open() as spool:
        early = bench.fill(spool, 5)
        await bench.window_closes(spool)
        bench.clock.trusted_now, bench.clock.wall = True, START
        bench.clock.advance(61)
        await spool.tick()
        assert await bench.drain(spool, "a") == early


async def test_the_rest_of_the_machine_keeps_its_free_space(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A nearly full disk: the spool gives up its oldest, but never more than what RAM could hold too."""
    async with bench.open() as spool:
        sequences = await outage(bench, spool, 3000, ("a",))
        spool._keeper.options = replace(bench.options, memory_bytes=ByteSize(200_000))
        used, size = spool._keeper.space.used, bench.path.stat().st_size
        missing = 100_000

        def disk_usage(path: Path) -> Usage:
            return Usage(10**9, 10**9, bench.options.min_free - missing + size - bench.path.stat().st_size)

        monkeypatch.setattr(shutil, "disk_usage", disk_usage)
        await settle_bounds(spool)
        assert used - 200_000 < spool._keeper.space.used < used - 50_000
        missing = 10**9
        for _ in range(10):
            bench.clock.advance(61)
            await settle_bounds(spool)
        left = spool.backlog("a").depth
        assert 100_000 < spool._keeper.space.used <= 200_000
        assert await bench.drain(spool, "a") == sequences[-left:]


async def test_a_drained_backlog_gives_its_disk_space_back(bench: Bench) -> None:
    async with bench.open() as spool:
        await outage(bench, spool, 8_000, ("a",))
        await bench.drain(spool, "a", limit=256)
        large = bench.path.stat().st_size
        for _ in range(10):
            await bench.window_closes(spool)
        assert large > 1_400_000
        assert bench.path.stat().st_size < large / 2


async def test_drops_are_logged_at_most_once_a_minute(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.configure(durability="memory", memory_bytes=ByteSize(50_000))
    async with bench.open() as spool:
        for second in range(59):
            bench.fill(spool, 3)
            bench.clock.advance(1)
            await spool.tick()
            del second
        dropped = capsys.readouterr().out.count("reports dropped")
        assert dropped == 2, "once for each of the two sinks"
        bench.clock.advance(2)
        await spool.tick()
        assert capsys.readouterr().out.count("reports dropped") == 2
