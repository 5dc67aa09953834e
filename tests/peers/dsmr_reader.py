"""A DSMR-reader 5.11 as it answers on the wire: gunicorn in front of a database, and its bad days.

What it answers was measured on the real server. Run it in the process (`async with DsmrReader() as peer`)
or beside it: `python -m tests.peers.dsmr_reader --port 8000 --key KEY --log rows.jsonl`. Then bad days
come over HTTP: `POST /control` with a JSON object, see `DsmrReader.control`.

Left out: multipart bodies, what API v2 can do beyond listing and storing a reading.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from tests.peers import dsmr_reader_answers as answers
from tests.peers.dsmr_reader_answers import Reply, Store

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""Key and certificate of localhost and 127.0.0.1; who is to trust it reads `AUTHORITY`."""
AUTHORITY = Path(__file__).with_name("localhost-certificate.pem")

V1 = "/api/v1/datalogger/dsmrreading"
V2 = "/api/v2/datalogger/dsmrreading"


@dataclass
class Fault:
    """What happens to requests instead of the right answer.

    kind:     answer: `status`, `headers`, `body` as given · hang: no answer · slow: `seconds` later, then right
              reset: the connection is reset · half: half an answer, then closed · raw: `body` alone, no HTTP
    matching: only requests whose decoded telegram (or target) contains this
    times:    for so many requests; None: for ever
    stores:   the telegram is stored all the same (reset, hang, half, answer)
    """

    kind: Literal["answer", "hang", "slow", "reset", "half", "raw"]
    status: int = 500
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    matching: str = ""
    method: str = "POST"
    times: int | None = None
    stores: bool = False


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float
    """Monotonic time when its last octet was there."""

    @property
    def telegram(self) -> str:
        """The form field, as Django decodes it."""
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return ""
        pairs = parse_qsl(self.body.decode("latin-1"), keep_blank_values=True, encoding="utf-8", errors="replace")
        return dict(pairs).get("telegram", "")


@dataclass
class Row:
    """One reading in the database."""

    telegram: bytes
    timestamp: datetime
    at: float
    """Monotonic time of its arrival."""


