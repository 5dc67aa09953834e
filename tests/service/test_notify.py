import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from datalogger.service.notify import Notifier
from tests.service.conftest import ManualClock


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end: a real datagram socket, named in the environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield receiver


def test_each_message_is_one_datagram_as_systemd_reads_it(manager: socket.socket, clock: ManualClock) -> None:
    notifier = Notifier(clock)
    clock.seconds = 12.5
    sent = [
        notifier.ready("reading"),
        notifier.reloading(),
        notifier.status("1 source, 2 sinks"),
        notifier.alive(),
        notifier.stopping(),
    ]
    assert sent == [True] * 5
    assert [manager.recv(4096).decode() for _ in sent] == [
        "READY=1\nSTATUS=reading",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "STATUS=1 source, 2 sinks",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_line_break_in_a_status_begins_no_assignment_of_its_own(manager: socket.socket) -> None:
    Notifier().status("a name\nMAINPID=1")
    assert manager.recv(4096) == b"STATUS=a name MAINPID=1"


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("")  # the kernel chooses a free abstract name
        receiver.settimeout(5)
        name = receiver.getsockname()
        assert name.startswith(b"\0")
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name[1:].decode())
        assert Notifier().alive()
        assert receiver.recv(4096) == b"WATCHDOG=1"


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier()
    assert not notifier.ready("reading")
    assert not notifier.alive()


@pytest.mark.parametrize("address", ["/nowhere/notify", "relative", "x" * 300])
def test_a_socket_that_is_not_there_harms_nobody(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not Notifier().ready()


def test_a_manager_that_reads_no_more_holds_nobody_up(manager: socket.socket) -> None:
    notifier = Notifier()
    sent = 0
    while notifier.alive():  # the kernel queues a bounded number of datagrams
        sent += 1
        assert sent < 100_000
    assert sent > 0
    assert manager.recv(4096) == b"WATCHDOG=1"
    assert notifier.alive()


@pytest.mark.parametrize(
    ("usec", "pid", "interval"),
    [
        ("30000000", None, 30.0),
        ("30000000", "ours", 30.0),
        ("30000000", "1", None),  # meant for another process
        (None, None, None),
        ("0", None, None),
        ("soon", None, None),
    ],
)
def test_the_watchdog_is_read_from_the_environment(
    usec: str | None, pid: str | None, interval: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(os.getpid()) if value == "ours" else value)
    assert Notifier().watchdog == interval
