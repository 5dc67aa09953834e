"""A TCP port that meters connect to and push to: every connection is a line of its own."""

import asyncio
import socket
from collections import deque
from typing import Annotated, ClassVar

import structlog
from msgspec import Meta

from datalogger.clock import Clock
from datalogger.config.checks import POSITIVE, host_and_port, listen_address
from datalogger.config.schema import SourceOptions
from datalogger.errors import SourceError
from datalogger.sources.base import Heard
from datalogger.sources.listening import Allowed, ListenerOptions, why_not_listening
from datalogger.sources.tcp_client import KEEP_ALIVE
from datalogger.words import Duration

log = structlog.get_logger()

# Octets held of one client that were not read yet; above it the client is left alone, and the kernel's buffers fill.
MOST_HELD = 64 * 1024

# Octets taken of one client at a time: what a thousand clients send at once is some MB, and the worst of it is looked
# through in a tenth of a second.
MOST_AT_ONCE = 16 * 1024


class TcpListenerConfig(ListenerOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind = "tcp-listen"."""

    max_clients: Annotated[int, Meta(ge=1, le=1000)] = 256
    """Connections at a time, fewer than the lines that are remembered; whoever comes on top is turned away."""
    idle: Annotated[Duration, POSITIVE] = Duration(900)
    """A client that sends nothing for so long is disconnected: most meters come anew for each push."""


class TcpListener:
    """Takes what its clients send; sends nothing itself."""

    config_type: ClassVar[type[SourceOptions]] = TcpListenerConfig

    def __init__(self, name: str, config: TcpListenerConfig, clock: Clock) -> None:
        self._name = name
        self._listen = config.listen
        self._allowed = Allowed(config.allow)
        self._max_clients = config.max_clients
        self._idle = config.idle
        self._server: asyncio.Server | None = None
        self._clients: dict[str, _Client] = {}
        self._arrived: deque[Heard] = deque()
        self._stirred = asyncio.Event()
        self._buffer = bytearray(MOST_AT_ONCE)  # of all clients: each takes its octets out at once

    @property
    def port(self) -> int:
        """The real one, where 0 was asked for."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self) -> None:
        await self.close()
        address = listen_address(self._listen)
        assert address is not None  # the configuration has seen to it
        try:
            self._server = await asyncio.get_running_loop().create_server(lambda: _Client(self), *address)
        except OSError as error:
            raise SourceError(why_not_listening(self._listen, error)) from error

    async def read(self) -> Heard:
        if self._server is None:
            raise SourceError(f"{self._listen} is not open")
        await asyncio.sleep(0)  # many clients that send without a pause hold up nobody else
        while not self._arrived:
            self._stirred.clear()
            await self._stirred.wait()
        heard = self._arrived.popleft()
        if client := self._clients.get(heard.line):
            client.taken(len(heard.octets))
        return heard

    def drop(self, line: str) -> None:
        if client := self._clients.get(line):
            self._arrived = deque(heard for heard in self._arrived if heard.line != line)
            client.close()

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        clients, self._clients = self._clients, {}  # what they leave behind is of no line any more
        for client in clients.values():
            client.close()
        await server.wait_closed()
        self._arrived.clear()

    def _connected(self, client: "_Client") -> bool:
        """Whether this client may stay."""
        if client.host not in self._allowed:
            log.warning(
                "turned away",
                client=client.host,
                error="not in allow",
                source=self._name,
                repeats=f"turned:{self._name}",
            )
            return False
        if len(self._clients) >= self._max_clients:
            log.warning(
                "turned away",
                client=client.host,
                error=f"{self._max_clients} clients are connected: raise max_clients, or lower idle",
                source=self._name,
                repeats=f"turned:{self._name}",
            )
            return False
        self._clients[client.line] = client
        return True

    def _heard(self, heard: Heard) -> None:
        self._arrived.append(heard)
        self._stirred.set()

    def _gone(self, client: "_Client") -> None:
        if self._clients.pop(client.line, None) is client:
            self._heard(Heard(client.line, b"", gone=True))


class _Client(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, listener: TcpListener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._held = 0
        self._waiting: asyncio.TimerHandle | None = None
        self.host = self.line = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        if peer is None:  # gone again before it was looked at
            transport.abort()
            return
        host, port = peer[:2]
        self.host, self.line = host, host_and_port(host, port)
        if not self._listener._connected(self):
            transport.abort()
            return
        self._transport = transport
        connected: socket.socket = transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEP_ALIVE.items():
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
        self._wait()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._listener._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._transport is None:
            return
        self._wait()
        self._held += nbytes
        if self._held > MOST_HELD:
            self._transport.pause_reading()
        self._listener._heard(Heard(self.line, bytes(self._listener._buffer[:nbytes])))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._transport = None
        self._listener._gone(self)

    def taken(self, octets: int) -> None:
        """So much of what it sent was read."""
        self._held -= octets
        if self._held <= MOST_HELD and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()  # nothing is on its way to it

    def _wait(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = asyncio.get_running_loop().call_later(self._listener._idle, self.close)
