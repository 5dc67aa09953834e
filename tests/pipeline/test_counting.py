"""Counters are written when they are due, and a disk that hangs holds up nobody."""

import asyncio
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from datalogger.clock import SystemClock
from datalogger.meters import counters
from datalogger.meters.counters import CounterFile
from datalogger.pipeline import counting
from datalogger.pipeline.counting import CounterKeeper
from tests.e2e.harness import until

TITLE, KEY = "4B464D1020304050", "01234567"


async def test_what_was_counted_is_there_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "counters.json"
    first = CounterKeeper(path, SystemClock())
    first.load()
    first.counters.note(TITLE, KEY, 7)
    await first.write()
    again = CounterKeeper(path, SystemClock())
    again.load()
    assert again.counters.last(TITLE, KEY) == 7


async def test_without_a_file_they_are_kept_in_memory() -> None:
    keeper = CounterKeeper(None, SystemClock())
    keeper.load()
    keeper.counters.note(TITLE, KEY, 7)
    await keeper.write()
    assert keeper.counters.last(TITLE, KEY) == 7


async def test_they_are_written_while_it_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LOOK", 0.01)
    path = tmp_path / "counters.json"
    keeper = CounterKeeper(path, SystemClock())
    beats: list[None] = []
    keeping = asyncio.create_task(keeper.keep(lambda: beats.append(None)))
    keeper.counters.note(TITLE, KEY, 7)
    await until(lambda: bool(counters.read(path)), "they are in the file")
    assert beats
    keeping.cancel()


async def test_a_disk_that_hangs_holds_one_thread_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "GRACE", 0.01)
    hanging, begun = threading.Event(), []

    def flush(file: CounterFile) -> str:
        begun.append(file)
        hanging.wait(10)
        return ""

    monkeypatch.setattr(CounterFile, "flush", flush)
    keeper = CounterKeeper(tmp_path / "counters.json", SystemClock())
    with capture_logs() as logs:
        for _ in range(3):
            await keeper.write()
    assert len(begun) == 1
    assert {log["detail"] for log in logs} == {"the disk does not answer"}
    hanging.set()
    monkeypatch.setattr(counting, "GRACE", 10)
    await keeper.write()
    assert len(begun) == 2  # it answers again, and what was counted meanwhile is written
