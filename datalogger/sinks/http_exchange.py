"""One HTTP/1.1 request, one answer: what a sink needs of HTTP and no more.

Why not aiohttp's client: measured at one telegram a second to two servers, where every turn starts
with cold caches, it takes 0.8 ms of CPU a POST, this less than half; it weighs 12 MB and 0.2 s of start-up
besides. A whole telegram may take 2 ms, the whole daemon 48 MB.

Never: redirects, cookies, compression, chunked requests (DSMR-reader sees those as empty).
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from msgspec import Struct

from datalogger.clock import Clock
from datalogger.errors import SinkMisconfigured, SinkUnavailable
from datalogger.sinks.name_lookup import NameLookup
from datalogger.sinks.network_errors import describe, ended, not_connected
from datalogger.sinks.plain_connection import PlainConnection
from datalogger.sinks.tls_connection import TlsConnection

BODY_BOUND = 64 * 1024  # octets that are kept of an answer; a Django error page names its error in the first few

TLS_ALERT = b"\x15\x03"  # how a TLS server begins to say that this is no TLS

REACH = 2.0  # seconds that `reachable` waits

Headers = Mapping[str, str]


class Origin(Struct, frozen=True):
    """Where a server is: the parts of its URL. `path` has no slash at its end; `str` is the URL."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


_PORTS = {"http": 80, "https": 443}


