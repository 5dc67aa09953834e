"""A full disk, or one that fails: delivery goes on from RAM, and nothing is lost that RAM can hold."""

import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from datalogger.spool.spool import Spool
from datalogger.words import ByteSize
from tests.faults.failing_disk import FULL, IO_ERROR, FailingDisk
from tests.spool.conftest import Bench


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


async def opened(bench: Bench, disk: FailingDisk) -> Spool:
    spool = Spool(bench.options, bench.sinks, clock=bench.clock, metrics=bench.metrics, connect=disk.connect)
    await spool.open()
    return spool


@pytest.mark.parametrize("failure", [FULL, IO_ERROR])
async def test_after_a_failed_commit_all_is_written_again_from_ram(
    bench: Bench, disk: FailingDisk, failure: tuple[str, int]
) -> None:
    spool = await opened(bench, disk)
    before = bench.fill(spool, 5)
    disk.error = failure
    await bench.window_closes(spool)
    assert spool.state == "degraded"
    assert spool.durable_through() < before[0], "durable is said only after a commit"
    during = bench.fill(spool, 5)
    assert [d.sequence for d in await spool.take("a", 100)] == before + during, "delivery goes on from RAM"
    spool.accept("a", before)
    disk.error = None
    bench.clock.advance(29)
    await spool.tick()
    assert spool.state == "degraded"
    bench.clock.advance(2)
    await spool.tick()
    assert spool.state == "durable"
    assert spool.durable_through() == during[-1]
    await spool.close()
    async with bench.open() as again:
        assert await bench.drain(again, "a") == during
        assert await bench.drain(again, "b") == before + during


async def test_a_commit_that_failed_and_was_done_all_the_same_does_no_harm(bench: Bench, disk: FailingDisk) -> None:
    """After a failed fsync nobody knows: the rows may be in the file when it is opened again."""
    spool = await opened(bench, disk)
    sequences = bench.fill(spool, 5)
    raised = disk.check

    def done_but_reported_as_failed(sql: str) -> None:
        disk.check = raised  # type: ignore[method-assign]  # once
        if sql == "COMMIT":
            bench_connection.execute("COMMIT")
            disk.error = IO_ERROR
            raise disk._raised()
        disk.check = done_but_reported_as_failed  # type: ignore[method-assign]  # not yet

    disk.check = done_but_reported_as_failed  # type: ignore[method-assign]  # the disk is the test's own
    assert spool._keeper.store is not None
    log = spool._keeper.store._log
    assert log is not None
    bench_connection = log.connection._connection  # type: ignore[attr-defined]  # of _Failing
    await bench.window_closes(spool)
    assert spool.state == "degraded"
    disk.error = None
    bench.clock.advance(31)
    await spool.tick()
    assert spool.state == "durable"
    assert spool.backlog("a").depth == 5
    await spool.close()
    async with bench.open() as again:
        assert await bench.drain(again, "a") == sequences


async def test_quarantine_waits_in_ram_while_the_disk_fails(bench: Bench, disk: FailingDisk) -> None:
    spool = await opened(bench, disk)
    first, second = bench.fill(spool, 2)
    disk.error = FULL
    await spool.set_aside("a", {first: "500 no"}, "rejected")
    assert [d.sequence for d in await spool.take("a", 10)] == [second]
    disk.error = None
    bench.clock.advance(31)
    await spool.tick()
    await spool.close()
    with sqlite3.connect(bench.path) as connection:
        assert connection.execute("SELECT sink, seq, answer FROM aside").fetchall() == [("a", first, "500 no")]


async def test_the_ring_in_ram_is_bounded_and_its_drops_are_counted(bench: Bench, disk: FailingDisk) -> None:
    bench.configure(memory_bytes=ByteSize(100_000))
    spool = await opened(bench, disk)
    disk.error = FULL
    sequences = bench.fill(spool, 1)
    await bench.window_closes(spool)
    sequences += bench.fill(spool, 50)
    left = [d.sequence for d in await spool.take("a", 100)]
    assert left == sequences[-len(left) :]
    assert bench.metrics.get("datalogger_sink_dropped_total", "a", "full") == 51 - len(left) > 0
    await spool.close()


async def test_strict_delivers_from_ram_while_the_disk_fails(bench: Bench, disk: FailingDisk) -> None:
    bench.configure(durability="strict")
    spool = await opened(bench, disk)
    disk.error = FULL
    sequences = bench.fill(spool, 2)
    await spool.tick()
    assert [d.sequence for d in await spool.take("a", 10)] == sequences
    await spool.close()


async def test_a_path_that_cannot_be_written_does_not_stop_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    bench = Bench(tmp_path / "file" / "spool.db")
    async with bench.open() as spool:
        assert spool.state == "degraded"
        sequences = bench.fill(spool, 2)
        assert [d.sequence for d in await spool.take("a", 10)] == sequences
        (tmp_path / "file").unlink()
        bench.clock.advance(31)
        await spool.tick()
        assert spool.state == "durable"
        assert spool.durable_through() == sequences[-1]
    async with bench.open() as spool:
        assert await bench.drain(spool, "a") == sequences


async def test_a_backlog_on_a_disk_that_comes_late_is_delivered(bench: Bench, disk: FailingDisk) -> None:
    async with bench.open() as spool:
        old = bench.fill(spool, 5)
    disk.error = IO_ERROR
    spool = await opened(bench, disk)
    new = bench.fill(spool, 3)
    disk.error = None
    bench.clock.advance(31)
    await spool.tick()
    assert new[0] > old[-1]
    assert await bench.drain(spool, "a") == old + new
    await spool.close()


@contextmanager
def file_size_limit(octets: int) -> Iterator[None]:
    """The kernel refuses to let a file of this process grow beyond it (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


async def test_a_file_the_kernel_lets_grow_no_more(bench: Bench) -> None:
    async with bench.open() as spool:
        early = bench.fill(spool, 3)
        await bench.window_closes(spool)
        with file_size_limit((bench.path.with_name("spool.db-wal")).stat().st_size + 8192):
            late = bench.fill(spool, 200)
            await bench.window_closes(spool)
            assert spool.state == "degraded"
            assert len(await spool.take("a", 256)) == 203
        bench.clock.advance(31)
        await spool.tick()
        assert spool.state == "durable"
    async with bench.open() as spool:
        assert await bench.drain(spool, "b") == early + late


@pytest.fixture
def small_filesystem(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(mounted)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no mount here: {error}")
    if done.returncode:
        pytest.skip(f"may not mount here: {done.stderr.strip()}")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=True)


@pytest.mark.slow
async def test_a_really_full_filesystem(small_filesystem: Path) -> None:
    bench = Bench(small_filesystem / "spool.db")
    bench.configure(min_free=ByteSize(0))
    async with bench.open() as spool:
        early = bench.fill(spool, 3)
        await bench.window_closes(spool)
        assert spool.state == "durable"
        filler = small_filesystem / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(os.urandom(4096))
            except OSError:
                pass
        late = bench.fill(spool, 200)
        await bench.window_closes(spool)
        assert spool.state == "degraded"
        filler.unlink()
        bench.clock.advance(31)
        await spool.tick()
        assert spool.state == "durable"
    async with bench.open() as spool:
        assert await bench.drain(spool, "b") == early + late