class DsmrReader:
    """The server. `rows` is its database, `requests` all that was asked of it."""

    def __init__(
        self,
        *,
        key: str | None = "KEY",
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        log: Path | None = None,
    ) -> None:
        self.key = key
        self.host = host
        self.port = port
        self.tls = tls
        self.enabled = True
        self.database_down = False
        self.checks_crc = True
        """False: set to "DSMR 2/3", which checks nothing and stamps everything with its own time."""
        self.luxembourg = False
        """True: set to "Luxembourg Smarty"."""
        self.prefix = ""
        """The path it lives under, behind a proxy."""
        self.keeps_connections = False
        """True: as behind nginx."""
        self.rows: list[Row] = []
        self.requests: list[Request] = []
        self.rejected_telegrams = 0
        self.faults: list[Fault] = []
        self.connections = 0
        self.changed = asyncio.Event()
        """Set at every request; for tests that wait for one."""
        self._now = now
        self._log = log
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._reopening: asyncio.Task[None] | None = None

    # -- life --------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}{self.prefix}"

    @property
    def telegrams(self) -> list[bytes]:
        return [row.telegram for row in self.rows]

    async def start(self) -> None:
        """Listen; on the same port as before where it listened before."""
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=context, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Close the listener and every connection: from now on connections are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def stop(self) -> None:
        await self.refuse()
        if self._reopening is not None:
            self._reopening.cancel()
        for handler in list(self._handlers):
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def until_rows(self, count: int, timeout: float = 30) -> None:
        """Wait until the database holds `count` readings."""
        async with asyncio.timeout(timeout):
            while len(self.rows) < count:
                self.changed.clear()
                await self.changed.wait()

    # -- bad days ----------------------------------------------------------------------------------

    def misbehave(self, kind: Literal["answer", "hang", "slow", "reset", "half", "raw"], **details: Any) -> Fault:
        """Add a fault; the first that matches a request counts."""
        fault = Fault(kind, **details)
        self.faults.append(fault)
        return fault

    def behave(self) -> None:
        self.faults.clear()

    async def control(self, order: dict[str, Any]) -> dict[str, Any]:
        """{"fault": {…}} adds one · {"behave": true} · {"refuse": SECONDS} · {"set": {"key": …}} · {}: figures only."""
        if "fault" in order:
            self.misbehave(**order["fault"])
        if order.get("behave"):
            self.behave()
        for name, value in order.get("set", {}).items():
            if name not in (
                "key",
                "enabled",
                "database_down",
                "checks_crc",
                "luxembourg",
                "keeps_connections",
                "prefix",
            ):
                raise ValueError(f"{name} cannot be set")
            setattr(self, name, value)
        if "refuse" in order:
            self._reopening = asyncio.create_task(self._refuse_for(float(order["refuse"])))
        return {"rows": len(self.rows), "requests": len(self.requests), "rejected": self.rejected_telegrams}

    async def _refuse_for(self, seconds: float) -> None:
        await asyncio.sleep(0.05)  # the answer to the order goes out first
        await self.refuse()
        await asyncio.sleep(seconds)
        await self.start()

    # -- one connection ----------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._handlers.discard(task)
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays."""
        request = await _read_request(reader)
        if request.target == "/control":
            reply = answers.json_reply(200, await self.control(json.loads(request.body or b"{}")))
            await _send(writer, request, reply, keep=False)
            return False
        self.requests.append(request)
        fault = self._fault_for(request)
        if fault is None or fault.kind == "slow":
            if fault is not None:
                await asyncio.sleep(fault.seconds)
            await _send(writer, request, self._answer(request), keep=self.keeps_connections)
            self.changed.set()
            return self.keeps_connections
        if fault.stores:
            self._answer(request)
        self.changed.set()
        match fault.kind:
            case "hang":
                await asyncio.sleep(3600)
            case "reset":
                _reset_on_close(writer)
                writer.transport.abort()
            case "half":
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Le")
            case "raw":
                writer.write(fault.body.encode("latin-1"))
            case "answer":
                content_type = fault.headers.get("Content-Type", "text/html; charset=utf-8")
                reply = Reply(fault.status, fault.body.encode(), content_type, dict(fault.headers))
                await _send(writer, request, reply, keep=False)
        return False

    def _fault_for(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.method not in ("*", request.method):
                continue
            if fault.matching and fault.matching not in request.telegram and fault.matching not in request.target:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
            return fault
        return None

    # -- what it answers ---------------------------------------------------------------------------

    def _answer(self, request: Request) -> Reply:
        target = urlsplit(request.target)
        if not target.path.startswith(self.prefix):
            return answers.NOT_FOUND
        match target.path.removeprefix(self.prefix):
            case "/api/v1/datalogger/dsmrreading":
                return self._answer_v1(request)
            case "/api/v2/datalogger/dsmrreading":
                return self._answer_v2(request, dict(parse_qsl(target.query)))
            case "/api/v2/application/version":
                return self._refusal_v2(request) or answers.json_reply(200, {"version": "5.11.0"})
        return answers.NOT_FOUND

    def _answer_v1(self, request: Request) -> Reply:
        if request.method == "OPTIONS":
            return Reply(200)
        if request.method != "POST":
            return Reply(405, headers={"Allow": "POST, OPTIONS"})
        if self.database_down:
            return answers.server_error('OperationalError: connection to server at "db" failed: Connection refused')
        if not self.enabled:
            return Reply(405, b"API is disabled", "text/html; charset=utf-8", {"Allow": "POST"})
        if not self._has_key(request):
            return Reply(403, b"Invalid auth key", "text/html; charset=utf-8")
        if len(request.body) > answers.LARGEST_BODY:
            return answers.server_error(
                "RequestDataTooBig: Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE."
            )
        telegram = request.telegram.strip().strip("\0")
        if not telegram:
            return Reply(400, b"Invalid data", "text/html; charset=utf-8")
        reply, store, counts = answers.judge_telegram(
            telegram, self._now(), checks_crc=self.checks_crc, luxembourg=self.luxembourg
        )
        self.rejected_telegrams += counts
        if store is not None:
            self._store(request.telegram, store, request.at)
        return reply

    def _store(self, telegram: str, store: Store, at: float) -> None:
        row = Row(telegram.encode("latin-1"), store.timestamp, at)
        self.rows.append(row)
        if self._log is not None:
            line = {"at": at, "timestamp": store.timestamp.isoformat(), "telegram": telegram}
            with self._log.open("a", encoding="ascii") as log:
                log.write(json.dumps(line) + "\n")

    def _refusal_v2(self, request: Request) -> Reply | None:
        if self.database_down:
            return answers.server_error('OperationalError: connection to server at "db" failed: Connection refused')
        if not self.enabled:
            return answers.json_reply(403, {"detail": "API is disabled"})
        if not self._has_key(request):
            return answers.json_reply(403, {"detail": "Invalid auth key"})
        return None

    def _answer_v2(self, request: Request, query: dict[str, str]) -> Reply:
        refusal = self._refusal_v2(request)
        if refusal is not None:
            return refusal
        if request.method != "GET":
            return answers.json_reply(405, {"detail": f'Method "{request.method}" not allowed.'})
        return answers.list_readings([row.timestamp for row in self.rows], query, f"{self.url}{V2}")

    def _has_key(self, request: Request) -> bool:
        # A server whose key is NULL asks nobody.
        shown = (request.headers.get("x-authkey"), request.headers.get("authorization", "").removeprefix("Token "))
        return self.key is None or self.key in shown


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # gunicorn's workers see no body where no length is given: a chunked one is empty.
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if headers.get("content-encoding"):
        headers["content-type"] = "application/octet-stream"  # it is not unpacked, so no field is found
    return Request(method, target, headers, body, time.monotonic())


async def _send(writer: asyncio.StreamWriter, request: Request, reply: Reply, *, keep: bool) -> None:
    headers = {
        "Server": "gunicorn",
        "Date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Connection": "keep-alive" if keep else "close",
        "Content-Type": reply.content_type,
        "Content-Length": str(len(reply.body)),
        "X-Frame-Options": "DENY",
        "Vary": "Accept-Language",
        "Content-Language": "en",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        **reply.headers,
    }
    lines = [f"HTTP/1.1 {reply.status} {answers.phrase(reply.status)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if request.method == "HEAD" else reply.body))
    await writer.drain()


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Closing sends RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="A DSMR-reader to test against.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="KEY")
    parser.add_argument("--log", type=Path, help="append every stored telegram to this file, one JSON object a line")
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args(arguments)
    async with DsmrReader(key=options.key, port=options.port, tls=options.tls, log=options.log) as peer:
        print(peer.url, flush=True)  # who started it reads the port from here
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(sys.argv[1:]))
