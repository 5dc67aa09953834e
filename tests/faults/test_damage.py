"""A damaged file: the daemon starts, what can be read is saved, what cannot is counted."""

import errno
import os
import random
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from datalogger.model import Report
from datalogger.spool.inspection import Inspection
from datalogger.spool.log import Changes, Log, Written
from datalogger.spool.requests import Selector, carry_out
from datalogger.spool.spool import Spool
from datalogger.spool.upkeep import LOOK_S
from tests.spool.conftest import SINK, Bench
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


async def left_alone(bench: Bench, *sentence: str) -> None:
    """With what is at the path: delivery from RAM, one clear sentence, and not an octet or a name changes."""
    before = {path: path.lstat() for path in bench.path.parent.rglob("*")}
    with capture_logs() as logs:
        async with bench.open() as spool:
            assert spool.state == "degraded"
            sequences = bench.fill(spool, 2)
            assert [delivery.sequence for delivery in await spool.take("a", 10)] == sequences
            bench.clock.advance(31)
            await spool.tick()
            spool.accept("a", sequences)
            spool.accept("b", sequences)
        (told,) = [entry["error"] for entry in logs if entry["event"].startswith("spool degraded")]
    assert all(part in told for part in sentence), told
    after = {path: path.lstat() for path in bench.path.parent.rglob("*") if not path.name.endswith(".lock")}
    assert {path: (s.st_ino, s.st_size, s.st_mtime_ns) for path, s in after.items() if not path.is_dir()} == {
        path: (s.st_ino, s.st_size, s.st_mtime_ns) for path, s in before.items() if not path.is_dir()
    }
    assert after.keys() == before.keys()


async def test_a_directory_at_the_path_is_never_touched(bench: Bench) -> None:
    (bench.path / "inside").mkdir(parents=True)
    await left_alone(bench, f"[spool] path {bench.path} is a directory: name a file in it, such as {bench.path}/")


