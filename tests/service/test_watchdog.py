import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from datalogger.service.notify import Notifier
from datalogger.service.watchdog import Heartbeats, feed
from tests.service.conftest import ManualClock
from tests.virtual_time import VirtualClock, run


def test_a_task_within_its_gap_is_well_and_beyond_it_is_stuck(clock: ManualClock) -> None:
    heartbeats = Heartbeats(clock)
    beat = heartbeats.register("sink:attic", 60)
    heartbeats.register("sink:cloud", 300)
    clock.advance(60)
    assert heartbeats.stuck() == {}
    clock.advance(1)
    assert list(heartbeats.stuck()) == ["sink:attic"]
    assert str(heartbeats.stuck()["sink:attic"]) == "no turn for 61 s, 60 s at most expected"
    beat()
    assert heartbeats.stuck() == {}


def test_a_task_that_was_forgotten_may_still_beat_while_it_ends(clock: ManualClock) -> None:
    heartbeats = Heartbeats(clock)
    heartbeats.register("source:replay", 60)
    heartbeats.forget("source:replay")
    heartbeats.beat("source:replay")
    clock.advance(1000)
    assert heartbeats.stuck() == {}


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(tmp_path / "notify"))
    receiver.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    return receiver


def fed(manager: socket.socket) -> int:
    """How many signs of life came in since the last look."""
    count = 0
    while True:
        try:
            assert manager.recv(4096) == b"WATCHDOG=1"
        except BlockingIOError:
            return count
        count += 1


def test_the_watchdog_is_fed_at_a_third_of_its_time_and_only_while_every_task_takes_its_turns(
    manager: socket.socket,
) -> None:
    async def scenario() -> None:
        heartbeats = Heartbeats(VirtualClock())
        heartbeats.register("spool", 45)
        feeding = asyncio.ensure_future(feed(Notifier(VirtualClock()), heartbeats))
        await asyncio.sleep(41)
        assert fed(manager) == 5  # at 0, 10, 20, 30 and 40 s
        with capture_logs() as logs:
            await asyncio.sleep(100)
        assert fed(manager) == 0
        assert [(line["event"], line["task"], line["restart"]) for line in logs] == [("stuck", "spool", True)]
        heartbeats.beat("spool")
        with capture_logs() as logs:
            await asyncio.sleep(20)
        assert fed(manager) == 2
        assert [line["event"] for line in logs] == ["no longer stuck"]
        feeding.cancel()

    with manager:
        run(scenario())


def test_what_is_stuck_is_said_without_a_service_manager_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)

    async def scenario() -> None:
        heartbeats = Heartbeats(VirtualClock())
        heartbeats.register("source:house", 60)
        feeding = asyncio.ensure_future(feed(Notifier(VirtualClock()), heartbeats))
        with capture_logs() as logs:
            await asyncio.sleep(80)
        assert [(line["event"], line["task"], line["restart"]) for line in logs] == [("stuck", "source:house", False)]
        feeding.cancel()

    run(scenario())


def test_how_it_goes_is_said_when_it_has_changed(manager: socket.socket) -> None:
    async def scenario() -> None:
        summaries = ["0 waiting", "0 waiting", "3 waiting", "3 waiting", "0 waiting"]
        feeding = asyncio.ensure_future(
            feed(Notifier(VirtualClock()), Heartbeats(VirtualClock()), lambda: summaries.pop(0))
        )
        await asyncio.sleep(41)
        feeding.cancel()

    with manager:
        run(scenario())
        manager.setblocking(False)
        said = []
        with contextlib.suppress(BlockingIOError):
            while True:
                said.append(manager.recv(1000).decode())
    assert [text for text in said if text.startswith("STATUS=")] == [
        "STATUS=0 waiting",
        "STATUS=3 waiting",
        "STATUS=0 waiting",
    ]
