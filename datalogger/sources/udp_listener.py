"""A UDP port that meters push to: a datagram holds one or more whole frames."""

import asyncio
from collections import deque
from typing import ClassVar

import structlog

from datalogger.clock import Clock
from datalogger.config.checks import host_and_port, listen_address
from datalogger.config.schema import SourceOptions
from datalogger.errors import SourceError
from datalogger.sources.base import Heard
from datalogger.sources.listening import Allowed, ListenerOptions, why_not_listening

log = structlog.get_logger()

# Octets of memory for datagrams that were not read yet; beyond, the newest is lost, as in a network. Some thousands of
# pushes, which the reader takes in a second. Each datagram takes up more than its octets.
MOST_HELD = 4 * 1024 * 1024
BESIDES = 256


class UdpListenerConfig(ListenerOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind = "udp-listen"."""


class UdpListener:
    """Takes datagrams from whoever may send them.

    The line is the sender's host and port: a push may take several datagrams, and behind one host may be many meters.
    """

    config_type: ClassVar[type[SourceOptions]] = UdpListenerConfig

    def __init__(self, name: str, config: UdpListenerConfig, clock: Clock) -> None:
        self._name = name
        self._listen = config.listen
        self._allowed = Allowed(config.allow)
        self._transport: asyncio.DatagramTransport | None = None
        self._arrived: deque[Heard] = deque()
        self._held = 0  # octets that these take up
        self._stirred = asyncio.Event()

    @property
    def port(self) -> int:
        """The real one, where 0 was asked for."""
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    async def open(self) -> None:
        await self.close()
        address = listen_address(self._listen)
        assert address is not None  # the configuration has seen to it
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: _Port(self), local_addr=address)
        except OSError as error:
            raise SourceError(why_not_listening(self._listen, error)) from error

    async def read(self) -> Heard:
        if self._transport is None:
            raise SourceError(f"{self._listen} is not open")
        await asyncio.sleep(0)  # senders without a pause hold up nobody else
        while not self._arrived:
            self._stirred.clear()
            await self._stirred.wait()
        heard = self._arrived.popleft()
        self._held -= len(heard.octets) + BESIDES
        return heard

    def drop(self, line: str) -> None:
        """A datagram ends by itself."""

    async def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)  # the socket is closed in the loop's next turn
        self._arrived.clear()
        self._held = 0

    def _heard(self, host: str, port: int, octets: bytes) -> None:
        if host not in self._allowed:
            log.warning(
                "turned away", source=self._name, client=host, error="not in allow", repeats=f"turned:{self._name}"
            )
        elif self._held + len(octets) + BESIDES > MOST_HELD:
            log.warning(
                "datagrams lost: they come faster than they can be read",
                source=self._name,
                repeats=f"lost:{self._name}",
            )
        elif octets:
            self._arrived.append(Heard(host_and_port(host, port), octets, last=True))
            self._held += len(octets) + BESIDES
            self._stirred.set()


class _Port(asyncio.DatagramProtocol):
    def __init__(self, listener: UdpListener) -> None:
        self._listener = listener

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._listener._heard(addr[0], addr[1], data)
