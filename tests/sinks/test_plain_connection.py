"""What `StreamReader` and `StreamWriter` do, on a bare socket: against a server that does as the test says."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from datalogger.sinks.plain_connection import HEAD_BOUND, PlainConnection


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[PlainConnection, socket.socket]]:
    """A connection and its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = await PlainConnection.to("127.0.0.1", listener.getsockname()[1], 5)
        other, _ = listener.accept()
    other.setblocking(False)
    with other:
        try:
            yield connection, other
        finally:
            connection.close()


async def test_more_than_the_kernel_takes_at_once_goes_out_whole_and_in_order() -> None:
    octets = bytes(range(256)) * 32_000
    async with connected() as (connection, other):
        sending = asyncio.ensure_future(connection.send(octets))
        received = bytearray()
        while len(received) < len(octets):
            received += await asyncio.get_running_loop().sock_recv(other, 65536)
        await sending
        assert received == octets


async def test_pieces_come_out_as_they_are_asked_for_however_they_came_in() -> None:
    async with connected() as (connection, other):
        reading = asyncio.ensure_future(connection.readuntil(b"\r\n\r\n"))
        for octet in b"head\r\n\r\nbody":
            other.send(bytes((octet,)))
            await asyncio.sleep(0)
        assert await reading == b"head\r\n\r\n"
        assert await connection.readexactly(3) == b"bod"
        assert await connection.read(100) == b"y"
        other.close()
        assert await connection.read(100) == b""


async def test_an_end_in_the_middle_says_what_came_before_it() -> None:
    async with connected() as (connection, other):
        other.send(b"half a he")
        other.close()
        with pytest.raises(asyncio.IncompleteReadError) as end:
            await connection.readuntil(b"\r\n")
        assert end.value.partial == b"half a he"


async def test_a_head_that_does_not_end_is_given_up_at_its_bound() -> None:
    async with connected() as (connection, other):
        await asyncio.get_running_loop().sock_sendall(other, b"x" * (HEAD_BOUND + 1))
        with pytest.raises(asyncio.LimitOverrunError):
            await connection.readuntil(b"\r\n")


async def test_it_is_usable_again_only_while_the_other_side_is_there_and_silent() -> None:
    async with connected() as (connection, other):
        assert connection.usable
        other.send(b"nobody asked")
        await asyncio.sleep(0)
        assert not connection.usable
    async with connected() as (connection, other):
        other.close()
        assert not connection.usable


async def test_nothing_listens_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await PlainConnection.to("127.0.0.1", port, 5)


async def test_a_host_that_does_not_answer_costs_no_more_than_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = []
        for _ in range(4):  # whoever comes once the backlog is full is not answered
            waiting.append(knocking := socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(address)
        try:
            with pytest.raises(TimeoutError):
                await PlainConnection.to("127.0.0.1", address[1], 0.05)
        finally:
            for knocking in waiting:
                knocking.close()


async def test_a_cancelled_wait_leaves_nothing_behind_in_the_loop() -> None:
    async with connected() as (connection, other):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await connection.readexactly(1)
        other.send(b"x")
        assert await connection.readexactly(1) == b"x"
