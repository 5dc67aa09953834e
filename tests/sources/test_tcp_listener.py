"""Real connections on the loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from datalogger.clock import SystemClock
from datalogger.errors import SourceError
from datalogger.pipeline.reader import MAX_LINES
from datalogger.sources.base import Heard
from datalogger.sources.tcp_listener import MOST_AT_ONCE, MOST_HELD, TcpListener, TcpListenerConfig
from datalogger.words import Duration
from tests.e2e.harness import until

SOON = 10  # seconds; a failure bound, never waited for


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[TcpListener]:
    config = TcpListenerConfig(kind="tcp-listen", listen="127.0.0.1:0", **options)
    source = TcpListener("field", config, SystemClock())
    await source.open()
    try:
        yield source
    finally:
        await source.close()


async def heard(source: TcpListener) -> Heard:
    async with asyncio.timeout(SOON):
        return await source.read()


def client(source: TcpListener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", source.port), timeout=SOON)


async def ended(connection: socket.socket) -> bool:
    """Whether the other side has closed."""
    try:
        return await asyncio.to_thread(connection.recv, 1) == b""
    except ConnectionError:
        return True


async def test_what_each_client_sends_is_its_own_line() -> None:
    async with listening() as source:
        with client(source) as first, client(source) as second:
            first.sendall(b"one")
            one = await heard(source)
            second.sendall(b"two")
            two = await heard(source)
    assert (one.octets, two.octets) == (b"one", b"two")
    assert one.line == "127.0.0.1:{}".format(one.line.rpartition(":")[2])
    assert one.line != two.line


async def test_a_client_that_goes_ends_its_line() -> None:
    async with listening() as source:
        with client(source) as connection:
            connection.sendall(b"push")
            first = await heard(source)
        assert await heard(source) == Heard(first.line, b"", gone=True)


async def test_more_clients_than_allowed_are_turned_away_and_it_is_said() -> None:
    with capture_logs() as logs:
        async with listening(max_clients=1) as source:
            with client(source) as first, client(source) as second:
                assert await ended(second)
                first.sendall(b"still there")
                assert (await heard(source)).octets == b"still there"
    assert ["max_clients" in log["error"] for log in logs] == [True]


async def test_who_is_not_on_the_list_is_turned_away() -> None:
    with capture_logs() as logs:
        async with listening(allow=("192.0.2.0/24",)) as source:
            with client(source) as connection:
                assert await ended(connection)
    assert [log["client"] for log in logs] == ["127.0.0.1"]


async def test_a_client_that_says_nothing_is_disconnected() -> None:
    async with listening(idle=Duration(0.05)) as source:
        with client(source) as connection:
            assert await ended(connection)


async def test_a_dropped_client_is_disconnected_and_what_it_sent_is_forgotten() -> None:
    async with listening() as source:
        with client(source) as bad, client(source) as good:
            bad.sendall(b"first")
            line = (await heard(source)).line
            bad.sendall(b"more")
            good.sendall(b"good")
            first, second = await heard(source), await heard(source)
            assert {first.octets, second.octets} == {b"more", b"good"}
            bad.sendall(b"unread")
            good.sendall(b"again")
            await until(lambda: len(source._arrived) == 2, "both are there")
            source.drop(line)
            assert [(await heard(source)).octets for _ in range(2)] == [b"again", b""]
            assert await ended(bad)


async def test_a_client_that_floods_is_slowed_down_and_nothing_of_it_is_lost() -> None:
    flood = bytes(range(256)) * 16 * 1024  # 4 MB

    async with listening() as source:
        with client(source) as connection:
            sending = asyncio.create_task(asyncio.to_thread(connection.sendall, flood))
            taken = b""
            most = 0
            while len(taken) < len(flood):
                most = max(most, sum(len(one.octets) for one in source._arrived))
                taken += (await heard(source)).octets
            await sending
    assert taken == flood
    assert most <= MOST_HELD + MOST_AT_ONCE


async def test_clients_that_send_without_a_pause_hold_up_nobody_else() -> None:
    async with listening() as source:
        with client(source) as connection:
            connection.sendall(bytes(4 * MOST_AT_ONCE))
            await until(lambda: source._arrived, "the first is there")
            turns = 0

            async def neighbour() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(neighbour())
            read = 0
            while read < 4 * MOST_AT_ONCE:
                before = turns
                read += len((await heard(source)).octets)
                assert turns > before
            task.cancel()


def test_a_listener_takes_fewer_clients_than_lines_are_remembered() -> None:
    """A line that is pushed out by others loses what it was in the middle of."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "tcp-listen", "listen": "127.0.0.1:0", "max_clients": MAX_LINES}, TcpListenerConfig)


async def test_a_port_that_is_taken_is_named() -> None:
    async with listening() as other:
        config = TcpListenerConfig(kind="tcp-listen", listen=f"127.0.0.1:{other.port}")
        source = TcpListener("field", config, SystemClock())
        with pytest.raises(SourceError, match="another program"):
            await source.open()


async def test_an_address_of_another_machine_is_named() -> None:
    source = TcpListener("field", TcpListenerConfig(kind="tcp-listen", listen="192.0.2.1:0"), SystemClock())
    with pytest.raises(SourceError, match=r"no such address: see ip addr"):
        await source.open()


async def test_it_can_be_opened_again_after_it_was_closed() -> None:
    async with listening() as source:
        with client(source) as connection:
            connection.sendall(b"one")
            await heard(source)
            await source.close()
            assert await ended(connection)
        await source.open()
        with client(source) as connection:
            connection.sendall(b"two")
            assert (await heard(source)).octets == b"two"
    with pytest.raises(SourceError, match="not open"):
        await source.read()
