"""The sink against a DSMR-reader, over real sockets."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from datalogger.config.secrets import Secret
from datalogger.errors import ReportsRejected, SinkError, SinkMisconfigured, SinkUnavailable
from datalogger.model import Delivery, Report
from datalogger.sinks.dsmr_v1 import CONFIRM_PAUSE, CONFIRM_TRIES, DsmrV1, DsmrV1Config, dsmr_reader
from datalogger.words import Duration
from tests.peers.dsmr_reader import AUTHORITY, V1, V2, DsmrReader
from tests.sinks.telegrams import NOW, FixedClock, delivery, telegram, with_check_sum

KEY = "S3CR3T-KEY-0123456789"


def sink_for(url: str, **options: Any) -> DsmrV1:
    options = {"key": Secret(KEY), **options}
    return DsmrV1("attic", DsmrV1Config(kind="dsmr-v1", url=url, **options), FixedClock())


def clock_of(sink: DsmrV1) -> FixedClock:
    assert isinstance(sink._clock, FixedClock)
    return sink._clock


async def outcome(sink: DsmrV1, what: Delivery | None = None) -> SinkError | None:
    """None where the delivery was taken."""
    try:
        await sink.open()
        await sink.deliver([what or delivery()])
    except SinkError as error:
        assert KEY not in str(error) + repr(error)
        return error
    finally:
        await sink.close()
    return None


@pytest.fixture
async def peer() -> AsyncIterator[DsmrReader]:
    async with DsmrReader(key=KEY, now=lambda: NOW) as running:
        yield running


# -- what goes out ------------------------------------------------------------------------------------


async def test_a_telegram_arrives_octet_for_octet(peer: DsmrReader) -> None:
    frame = telegram(text=bytes(octet for octet in range(1, 256) if octet not in b"()\r\n"))
    assert await outcome(sink_for(peer.url), delivery(frame)) is None
    assert peer.telegrams == [frame]


async def test_the_request_is_one_the_server_can_read(peer: DsmrReader) -> None:
    await outcome(sink_for(peer.url))
    [request] = peer.requests
    assert (request.method, request.target) == ("POST", V1)
    assert request.headers["host"] == f"127.0.0.1:{peer.port}"
    assert request.headers["content-length"] == str(len(request.body))
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["user-agent"].startswith("datalogger/")
    assert request.headers["x-authkey"] == KEY
    assert not {"transfer-encoding", "content-encoding", "cookie", "authorization", "expect"} & set(request.headers)


async def test_the_key_can_go_as_a_token(peer: DsmrReader) -> None:
    assert await outcome(sink_for(peer.url, auth="token")) is None
    assert peer.requests[0].headers["authorization"] == f"Token {KEY}"
    assert "x-authkey" not in peer.requests[0].headers


@pytest.mark.parametrize("tail", ["", "/", "//", V1, V1 + "/", V2, "/api/v1", "/api/v1/datalogger"])
async def test_the_address_may_be_written_in_each_usual_way(peer: DsmrReader, tail: str) -> None:
    assert await outcome(sink_for(peer.url + tail)) is None
    peer.prefix = "/dsmr"
    assert await outcome(sink_for(f"{peer.url}{tail}")) is None
    assert [request.target for request in peer.requests] == [V1, "/dsmr" + V1]


async def test_a_connection_is_kept_where_the_server_keeps_it(peer: DsmrReader) -> None:
    sink = sink_for(peer.url)
    peer.keeps_connections = True
    await sink.open()
    for _ in range(3):
        await sink.deliver([delivery()])
    assert (len(peer.rows), peer.connections) == (3, 1)
    peer.keeps_connections = False
    for _ in range(3):
        await sink.deliver([delivery()])
    await sink.close()
    assert (len(peer.rows), peer.connections) == (6, 3)


async def test_a_kept_connection_that_the_server_has_closed_is_replaced(peer: DsmrReader) -> None:
    sink = sink_for(peer.url)
    peer.keeps_connections = True
    await sink.open()
    await sink.deliver([delivery()])
    await peer.refuse()
    await peer.start()
    for _ in range(100):  # until the end of the old connection has come in
        await asyncio.sleep(0)
    await sink.deliver([delivery()])
    await sink.close()
    assert len(peer.rows) == 2


async def test_a_host_name_is_looked_up(peer: DsmrReader) -> None:
    assert await outcome(sink_for(f"http://localhost:{peer.port}")) is None
    assert peer.requests[0].headers["host"] == f"localhost:{peer.port}"


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("dsmr.local", "http://"),
        ("ftp://dsmr.local", "http://"),
        ("http://", "http://"),
        ("http://me:pw@dsmr.local", "key_file"),
        ("http://dsmr.local?key=1", "without ?"),
        ("http://dsmr.local:99999", "192.168.1.5:8000"),
        ("http://dsmr local", "dsmr.local"),
        ("http://dsmr.local\r\nX: y", "dsmr.local"),
    ],
)
def test_an_address_that_is_none_is_refused_with_the_mend(url: str, mend: str) -> None:
    with pytest.raises(ValueError, match=re.escape(mend)):
        dsmr_reader(url)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://DSMR.local:80/", "http://dsmr.local"),
        ("https://example.org/huis 1/", "https://example.org/huis%201"),
        ("http://[fe80::1]:8000", "http://[fe80::1]:8000"),
        ("http://zähler.example", "http://xn--zhler-gra.example"),
    ],
)
def test_an_address_is_shown_in_its_plain_form(url: str, address: str) -> None:
    assert str(dsmr_reader(url)) == address


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(ValueError, match="key_file: missing"):
        DsmrV1Config(kind="dsmr-v1", url="http://dsmr.local")


# -- what the server makes of a telegram --------------------------------------------------------------


async def test_a_wrong_check_sum_is_rejected(peer: DsmrReader) -> None:
    error = await outcome(sink_for(peer.url), delivery(telegram()[:-6] + b"0000\r\n"))
    assert isinstance(error, ReportsRejected)
    assert error.reason == "rejected"
    assert "Failed to parse telegram" in error.rejected[0]
    assert peer.rejected_telegrams == 1


async def test_a_telegram_from_the_day_after_tomorrow_is_rejected(peer: DsmrReader) -> None:
    error = await outcome(sink_for(peer.url), delivery(telegram("261122105958W")))
    assert isinstance(error, ReportsRejected)
    assert peer.rejected_telegrams == 0


@pytest.mark.parametrize(
    ("frame", "exception"),
    [
        (telegram().replace(b"!", b"!ZZZZ", 1)[:-6], "ValueError: invalid literal for int() with base 16: 'ZZZZ'"),
        (with_check_sum(b"/KAM5\r\n\r\n0-0:1.0.0(261120105958W)\r\n!"), 'IntegrityError: null value in column "elec'),
        (telegram(energy="1000000.000"), "DataError: numeric field overflow"),
        (telegram(text=b"x" * 2_700_000), "RequestDataTooBig"),
    ],
)
async def test_an_exception_that_lasts_is_rejected_with_its_line(
    peer: DsmrReader, frame: bytes, exception: str
) -> None:
    error = await outcome(sink_for(peer.url), delivery(frame))
    assert isinstance(error, ReportsRejected)
    assert error.rejected[0].startswith(f"500: {exception}")
    assert len(error.rejected[0]) < 300
    assert not peer.rows


async def test_a_null_inside_a_text_is_rejected_although_the_reading_is_stored(peer: DsmrReader) -> None:
    error = await outcome(sink_for(peer.url), delivery(telegram(text=b"a\0b")))
    assert isinstance(error, ReportsRejected)
    assert "cannot contain NUL" in error.rejected[0]
    assert len(peer.rows) == 1


async def test_a_database_that_is_down_is_waited_for(peer: DsmrReader) -> None:
    peer.database_down = True
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkUnavailable)
    assert (error.suspect, error.ambiguous, error.unreached) == (False, True, False)
    assert "OperationalError" in str(error)


async def test_a_page_that_names_both_kinds_is_waited_for(peer: DsmrReader) -> None:
    peer.misbehave("answer", body="<html><pre>ValueError: x</pre><pre>InterfaceError: connection closed</pre></html>")
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkUnavailable)
    assert not error.suspect


async def test_an_unknown_500_is_suspect(peer: DsmrReader) -> None:
    peer.misbehave("answer", body="<html><h1>Interne serverfout</h1></html>")
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkUnavailable)
    assert error.suspect
    assert str(error).endswith("answered 500: Interne serverfout")


async def test_invalid_data_is_rejected(peer: DsmrReader) -> None:
    error = await outcome(sink_for(peer.url), delivery(b"\r\n"))
    assert isinstance(error, ReportsRejected)
    assert error.rejected == {0: "400 Invalid data"}


# -- what a person has to mend ------------------------------------------------------------------------


async def test_a_wrong_key_pauses_and_flows_again_after_the_fix(peer: DsmrReader) -> None:
    peer.key = "another"
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkMisconfigured)
    assert "refuses the key" in str(error)
    peer.key = KEY
    assert await outcome(sink_for(peer.url)) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key_file": Path("/etc/datalogger/attic.key")}, ["key_file /etc/datalogger/attic.key", "systemctl reload"]),
        ({"key_env": "ATTIC_KEY"}, ["key_env ATTIC_KEY", "start datalogger again"]),  # no reload changes those two
        ({"key_credential": "attic"}, ["key_credential attic", "start datalogger again"]),
        ({}, ["key in the configuration", "systemctl reload"]),
    ],
)
async def test_a_refused_key_is_told_by_where_it_came_from_and_when_a_new_one_counts(
    peer: DsmrReader, options: dict[str, Any], words: list[str]
) -> None:
    peer.key = "another"
    error = await outcome(sink_for(peer.url, **options))
    assert isinstance(error, SinkMisconfigured)
    assert all(word in str(error) for word in [*words, "Configuration → API"]), str(error)


async def test_a_disabled_api_says_where_to_allow_it(peer: DsmrReader) -> None:
    peer.enabled = False
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkMisconfigured)
    assert "disabled" in str(error)
    assert "Configuration → API" in str(error)


async def test_another_web_server_is_told(peer: DsmrReader) -> None:
    """Python's own server takes no POST and says so twice."""
    page = "<html><head><title>Error response</title></head><body><h1>Error response</h1><p>Error code: 501</p></body>"
    peer.misbehave("answer", status=501, body=page)
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkMisconfigured)
    assert "names no DSMR-reader" in str(error)
    assert "(501: Error response Error code: 501)" in str(error)


