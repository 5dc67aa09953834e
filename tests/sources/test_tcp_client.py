"""Against real sockets on the loopback."""

import asyncio
import contextlib
import errno
import os
import re
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from datalogger.clock import SystemClock
from datalogger.errors import SourceError
from datalogger.sources.incoming import CHUNK
from datalogger.sources.tcp_client import KEEP_ALIVE, TcpClient, TcpClientConfig
from datalogger.words import Duration

SOON = 10  # seconds; a failure bound, never waited for


def source(port: int, host: str = "127.0.0.1", **options: Any) -> TcpClient:
    return TcpClient("dongle", TcpClientConfig(kind="tcp", host=host, port=port, **options), SystemClock())


class Dongle:
    """A server that sends what the test says to whoever is connected."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port: int = self.listener.getsockname()[1]
        self.connection: socket.socket | None = None

    async def accept(self) -> None:
        async with asyncio.timeout(SOON):
            self.connection, _ = await asyncio.get_running_loop().sock_accept(self.listener)

    async def send(self, octets: bytes) -> None:
        assert self.connection is not None
        await asyncio.get_running_loop().sock_sendall(self.connection, octets)

    def reset(self) -> None:
        """Close with a reset instead of an orderly end."""
        assert self.connection is not None
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def close(self) -> None:
        self.listener.close()
        if self.connection is not None:
            self.connection.close()


@pytest.fixture
def dongle() -> Iterator[Dongle]:
    dongle = Dongle()
    yield dongle
    dongle.close()


@pytest.fixture
async def line(dongle: Dongle) -> AsyncIterator[TcpClient]:
    """Connected."""
    line = source(dongle.port)
    await line.open()
    await dongle.accept()
    yield line
    await line.close()


async def read(line: TcpClient, size: int) -> bytes:
    got = b""
    async with asyncio.timeout(SOON):
        while len(got) < size:
            got += await line.read()
    return got


async def test_every_octet_passes_as_it_is(dongle: Dongle, line: TcpClient) -> None:
    sent = bytes(range(256)) * 4
    await dongle.send(sent)
    assert await read(line, len(sent)) == sent


async def test_a_flood_arrives_whole_in_bounded_reads(dongle: Dongle, line: TcpClient) -> None:
    sent = bytes(range(256)) * 4096
    sending = asyncio.create_task(dongle.send(sent))
    got = b""
    async with asyncio.timeout(SOON):
        while len(got) < len(sent):
            chunk = await line.read()
            assert 0 < len(chunk) <= CHUNK
            got += chunk
        await sending
    assert got == sent


async def test_a_cancelled_read_loses_no_octet(dongle: Dongle, line: TcpClient) -> None:
    sent, got = bytes(range(256)) * 4, b""
    for at in range(0, len(sent), 64):
        waiting = asyncio.create_task(line.read())
        await asyncio.sleep(0)
        await dongle.send(sent[at : at + 64])
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            got += await waiting
    assert got + await read(line, len(sent) - len(got)) == sent


async def test_the_end_of_the_connection_comes_after_the_last_octet(dongle: Dongle, line: TcpClient) -> None:
    await dongle.send(b"the last telegram")
    dongle.close()
    got = b""
    async with asyncio.timeout(SOON):
        with pytest.raises(SourceError, match=rf"127\.0\.0\.1:{dongle.port} closed the connection"):
            while True:
                got += await line.read()
    assert got == b"the last telegram"


async def test_a_reset_ends_the_read(dongle: Dongle, line: TcpClient) -> None:
    waiting = asyncio.create_task(line.read())
    await asyncio.sleep(0)
    dongle.reset()
    async with asyncio.timeout(SOON):
        with pytest.raises(SourceError, match=rf":{dongle.port} broke the connection: .*reset by peer"):
            await waiting


async def test_a_peer_that_only_falls_silent_is_probed_and_left_when_asked(dongle: Dongle, line: TcpClient) -> None:
    assert line._incoming is not None and isinstance(line._incoming._transport, asyncio.Transport)
    connected = line._incoming._transport.get_extra_info("socket")
    assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    for option, value in KEEP_ALIVE.items():
        assert connected.getsockopt(socket.IPPROTO_TCP, option) == value
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await line.read()
    await line.close()
    assert connected.fileno() == -1


async def test_after_the_keep_alive_has_failed_the_line_is_said_to_be_gone(line: TcpClient) -> None:
    assert line._incoming is not None
    line._incoming.connection_lost(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
    with pytest.raises(SourceError, match="is gone: it answers no keep-alive"):
        await line.read()


async def test_a_line_is_opened_again_after_it_failed(dongle: Dongle, line: TcpClient) -> None:
    dongle.reset()
    async with asyncio.timeout(SOON):
        with pytest.raises(SourceError):
            await line.read()
    await line.close()
    await line.open()
    await dongle.accept()
    await dongle.send(b"again")
    assert await read(line, 5) == b"again"


async def test_where_nothing_listens_it_says_so(dongle: Dongle) -> None:
    dongle.close()
    for host, shown in (("127.0.0.1", "127.0.0.1"), ("localhost", "localhost")):
        with pytest.raises(SourceError, match=f"nothing listens on {shown}:{dongle.port}"):
            await source(dongle.port, host).open()


async def test_a_name_without_an_address_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(SourceError, match=re.escape("atic.local:23: no such host (Name or service not known)")):
        await source(23, "atic.local").open()


async def test_a_name_that_is_no_name_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="no such host"):
        await source(23, "a" * 64 + ".local").open()


async def test_the_second_address_of_a_host_is_tried_too(dongle: Dongle, monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(*_: Any, **__: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", dongle.port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", dongle.port)),
        ]

    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo
    line = source(dongle.port, "two.local")
    monkeypatch.setattr(loop, "getaddrinfo", both)
    addresses = await line._addresses()
    monkeypatch.setattr(loop, "getaddrinfo", real)
    assert addresses == ["127.0.0.2", "127.0.0.1"]

    async def known() -> list[str]:
        return addresses

    monkeypatch.setattr(line, "_addresses", known)
    await line.open()
    await dongle.accept()
    await dongle.send(b"here")
    assert await read(line, 4) == b"here"
    await line.close()


async def test_a_host_that_does_not_answer_is_given_up_in_time() -> None:
    # A listener whose queue is full: the kernel drops what else wants to connect, as a firewall does.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with contextlib.ExitStack() as waiting:
            for _ in range(2):
                other = waiting.enter_context(socket.socket())
                other.setblocking(False)
                other.connect_ex(("127.0.0.1", port))
            line = source(port, connect_timeout=Duration(0.05))
            async with asyncio.timeout(SOON):
                with pytest.raises(SourceError, match=rf"127.0.0.1:{port} did not answer within 50ms"):
                    await line.open()
            await line.close()


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EHOSTUNREACH, "cannot be reached (No route to host)"),
        (errno.ENETUNREACH, "cannot be reached (Network is unreachable)"),
        (errno.ETIMEDOUT, "did not answer within 10s"),
        (errno.EADDRNOTAVAIL, "Cannot assign requested address"),
    ],
)
async def test_why_a_host_cannot_be_reached(number: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fail)
    with pytest.raises(SourceError, match=re.escape(told)):
        await source(23).open()


async def test_an_address_of_version_6_is_shown_in_brackets() -> None:
    with pytest.raises(SourceError, match=re.escape("[::1]:1")):
        await source(1, "::1").open()


async def test_closing_frees_the_socket_at_any_moment(dongle: Dongle) -> None:
    def descriptors() -> set[str]:
        return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}

    await source(dongle.port).close()
    before = descriptors()
    line = source(dongle.port)
    for turns in range(3):
        await line.open()
        for _ in range(turns):
            await asyncio.sleep(0)
        await line.close()
        await line.close()
        assert descriptors() <= before  # fewer, where one of another test went meanwhile
    with pytest.raises(SourceError, match="is not open"):
        await line.read()


async def test_noise_of_telnet_is_handed_on(dongle: Dongle, line: TcpClient) -> None:
    await dongle.send(b"\xff\xfd\x03/ISK5")
    assert await read(line, 8) == b"\xff\xfd\x03/ISK5"