def parse_origin(url: str) -> Origin:
    """ValueError with the mend where `url` names no HTTP server."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host = parts.hostname or ""
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise ValueError('expected an address such as "http://dsmr.local" or "http://192.168.1.5:8000"') from None
    if parts.scheme not in _PORTS or not host:
        raise ValueError('expected an address that begins with http:// or https://, such as "http://dsmr.local"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("a user or password does not belong into the address; the key goes into key_file")
    if parts.query or parts.fragment:
        raise ValueError("give the address of the server only, without ? and #")
    if port == 0 or not all(letter.isalnum() or letter in ".:-_%" for letter in host):
        raise ValueError('expected an address such as "http://dsmr.local" or "http://192.168.1.5:8000"')
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    return Origin(parts.scheme, host, port or _PORTS[parts.scheme], path)


class Answer(Struct, frozen=True):
    """headers: names in lower case, the last of a name. body: its first BODY_BOUND octets."""

    status: int
    headers: Headers
    body: bytes


class SpeaksTls(ValueError):
    """What came is no answer in HTTP, but an alert in TLS."""


class HttpExchange:
    """Talks with one server, over one connection that is kept as long as the server keeps it."""

    def __init__(
        self,
        origin: Origin,
        clock: Clock,
        *,
        verify_tls: bool = True,
        ca_file: Path | None = None,
    ) -> None:
        self._origin = origin
        self._verify_tls = verify_tls
        self._ca_file = ca_file
        self._names = NameLookup(origin.host, clock)
        self._tls: ssl.SSLContext | None = None
        self._connection: PlainConnection | TlsConnection | None = None
        self._answers = False  # whether it ever has

    async def open(self) -> None:
        """Read the certificates of who is trusted, where TLS is spoken. SinkMisconfigured names the file."""
        if self._origin.scheme == "https":
            # In a thread: reading the certificates takes longer than a neighbour should wait.
            self._tls = await asyncio.to_thread(_tls_context, self._verify_tls, self._ca_file)

    async def ask(self, method: str, path: str, headers: Headers, body: bytes = b"", *, timeout: float) -> Answer:
        """Send one request, return its answer, whatever its status, within `timeout` seconds.

        SinkUnavailable: unreached where no connection was made (in half of the time at most); ambiguous
        where the request went out and no whole answer came.
        SinkMisconfigured: TLS that fails or that url does not say, an answer that is no HTTP.
        """
        request, kept = self._request(method, path, headers, body), False
        try:
            async with asyncio.timeout(timeout):
                connection = await self._connected(timeout / 2)
                try:
                    await connection.send(request)
                    answer, kept = await read_answer(connection, method)
                except (asyncio.IncompleteReadError, OSError) as error:
                    silent = not self._answers and not getattr(error, "partial", b"")
                    raise ended(str(self._origin), error, may_speak_tls=silent and self._tls is None) from None
                except SpeaksTls:
                    raise SinkMisconfigured(f"{self._origin} speaks TLS on this port: write https:// in url") from None
                except (ValueError, asyncio.LimitOverrunError):
                    raise SinkMisconfigured(
                        f"{self._origin} answers, but not in HTTP: url names another service; check its host and port"
                    ) from None
            self._answers = True
            return answer
        except TimeoutError:
            raise SinkUnavailable(f"{self._origin} gave no answer within {timeout:g} s", ambiguous=True) from None
        finally:
            if not kept:
                await self.close()

    async def reachable(self) -> bool:
        """Whether a bare connection can be made now."""
        try:
            async with asyncio.timeout(REACH):
                for address in await self._names.addresses():
                    try:
                        connection = await PlainConnection.to(address, self._origin.port, REACH)
                    except OSError:
                        continue
                    connection.close()
                    return True
        except OSError:  # TimeoutError too
            pass
        return False

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _request(self, method: str, path: str, headers: Headers, body: bytes) -> bytes:
        lines = [f"{method} {self._origin.path}{path} HTTP/1.1", f"Host: {self._origin.authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("ascii") + body

    async def _connected(self, limit: float) -> PlainConnection | TlsConnection:
        if self._connection is not None:
            if self._connection.usable:
                return self._connection
            await self.close()
        try:
            self._connection = await self._connect(limit)
        except OSError as error:  # TimeoutError and whatever is wrong with TLS too
            failure = not_connected(str(self._origin), error, tls=self._tls is not None, limit=limit)
            if isinstance(failure, SinkUnavailable) and failure.unreached:
                self._names.doubt()
            raise failure from None
        return self._connection

    async def _connect(self, limit: float) -> PlainConnection | TlsConnection:
        """The first address that takes the connection, each tried for its share of `limit` seconds."""
        loop, origin = asyncio.get_running_loop(), self._origin
        end = loop.time() + limit
        addresses = self._names.known
        if not addresses:
            async with asyncio.timeout(limit):
                addresses = await self._names.addresses()
        failed = OSError("the name has no address")
        for tried, address in enumerate(addresses):
            share = (end - loop.time()) / (len(addresses) - tried)
            try:
                if self._tls is None:
                    connection: PlainConnection | TlsConnection = await PlainConnection.to(address, origin.port, share)
                else:
                    connection = await TlsConnection.to(
                        address, origin.port, origin.host, self._tls, share, handshake=limit / 2
                    )
            except ssl.SSLError:
                raise
            except OSError as error:  # TimeoutError too
                failed = error
            else:
                self._names.prefer(address)
                return connection
        raise failed


def _tls_context(verify: bool, ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        mend = "name a file that holds certificates in PEM form"
        raise SinkMisconfigured(f"ca_file {ca_file} cannot be used: {describe(error)}; {mend}") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Octets(Protocol):
    """What comes in, as `asyncio.StreamReader` gives it out."""

    async def readuntil(self, separator: bytes, /) -> bytes: ...
    async def readexactly(self, count: int, /) -> bytes: ...
    async def read(self, count: int, /) -> bytes: ...


async def read_answer(reader: Octets, method: str) -> tuple[Answer, bool]:
    """The answer, and whether the connection may serve another request.

    ValueError, LimitOverrunError: this is no HTTP. IncompleteReadError, OSError: it ended too early.
    """
    status, headers, keeps = 100, dict[str, str](), False
    while 100 <= status < 200:  # "continue", "early hints": the answer proper follows
        status, headers, keeps = _parse_head(await _read_head(reader))
    if method == "HEAD" or status in (204, 304):
        return Answer(status, headers, b""), keeps
    if headers.get("transfer-encoding", "").lower().endswith("chunked"):
        body, whole = await _read_chunks(reader)
    elif "content-length" in headers:
        length = int(headers["content-length"])
        if length < 0:
            raise ValueError("negative length")
        body, whole = await reader.readexactly(min(length, BODY_BOUND)), length <= BODY_BOUND
    else:
        body, whole = await _read_to_end(reader), False
    return Answer(status, headers, body), keeps and whole


async def _read_head(reader: Octets) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.startswith(TLS_ALERT):
            raise SpeaksTls from None
        if not b"HTTP/1.".startswith(error.partial[:7]):
            raise ValueError("no status line") from None
        raise


def _parse_head(head: bytes) -> tuple[int, dict[str, str], bool]:
    """Status, headers, and whether the server keeps the connection."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if version not in ("HTTP/1.1", "HTTP/1.0") or re.fullmatch("[1-9][0-9]{2}", status) is None:
        raise ValueError("no status line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    connection = headers.get("connection", "").lower()
    return int(status), headers, version == "HTTP/1.1" and "close" not in connection


async def _read_chunks(reader: Octets) -> tuple[bytes, bool]:
    """The body, and whether that is all of it."""
    body = bytearray()
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size < 0:
            raise ValueError("negative chunk")
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass
            return bytes(body), True
        if len(body) + size > BODY_BOUND:
            body += await reader.readexactly(BODY_BOUND - len(body))
            return bytes(body), False
        body += await reader.readexactly(size)
        await reader.readexactly(2)


async def _read_to_end(reader: Octets) -> bytes:
    body = bytearray()
    while len(body) < BODY_BOUND and (piece := await reader.read(BODY_BOUND - len(body))):
        body += piece
    return bytes(body)
