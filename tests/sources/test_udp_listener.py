"""Real datagrams on the loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from datalogger.clock import SystemClock
from datalogger.errors import SourceError
from datalogger.sources.base import Heard
from datalogger.sources.udp_listener import MOST_HELD, UdpListener, UdpListenerConfig
from tests.e2e.harness import until

SOON = 10  # seconds; a failure bound, never waited for


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[UdpListener]:
    source = UdpListener("field", UdpListenerConfig(kind="udp-listen", listen="127.0.0.1:0", **options), SystemClock())
    await source.open()
    try:
        yield source
    finally:
        await source.close()


def send(source: UdpListener, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as meter:
        for datagram in datagrams:
            meter.sendto(datagram, ("127.0.0.1", source.port))


async def heard(source: UdpListener) -> Heard:
    async with asyncio.timeout(SOON):
        return await source.read()


async def test_a_datagram_is_whole_and_its_line_is_the_sender() -> None:
    async with listening() as source:
        send(source, b"one", b"", b"two")
        first, second = await heard(source), await heard(source)
        assert first == Heard(first.line, b"one", last=True)
        assert first.line.startswith("127.0.0.1:")
        assert second == Heard(first.line, b"two", last=True)
        send(source, b"another socket: another meter behind the same host")
        assert (await heard(source)).line != first.line


async def test_who_is_not_on_the_list_is_not_heard() -> None:
    with capture_logs() as logs:
        async with listening(allow=("192.0.2.1",)) as source:
            send(source, b"one")
            await until(lambda: logs, "it is said")
            assert not source._arrived
    assert [log["client"] for log in logs] == ["127.0.0.1"]


async def test_datagrams_that_come_faster_than_they_are_read_are_lost_and_it_is_said() -> None:
    with capture_logs() as logs:
        async with listening() as source:
            fitting = MOST_HELD // 60_000
            for number in range(fitting + 1):
                source._heard("127.0.0.1", 4059, bytes((number,)) * 60_000)
            assert [(await heard(source)).octets[0] for _ in range(fitting)] == list(range(fitting))
            source._heard("127.0.0.1", 4059, b"there is room again")
            assert (await heard(source)).octets == b"there is room again"
    assert [log["event"] for log in logs] == ["datagrams lost: they come faster than they can be read"]


async def test_a_port_that_is_taken_is_named() -> None:
    async with listening() as other:
        config = UdpListenerConfig(kind="udp-listen", listen=f"127.0.0.1:{other.port}")
        with pytest.raises(SourceError, match="another program"):
            await UdpListener("field", config, SystemClock()).open()


async def test_what_was_held_when_it_was_closed_takes_up_no_room_afterwards() -> None:
    async with listening() as source:
        with capture_logs() as logs:
            for _ in range(2):
                for number in range(60):
                    source._heard("127.0.0.1", 4059, bytes((number,)) * 60_000)
                await source.close()
                await source.open()
    assert logs == []


async def test_a_flood_of_datagrams_leaves_turns_to_others() -> None:
    async with listening() as source:
        turns = 0

        async def another() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(another())
        for _ in range(100):
            source._heard("127.0.0.1", 4059, b"push")
        for _ in range(100):
            await heard(source)
        other.cancel()
    assert turns >= 100


async def test_it_can_be_opened_again_after_it_was_closed() -> None:
    async with listening() as source:
        await source.close()
        await source.close()
        await source.open()
        send(source, b"one")
        assert (await heard(source)).octets == b"one"
    with pytest.raises(SourceError, match="not open"):
        await source.read()
