"""A damaged file: the daemon starts, what can be read is saved, what cannot is counted."""

import os
import random
import sqlite3
from pathlib import Path

import pytest

from datalogger.model import Report
from datalogger.spool.spool import Spool
from tests.spool.conftest import Bench
from tests.spool.reports import report

COUNT = 300


async def backlog(bench: Bench, accepted: int = 0) -> dict[int, Report]:
    """A file with a backlog, cleanly closed; `a` took the first ones."""
    sent = {}
    async with bench.open() as spool:
        for number in range(COUNT):
            sent[spool.append(report(number), ("a", "b"))] = report(number)
        await bench.window_closes(spool)
        spool.accept("a", list(sent)[:accepted])
    return sent


async def salvaged(bench: Bench, spool: Spool) -> None:
    """Rounds until the salvage is through and on disk."""
    for _ in range(COUNT):
        await bench.window_closes(spool)
        if not spool._upkeep.busy:
            break
    await bench.window_closes(spool)


async def frames(bench: Bench, spool: Spool, sink: str) -> list[bytes]:
    found = []
    while batch := await spool.take(sink, 100):
        assert all(delivery.doubtful for delivery in batch)
        found += [delivery.report.frame for delivery in batch]
        spool.accept(sink, [delivery.sequence for delivery in batch])
    return found


def aside(bench: Bench) -> list[str]:
    names = (path.name for path in bench.path.parent.glob("spool.db.damaged-*"))
    return sorted(name for name in names if not name.endswith(("-wal", "-shm")))


