"""What is wrong with the file or its disk, in one line, with the mend."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from datalogger.spool import faults
from datalogger.spool.spool import Spool
from datalogger.words import ByteSize
from tests.faults.failing_disk import FULL, FailingDisk
from tests.spool.conftest import Bench

MIN_FREE = ByteSize(100_000_000)


def said(error: Exception, path: Path) -> str:
    text = faults.explain(error, path, MIN_FREE)
    assert "\n" not in text
    assert "Errno" not in text
    return text


def os_error(number: int, file: Path) -> OSError:
    return OSError(number, os.strerror(number), str(file))


def sqlite_error(text: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "user", lambda: "datalogger")


@pytest.mark.usefixtures("user")
def test_a_directory_that_may_not_be_written_is_named_with_the_user(tmp_path: Path) -> None:
    spool = tmp_path / "spool.db"
    text = said(os_error(errno.EACCES, tmp_path / "spool.db.lock"), spool)
    assert text == f"{tmp_path} cannot be written by user datalogger: chown it, or choose another [spool] path"


@pytest.mark.usefixtures("user")
def test_a_file_that_may_not_be_written_is_named_with_the_user(tmp_path: Path) -> None:
    lock = tmp_path / "spool.db.lock"
    lock.touch()
    text = said(os_error(errno.EACCES, lock), tmp_path / "spool.db")
    assert text == f"{lock} cannot be written by user datalogger: chown it, or choose another [spool] path"


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("error", [("unable to open database file", 14), ("attempt to write a readonly database", 8)])
def test_a_spool_that_sqlite_may_not_write_is_named_with_the_user(
    tmp_path: Path, error: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = tmp_path / "spool.db"
    spool.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != spool)
    text = said(sqlite_error(*error), spool)
    assert text == f"{spool} cannot be written by user datalogger: chown it, or choose another [spool] path"


@pytest.mark.usefixtures("user")
def test_a_missing_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    spool = tmp_path / "var" / "lib" / "spool.db"
    text = said(os_error(errno.EACCES, tmp_path / "var"), spool)
    assert text == (
        f"directory {spool.parent} is missing, and user datalogger cannot make it:"
        " make it and chown it, or choose another [spool] path"
    )


def test_a_file_where_a_directory_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool = tmp_path / "file" / "below" / "spool.db"
    with pytest.raises(OSError) as raised:
        spool.parent.mkdir(parents=True)
    assert said(raised.value, spool) == f"{tmp_path / 'file'} is a file, no directory: choose another [spool] path"


def test_a_read_only_file_system_is_said(tmp_path: Path) -> None:
    text = said(os_error(errno.EROFS, tmp_path / "spool.db.lock"), tmp_path / "spool.db")
    assert text.startswith(f"{tmp_path} is on a read-only file system: ")
    assert 'durability = "memory"' in text


@pytest.mark.parametrize("error", [os_error(errno.ENOSPC, Path("x")), sqlite_error(*FULL)])
def test_a_full_disk_says_how_much_is_free_and_how_much_should_be(tmp_path: Path, error: Exception) -> None:
    text = said(error, tmp_path / "spool.db")
    assert f"{tmp_path} has no room for the spool: " in text
    assert "MB free" in text or "GB free" in text or "kB free" in text
    assert "min_free = 100MB" in text
    assert text.endswith("delete something there, or choose a [spool] path on another disk")


def test_a_failing_disk_is_said(tmp_path: Path) -> None:
    assert "dmesg" in said(sqlite_error("disk I/O error", 1034), tmp_path / "spool.db")


def test_any_other_error_names_the_file_without_its_number(tmp_path: Path) -> None:
    assert said(os_error(errno.ELOOP, tmp_path / "x"), tmp_path / "spool.db") == (
        f"{tmp_path / 'x'}: {os.strerror(errno.ELOOP)}"
    )
    assert said(sqlite3.OperationalError("database is locked"), tmp_path / "spool.db") == (
        f"{tmp_path / 'spool.db'}: database is locked"
    )


async def test_a_full_disk_is_told_once_however_the_free_space_moves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FailingDisk()
    spool = Spool(bench.options, bench.sinks, clock=bench.clock, metrics=bench.metrics, connect=disk.connect)
    await spool.open()
    bench.fill(spool, 1)
    disk.error = FULL
    free = iter(range(1_000_000, 100_000_000, 1000))
    monkeypatch.setattr(faults, "free_octets", lambda folder: next(free))
    with capture_logs() as logs:
        for _ in range(4):
            bench.clock.advance(31)
            await spool.tick()
    told = [entry["error"] for entry in logs if entry["event"].startswith("spool degraded")]
    assert len(told) == 1
    assert "has no room for the spool" in told[0]
    await spool.close()