async def test_a_wrong_path_says_so(peer: DsmrReader) -> None:
    error = await outcome(sink_for(peer.url + "/nowhere"))
    assert isinstance(error, SinkMisconfigured)
    assert "404" in str(error)
    assert f"{peer.url}/nowhere{V1}" in str(error)
    assert "names no DSMR-reader" in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_names_its_target(peer: DsmrReader, status: int) -> None:
    target = "https://energy.example.org"
    peer.misbehave("answer", status=status, headers={"Location": target + V1})
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkMisconfigured)
    assert f'write url = "{target}"' in str(error)
    assert len(peer.requests) == 1


@pytest.mark.parametrize("location", ["", "//[", "/login?next=/api", "https://x.example/\x01" + "y" * 4000])
async def test_a_redirect_to_elsewhere_is_told_in_one_short_line(peer: DsmrReader, location: str) -> None:
    peer.misbehave("answer", status=302, headers={"Location": location} if location else {})
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkMisconfigured)
    assert str(error).isprintable()
    assert len(str(error)) < 600


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, "<!DOCTYPE html><html><title>Log in to Hotel WiFi</title></html>", "Hotel WiFi"),
        (400, "<h1>Bad Request (400)</h1>", "Bad Request (400)"),
        (401, "", "401"),
        (403, "<html>Forbidden by rule 7</html>", "Forbidden by rule 7"),
        (405, "", "takes no POST"),
        (407, "", "407"),
        (413, "", "too large"),
        (204, "", "204"),
        (418, "tea", "tea"),
    ],
)
async def test_an_answer_that_is_not_dsmr_readers_is_told_in_one_sentence(
    peer: DsmrReader, status: int, body: str, words: str
) -> None:
    peer.misbehave("answer", status=status, body=body)
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkMisconfigured)
    assert words in str(error)
    assert peer.url in str(error)


