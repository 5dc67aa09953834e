"""A local HTTP port that says how the daemon is: /healthz, /readyz and /metrics.

HTTP/1.1 by hand on a few lines of asyncio, for it can do only one thing: answer a GET without a body and close. A web
framework would cost megabytes of memory for that. It holds no secret and changes nothing, so it asks for no key.
"""

import asyncio
import errno
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import structlog

from datalogger.config.ports import why_not_bound
from datalogger.metrics import Metrics

log = structlog.get_logger()

MAX_HEAD = 8 * 1024  # octets of a request's head: what common servers take; a browser sends about 1 kB
MAX_CONNECTIONS = 16  # at once: a scraper, a supervisor and some people; each costs memory the pipeline needs
HEAD_TIMEOUT = 5.0  # seconds to send the head in
ANSWER_TIMEOUT = 5.0  # seconds to take the answer in
LINGER = 1.0  # seconds to close from the other side: closing on unread octets would destroy our answer on its way
RETRY = 30.0  # seconds to the next attempt at an address that was taken

CONTENTS = """datalogger

/healthz  200 while every part takes its turns, else 503 and which part is stuck
/readyz   200 once reports can be taken and delivered, else 503 and what is missing
/metrics  figures, in the Prometheus text format
"""

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class BadRequest(Exception):
    """What came is answered with `status` and one line."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class StatusServer:
    """Answers on `host` and `port` for as long as `run` does.

    stuck:   which parts take no turns, and why it is thought so (`Heartbeats.stuck`); empty: healthy
    missing: what start-up still waits for; empty: ready. The daemon is ready when the spool is open and every source
             and sink has its task: it can take and deliver. A meter that is unplugged or a server that is down
             does not make it unready, for no restart would mend that; /metrics tells of those.
    refresh: brings the gauges of `metrics` up to date, just before they are read
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        metrics: Metrics,
        stuck: Callable[[], Mapping[str, object]],
        missing: Callable[[], Sequence[str]],
        refresh: Callable[[], None],
    ) -> None:
        self._host = host
        self._metrics = metrics
        self._stuck = stuck
        self._missing = missing
        self._refresh = refresh
        self._connections: set[asyncio.StreamWriter] = set()
        self.port = port
        """Once listening the real one, where 0 was asked for."""
        self.listening: asyncio.Event = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled. An address that is taken is logged and tried again: the pipeline goes on without."""
        server = await self._bind()
        self.port = server.sockets[0].getsockname()[1]
        self.listening.set()
        log.info("status port open", host=self._host, port=self.port, resolved=True, repeats="status")
        try:
            await asyncio.Event().wait()  # the loop serves; this only keeps the port open
        finally:
            self.listening.clear()
            server.close()
            for writer in self._connections:
                writer.transport.abort()

    async def _bind(self) -> asyncio.Server:
        while True:
            try:
                server = await asyncio.start_server(self._serve, self._host, self.port, limit=MAX_HEAD)
            except OSError as error:
                log.error(
                    "the status port cannot be opened; going on without it, and trying again",
                    host=self._host,
                    port=self.port,
                    error=_reason(error),
                    mend=_mend(error),
                    repeats="status",
                )
                await asyncio.sleep(RETRY)
            else:
                return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.write(_message("GET", HTTPStatus.SERVICE_UNAVAILABLE, PLAIN, "too many connections at once\n"))
            writer.transport.abort()  # such a small message has left already
            return
        self._connections.add(writer)
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits until the kernel has all of it
        try:
            method, status, kind, body = await self._answer(reader)
            async with asyncio.timeout(ANSWER_TIMEOUT):
                writer.write(_message(method, status, kind, body))
                writer.write_eof()
                await writer.drain()
            async with asyncio.timeout(LINGER):
                while await reader.read(MAX_HEAD):
                    pass
        except (OSError, TimeoutError):
            pass  # whoever asked went away, or is too slow: nothing to tell, nobody to tell it to
        finally:
            self._connections.discard(writer)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[str, HTTPStatus, str, str]:
        """Method, status, content type and body."""
        try:
            method, path = await _read_head(reader)
        except BadRequest as error:
            return "GET", error.status, PLAIN, f"{error}\n"
        try:
            return method, *self._page(path)
        except Exception:  # a bug in one page is answered and logged; the port stays open
            log.exception("no answer for this page", path=path, repeats=f"status:{path}")
            return method, HTTPStatus.INTERNAL_SERVER_ERROR, PLAIN, "a defect; see the log\n"

    def _page(self, path: str) -> tuple[HTTPStatus, str, str]:
        match path:
            case "/":
                return HTTPStatus.OK, PLAIN, CONTENTS
            case "/metrics":
                self._refresh()
                return HTTPStatus.OK, PROMETHEUS, self._metrics.render()
            case "/healthz":
                stuck = {name: str(why) for name, why in self._stuck().items()}
                return _judgement(not stuck, {"status": "stuck", "stuck": stuck} if stuck else {"status": "ok"})
            case "/readyz":
                missing = [*self._missing()]
                return _judgement(
                    not missing, {"status": "starting", "missing": missing} if missing else {"status": "ready"}
                )
            case _:
                return HTTPStatus.NOT_FOUND, PLAIN, f"no such page; there are\n\n{CONTENTS}"


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"no such host ({error.strerror})"
    number = why_not_bound(error)
    return os.strerror(number) if number else str(error)  # asyncio's own text is long and names no reason


def _mend(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or why_not_bound(error) == errno.EADDRNOTAVAIL:
        return "name an address of this machine: [service] listen"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "choose a port from 1024 on, those below are root's: [service] listen"
    return "free that port, or choose another: [service] listen"


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, str]:
    """Method and path of the request; BadRequest for what this server does not do."""
    try:
        async with asyncio.timeout(HEAD_TIMEOUT):
            head = await reader.readuntil(b"\r\n\r\n")
    except TimeoutError:
        raise BadRequest(HTTPStatus.REQUEST_TIMEOUT, f"no whole request within {HEAD_TIMEOUT:g} s") from None
    except asyncio.LimitOverrunError:
        raise BadRequest(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the request's head is longer than {MAX_HEAD} octets"
        ) from None
    except asyncio.IncompleteReadError:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the request has no end") from None
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[1].startswith("/") or not words[2].startswith("HTTP/"):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
    method, target, version = words
    if not version.startswith("HTTP/1."):
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here")
    if method not in ("GET", "HEAD"):
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered here")
    return method, target.partition("?")[0]


def _judgement(good: bool, content: object) -> tuple[HTTPStatus, str, str]:
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, JSON, json.dumps(content) + "\n"


def _message(method: str, status: HTTPStatus, kind: str, body: str) -> bytes:
    octets = body.encode()
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(octets)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        head.append("Allow: GET, HEAD")
    return "\r\n".join([*head, "", ""]).encode() + (b"" if method == "HEAD" else octets)
