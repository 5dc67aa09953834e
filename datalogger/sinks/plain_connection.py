"""A connection without TLS, on the bare socket.

asyncio's streams take eight turns of the event loop to a POST, this takes one or two: most is done at once,
and only what would block waits. After a second of sleep each turn is dear.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Self

HEAD_BOUND = 32 * 1024  # octets; twice what nginx lets an upstream's head be
PIECE = 16 * 1024  # octets taken at once


class PlainConnection:
    """What an exchange needs of `StreamReader` and `StreamWriter`, with the same errors.

    A cancelled call leaves it fit only to be closed.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._held = bytearray()  # received, and not yet asked for
        self._ended = False

    @classmethod
    async def to(cls, address: str, port: int, limit: float) -> Self:
        """OSError, TimeoutError too, where there is none within `limit` seconds."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connecting = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await _connect(connecting, address, port, limit)
            # The request is whole in one piece: nothing that could be waited for is to be put together with it.
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connecting.close()
            raise
        return cls(connecting)

    @property
    def usable(self) -> bool:
        """Whether another request may be sent: the other side has neither ended it nor said more than was asked."""
        if self._ended or self._held:
            return False
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    async def send(self, octets: bytes) -> None:
        left = memoryview(octets)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                await _writable(self._socket)

    async def readuntil(self, separator: bytes) -> bytes:
        while (at := self._held.find(separator)) < 0 and len(self._held) <= HEAD_BOUND:
            await self._receive()
        if not 0 <= at <= HEAD_BOUND:
            raise asyncio.LimitOverrunError(f"{separator!r} does not come", len(self._held))
        return self._take(at + len(separator))

    async def readexactly(self, count: int) -> bytes:
        while len(self._held) < count:
            await self._receive()
        return self._take(count)

    async def read(self, count: int) -> bytes:
        """At least one octet; none where it has ended."""
        if not self._held:
            try:
                await self._receive()
            except asyncio.IncompleteReadError:
                return b""
        return self._take(count)

    def close(self) -> None:
        self._socket.close()

    async def _receive(self) -> None:
        """Something more, or IncompleteReadError with what is held."""
        while not self._ended:
            await _readable(self._socket)  # what answers at once has not answered yet: do not even try
            try:
                piece = self._socket.recv(PIECE)
            except BlockingIOError:
                continue
            if piece:
                self._held += piece
                return
            self._ended = True
        raise asyncio.IncompleteReadError(self._take(len(self._held)), None)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken


async def _connect(connecting: socket.socket, address: str, port: int, limit: float) -> None:
    try:
        connecting.connect((address, port))
    except BlockingIOError:
        if not _is_connected(connecting):  # on its way; to this very machine it was not
            async with asyncio.timeout(limit):
                await _writable(connecting)
            if not _is_connected(connecting):
                raise OSError("the connection neither came about nor failed") from None


def _is_connected(connecting: socket.socket) -> bool:
    """OSError where it failed."""
    if error := connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, os.strerror(error))
    try:
        connecting.getpeername()
    except OSError:
        return False
    return True


async def _readable(waiting: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await _ready(waiting, loop.add_reader, loop.remove_reader)


async def _writable(waiting: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await _ready(waiting, loop.add_writer, loop.remove_writer)


async def _ready(waiting: socket.socket, add: Callable[..., None], remove: Callable[[int], object]) -> None:
    ready = asyncio.get_running_loop().create_future()
    number = waiting.fileno()  # of a socket itself asyncio would write out a description, and throw it away
    add(number, _tell, ready)
    try:
        await ready
    finally:
        remove(number)


def _tell(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