@pytest.mark.parametrize("body", ["", "OK"])
async def test_200_is_a_success_of_an_old_server(peer: DsmrReader, body: str) -> None:
    peer.misbehave("answer", status=200, body=body)
    assert await outcome(sink_for(peer.url)) is None


async def test_what_is_no_http_is_told(peer: DsmrReader) -> None:
    for body in ("SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "+OK POP3 ready\r\n", "HTTP/1.1 2x1 Created\r\n\r\n", "x" * 100_000):
        peer.misbehave("raw", body=body, times=1)
        error = await outcome(sink_for(peer.url))
        assert isinstance(error, SinkMisconfigured)
        assert "not in HTTP" in str(error)


async def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_message(peer: DsmrReader) -> None:
    peer.misbehave("answer", status=403, body=f"no such key: {KEY}")
    error = await outcome(sink_for(peer.url))
    assert "no such key: ***" in str(error)


async def test_a_key_that_is_a_word_of_the_answers_does_not_make_them_unknown(peer: DsmrReader) -> None:
    peer.key, peer.enabled = "API", False
    sink = sink_for(peer.url, key=Secret("API"))
    await sink.open()
    with pytest.raises(SinkMisconfigured, match="is disabled: in DSMR-reader, Configuration → API, allow it"):
        await sink.deliver([delivery()])
    peer.misbehave("answer", status=403, body="no such key: API")
    with pytest.raises(SinkMisconfigured, match=r"no such key: \*\*\*"):
        await sink.deliver([delivery()])
    await sink.close()


# -- bad days -----------------------------------------------------------------------------------------


async def test_a_refused_connection_was_not_reached(peer: DsmrReader) -> None:
    sink = sink_for(peer.url)
    await peer.refuse()
    error = await outcome(sink)
    assert isinstance(error, SinkUnavailable)
    assert error.unreached
    assert not error.ambiguous
    assert str(error) == (
        f"{peer.url} cannot be reached: nothing listens there (connection refused): "
        "is the server running, and is the port in url right?"
    )
    assert not await sink.reachable()
    await peer.start()
    assert await sink.reachable()
    assert await outcome(sink) is None


async def test_a_name_nobody_knows_was_not_reached() -> None:
    error = await outcome(sink_for("http://nobody.invalid", timeout=Duration(20)))
    assert isinstance(error, SinkUnavailable)
    assert error.unreached
    assert "nobody.invalid" in str(error)
    assert "is the name in url right?" in str(error) or "name server" in str(error)  # a machine may have none


async def test_a_server_that_never_takes_the_connection_was_not_reached() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        for _ in range(4):  # the queue is full: a further SYN gets no answer
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(address)
            waiting.append(other)
        error = await outcome(sink_for(f"http://127.0.0.1:{address[1]}", timeout=Duration(0.4)))
        for other in waiting:
            other.close()
    assert isinstance(error, SinkUnavailable)
    assert error.unreached
    assert not error.ambiguous


@pytest.mark.parametrize("stores", [True, False])
@pytest.mark.parametrize("kind", ["reset", "half"])
async def test_a_connection_that_ends_after_the_request_is_ambiguous(peer: DsmrReader, kind: Any, stores: bool) -> None:
    peer.misbehave(kind, stores=stores, times=1)
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkUnavailable)
    assert error.ambiguous
    assert not (error.unreached or error.suspect)
    assert len(peer.rows) == int(stores)