async def starts_and_works(bench: Bench) -> None:
    """With whatever is at the path: durable at once, and a new report goes through."""
    async with bench.open() as spool:
        assert spool.state == "durable"
        sequence = spool.append(report(1000), ("b",))
        await bench.window_closes(spool)
        assert spool.durable_through() >= sequence
    with sqlite3.connect(bench.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("octets", [b"not a database" * 1000, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 8000])
async def test_rubbish_at_the_path_is_set_aside(bench: Bench, octets: bytes) -> None:
    bench.path.write_bytes(octets)
    await starts_and_works(bench)
    assert len(aside(bench)) == 1
    assert bench.metrics.get("datalogger_spool_damaged_total", "file") == 1


async def test_an_empty_file_is_a_new_spool(bench: Bench) -> None:
    bench.path.touch()
    await starts_and_works(bench)
    assert aside(bench) == []


async def test_a_directory_at_the_path_is_set_aside(bench: Bench) -> None:
    (bench.path / "inside").mkdir(parents=True)
    await starts_and_works(bench)
    assert len(aside(bench)) == 1


async def test_another_programs_database_is_set_aside_and_not_touched(bench: Bench) -> None:
    with sqlite3.connect(bench.path) as connection:
        connection.execute("CREATE TABLE precious(value)")
        connection.execute("INSERT INTO precious VALUES (42)")
    connection.close()
    await starts_and_works(bench)
    (name,) = aside(bench)
    with sqlite3.connect(bench.path.with_name(name)) as connection:
        assert connection.execute("SELECT value FROM precious").fetchall() == [(42,)]


async def test_a_file_of_a_newer_program_is_set_aside_and_what_is_known_of_it_is_saved(bench: Bench) -> None:
    sent = await backlog(bench)
    with sqlite3.connect(bench.path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    async with bench.open() as spool:
        await salvaged(bench, spool)
        assert await frames(bench, spool, "b") == [known.frame for known in sent.values()]


async def test_what_a_garbled_header_hides_is_saved_for_exactly_who_wanted_it(bench: Bench) -> None:
    sent = await backlog(bench, accepted=100)
    with bench.path.open("r+b") as file:
        file.write(os.urandom(100))
    async with bench.open() as spool:
        assert spool.state == "durable"
        await salvaged(bench, spool)
        expected = [known.frame for known in sent.values()]
        assert await frames(bench, spool, "b") == expected
        assert await frames(bench, spool, "a") == expected[100:]
    assert [name for name in aside(bench) if name.endswith(".salvaged")] == aside(bench) != []


async def test_a_salvage_cut_short_is_taken_up_again(bench: Bench) -> None:
    sent = await backlog(bench)
    with bench.path.open("r+b") as file:
        file.write(os.urandom(100))
    async with bench.open():
        pass  # not a single round: nothing is salvaged yet
    async with bench.open() as spool:
        await salvaged(bench, spool)
        assert await frames(bench, spool, "a") == [known.frame for known in sent.values()]


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
async def test_a_truncated_file_gives_what_is_left_of_it(bench: Bench, share: float) -> None:
    sent = await backlog(bench)
    size = bench.path.stat().st_size
    os.truncate(bench.path, int(size * share))
    async with bench.open() as spool:
        assert spool.state == "durable"
        assert len(await spool.take("a", 10)) >= 0  # reading may be what finds the damage
        await salvaged(bench, spool)
        found = await frames(bench, spool, "b")
        assert set(found) <= {known.frame for known in sent.values()}
        assert spool.append(report(1000), ("b",))
        assert len(await spool.take("b", 1)) == 1
    assert bench.metrics.get("datalogger_spool_damaged_total", "file") >= 1


@pytest.mark.parametrize("seed", range(20))
async def test_bits_that_flip_anywhere_cost_only_what_they_hit(bench: Bench, seed: int) -> None:
    """Whatever is delivered is sound, and most of it is."""
    rng = random.Random(seed)
    sent = await backlog(bench)
    octets = bytearray(bench.path.read_bytes())
    for _ in range(3):
        octets[rng.randrange(100, len(octets))] ^= 1 << rng.randrange(8)
    bench.path.write_bytes(octets)
    sound = {known.frame for known in sent.values()}
    async with bench.open() as spool:
        found: set[bytes] = set()
        for _ in range(20):
            for delivery in await spool.take("b", 100):
                found.add(delivery.report.frame)
                spool.accept("b", [delivery.sequence])
            await bench.window_closes(spool)
        assert spool.state == "durable"
        assert found <= sound
        assert len(found) > COUNT / 2
        missing = COUNT - len(found)
        counted = sum(bench.metrics.get("datalogger_spool_damaged_total", what) for what in ("file", "record"))
        assert not missing or counted > 0


async def test_a_record_with_a_wrong_crc_is_skipped_counted_and_kept_aside(bench: Bench) -> None:
    sent = await backlog(bench)
    damaged = sorted(sent)[5]
    with sqlite3.connect(bench.path) as connection:
        connection.execute("UPDATE body SET crc = crc + 1 WHERE seq = ?", (damaged,))
    connection.close()
    async with bench.open() as spool:
        assert await bench.drain(spool, "a") == [sequence for sequence in sent if sequence != damaged]
        assert bench.metrics.get("datalogger_spool_damaged_total", "record") == 1
        assert bench.metrics.get("datalogger_sink_dropped_total", "a", "damaged") == 1
        assert spool.backlog("a").depth == 0
    with sqlite3.connect(bench.path) as connection:
        assert connection.execute("SELECT sink, seq, reason FROM aside").fetchall() == [("a", damaged, "damaged")]


async def test_a_deleted_write_ahead_log_costs_what_stood_in_it_and_no_more(bench: Bench) -> None:
    sent = await backlog(bench)
    async with bench.open() as spool:
        bench.fill(spool, 50)
        await bench.window_closes(spool)
        copy = Bench(bench.path.parent / "copy" / "spool.db")
        copy.path.parent.mkdir()
        copy.path.write_bytes(bench.path.read_bytes())  # without its log
    async with copy.open() as spool:
        found = await bench.drain(spool, "b")
        assert found[:COUNT] == list(sent)


async def test_damage_found_while_running_keeps_what_ram_knows(bench: Bench) -> None:
    sent = await backlog(bench)
    async with bench.open() as spool:
        first = await spool.take("a", 10)
        spool.accept("a", [delivery.sequence for delivery in first[:5]])
        # The whole of the file but its header and schema becomes rubbish under the running daemon.
        assert spool._keeper.store is not None
        log = spool._keeper.store._log
        assert log is not None
        await spool._keeper.attempt(lambda log: log.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        await spool._keeper.attempt(lambda log: log.connection.execute("PRAGMA shrink_memory").fetchall())
        size = bench.path.stat().st_size
        with bench.path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(size - 4096))
        new = spool.append(report(2000), ("a",))
        for _ in range(5):
            await spool.take("b", 200)
            await bench.window_closes(spool)
        assert bench.metrics.get("datalogger_spool_damaged_total", "file") == 1
        assert spool.state == "durable"
        found = [delivery.report.frame for delivery in await spool.take("a", 256)]
        expected = [known.frame for known in sent.values()]
        assert expected[5:10] == found[:5], "what was read ahead is delivered from RAM"
        assert found.count(report(2000).frame) == 1
        assert new


async def test_no_more_than_two_damaged_files_are_kept(bench: Bench) -> None:
    for number in range(5):
        bench.path.write_bytes(b"rubbish" * 1000 + bytes([number]))
        bench.clock.advance(3600)
        await starts_and_works(bench)
    assert len(aside(bench)) == 2


async def test_a_file_nobody_may_read_is_set_aside(bench: Bench) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    await backlog(bench)
    bench.path.chmod(0)
    await starts_and_works(bench)


async def test_a_missing_directory_is_made(tmp_path: Path) -> None:
    await starts_and_works(Bench(tmp_path / "not" / "yet" / "spool.db"))


@pytest.mark.parametrize("instead", [None, b"", b"garbage " * 4000])
async def test_a_file_removed_or_replaced_while_in_use_loses_nothing(bench: Bench, instead: bytes | None) -> None:
    sent = []
    async with bench.open() as spool:
        for number in range(COUNT):
            spool.append(report(number), ("a", "b"))
            sent.append(report(number).frame)
        await bench.window_closes(spool)
        bench.path.unlink()
        if instead is not None:
            other = bench.path.with_name("other")
            other.write_bytes(instead)
            other.rename(bench.path)
        await bench.window_closes(spool)
        spool.append(report(COUNT), ("a", "b"))
        sent.append(report(COUNT).frame)
        await salvaged(bench, spool)
        assert bench.metrics.get("datalogger_spool_damaged_total", "file") >= 1
    async with bench.open() as spool:
        for sink in ("a", "b"):
            found = []
            while batch := await spool.take(sink, 100):
                found += [delivery.report.frame for delivery in batch]
                spool.accept(sink, [delivery.sequence for delivery in batch])
            assert sorted(found) == sorted(sent)
