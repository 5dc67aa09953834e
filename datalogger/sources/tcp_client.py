"""A line behind a TCP port: ser2net, a P1 network dongle."""

import asyncio
import errno
import socket
from typing import Annotated, ClassVar

from msgspec import Meta

from datalogger.clock import Clock
from datalogger.config.checks import POSITIVE, host_and_port
from datalogger.config.metering import MeterOptions
from datalogger.config.schema import SourceOptions
from datalogger.errors import SourceError
from datalogger.sources.incoming import Incoming
from datalogger.words import Duration

# A dongle that lost its power says nothing, and neither do we: only the kernel's probes tell. 30 + 3 × 10 s.
KEEP_ALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}


def host_problems(host: str) -> list[str]:
    """A port, or a whole URL, where only the host belongs."""
    name, colon, port = host.rpartition(":")
    if "://" in host or "/" in host:
        return ["host: a name or an address only, without http:// and path"]
    if colon and port.isdecimal() and ":" not in name.strip("[]"):
        return [f'host: the port has a line of its own: host = "{name}", port = {port}']
    return []


class TcpClientConfig(MeterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind = "tcp"."""

    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65535)]
    connect_timeout: Annotated[Duration, POSITIVE] = Duration(10)
    """For each address the host has."""

    def line_problems(self) -> list[str]:
        return host_problems(self.host)


class TcpLine:
    """A connection to a server.

    timeout: the longest that opening may take, for each address the host has
    """

    def __init__(self, host: str, port: int, timeout: Duration) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout
        self._server = host_and_port(host, port)
        self._incoming: Incoming | None = None
        self._transport: asyncio.WriteTransport | None = None

    async def open(self) -> None:
        await self.close()
        failure = SourceError(f"{self._server}: the host has no address")
        for address in await self._addresses():
            try:
                self._incoming = await self._connect(address)
            except OSError as error:  # TimeoutError is one too
                failure = SourceError(self._why_not(error))
            else:
                return
        raise failure

    async def _addresses(self) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except TimeoutError:
            message = f"{self._server}: no name server answered within {self._timeout}; try the host's IP address"
            raise SourceError(message) from None
        except (OSError, UnicodeError) as error:
            what = error.strerror if isinstance(error, OSError) else error
            raise SourceError(f"{self._server}: no such host ({what}); is the name right?") from None
        return [str(address[0]) for *_, address in found]

    async def _connect(self, address: str) -> Incoming:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout):
            transport, incoming = await loop.create_connection(lambda: Incoming(self._why_ended), address, self._port)
        self._transport = transport
        connected: socket.socket = transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEP_ALIVE.items():
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
        return incoming

    def _why_not(self, error: OSError) -> str:
        match error.errno:
            case errno.ECONNREFUSED:
                return f"nothing listens on {self._server}: is the service there running, and the port right?"
            case errno.EHOSTUNREACH | errno.ENETUNREACH:
                return f"{self._server} cannot be reached ({error.strerror}): is it switched on and in this network?"
        if isinstance(error, TimeoutError):
            return f"{self._server} did not answer within {self._timeout}: is it switched on, and the address right?"
        return f"{self._server}: {error.strerror or error}"

    def _why_ended(self, error: Exception | None) -> str:
        if error is None:
            return f"{self._server} closed the connection (many dongles serve one reader at a time)"
        if isinstance(error, TimeoutError):
            return f"{self._server} is gone: it answers no keep-alive"
        return f"{self._server} broke the connection: {getattr(error, 'strerror', None) or error}"

    async def read(self) -> bytes:
        return await self._being_read().read()

    def pending(self) -> bytes:
        """What came in and was not read yet."""
        return self._being_read().pending()

    @property
    def ended(self) -> bool:
        """Nothing will come any more on what was opened."""
        return self._being_read().ended

    def write(self, octets: bytes) -> None:
        """At once, or as soon as the other end takes it: what a meter is asked is short. A line that has failed says
        so when it is read."""
        self._being_read()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)

    def _being_read(self) -> Incoming:
        if self._incoming is None:
            raise SourceError(f"{self._server} is not open")
        return self._incoming

    async def close(self) -> None:
        incoming, self._incoming = self._incoming, None
        transport, self._transport = self._transport, None
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()  # nobody takes it any more, and to close would wait for that
        if incoming is not None:
            await incoming.close()


class TcpClient(TcpLine):
    """Hands on what the other end sends; sends nothing itself."""

    config_type: ClassVar[type[SourceOptions]] = TcpClientConfig

    def __init__(self, name: str, config: TcpClientConfig, clock: Clock) -> None:
        super().__init__(config.host, config.port, config.connect_timeout)
