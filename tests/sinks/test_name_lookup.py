import asyncio
import socket
import threading
from typing import Any

import pytest

from datalogger.sinks.name_lookup import KEPT, NameLookup
from tests.sinks.telegrams import FixedClock


class Names:
    """In place of `socket.getaddrinfo`: answers what it is told, when it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: list[str] | OSError = ["192.0.2.1"]
        self.go = threading.Event()
        self.go.set()

    def __call__(self, host: bytes, port: None, **_: Any) -> list[Any]:
        self.asked += 1
        self.go.wait(30)
        if isinstance(self.answer, OSError):
            raise self.answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in self.answer]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    stand_in = Names()
    monkeypatch.setattr(socket, "getaddrinfo", stand_in)
    return stand_in


async def test_an_address_is_never_looked_up(names: Names) -> None:
    for address in ("192.0.2.7", "::1"):
        lookup = NameLookup(address, FixedClock())
        lookup.doubt()
        assert await lookup.addresses() == [address]
    assert names.asked == 0


async def test_a_name_is_looked_up_once_a_minute(names: Names) -> None:
    clock = FixedClock()
    lookup = NameLookup("attic.local", clock)
    for _ in range(3):
        assert await lookup.addresses() == ["192.0.2.1"]
    assert names.asked == 1
    names.answer = ["192.0.2.2"]
    clock.elapsed += KEPT
    assert await lookup.addresses() == ["192.0.2.2"]


async def test_after_doubt_it_is_looked_up_again(names: Names) -> None:
    lookup = NameLookup("attic.local", FixedClock())
    await lookup.addresses()
    names.answer = ["192.0.2.2"]
    lookup.doubt()
    assert await lookup.addresses() == ["192.0.2.2"]


async def test_while_the_name_server_is_away_the_last_address_serves(names: Names) -> None:
    lookup = NameLookup("attic.local", FixedClock())
    await lookup.addresses()
    names.answer = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    lookup.doubt()
    assert await lookup.addresses() == ["192.0.2.1"]


async def test_a_name_that_never_was_is_an_error(names: Names) -> None:
    names.answer = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with pytest.raises(OSError, match="Name or service not known"):
        await NameLookup("nobody.invalid", FixedClock()).addresses()


async def test_a_hanging_name_server_holds_one_thread_however_often_it_is_asked(names: Names) -> None:
    names.go.clear()
    lookup = NameLookup("attic.local", FixedClock())
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lookup.addresses(), 0.005)
    names.go.set()
    assert await lookup.addresses() == ["192.0.2.1"]
    assert names.asked == 1


async def test_the_address_that_answered_comes_first(names: Names) -> None:
    names.answer = ["2001:db8::1", "192.0.2.1"]
    lookup = NameLookup("attic.local", FixedClock())
    await lookup.addresses()
    lookup.prefer("192.0.2.1")
    assert await lookup.addresses() == ["192.0.2.1", "2001:db8::1"]