async def test_no_answer_in_time_is_ambiguous(peer: DsmrReader) -> None:
    peer.misbehave("hang", method="*")
    for doubtful, limit in [(False, "0.19 s"), (True, "0.0475 s")]:  # the question has a quarter of the time
        error = await outcome(sink_for(peer.url, timeout=Duration(0.2)), delivery(doubtful=doubtful))
        assert isinstance(error, SinkUnavailable)
        assert error.ambiguous
        assert f"no answer within {limit}" in str(error)


async def test_a_slow_answer_is_waited_for(peer: DsmrReader) -> None:
    peer.misbehave("slow", seconds=0.1, times=1)
    assert await outcome(sink_for(peer.url)) is None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("asked", "expected"), [("7", 7.0), ("soon", 10.0), ("Fri, 20 Nov 2026 10:00:30 GMT", 30.0), (None, None)]
)
async def test_retry_after_is_handed_on(
    peer: DsmrReader, status: int, asked: str | None, expected: float | None
) -> None:
    headers = {"Date": "Fri, 20 Nov 2026 10:00:00 GMT", **({"Retry-After": asked} if asked else {})}
    peer.misbehave("answer", status=status, headers=headers, body="<html>busy</html>")
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkUnavailable)
    assert error.retry_after_s == expected
    assert not (error.suspect or error.unreached)
    assert error.ambiguous is (status in (502, 504)), "who gave up waiting for the server may have had it stored"


