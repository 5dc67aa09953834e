import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
import pytest
from structlog.testing import capture_logs

from datalogger.metrics import Metrics
from datalogger.service import status
from datalogger.service.status import StatusServer


class Daemon:
    """What the status port asks about."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.stuck: dict[str, str] = {}
        self.missing: list[str] = []
        self.depth = 0

    def refresh(self) -> None:
        self.metrics.set("datalogger_sink_depth", "attic", value=self.depth)

    def server(self, port: int = 0) -> StatusServer:
        return StatusServer(
            "127.0.0.1",
            port,
            metrics=self.metrics,
            stuck=lambda: self.stuck,
            missing=lambda: self.missing,
            refresh=self.refresh,
        )


@asynccontextmanager
async def serving(daemon: Daemon) -> AsyncIterator[int]:
    server = daemon.server()
    task = asyncio.ensure_future(server.run())
    await asyncio.wait_for(server.listening.wait(), 10)
    try:
        yield server.port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def get(port: int, path: str) -> tuple[int, str, str]:
    """Status, content type and body, as a common client sees them."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def raw(port: int, octets: bytes) -> bytes:
    """Everything the server says to `octets`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(octets)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def test_health_is_good_while_no_part_is_stuck_and_names_the_one_that_is() -> None:
    daemon = Daemon()
    async with serving(daemon) as port:
        assert await get(port, "/healthz") == (200, "application/json", '{"status": "ok"}\n')
        daemon.stuck["sink:attic"] = "no turn for 75 s, 60 s at most expected"
        code, _, body = await get(port, "/healthz")
    assert code == 503
    assert json.loads(body) == {"status": "stuck", "stuck": daemon.stuck}


async def test_ready_means_that_nothing_is_missing() -> None:
    daemon = Daemon()
    daemon.missing = ["spool", "source:house"]
    async with serving(daemon) as port:
        code, _, body = await get(port, "/readyz")
        assert (code, json.loads(body)) == (503, {"status": "starting", "missing": ["spool", "source:house"]})
        daemon.missing.clear()
        assert await get(port, "/readyz?verbose") == (200, "application/json", '{"status": "ready"}\n')


async def test_the_gauges_are_brought_up_to_date_before_they_are_shown() -> None:
    daemon = Daemon()
    async with serving(daemon) as port:
        daemon.depth = 17
        code, kind, body = await get(port, "/metrics")
    assert (code, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'datalogger_sink_depth{sink="attic"} 17\n' in body


async def test_the_first_page_lists_the_others_and_an_unknown_one_does_too() -> None:
    async with serving(Daemon()) as port:
        code, _, body = await get(port, "/")
        assert code == 200
        assert all(page in body for page in ("/healthz", "/readyz", "/metrics"))
        code, _, body = await get(port, "/favicon.ico")
        assert code == 404
        assert "/metrics" in body


async def test_head_is_get_without_the_body() -> None:
    async with serving(Daemon()) as port:
        whole = await raw(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await raw(port, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert whole == head + status.CONTENTS.encode()
    assert b"Connection: close\r\n" in head


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"POST /healthz HTTP/1.1\r\nContent-Length: 3\r\n\r\na=1", HTTPStatus.METHOD_NOT_ALLOWED),
        (b"DELETE / HTTP/1.1\r\n\r\n", HTTPStatus.METHOD_NOT_ALLOWED),
        (b"PRI * HTTP/2.0\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/2.0\r\n\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        (b"GET /\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (b"GET /%00\xff HTTP/1.1\r\n\r\n", HTTPStatus.NOT_FOUND),
    ],
)
async def test_what_it_does_not_do_is_refused_politely(octets: bytes, code: HTTPStatus) -> None:
    async with serving(Daemon()) as port:
        answer = await raw(port, octets)
        assert answer.startswith(f"HTTP/1.1 {code.value} {code.phrase}\r\n".encode())
        assert (b"\r\nAllow: GET, HEAD\r\n" in answer) is (code is HTTPStatus.METHOD_NOT_ALLOWED)
        assert (await get(port, "/healthz"))[0] == 200


async def test_a_request_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "HEAD_TIMEOUT", 0.05)
    async with serving(Daemon()) as port:
        assert (await raw(port, b"GET / HTTP/1.1\r\n")).startswith(b"HTTP/1.1 408 ")
        assert (await raw(port, b"")).startswith(b"HTTP/1.1 408 ")


async def test_whoever_hangs_up_leaves_nothing_behind() -> None:
    async with serving(Daemon()) as port:
        for octets in (b"", b"GET / HT", b"GET /metrics HTTP/1.1\r\n\r\n"):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(octets)
            writer.transport.abort()
        assert (await get(port, "/healthz"))[0] == 200


async def test_the_number_of_connections_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "MAX_CONNECTIONS", 3)
    async with serving(Daemon()) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert (await raw(port, b"")).startswith(b"HTTP/1.1 503 ")
        for reader, writer in idle:
            writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200 ")
            writer.close()
        await eventually(lambda: answers_200(port))


async def test_a_long_answer_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "LINGER", 0)
    daemon = Daemon()
    for number in range(50_000):
        daemon.metrics.add("datalogger_octets_total", f"source-{number:05}", amount=number)
    async with serving(daemon) as port:
        _, _, body = await get(port, "/metrics")
    assert len(body) > 2_000_000
    assert 'source-49999"} 49999\n' in body


async def test_a_port_that_is_taken_is_said_loudly_and_opened_once_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "RETRY", 0.01)
    occupant = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = occupant.sockets[0].getsockname()[1]
    server = Daemon().server(port)
    with capture_logs() as logs:
        task = asyncio.ensure_future(server.run())
        await eventually(lambda: asyncio.sleep(0, bool(logs)))
        assert not server.listening.is_set()
        occupant.close()
        await asyncio.wait_for(server.listening.wait(), 10)
    assert logs[0]["log_level"] == "error"
    assert logs[0]["port"] == port
    assert logs[0]["error"] == "Address already in use"
    assert logs[-1]["event"] == "status port open"
    assert await answers_200(port)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("host", "error", "mend"),
    [
        ("192.0.2.1", "Cannot assign requested address", "an address of this machine"),  # RFC 5737: nobody's
        ("nobody.invalid", "no such host", "an address of this machine"),
    ],
)
async def test_a_host_that_is_not_this_machine_is_said_with_the_mend(host: str, error: str, mend: str) -> None:
    server = StatusServer(host, 0, metrics=Metrics(), stuck=dict, missing=list, refresh=lambda: None)
    with capture_logs() as logs:
        task = asyncio.ensure_future(server.run())
        await eventually(lambda: asyncio.sleep(0, bool(logs)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert logs[0]["error"].startswith(error)
    assert mend in logs[0]["mend"]


async def test_an_end_does_not_wait_for_a_connection_that_hangs() -> None:
    async with asyncio.timeout(4):
        async with serving(Daemon()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n")
            assert await answers_200(port)  # so the one before was taken on too
        assert await reader.read() == b""
        writer.close()


async def test_a_defect_in_a_page_is_answered_and_logged() -> None:
    daemon = Daemon()
    daemon.stuck = None  # type: ignore[assignment]  # the defect
    async with serving(daemon) as port:
        with capture_logs() as logs:
            assert (await get(port, "/healthz"))[0] == 500
        assert (await get(port, "/"))[0] == 200
    assert [line["log_level"] for line in logs] == ["error"]
    assert logs[0]["exc_info"]


async def answers_200(port: int) -> bool:
    return (await raw(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.005)
