"""What arrived on a line and was not read yet; and then, only then, how the line ended."""

import asyncio
from collections.abc import Callable

from datalogger.errors import SourceError

# Octets one `read` returns at most: some telegrams, so that the framer's caller is never kept long.
CHUNK = 16 * 1024

# Octets held for a reader that is late. Above it the line is left alone, and the kernel's own buffer fills.
MOST_HELD = 64 * 1024


class Incoming(asyncio.Protocol):
    """asyncio's StreamReader forgets what it holds when the line fails; a meter cannot be asked again.

    ended: why the line is over, in one sentence, from the exception it ended with (None: it was closed).
    """

    def __init__(self, ended: Callable[[Exception | None], str]) -> None:
        self._ended = ended
        self._octets = bytearray()
        self._end: str | None = None
        self._stirred = asyncio.Event()  # something to look at: octets, or the end
        self._lost = asyncio.Event()
        self._transport: asyncio.ReadTransport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.ReadTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._octets += data
        self._stirred.set()
        if len(self._octets) > MOST_HELD and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end = self._ended(exc)
        self._stirred.set()
        self._lost.set()

    async def read(self) -> bytes:
        """Octets, never none; SourceError after the last of them. A cancelled call loses nothing."""
        while not self._octets:
            if self._end is not None:
                raise SourceError(self._end)
            self._stirred.clear()
            await self._stirred.wait()
        taken = bytes(self._octets[:CHUNK])
        del self._octets[:CHUNK]
        if self._paused and not self._octets and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return taken

    def pending(self) -> bytes:
        """What is here already; also of a line that has ended."""
        taken = bytes(self._octets)
        self._octets.clear()
        return taken

    @property
    def ended(self) -> bool:
        """Nothing will come any more, and nothing is left."""
        return self._end is not None and not self._octets

    async def close(self) -> None:
        """Returns when the port or socket is free again."""
        if self._transport is not None:
            self._transport.close()
        await self._lost.wait()
