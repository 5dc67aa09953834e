"""Who has the spool: one process at a time, and everybody can see which."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from datalogger.errors import SpoolError
from datalogger.spool.lock import Lock
from tests.spool.conftest import Bench
from tests.spool.reports import report


def test_the_lock_file_holds_the_pid_of_its_holder(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "spool.db")
    (tmp_path / "spool.db.lock").write_text("99999999\n")
    assert lock.acquire()
    assert (tmp_path / "spool.db.lock").read_text() == f"{os.getpid()}\n"
    assert lock.holder() == os.getpid()
    lock.release()


def test_a_look_at_the_lock_takes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    looking, holding = Lock(tmp_path / "spool.db"), Lock(tmp_path / "spool.db")
    assert not looking.held()
    assert list(tmp_path.iterdir()) == []
    assert holding.acquire()
    assert looking.held()
    holding.release()
    assert not looking.held()


def test_a_file_of_somebody_else_under_the_locks_name_keeps_what_stands_in_it(tmp_path: Path) -> None:
    (tmp_path / "spool.db.lock").write_text("the combination is 1234")
    lock = Lock(tmp_path / "spool.db")
    assert lock.acquire()
    assert lock.holder() is None
    lock.release()
    assert (tmp_path / "spool.db.lock").read_text() == "the combination is 1234"


async def test_a_second_daemon_does_not_start_and_says_who_has_the_spool(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datalogger.spool.spool.PATIENCE_S", 0.3)
    hold = "import sys; from pathlib import Path; from datalogger.spool.lock import Lock\n"
    hold += "assert Lock(Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(bench.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        said = (
            f"{bench.path} is in use by another datalogger (pid {other.pid}): stop it, or give this one a [spool] path"
        )
        with pytest.raises(SpoolError, match=re.escape(said)):
            async with bench.open():
                pass
        other.stdin.close()
    assert not bench.path.exists()
    async with bench.open() as spool:
        assert spool.state == "durable", "the lock of a process that ended holds nobody up"


async def test_a_command_line_that_holds_the_spool_for_a_moment_is_waited_for(bench: Bench) -> None:
    lock = Lock(bench.path)
    assert lock.acquire()
    asyncio.get_running_loop().call_later(0.3, lock.release)
    async with bench.open() as spool:
        assert spool.state == "durable"


async def test_a_daemon_that_runs_already_waits_in_ram_for_whoever_has_the_spool(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    bench = Bench(tmp_path / "folder" / "spool.db")
    async with bench.open() as spool:
        spool.append(report(1), ("a",))
        (tmp_path / "folder").unlink()
        (tmp_path / "folder").mkdir()
        lock = Lock(bench.path)
        assert lock.acquire()
        bench.clock.advance(31)
        await spool.tick()
        assert spool.state == "degraded"
        lock.release()
        bench.clock.advance(2)
        await spool.tick()
        assert spool.state == "durable"
    async with bench.open() as spool:
        assert len(await bench.drain(spool, "a")) == 1
