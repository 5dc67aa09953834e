"""Host name → addresses, without letting a dead name server hold up anybody else."""

import asyncio
import ipaddress
import socket
from functools import partial

from datalogger.clock import Clock
from datalogger.sinks.own_thread import OwnThread

# A server that moved is found again after this; until then a delivery costs no lookup. Seconds.
KEPT = 60.0


class NameLookup:
    """The addresses of one host.

    `getaddrinfo` blocks, and for half a minute where the name server is dead. So each host has at most one
    lookup under way, in a thread of its own.
    """

    def __init__(self, host: str, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._addresses: list[str] = []
        self._until = 0.0  # on the monotonic clock; 0: they are to be looked up
        self._under_way: asyncio.Future[list[str]] | None = None
        self._fixed = _is_address(host)

    @property
    def known(self) -> list[str]:
        """Those that need no lookup now, best first."""
        if self._fixed:
            return [self._host]
        return self._addresses if self._clock.monotonic() < self._until else []

    async def addresses(self) -> list[str]:
        """At least one, best first. OSError where the name cannot be resolved and never could."""
        if known := self.known:
            return known
        if self._under_way is None or self._under_way.get_loop() is not asyncio.get_running_loop():
            thread = OwnThread()
            self._under_way = thread.start(partial(_look_up, self._host))
            thread.end()
        lookup = self._under_way
        try:
            found = await asyncio.shield(lookup)  # who gives up waiting does not end it for the next one
        except OSError:
            if not self._addresses:
                raise
            return self._addresses  # the name server is away; the server may well be where it was
        finally:
            if self._under_way is lookup and lookup.done():
                self._under_way = None
        self._addresses, self._until = found, self._clock.monotonic() + KEPT
        return found

    def prefer(self, address: str) -> None:
        """This one answered: begin with it next time."""
        if not self._fixed:
            self._addresses = [address, *(other for other in self._addresses if other != address)]

    def doubt(self) -> None:
        """No address answered: look the name up again before the next attempt."""
        self._until = 0.0


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str) -> list[str]:
    entries = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))
