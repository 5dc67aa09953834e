"""Host name → addresses, without letting a dead name server hold up anybody else."""

import asyncio
import ipaddress
import socket
import threading

from datalogger.clock import Clock

# A server that moved is found again after this; until then a delivery costs no lookup. Seconds.
KEPT = 60.0

Found = list[str] | OSError


class NameLookup:
    """The addresses of one host.

    `getaddrinfo` blocks, and for half a minute where the name server is dead. In the event loop's own
    thread pool a few such calls would starve everybody who needs a thread, and hold up the end of the
    process. So each host has at most one lookup under way, in a daemon thread of its own.
    """

    def __init__(self, host: str, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._addresses: list[str] = []
        self._until = 0.0  # on the monotonic clock; 0: they are to be looked up
        self._under_way: asyncio.Future[Found] | None = None
        self._fixed = _is_address(host)

    async def addresses(self) -> list[str]:
        """At least one, best first. OSError where the name cannot be resolved and never could."""
        if self._fixed:
            return [self._host]
        if self._clock.monotonic() < self._until:
            return self._addresses
        if self._under_way is None or self._under_way.get_loop() is not asyncio.get_running_loop():
            self._under_way = asyncio.get_running_loop().create_future()
            threading.Thread(target=_look_up, args=(self._host, self._under_way), daemon=True).start()
        lookup = self._under_way
        found = await asyncio.shield(lookup)  # who gives up waiting does not end it for the next one
        if self._under_way is lookup:
            self._under_way = None
        if isinstance(found, OSError):
            if not self._addresses:
                raise found
            return self._addresses  # the name server is away; the server may well be where it was
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


def _look_up(host: str, lookup: "asyncio.Future[Found]") -> None:
    found: Found
    try:
        entries = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
        found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
    except OSError as error:
        found = error
    try:
        lookup.get_loop().call_soon_threadsafe(_hand_over, lookup, found)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more


def _hand_over(lookup: "asyncio.Future[Found]", found: Found) -> None:
    if not lookup.done():
        lookup.set_result(found)