@pytest.mark.parametrize("kind", ["fifo", "socket", "a link to a directory"])
async def test_whatever_is_no_regular_file_is_never_touched(bench: Bench, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(bench.path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(bench.path))
    else:
        (bench.path.parent / "folder").mkdir()
        bench.path.symlink_to(bench.path.parent / "folder")
    await left_alone(bench, f"[spool] path {bench.path} is a ")


@pytest.mark.parametrize("application", [0, 0x47504B47])
async def test_another_programs_database_is_never_touched(bench: Bench, application: int) -> None:
    with sqlite3.connect(bench.path) as connection:
        connection.execute(f"PRAGMA application_id = {application}")
        connection.execute("CREATE TABLE precious(value)")
        connection.execute("INSERT INTO precious VALUES (42)")
    connection.close()
    await left_alone(bench, str(bench.path), "another program's database", "[spool] path")
    with sqlite3.connect(bench.path) as connection:
        assert connection.execute("SELECT value FROM precious").fetchall() == [(42,)]
    connection.close()


async def test_another_programs_database_without_a_table_is_not_taken_over(bench: Bench) -> None:
    with sqlite3.connect(bench.path) as connection:
        connection.execute("PRAGMA application_id = 7")
    connection.close()
    await left_alone(bench, "another program's database")


async def test_another_programs_database_put_in_our_place_while_in_use_is_never_touched(bench: Bench) -> None:
    sent = []
    async with bench.open() as spool:
        for number in range(20):
            spool.append(report(number), ("a",))
            sent.append(report(number).frame)
        await bench.window_closes(spool)
        for suffix in ("", "-wal", "-shm"):
            bench.path.with_name(bench.path.name + suffix).unlink(missing_ok=True)
        theirs = sqlite3.connect(bench.path, isolation_level=None)
        theirs.execute("PRAGMA journal_mode = WAL").fetchall()
        theirs.execute("CREATE TABLE precious(value)")
        bench.clock.advance(LOOK_S)
        await bench.window_closes(spool)
        assert spool.state == "degraded"
        theirs.execute("INSERT INTO precious VALUES (42)")
        theirs.close()
        with sqlite3.connect(bench.path) as connection:
            assert connection.execute("SELECT value FROM precious").fetchall() == [(42,)]
        connection.close()
        bench.path.unlink()
        for _ in range(5):
            bench.clock.advance(31)
            await bench.window_closes(spool)
        assert spool.state == "durable"
        assert sorted([delivery.report.frame for delivery in await spool.take("a", 100)]) == sorted(sent)


async def test_our_spool_whose_mark_is_damaged_is_salvaged(bench: Bench) -> None:
    sent = await backlog(bench)
    with sqlite3.connect(bench.path) as connection:
        connection.execute("PRAGMA application_id = 7")
    connection.close()
    async with bench.open() as spool:
        await salvaged(bench, spool)
        assert await frames(bench, spool, "b") == [known.frame for known in sent.values()]


LETTER = b"Dear spool,\n" * 1000


async def test_a_file_that_was_never_proven_ours_keeps_every_octet_and_is_never_deleted(bench: Bench) -> None:
    for number in range(5):
        bench.path.write_bytes(LETTER + bytes([number]))
        bench.clock.advance(3600)
        await starts_and_works(bench)
    assert sorted(bench.path.with_name(name).read_bytes() for name in aside(bench)) == [
        LETTER + bytes([number]) for number in range(5)
    ]


async def test_of_our_own_salvaged_files_the_newest_two_are_kept(bench: Bench) -> None:
    for _ in range(4):
        await damaged_spool(bench)
        bench.path.with_name("spool.db.damaged-20200101T000000").write_bytes(LETTER)
        async with bench.open() as spool:
            await salvaged(bench, spool)
    assert len([name for name in aside(bench) if name.endswith(".salvaged")]) == 2
    assert bench.path.with_name("spool.db.damaged-20200101T000000").read_bytes() == LETTER


async def test_what_is_not_yet_salvaged_is_never_deleted(bench: Bench) -> None:
    for _ in range(4):
        await damaged_spool(bench)
        async with bench.open():
            pass  # not a single round
    assert len(aside(bench)) == 4


async def damaged_spool(bench: Bench) -> None:
    """A spool of ours with a backlog, and rubbish for a header."""
    bench.clock.advance(3600)
    async with bench.open() as spool:
        bench.fill(spool, 3)
    with bench.path.open("r+b") as file:
        file.write(os.urandom(100))


async def test_the_log_names_the_file_as_it_is_called_in_the_end(bench: Bench) -> None:
    await damaged_spool(bench)
    with capture_logs() as logs:
        async with bench.open() as spool:
            await salvaged(bench, spool)
    (told,) = [entry for entry in logs if "set_aside" in entry]
    assert [told["set_aside"]] == [str(bench.path.with_name(name)) for name in aside(bench)]
    (done,) = [entry for entry in logs if entry["event"] == "salvage done"]
    assert (done["saved"], done["lost"]) == (3, 0)


async def test_no_salvage_is_spoken_of_where_nothing_was_ours(bench: Bench) -> None:
    bench.path.write_bytes(LETTER)
    with capture_logs() as logs:
        await starts_and_works(bench)
        await starts_and_works(bench)
    (told,) = [entry for entry in logs if "set_aside" in entry]
    assert "no spool of datalogger" in told["event"]
    assert [told["set_aside"]] == [str(bench.path.with_name(name)) for name in aside(bench)]
    assert not [entry for entry in logs if "salvage" in entry["event"]]


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


class NoRoomForACopy(sqlite3.Connection):
    """While `full`, a copy breaks off in its middle as it does on a full disk."""

    full = False

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if NoRoomForACopy.full and sql.startswith("VACUUM INTO"):
            Path(parameters[0]).write_bytes(b"half a copy")
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return super().execute(sql, parameters)


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[NoRoomForACopy]]:
    monkeypatch.setattr(NoRoomForACopy, "full", False)
    yield NoRoomForACopy


