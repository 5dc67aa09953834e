"""The spool as the forwarder meets it: what is pending, what is on disk, what is kept and what is said."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from datalogger.clock import SystemClock
from datalogger.config.schema import SpoolOptions
from datalogger.errors import ConfigError
from datalogger.metrics import Metrics
from datalogger.spool.pending import AHEAD, UNPROVEN
from datalogger.spool.spool import REST_S, Spool
from datalogger.words import ByteSize, Duration
from tests.spool.clock import StillClock
from tests.spool.conftest import SINK, Bench
from tests.spool.reports import report


def rows(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return int(connection.execute("SELECT count(*) FROM log").fetchone()[0])


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1_000_000):
        if true():
            return
        await asyncio.sleep(0)
    raise TimeoutError


async def test_what_every_sink_took_within_the_window_is_never_written(bench: Bench) -> None:
    async with bench.open() as spool:
        commits = bench.metrics.get("datalogger_spool_commits_total")
        for _ in range(20):
            sequences = bench.fill(spool, 5)
            spool.accept("a", sequences)
            spool.accept("b", sequences)
            await bench.window_closes(spool)
        assert bench.metrics.get("datalogger_spool_commits_total") == commits
        assert rows(bench.path) == 0


async def test_what_one_sink_still_wants_when_the_window_closes_is_on_disk(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = bench.fill(spool, 5)
        spool.accept("a", sequences)
        assert spool.durable_through() == sequences[0] - 1
        await spool.tick()
        assert rows(bench.path) == 0, "the window has not closed yet"
        await bench.window_closes(spool)
        assert rows(bench.path) == 5
        assert spool.durable_through() == sequences[-1]


async def test_only_what_is_older_than_the_window_is_written(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 3)
        bench.clock.advance(0.9)
        bench.fill(spool, 4)
        bench.clock.advance(0.2)
        await spool.tick()
        assert rows(bench.path) == 3


async def test_a_report_nobody_wants_leaves_no_trace(bench: Bench) -> None:
    async with bench.open() as spool:
        first, second = spool.append(report(1), ()), spool.append(report(2), ("nobody",))
        assert second > first
        assert spool.durable_through() == second
        await bench.window_closes(spool)
    assert rows(bench.path) == 0


async def test_delivering_a_backlog_deletes_it_and_moves_the_cursor_together(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 50)
        await bench.window_closes(spool)
        await bench.drain(spool, "a")
        await bench.window_closes(spool)
        assert rows(bench.path) == 50, "b wants them still"
        await bench.drain(spool, "b")
        await bench.window_closes(spool)
        assert rows(bench.path) == 0


async def test_a_backlog_longer_than_ram_comes_out_in_order(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = bench.fill(spool, 10 * AHEAD)
        await bench.window_closes(spool)
        sequences += bench.fill(spool, 7)
        assert await bench.drain(spool, "a", limit=13) == sequences


async def test_a_restart_finds_every_backlog_where_it_was(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = bench.fill(spool, 100)
        spool.accept("a", sequences[:30])
        before = spool.backlog("a").depth, spool.backlog("b").depth
    async with bench.open() as spool:
        assert (spool.backlog("a").depth, spool.backlog("b").depth) == before
        assert spool.backlog("a").oldest == report(30, received=bench.clock.now()).received_at
        assert await bench.drain(spool, "a") == sequences[30:]
        assert await bench.drain(spool, "b") == sequences
        assert spool.append(report(1), ("a",)) > sequences[-1]


async def test_nothing_is_doubtful_after_a_clean_end(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 3)
    async with bench.open() as spool:
        assert not any(delivery.doubtful for delivery in await spool.take("a", 10))


async def test_doubt_outlives_a_clean_restart(bench: Bench) -> None:
    async with bench.open() as spool:
        first, second = bench.fill(spool, 2)
        spool.doubt("a", [second])
        await bench.window_closes(spool)
        spool.doubt("a", [first])
    async with bench.open() as spool:
        assert [d.doubtful for d in await spool.take("a", 10)] == [True, True]
        assert [d.doubtful for d in await spool.take("b", 10)] == [False, False]


async def test_no_more_is_handed_out_than_is_doubtful_after_a_crash(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 3 * UNPROVEN)
        await bench.window_closes(spool)
        for _ in range(3):  # the window does not close, the clock stands still
            batch = await spool.take("a", UNPROVEN)
            spool.accept("a", [delivery.sequence for delivery in batch])
            with sqlite3.connect(bench.path) as connection:
                position = connection.execute("SELECT position FROM sink WHERE name = 'a'").fetchone()[0]
            assert batch[-1].sequence - position <= 2 * UNPROVEN


async def test_strict_shows_a_report_only_after_its_commit(bench: Bench) -> None:
    bench.configure(durability="strict")
    async with bench.open() as spool:
        sequences = bench.fill(spool, 3)
        assert await spool.take("a", 10) == []
        assert await spool.take_live("a", 10) == []
        assert spool.durable_through() < sequences[0]
        await spool.tick()
        assert [d.sequence for d in await spool.take("a", 10)] == sequences
        assert spool.durable_through() == sequences[-1]
        assert rows(bench.path) == 3


async def test_keep_commits_a_strict_report_at_once_and_wakes_its_sinks(bench: Bench) -> None:
    bench.configure(durability="strict")
    async with bench.open() as spool:
        keeping = asyncio.ensure_future(spool.keep())
        try:
            sequence = spool.append(report(1), ("a",))
            await asyncio.wait_for(spool.settled_or_durable(sequence), 10)
            await asyncio.wait_for(spool.arrival("a", 10), 9)
            assert len(await spool.take("a", 1)) == 1
        finally:
            keeping.cancel()


async def test_memory_mode_has_no_file(bench: Bench) -> None:
    bench.configure(durability="memory")
    async with bench.open() as spool:
        assert spool.state == "memory"
        sequences = bench.fill(spool, 3)
        await bench.window_closes(spool)
        assert await bench.drain(spool, "a") == sequences
    assert list(bench.path.parent.iterdir()) == []


async def test_memory_mode_drops_the_oldest_beyond_its_bound(bench: Bench) -> None:
    bench.configure(durability="memory", memory_bytes=ByteSize(100_000))
    async with bench.open() as spool:
        sequences = bench.fill(spool, 100)
        left = [d.sequence for d in await spool.take("a", 100)]
        assert 5 < len(left) < 20
        assert left == sequences[-len(left) :]
        assert bench.metrics.get("datalogger_sink_dropped_total", "a", "full") == 100 - len(left)


async def test_arrival_wakes_for_a_report_that_came_before_it_was_called(bench: Bench) -> None:
    async with bench.open() as spool:
        assert await spool.take("a", 1) == []
        spool.append(report(1), ("a",))
        await asyncio.wait_for(spool.arrival("a", 60), 5)
        await spool.arrival("a", 0.001)  # nothing new: the timeout ends it


async def test_settling_out_of_order_leaves_the_rest(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = bench.fill(spool, 10)
        await bench.window_closes(spool)
        spool.accept("a", sequences[5:7])
        spool.accept("b", sequences[:2])
    async with bench.open() as spool:
        assert await bench.drain(spool, "a") == sequences[:5] + sequences[7:]
        assert await bench.drain(spool, "b") == sequences[2:]


async def test_a_live_first_sink_sees_new_reports_over_its_backlog(bench: Bench) -> None:
    bench.sinks = {"a": replace(SINK, order="live-first")}
    async with bench.open() as spool:
        old = bench.fill(spool, 5 * AHEAD, ("a",))
        await bench.window_closes(spool)
        (new,) = bench.fill(spool, 1, ("a",))
        assert (await spool.take_live("a", 100))[-1].sequence == new
        spool.accept("a", [new])
        assert await bench.drain(spool, "a") == old


async def test_a_live_report_that_goes_to_disk_while_it_is_on_its_way_is_settled_all_the_same(bench: Bench) -> None:
    bench.sinks = {"a": replace(SINK, order="live-first")}
    async with bench.open() as spool:
        old = bench.fill(spool, 5 * AHEAD, ("a",))
        await bench.window_closes(spool)
        (new,) = bench.fill(spool, 1, ("a",))
        await bench.window_closes(spool)
        spool.accept("a", [new])
        await bench.window_closes(spool)
        assert spool.backlog("a").depth == len(old)
    async with bench.open() as spool:
        assert await bench.drain(spool, "a") == old


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_skipped_backlog_is_counted(bench: Bench, keep: int, on_disk: bool) -> None:
    async with bench.open() as spool:
        sequences = bench.fill(spool, 100)
        if on_disk:
            await bench.window_closes(spool)
        assert await spool.skip_backlog("a", keep) == 100 - keep
        assert bench.metrics.get("datalogger_sink_dropped_total", "a", "replay-policy") == 100 - keep
        assert [d.sequence for d in await spool.take("a", 10)] == sequences[100 - keep :]
        assert spool.backlog("b").depth == 100
    async with bench.open() as spool:
        assert spool.backlog("a").depth == keep
        assert await bench.drain(spool, "b") == sequences


async def test_of_a_backlog_on_disk_and_in_ram_the_newest_is_kept(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 100)
        await bench.window_closes(spool)
        *_, newest = bench.fill(spool, 3)
        assert await spool.skip_backlog("a", 1) == 102
        assert [d.sequence for d in await spool.take("a", 10)] == [newest]
        assert spool.backlog("a").depth == 1


async def test_the_newest_is_kept_though_it_goes_to_disk_while_the_rest_is_given_up(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 100)
        await bench.window_closes(spool)
        *_, newest = bench.fill(spool, 3)
        bench.clock.advance(1.5)  # due: the round commits it before the skipping gets its turn
        await asyncio.gather(spool.tick(), spool.skip_backlog("a", 1))
        assert [d.sequence for d in await spool.take("a", 10)] == [newest]


async def test_a_new_sink_starts_at_the_head(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 10)
        await bench.window_closes(spool)
        await spool.reconfigure({**bench.sinks, "new": SINK})
        assert spool.backlog("new").depth == 0
        sequence = spool.append(report(1), ("new",))
        assert [d.sequence for d in await spool.take("new", 10)] == [sequence]


async def test_a_sink_that_returns_finds_its_backlog(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = bench.fill(spool, 10)
        await spool.reconfigure({"a": SINK})
        assert "b" not in spool._keeper.pending
        await bench.drain(spool, "a")
        bench.clock.advance(13 * 86400)
        await spool.tick()
        await spool.reconfigure({"a": SINK, "b": SINK})
        assert await bench.drain(spool, "b") == sequences


async def test_an_orphans_backlog_is_dropped_after_fourteen_days(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 10)
        await spool.reconfigure({"a": SINK})
        await bench.drain(spool, "a")
        bench.clock.advance(14 * 86400 + 61)
        await spool.tick()
        assert rows(bench.path) == 0
        assert bench.metrics.get("datalogger_sink_dropped_total", "b", "removed") == 10
        await spool.reconfigure({"a": SINK, "b": SINK})
        assert spool.backlog("b").depth == 0


async def test_an_orphan_does_not_grow_old_on_a_clock_nobody_trusts(bench: Bench) -> None:
    bench.clock.trusted_now = False
    async with bench.open() as spool:
        bench.fill(spool, 10)
        await spool.reconfigure({"a": SINK})
        bench.clock.advance(100 * 86400)
        await spool.tick()
        bench.clock.trusted_now = True
        bench.clock.advance(61)
        await spool.tick()
        assert rows(bench.path) == 10


def test_more_sinks_than_a_row_has_bits_for_is_a_configuration_error(bench: Bench) -> None:
    sinks = {f"s{number}": SINK for number in range(64)}
    with pytest.raises(ConfigError, match="64 sinks, the spool can serve 63"):
        Spool(bench.options, sinks, clock=StillClock(), metrics=Metrics())


async def test_every_one_of_sixty_three_sinks_gets_its_report(bench: Bench) -> None:
    bench.sinks = {f"s{number}": SINK for number in range(63)}
    async with bench.open() as spool:
        sequence = spool.append(report(1), bench.sinks)
    async with bench.open() as spool:
        for name in bench.sinks:
            assert await bench.drain(spool, name) == [sequence]
    async with bench.open() as spool:
        assert rows(bench.path) == 0


async def test_a_sixty_fourth_sink_takes_the_place_of_the_orphan_longest_gone(bench: Bench) -> None:
    bench.sinks = {f"s{number}": SINK for number in range(63)}
    async with bench.open() as spool:
        bench.fill(spool, 1, tuple(bench.sinks))
    bench.sinks = {"new": SINK, **dict(list(bench.sinks.items())[:62])}
    async with bench.open() as spool:
        assert spool.backlog("new").depth == 0
        assert spool.backlog("s61").depth == 1


async def test_the_window_is_kept_by_the_running_loop(bench: Bench) -> None:
    bench.configure(window=Duration(0.01))
    async with bench.open() as spool:
        keeping = asyncio.ensure_future(spool.keep())
        try:
            sequence = spool.append(report(1), ("a",))
            while spool.durable_through() < sequence:
                bench.clock.advance(0.01)
                await asyncio.sleep(0.005)
            assert rows(bench.path) == 1
        finally:
            keeping.cancel()


async def test_a_flood_goes_to_disk_before_the_window_closes_and_loses_nothing(bench: Bench) -> None:
    """A capture file read at full speed: the window stands still, RAM does not grow, nothing is dropped."""
    bench.configure(memory_bytes=ByteSize(1_000_000))
    async with bench.open() as spool:
        keeping = asyncio.ensure_future(spool.keep())
        try:
            sequences = []
            for _ in range(100):
                sequences += bench.fill(spool, 10)
                await until(lambda: not spool._keeper.pressed)
            assert bench.metrics.get("datalogger_sink_dropped_total", "a", "full") == 0
            assert await bench.drain(spool, "a") == sequences
        finally:
            keeping.cancel()


async def test_a_commit_that_was_cancelled_is_known_all_the_same(bench: Bench) -> None:
    """A shutdown in the middle of a commit: what it wrote and a sink has taken does not come again."""
    async with bench.open() as spool:
        sequences = bench.fill(spool, 500)
        bench.clock.advance(2)
        ticking = asyncio.ensure_future(spool.tick())
        await until(spool._keeper.turn.locked)
        await asyncio.sleep(0)
        ticking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ticking
        assert len(spool._keeper.tail) == 0, "the commit has returned, and RAM knows it"
        spool.accept("a", sequences)
    async with bench.open() as spool:
        assert spool.backlog("a").depth == 0
        assert spool.backlog("b").depth == 500


async def test_an_answer_for_a_report_that_is_on_disk_only_is_not_forgotten_before_the_disk_knows(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = bench.fill(spool, 5 * AHEAD)
        await bench.window_closes(spool)
        far = sequences[3 * AHEAD]
        spool.accept("a", [far])
        assert far not in await bench.drain(spool, "a")
        await bench.window_closes(spool)
        assert spool.backlog("a").depth == 0
        assert spool.backlog("a").octets == 0


async def test_what_was_taken_just_before_a_crash_comes_again_as_doubtful(bench: Bench, tmp_path: Path) -> None:
    bench.configure(memory_bytes=ByteSize(100_000_000))
    after = Bench(tmp_path / "after" / "spool.db")
    async with bench.open() as spool:
        sequences = bench.fill(spool, 5 * UNPROVEN)
        await bench.window_closes(spool)
        taken = 0
        while taken < UNPROVEN - 10:
            batch = await spool.take("a", 50)
            spool.accept("a", [delivery.sequence for delivery in batch])
            taken += len(batch)
        on_its_way = await spool.take("a", UNPROVEN)
        after.path.parent.mkdir()
        for suffix in ("", "-wal"):  # as the power cut leaves them
            shutil.copy(f"{bench.path}{suffix}", f"{after.path}{suffix}")
    async with after.open() as spool:
        found = []
        while batch := await spool.take("a", 256):
            found += batch
            spool.accept("a", [delivery.sequence for delivery in batch])
        assert found[0].sequence == sequences[0], "the disk did not know yet"
        gone_out = {*sequences[:taken], *(delivery.sequence for delivery in on_its_way)}
        assert all(delivery.doubtful for delivery in found if delivery.sequence in gone_out)
        middle = sequences[2 * UNPROVEN + 1 : -AHEAD]
        assert not any(delivery.doubtful for delivery in found if delivery.sequence in middle), (
            "and no more than needed"
        )


@pytest.mark.parametrize("accepted_after", [None, 0.3])
async def test_while_keep_rests_a_window_closes_all_the_same(tmp_path: Path, accepted_after: float | None) -> None:
    """The real clock: one that nobody takes is on disk a window later; one that was taken is never written."""
    options = SpoolOptions(path=tmp_path / "spool.db", window=Duration(0.5))
    metrics = Metrics()
    spool = Spool(options, {"a": SINK}, clock=SystemClock(), metrics=metrics)
    await spool.open()
    keeping = asyncio.ensure_future(spool.keep())
    await asyncio.sleep(0.1)  # it rests now
    before = metrics.get("datalogger_spool_commits_total")
    sequence = spool.append(report(1), ("a",))
    if accepted_after is None:
        async with asyncio.timeout(REST_S / 2):
            await spool.settled_or_durable(sequence)
    else:
        await asyncio.sleep(accepted_after)
        spool.accept("a", [sequence])
        await asyncio.sleep(0.5)
    written = metrics.get("datalogger_spool_commits_total") - before
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await spool.close()
    assert written == (1 if accepted_after is None else 0)
