"""The keeper of the invocation counters: what it writes, when, and what a disk that hangs may cost."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from datalogger.meters.counters import EVERY, CounterFile, read
from datalogger.pipeline import counting
from datalogger.pipeline.counting import HANGS, CounterKeeper
from tests.spool.clock import StillClock

TITLE, KEY = "4B464D104B79A973", "1a2b3c4d"
SOON = 30.0  # seconds in which a thread must have done what takes none


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters.json"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LOOK", 0.001)


def counted(path: Path) -> int | None:
    seen = read(path).get((TITLE, KEY))
    return None if seen is None else seen.counter


class Looks:
    """What the keeper calls before each look whether the counters are due."""

    def __init__(self) -> None:
        self.count = 0
        self._more = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._more.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON):
            while not holds():
                self._more.clear()
                await self._more.wait()

    async def times(self, more: int) -> None:
        wanted = self.count + more
        await self.until(lambda: self.count >= wanted)


@contextmanager
def keeping(keeper: CounterKeeper) -> Iterator[Looks]:
    looks = Looks()
    task = asyncio.get_running_loop().create_task(keeper.keep(looks))
    try:
        yield looks
    finally:
        task.cancel()


async def test_counters_are_written_when_they_are_due_and_at_most_once_a_minute(path: Path, clock: StillClock) -> None:
    keeper = CounterKeeper(path, clock)
    keeper.load()
    with keeping(keeper) as looks:
        await looks.times(3)
        assert not path.exists()
        keeper.counters.note(TITLE, KEY, 7)
        await looks.until(lambda: counted(path) == 7)
        keeper.counters.note(TITLE, KEY, 8)
        await looks.times(5)
        assert counted(path) == 7
        clock.advance(EVERY)
        await looks.until(lambda: counted(path) == 8)


async def test_at_the_end_they_are_written_though_not_due_and_are_there_after_a_restart(
    path: Path, clock: StillClock
) -> None:
    keeper = CounterKeeper(path, clock)
    for counter in (7, 8):
        keeper.counters.note(TITLE, KEY, counter)
        await keeper.write()
    again = CounterKeeper(path, clock)
    again.load()
    assert again.counters.last(TITLE, KEY) == 8


async def test_in_memory_only_nothing_is_written(tmp_path: Path, clock: StillClock) -> None:
    keeper = CounterKeeper(None, clock)
    keeper.load()
    with keeping(keeper) as looks:
        keeper.counters.note(TITLE, KEY, 7)
        clock.advance(EVERY * 2)
        await looks.times(3)
    await keeper.write()
    assert keeper.counters.last(TITLE, KEY) == 7
    assert list(tmp_path.iterdir()) == []


class Stuck:
    """A disk that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = threading.Event()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    disk, flush = Stuck(), CounterFile.flush

    def hang(file: CounterFile) -> str:
        disk.asked += 1
        disk.answers.wait(SOON)
        return flush(file)

    monkeypatch.setattr(CounterFile, "flush", hang)
    monkeypatch.setattr(counting, "GRACE", 0.01)
    yield disk
    disk.answers.set()


async def test_a_disk_that_hangs_is_not_waited_for_and_not_asked_twice(
    path: Path, clock: StillClock, stuck: Stuck
) -> None:
    keeper = CounterKeeper(path, clock)
    keeper.counters.note(TITLE, KEY, 7)
    with capture_logs() as said, keeping(keeper) as looks:
        await looks.until(lambda: bool(said))
        clock.advance(EVERY)
        await looks.times(5)
        await keeper.write()  # as at the end of the daemon
        assert stuck.asked == 1
        assert {line["detail"] for line in said} == {HANGS}
        stuck.answers.set()
        await looks.until(lambda: counted(path) == 7)


async def test_a_disk_that_hangs_does_not_hold_up_the_end_of_the_process(
    path: Path, clock: StillClock, stuck: Stuck
) -> None:
    before = set(threading.enumerate())
    keeper = CounterKeeper(path, clock)
    keeper.counters.note(TITLE, KEY, 7)
    await keeper.write()
    (left,) = set(threading.enumerate()) - before
    assert left.daemon
    stuck.answers.set()
    await asyncio.to_thread(left.join, SOON)
    assert not left.is_alive()


async def test_what_is_wrong_with_the_file_is_said(path: Path, clock: StillClock) -> None:
    path.write_text("no counters")
    keeper = CounterKeeper(path, clock)
    with capture_logs() as said:
        keeper.load()
    (line,) = said
    assert str(path) in line["detail"]
    assert (line["log_level"], line["repeats"]) == ("warning", "counters")