async def test_an_unknown_5xx_is_suspect(peer: DsmrReader) -> None:
    peer.misbehave("answer", status=520)
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkUnavailable)
    assert error.suspect


async def test_an_endless_answer_is_cut(peer: DsmrReader) -> None:
    peer.misbehave("answer", body="<p>never ending</p>" * 200_000)
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkUnavailable)
    assert len(str(error)) < 400


async def test_of_an_answer_said_to_be_a_terabyte_only_the_beginning_is_read(peer: DsmrReader) -> None:
    peer.misbehave("raw", body="HTTP/1.1 500 x\r\nContent-Length: 1000000000000\r\n\r\nOdd" + "x" * 70_000)
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkUnavailable)
    assert (error.suspect, error.ambiguous) == (True, True)


@pytest.mark.parametrize(
    "raw",
    [
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.0 201 Created\r\n\r\nto the end",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\n\r\n",
        "HTTP/1.1 201\r\ncontent-length:0\r\n\r\n",
    ],
)
async def test_every_form_of_answer_is_read(peer: DsmrReader, raw: str) -> None:
    peer.misbehave("raw", body=raw)
    assert await outcome(sink_for(peer.url)) is None


async def test_a_chunked_error_page_is_read(peer: DsmrReader) -> None:
    page = "Failed to parse telegram"
    chunks = "".join(f"1\r\n{letter}\r\n" for letter in page)
    peer.misbehave("raw", body=f"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\nTrailer: x\r\n\r\n")
    assert isinstance(await outcome(sink_for(peer.url)), ReportsRejected)


# -- TLS ----------------------------------------------------------------------------------------------


async def test_a_certificate_nobody_trusts_is_told_with_the_mend() -> None:
    async with DsmrReader(key=KEY, tls=True, now=lambda: NOW) as peer:
        error = await outcome(sink_for(peer.url))
        assert isinstance(error, SinkMisconfigured)
        assert "ca_file" in str(error)
        assert not peer.requests
        for options in ({"ca_file": AUTHORITY}, {"verify_tls": False}):
            assert await outcome(sink_for(peer.url, **options)) is None
        assert peer.telegrams == [telegram()] * 2


async def test_a_certificate_for_another_host_is_told() -> None:
    async with DsmrReader(key=KEY, tls=True, host="127.0.0.2") as peer:
        error = await outcome(sink_for(peer.url, ca_file=AUTHORITY))
        assert isinstance(error, SinkMisconfigured)
        assert "127.0.0.2" in str(error)