def on(bench: Bench) -> Spool:
    def connect(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, factory=NoRoomForACopy)

    return Spool(bench.options, bench.sinks, clock=bench.clock, metrics=bench.metrics, connect=connect)


@pytest.mark.parametrize("gone", ["the file", "its directory", "moved, and put back"])
async def test_a_removed_file_that_finds_no_room_for_its_copy_is_held_until_it_does(
    tmp_path: Path, scarce: type[NoRoomForACopy], gone: str
) -> None:
    bench = Bench(tmp_path / "folder" / "spool.db")
    spool = on(bench)
    await spool.open()
    sent = bench.fill(spool, 200, ("a",))
    await bench.window_closes(spool)
    scarce.full = True
    if gone == "its directory":
        shutil.rmtree(bench.path.parent)
    else:
        bench.path.rename(tmp_path / "elsewhere")
    with capture_logs() as logs:
        sent += bench.fill(spool, 1, ("a",))
        for _ in range(3):  # at each, one more attempt
            bench.clock.advance(31)
            await bench.window_closes(spool)
            assert spool.state == "degraded"
            assert aside(bench) == []
    told = [entry["error"] for entry in logs if entry["event"].startswith("spool degraded")]
    assert len(told) == (2 if gone == "its directory" else 1)
    assert f"{bench.path} was removed or replaced" in told[-1]
    assert "has no room" in told[-1]
    if gone == "moved, and put back":
        (tmp_path / "elsewhere").rename(bench.path)
    scarce.full = False
    bench.clock.advance(31)
    await salvaged(bench, spool)
    assert spool.state == "durable"
    assert len(aside(bench)) == (gone != "moved, and put back")
    assert spool.backlog("a").depth == len(sent)
    await spool.close()
    bench.sinks = {"a": SINK}
    async with bench.open() as again:
        assert len(await bench.drain(again, "a")) == len(sent)


async def test_a_removed_file_that_never_found_room_is_mourned_at_the_end(
    bench: Bench, scarce: type[NoRoomForACopy]
) -> None:
    spool = on(bench)
    await spool.open()
    bench.fill(spool, 3)
    await bench.window_closes(spool)
    scarce.full = True
    bench.path.unlink()
    await bench.window_closes(spool)
    with capture_logs() as logs:
        await spool.close()
    assert [entry for entry in logs if entry["event"].startswith("reports lost: the spool's file was removed")]


async def only_the_mark_is_damaged(bench: Bench) -> None:
    """Every row can be read."""
    connection = sqlite3.connect(bench.path, isolation_level=None)
    connection.execute("PRAGMA application_id = 7")
    connection.close()


async def with_quarantine(bench: Bench, count: int = 70) -> list[tuple[int, bytes]]:
    """A damaged file with records in quarantine: (moment, frame) of each. More than one round salvages."""
    async with bench.open() as spool:
        for number, sequence in enumerate(bench.fill(spool, count, ("a",))):
            await spool.set_aside("a", {sequence: f"no {number}"}, "rejected")
            bench.clock.advance(0.001)
        await bench.window_closes(spool)
    found = quarantined(bench)
    await only_the_mark_is_damaged(bench)
    return found


def quarantined(bench: Bench) -> list[tuple[int, bytes]]:
    connection = sqlite3.connect(bench.path)
    rows = connection.execute("SELECT at, octets FROM aside ORDER BY at").fetchall()
    connection.close()
    return rows


async def test_the_quarantine_of_a_damaged_file_goes_on_beside_what_is_set_aside_meanwhile(bench: Bench) -> None:
    before = await with_quarantine(bench)
    async with bench.open() as spool:
        (sequence,) = bench.fill(spool, 1, ("a",))  # the new file gives the same sequences again
        await spool.set_aside("a", {sequence: "no"}, "rejected")
        await salvaged(bench, spool)
        (sequence,) = bench.fill(spool, 1, ("a",))
        await spool.set_aside("a", {sequence: "no"}, "rejected")
    after = quarantined(bench)
    assert len(after) == len(before) + 2
    assert set(before) <= set(after)
    carry_out(bench.path, "replay", "a", Selector("quarantined"), clock=bench.clock)
    async with bench.open() as spool:
        assert len(await bench.drain(spool, "a")) == len(after)


