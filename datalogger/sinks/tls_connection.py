"""A connection with TLS, on asyncio's streams."""

import asyncio
import ssl
from typing import Self

from datalogger.sinks.plain_connection import HEAD_BOUND


class TlsConnection:
    """The same to the outside as `PlainConnection`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.readuntil = reader.readuntil
        self.readexactly = reader.readexactly
        self.read = reader.read

    @classmethod
    async def to(
        cls, address: str, port: int, host: str, context: ssl.SSLContext, limit: float, handshake: float
    ) -> Self:
        """OSError, TimeoutError too, where there is none within `limit` seconds, `handshake` of them for TLS."""
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection(
                address,
                port,
                limit=HEAD_BOUND,
                ssl=context,
                ssl_handshake_timeout=handshake,
                server_hostname=host,
            )
        return cls(reader, writer)

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return not (self._reader.at_eof() or self._reader.exception() or self._writer.is_closing())

    async def send(self, octets: bytes) -> None:
        self._writer.write(octets)  # the answer is waited for, so this need not be

    def close(self) -> None:
        # Not close(): that would wait for a peer that may be gone. Nothing unsent is worth keeping.
        self._writer.transport.abort()