async def test_https_to_a_server_without_tls_is_told(peer: DsmrReader) -> None:
    async def answer_in_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer_in_http, "127.0.0.1", 0)  # nginx answers so
    async with server:
        error = await outcome(sink_for(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert isinstance(error, SinkMisconfigured)
    assert "http://" in str(error)


async def test_a_server_that_waits_instead_of_agreeing_on_tls_is_told(peer: DsmrReader) -> None:
    error = await outcome(sink_for(peer.url.replace("http:", "https:"), timeout=Duration(0.4)))  # gunicorn waits so
    assert isinstance(error, SinkUnavailable)
    assert "agreed on no TLS within" in str(error)
    assert "write http:// in url" in str(error)
    assert not (error.unreached or error.ambiguous)


async def test_a_server_that_hangs_up_on_tls_is_told() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        error = await outcome(sink_for(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert isinstance(error, SinkUnavailable)
    assert "ended the connection while TLS was being agreed" in str(error)
    assert "write http:// in url" in str(error)


async def test_http_to_a_server_that_speaks_tls_is_told() -> None:
    async with DsmrReader(key=KEY, tls=True) as peer:
        error = await outcome(sink_for(peer.url.replace("https:", "http:")))
        assert isinstance(error, SinkError)
        assert "write https:// in url" in str(error)


@pytest.mark.parametrize(
    "raw",
    [
        "\x15\x03\x01\x00\x02\x02\x16",  # the alert "record overflow", in binary
        "HTTP/1.1 400 Bad Request\r\n\r\n<title>400 The plain HTTP request was sent to HTTPS port</title>",  # nginx
        "HTTP/1.1 400 Bad Request\r\n\r\n<p>You're speaking plain HTTP to an SSL-enabled server port.<br />",  # Apache
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",  # Go
    ],
)
async def test_an_answer_that_says_the_port_speaks_tls_is_understood(peer: DsmrReader, raw: str) -> None:
    peer.misbehave("raw", body=raw)
    error = await outcome(sink_for(peer.url))
    assert isinstance(error, SinkMisconfigured)
    assert "write https:// in url" in str(error)


async def test_a_server_that_has_answered_before_is_not_suspected_of_tls(peer: DsmrReader) -> None:
    sink = sink_for(peer.url)
    await sink.open()
    await sink.deliver([delivery()])
    peer.misbehave("reset")
    with pytest.raises(SinkUnavailable, match="ended the connection") as caught:
        await sink.deliver([delivery()])
    assert "https" not in str(caught.value)
    await sink.close()


async def test_an_authority_file_that_is_none_is_told(tmp_path: Path) -> None:
    for file in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        (tmp_path / "empty.pem").write_text("nothing\n")
        error = await outcome(sink_for("https://127.0.0.1:1", ca_file=file))
        assert isinstance(error, SinkMisconfigured)
        assert str(file) in str(error)


# -- telegrams without a time, and doubt --------------------------------------------------------------


async def test_a_telegram_without_a_time_goes_only_while_it_is_fresh(peer: DsmrReader) -> None:
    for stamp in (None, "632525252525W"):
        frame = telegram(stamp)
        assert await outcome(sink_for(peer.url), delivery(frame, age=59)) is None
        for age in (61, -61):  # the clock was set back
            error = await outcome(sink_for(peer.url), delivery(frame, age=age))
            assert isinstance(error, ReportsRejected)
            assert error.reason == "stale"
        assert await outcome(sink_for(peer.url, fresh=Duration(600)), delivery(frame, age=61)) is None
    assert len(peer.rows) == 4


async def test_a_person_can_force_a_stale_telegram(peer: DsmrReader) -> None:
    assert await outcome(sink_for(peer.url), delivery(telegram(None), age=9999, forced=True)) is None


async def test_a_telegram_with_its_own_time_may_come_late(peer: DsmrReader) -> None:
    assert await outcome(sink_for(peer.url), delivery(age=86400 * 30)) is None


async def test_what_is_no_p1_telegram_is_rejected(peer: DsmrReader) -> None:
    for report in (Report(protocol="dlms", frame=b"\x7e"), Report(protocol="p1", received_at=NOW)):
        error = await outcome(sink_for(peer.url), Delivery(sequence=1, report=report))
        assert isinstance(error, ReportsRejected)
        assert "P1" in error.rejected[0]
    assert not peer.requests


async def test_a_doubtful_telegram_that_is_there_is_not_sent_again(peer: DsmrReader) -> None:
    peer.misbehave("reset", stores=True, times=1)
    sink = sink_for(peer.url)
    await outcome(sink)
    assert await outcome(sink, delivery(doubtful=True)) is None
    assert len(peer.rows) == 1
    assert peer.requests[-1].method == "GET"
    assert "timestamp__gte=2026-11-20T09%3A59%3A58Z" in peer.requests[-1].target


async def test_a_doubtful_telegram_that_is_not_there_is_sent(peer: DsmrReader) -> None:
    await outcome(sink_for(peer.url), delivery(telegram("261120105957W")))
    assert await outcome(sink_for(peer.url), delivery(doubtful=True)) is None
    assert [request.method for request in peer.requests] == ["POST", "GET", "POST"]
    assert peer.telegrams[-1] == telegram()


async def test_without_confirm_a_doubtful_telegram_is_sent_at_once(peer: DsmrReader) -> None:
    assert await outcome(sink_for(peer.url, confirm=False), delivery(doubtful=True)) is None
    assert [request.method for request in peer.requests] == ["POST"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "answer", "status": 404, "body": "<html>"},
        {"kind": "answer", "status": 403, "body": '{"detail":"API is disabled"}'},
        {"kind": "answer", "status": 200, "body": "<html>log in</html>"},
        {"kind": "answer", "status": 200, "body": '["count"]'},
    ],
)
async def test_a_server_without_api_v2_is_not_asked_again_for_a_while(peer: DsmrReader, fault: dict[str, Any]) -> None:
    peer.misbehave(**fault, method="GET")
    sink = sink_for(peer.url, timeout=Duration(1))
    assert await outcome(sink, delivery(doubtful=True)) is None
    assert await outcome(sink, delivery(doubtful=True)) is None
    assert [request.method for request in peer.requests] == ["GET", "POST", "POST"]
    clock_of(sink).elapsed += CONFIRM_PAUSE
    assert await outcome(sink, delivery(doubtful=True)) is None
    assert [request.method for request in peer.requests] == ["GET", "POST", "POST", "GET", "POST"]


@pytest.mark.parametrize("kind", ["hang", "reset"])
async def test_where_api_v2_never_answers_one_telegram_in_so_many_questions_goes_unasked(
    peer: DsmrReader, kind: Any
) -> None:
    peer.misbehave(kind, method="GET")
    sink = sink_for(peer.url, timeout=Duration(0.4))
    for _ in range(2):  # a hang never proves that API v2 is absent: the next doubtful telegram is asked about again
        for _ in range(CONFIRM_TRIES - 1):
            error = await outcome(sink, delivery(doubtful=True))
            assert isinstance(error, SinkUnavailable)
            assert error.ambiguous
        assert await outcome(sink, delivery(doubtful=True)) is None
    assert [request.method for request in peer.requests] == (["GET"] * CONFIRM_TRIES + ["POST"]) * 2


async def test_an_answer_ends_the_count_of_questions_that_hung(peer: DsmrReader) -> None:
    sink = sink_for(peer.url, timeout=Duration(0.4))
    for _ in range(CONFIRM_TRIES + 1):
        peer.misbehave("reset", method="GET", times=1)
        assert isinstance(await outcome(sink, delivery(doubtful=True)), SinkUnavailable)
        assert await outcome(sink, delivery(doubtful=True)) is None
    assert [request.method for request in peer.requests] == ["GET", "GET", "POST"] + ["GET", "GET"] * CONFIRM_TRIES


async def test_a_server_that_is_down_is_asked_again_when_it_is_back(peer: DsmrReader) -> None:
    sink = sink_for(peer.url)
    peer.database_down = True
    assert isinstance(await outcome(sink, delivery(doubtful=True)), SinkUnavailable)
    peer.database_down = False
    assert await outcome(sink, delivery(doubtful=True)) is None
    await peer.refuse()
    error = await outcome(sink, delivery(doubtful=True))
    assert isinstance(error, SinkUnavailable)
    assert error.unreached
    await peer.start()
    assert await outcome(sink, delivery(telegram("261120105957W"), doubtful=True)) is None
    assert [request.method for request in peer.requests] == ["GET", "POST"] * 3


CORPUS = sorted((Path(__file__).parents[1] / "data" / "p1" / "telegrams").glob("*.txt"))


async def test_every_telegram_of_the_corpus_goes_out_octet_for_octet(peer: DsmrReader) -> None:
    assert CORPUS
    for file in CORPUS:
        frame = file.read_bytes()
        await outcome(sink_for(peer.url), delivery(frame))
        assert peer.requests[-1].telegram.encode("latin-1") == frame, file.name


async def test_closing_twice_or_unopened_is_safe() -> None:
    sink = sink_for("http://127.0.0.1:1")
    await sink.close()
    await sink.close()
