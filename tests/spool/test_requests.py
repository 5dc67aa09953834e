"""Replay and drop, asked by another process while the spool is open, and without a daemon."""

import asyncio
import sqlite3
from datetime import timedelta

import pytest

from datalogger.clock import SystemClock
from datalogger.errors import SpoolError
from datalogger.spool import requests
from datalogger.spool.inspection import Inspection
from datalogger.spool.quarantine import Aside
from datalogger.spool.requests import Selector
from datalogger.spool.spool import Spool
from datalogger.spool.upkeep import LOOK_S
from tests.spool.conftest import Bench
from tests.spool.reports import START

QUARANTINED, PENDING = Selector("quarantined"), Selector("pending")


async def refused(bench: Bench, spool: Spool, count: int) -> list[int]:
    """So many reports in the quarantine of `a`; `b` took its own."""
    sequences = bench.fill(spool, count)
    await spool.set_aside("a", {sequence: f"500 for {sequence}" for sequence in sequences}, "rejected")
    await bench.drain(spool, "b")
    await bench.window_closes(spool)
    return sequences


async def asked(bench: Bench, spool: Spool, verb: str, sink: str, selector: Selector) -> int:
    """As the command line asks, while rounds go on."""
    asking = asyncio.get_running_loop().run_in_executor(
        None, lambda: requests.carry_out(bench.path, verb, sink, selector, clock=SystemClock())
    )
    while not asking.done():
        bench.clock.advance(0.1)
        await spool.tick()
        await asyncio.sleep(0.01)
    return await asking


async def test_a_replayed_record_comes_again_with_its_report_and_is_forced(bench: Bench) -> None:
    async with bench.open() as spool:
        first, second = await refused(bench, spool, 2)
        before = [aside.report for aside in inspected(bench)]
        assert await asked(bench, spool, "replay", "a", QUARANTINED) == 2
        again = await spool.take("a", 10)
        assert [delivery.report for delivery in again] == before
        assert all(delivery.forced for delivery in again)
        assert [d.sequence for d in again] > [first, second]
        assert await spool.take("b", 10) == []
        assert inspected(bench) == []
        assert spool.backlog("a").depth == 2


async def test_replayed_records_queue_behind_what_is_waiting(bench: Bench) -> None:
    async with bench.open() as spool:
        await refused(bench, spool, 3)
        waiting = bench.fill(spool, 100, ("a",))
        await bench.window_closes(spool)
        fresh = bench.fill(spool, 5, ("a",))
        assert await asked(bench, spool, "replay", "a", QUARANTINED) == 3
        later = bench.fill(spool, 5, ("a",))
        found = await bench.drain(spool, "a")
        assert found == sorted(found)
        assert found[:105] == waiting + fresh
        assert found[108:] == later