async def test_a_record_in_quarantine_that_is_damaged_costs_only_itself(bench: Bench) -> None:
    before = await with_quarantine(bench)
    connection = sqlite3.connect(bench.path, isolation_level=None)
    connection.execute("UPDATE aside SET crc = crc + 1 WHERE id = 5")
    connection.execute("UPDATE aside SET received = 'soon' WHERE id = 6")
    connection.close()
    async with bench.open() as spool:
        await salvaged(bench, spool)
        assert bench.metrics.get("datalogger_spool_damaged_total", "record") == 2
    assert quarantined(bench) == before[:4] + before[6:]


async def test_a_salvage_cut_short_doubles_nothing_in_quarantine(bench: Bench) -> None:
    before = await with_quarantine(bench)
    async with bench.open() as spool:
        await bench.window_closes(spool)  # a single round
    assert 0 < len(quarantined(bench)) < len(before)
    async with bench.open() as spool:
        await salvaged(bench, spool)
    assert quarantined(bench) == before


async def test_an_orphans_backlog_in_a_damaged_file_is_an_orphans_in_the_new_one(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 70)
        await bench.window_closes(spool)
    both, bench.sinks = bench.sinks, {"a": SINK}
    async with bench.open() as spool:
        await bench.window_closes(spool)  # `b` is gone since now
    with Inspection(bench.path) as inspection:
        before = {sink.name: sink for sink in inspection.status().sinks}
    bench.clock.advance(86400)
    await only_the_mark_is_damaged(bench)
    async with bench.open() as spool:
        await salvaged(bench, spool)
        assert bench.metrics.get("datalogger_sink_dropped_total", "b", "removed") == 0
        with Inspection(bench.path) as inspection:
            after = {sink.name: sink for sink in inspection.status().sinks}
        assert after["b"].orphaned == before["b"].orphaned is not None
        assert after["b"].depth == 70
        await spool.reconfigure(both)
        assert len(await bench.drain(spool, "b")) == len(await bench.drain(spool, "a")) == 70


async def test_a_salvaged_orphan_goes_when_its_time_is_over(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 10)
        await bench.window_closes(spool)
    bench.sinks = {"a": SINK}
    async with bench.open() as spool:
        await bench.window_closes(spool)
    await only_the_mark_is_damaged(bench)
    async with bench.open() as spool:
        await salvaged(bench, spool)
        bench.clock.advance(15 * 86400)
        await salvaged(bench, spool)
        assert bench.metrics.get("datalogger_sink_dropped_total", "b", "removed") == 10
        with Inspection(bench.path) as inspection:
            assert inspection.sinks() == ["a"]


async def test_an_orphan_that_is_configured_again_while_the_disk_fails_gets_what_was_salvaged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 10)
        await bench.window_closes(spool)
    both, bench.sinks = bench.sinks, {"a": SINK}
    await only_the_mark_is_damaged(bench)
    async with bench.open() as spool:
        await spool.tick()  # what was salvaged is in RAM

        def fails(log: Log, changes: Changes) -> Written:
            raise OSError(errno.EIO, "the disk fails")

        with monkeypatch.context() as patch:
            patch.setattr(Log, "commit", fails)
            await bench.window_closes(spool)
            assert spool.state == "degraded"
            await spool.reconfigure(both)
        assert spool.backlog("b").depth == 10
        bench.clock.advance(31)
        await salvaged(bench, spool)
        assert spool.state == "durable"
        assert len(await bench.drain(spool, "b")) == len(await bench.drain(spool, "a")) == 10