async def test_only_the_sequences_named_are_replayed(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = await refused(bench, spool, 5)
        chosen = Selector("quarantined", (sequences[1], sequences[3]))
        assert await asked(bench, spool, "replay", "a", chosen) == 2
        assert [aside.sequence for aside in inspected(bench)] == [sequences[0], sequences[2], sequences[4]]


async def test_a_long_quarantine_is_replayed_in_parts_and_in_order(bench: Bench) -> None:
    async with bench.open() as spool:
        await refused(bench, spool, 2 * requests.BATCH + 7)
        frames = [aside.report.frame for aside in inspected(bench) if aside.report]
        assert await asked(bench, spool, "replay", "a", QUARANTINED) == 2 * requests.BATCH + 7
        found = []
        while batch := await spool.take("a", 100):
            found += [delivery.report.frame for delivery in batch]
            spool.accept("a", [delivery.sequence for delivery in batch])
        assert found == frames


async def test_a_backlog_is_dropped_for_one_sink_and_counted(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = bench.fill(spool, 50)
        await bench.window_closes(spool)
        sequences += bench.fill(spool, 5)  # in RAM only: dropped all the same
        assert await asked(bench, spool, "drop", "a", PENDING) == 55
        assert spool.backlog("a").depth == 0
        assert bench.metrics.get("datalogger_sink_dropped_total", "a", "request") == 55
        assert await bench.drain(spool, "b") == sequences


async def test_only_what_is_older_is_dropped(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 10)
        bench.clock.advance(3600)
        young = bench.fill(spool, 10)
        older = Selector("pending", before=START + timedelta(seconds=1800))
        assert await asked(bench, spool, "drop", "a", older) == 10
        assert await bench.drain(spool, "a") == young


async def test_a_request_made_while_no_daemon_runs_is_carried_out_at_once(bench: Bench) -> None:
    async with bench.open() as spool:
        sequences = await refused(bench, spool, 3)
    assert requests.carry_out(bench.path, "replay", "a", QUARANTINED, clock=SystemClock()) == 3
    async with bench.open() as spool:
        found = await spool.take("a", 10)
        assert all(delivery.forced for delivery in found)
        assert found[0].sequence > sequences[-1]
        assert spool.append(found[0].report, ("a",)) > found[-1].sequence


async def test_records_dropped_from_quarantine_are_gone(bench: Bench) -> None:
    async with bench.open() as spool:
        await refused(bench, spool, 3)
    assert requests.carry_out(bench.path, "drop", "a", QUARANTINED, clock=SystemClock()) == 3
    assert inspected(bench) == []
    async with bench.open() as spool:
        assert spool.backlog("a").depth == 0


async def test_progress_is_told(bench: Bench) -> None:
    async with bench.open() as spool:
        await refused(bench, spool, requests.BATCH + 1)
    told: list[int] = []
    requests.carry_out(bench.path, "replay", "a", QUARANTINED, clock=SystemClock(), told=told.append)
    assert told == [requests.BATCH, requests.BATCH + 1]


async def test_a_sink_that_is_not_there_is_named_with_those_that_are(bench: Bench) -> None:
    async with bench.open():
        pass
    with pytest.raises(SpoolError, match="no sink 'attic' in this spool; it knows: a, b"):
        requests.carry_out(bench.path, "replay", "attic", QUARANTINED, clock=SystemClock())


def test_no_spool_is_said_and_none_is_made(bench: Bench) -> None:
    with pytest.raises(SpoolError, match="no spool there"):
        requests.carry_out(bench.path, "replay", "a", QUARANTINED, clock=SystemClock())
    assert not bench.path.exists()


async def test_a_request_nobody_can_understand_is_answered_so(bench: Bench) -> None:
    async with bench.open() as spool:
        await spool.tick()
        with sqlite3.connect(bench.path) as connection:
            connection.execute("INSERT INTO request(verb, sink, selector, asked) VALUES ('explode', 'a', '{}', 0)")
        connection.close()
        bench.clock.advance(LOOK_S)
        await spool.tick()
        with sqlite3.connect(bench.path) as connection:
            finished, answer = connection.execute("SELECT finished, answer FROM request").fetchone()
        assert finished
        assert "explode" in answer


async def test_the_quarantine_is_bounded_and_the_oldest_leave_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datalogger.spool.quarantine.LIMIT", 10)
    async with bench.open() as spool:
        sequences = await refused(bench, spool, 25)
        assert [aside.sequence for aside in inspected(bench)] == sequences[15:]
        assert bench.metrics.get("datalogger_sink_dropped_total", "a", "quarantine-full") == 15


async def test_a_report_is_in_quarantine_also_where_ram_has_let_go_of_it(bench: Bench) -> None:
    """The forwarder gave it up after the spool had made room: the log still has it."""
    async with bench.open() as spool:
        sequences = bench.fill(spool, 200)
        await bench.window_closes(spool)
        await spool.set_aside("a", {sequences[150]: "500 no"}, "suspect")
        (aside,) = inspected(bench)
        assert aside.sequence == sequences[150]
        assert aside.report is not None
        await bench.window_closes(spool)
        assert spool.backlog("a").depth == 199
        found = await bench.drain(spool, "a")
        assert found == sequences[:150] + sequences[151:]


async def test_status_counts_what_the_disk_knows(bench: Bench) -> None:
    async with bench.open() as spool:
        await refused(bench, spool, 2)
        bench.fill(spool, 5)
        await bench.window_closes(spool)
        with Inspection(bench.path) as inspection:
            status = inspection.status()
        assert status.daemon
        assert [(s.name, s.depth, s.quarantined) for s in status.sinks] == [("a", 5, {"rejected": 2}), ("b", 5, {})]
        await spool.reconfigure({"a": bench.sinks["a"]})
        with Inspection(bench.path) as inspection:
            assert [s.orphaned is not None for s in inspection.status().sinks] == [False, True]
    with Inspection(bench.path) as inspection:
        assert not inspection.status().daemon
        assert [waiting.sequence for waiting in inspection.pending("a")]


def inspected(bench: Bench) -> list[Aside]:
    with Inspection(bench.path) as inspection:
        return list(inspection.quarantined())


async def test_what_goes_to_disk_and_is_dropped_there_in_one_transaction_is_offered_no_more(bench: Bench) -> None:
    async with bench.open() as spool:
        await bench.window_closes(spool)
        bench.fill(spool, 3, ("a",))
        assert await asked(bench, spool, "drop", "a", PENDING) == 3
        assert spool.backlog("a").depth == 0
        assert await spool.take("a", 10) == []
