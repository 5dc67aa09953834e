"""The fake server answers as the real one was measured to. A fake that answers otherwise proves nothing."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.peers.dsmr_reader import V1, V2, DsmrReader
from tests.protocol.p1 import corpus
from tests.sinks.telegrams import NOW, telegram, with_check_sum

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
KEY = {"X-AUTHKEY": "KEY"}


@pytest.fixture
async def peer() -> AsyncIterator[DsmrReader]:
    async with DsmrReader(now=lambda: NOW) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def form(frame: bytes) -> dict[str, str]:
    return {"telegram": frame.decode("latin-1")}


def resummed(frame: bytes, old: bytes, new: bytes) -> bytes:
    """`frame` with `old` replaced and its check sum right again."""
    assert old in frame
    return with_check_sum(frame[: frame.rindex(b"!") + 1].replace(old, new))


SOUND = telegram()
CHECK_SUM = SOUND[-6:-2]


@pytest.mark.parametrize(
    ("frame", "status", "body", "stored", "rejected"),
    [
        (SOUND, 201, "", 1, 0),
        (SOUND[:-2], 201, "", 1, 0),
        (SOUND[:-2] + b"\n", 201, "", 1, 0),
        (b"\x7fnoise\r\n" + SOUND, 201, "", 1, 0),
        (b" \r\n" + SOUND + b"\0\0", 201, "", 1, 0),
        (SOUND + SOUND, 500, "Failed to parse telegram", 0, 1),
        (SOUND[:-6] + b"0000\r\n", 500, "Failed to parse telegram", 0, 1),
        (SOUND[:-6] + b"ab1f\r\n", 500, "Failed to parse telegram", 0, 1),
        (SOUND[:-6] + CHECK_SUM[:3] + b"\r\n", 500, "Failed to parse telegram", 0, 1),
        (SOUND[:-6] + b"\r\n", 500, "Failed to parse telegram", 0, 1),
        (SOUND[:-6] + b"ZZZZ\r\n", 500, "ValueError: invalid literal for int() with base 16", 0, 0),
        (SOUND.replace(b"\r\n", b"\n"), 500, "Failed to parse telegram", 0, 1),
        (with_check_sum(SOUND[:-6].replace(b"\r\n", b"\n")), 500, "IntegrityError", 0, 0),
        (b"xxxxx", 500, "Failed to parse telegram", 0, 1),
        (resummed(SOUND, b"1-0:2.7.0(00.000*kW)\r\n", b""), 500, "IntegrityError: null value in column", 0, 0),
        (resummed(SOUND, b"1-0:1.8.2(001263.199*kWh)\r\n", b""), 201, "", 1, 0),
        (telegram(energy="1000000.000"), 500, "DataError: numeric field overflow", 0, 0),
        (telegram(energy="999999.999"), 201, "", 1, 0),
        (telegram("261121105958W"), 201, "", 1, 0),
        (telegram("261121110001W"), 500, "Failed to parse telegram", 0, 0),
        (telegram(None), 201, "", 1, 0),
        (telegram("632525252525W"), 201, "", 1, 0),
        (telegram(text=b"a\0b"), 500, "ValueError: A string literal cannot contain NUL", 1, 0),
        (telegram(text=b"m\xb3"), 201, "", 1, 0),
        (telegram(text=b"x" * 2_700_000), 500, "RequestDataTooBig", 0, 0),
    ],
)
async def test_a_telegram_is_answered_as_the_real_server_does(
    peer: DsmrReader, http: aiohttp.ClientSession, frame: bytes, status: int, body: str, stored: int, rejected: int
) -> None:
    async with http.post(peer.url + V1, data=form(frame), headers=KEY) as answer:
        text = await answer.text()
        assert answer.status == status
        assert text == body if body in ("", "Failed to parse telegram") else body in text
        assert answer.headers["Connection"] == "close"
        assert answer.headers["Content-Type"] in ("text/html; charset=utf-8", "text/html")
    assert (len(peer.rows), peer.rejected_telegrams) == (stored, rejected)
    if stored and frame == SOUND:
        assert peer.telegrams == [SOUND]


async def test_a_telegram_sent_again_is_one_more_row(peer: DsmrReader, http: aiohttp.ClientSession) -> None:
    for _ in range(3):
        async with http.post(peer.url + V1, data=form(SOUND), headers=KEY) as answer:
            assert answer.status == 201
    assert peer.telegrams == [SOUND] * 3


async def test_an_octet_that_is_not_sent_as_utf8_fails_the_check_sum(
    peer: DsmrReader, http: aiohttp.ClientSession
) -> None:
    raw = urlencode({"telegram": telegram(text=b"\xe9")})
    assert "%E9" in raw
    async with http.post(peer.url + V1, data=raw, headers=KEY | FORM) as answer:
        assert (answer.status, await answer.text()) == (500, "Failed to parse telegram")


async def test_the_time_of_a_reading_is_the_telegrams_or_the_servers(
    peer: DsmrReader, http: aiohttp.ClientSession
) -> None:
    for stamp in ("261120105958W", None):
        await http.post(peer.url + V1, data=form(telegram(stamp)), headers=KEY)
    peer.checks_crc = False  # set to "DSMR 2/3"
    await http.post(peer.url + V1, data=form(SOUND[:-6] + b"0000\r\n"), headers=KEY)
    assert [row.timestamp for row in peer.rows] == [datetime(2026, 11, 20, 9, 59, 58, tzinfo=UTC), NOW, NOW]


async def test_a_telegram_of_luxembourg_is_taken_by_a_server_that_is_set_so(
    peer: DsmrReader, http: aiohttp.ClientSession
) -> None:
    """It has totals only, and no tariffs."""
    lux = corpus.telegram("lu-smarty_dsmrreader")
    for peer.luxembourg, status in ((False, 500), (True, 201)):
        async with http.post(peer.url + V1, data=form(lux), headers=KEY) as answer:
            assert answer.status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-AUTHKEY": "KEY"}, 400),
        ({"Authorization": "Token KEY"}, 400),
        ({"Authorization": "token KEY"}, 403),
        ({"Authorization": "Bearer KEY"}, 403),
        ({"X-AUTHKEY": "wrong"}, 403),
        ({}, 403),
    ],
)
async def test_the_key_is_looked_at_before_the_data(
    peer: DsmrReader, http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    async with http.post(peer.url + V1, headers=headers) as answer:
        assert answer.status == status
        assert await answer.text() == ("Invalid auth key" if status == 403 else "Invalid data")


async def test_a_body_that_is_no_form_is_no_data(peer: DsmrReader, http: aiohttp.ClientSession) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield urlencode(form(SOUND)).encode()

    encoded = urlencode(form(SOUND))
    for body, headers in [
        (b"telegram=", FORM),
        (b"telegram=%20%0D%0A", FORM),
        (b"other=1", FORM),
        (json.dumps(form(SOUND)), {"Content-Type": "application/json"}),
        (encoded, {"Content-Type": "text/plain"}),
        (encoded, FORM | {"Content-Encoding": "gzip"}),
        (chunks(), FORM),
    ]:
        async with http.post(peer.url + V1, data=body, headers=KEY | headers) as answer:
            assert (answer.status, await answer.text()) == (400, "Invalid data")
    async with http.post(f"{peer.url}{V1}?{encoded}", headers=KEY) as answer:
        assert answer.status == 400


async def test_methods_and_paths(peer: DsmrReader, http: aiohttp.ClientSession) -> None:
    for method in ("GET", "HEAD", "PUT"):
        async with http.request(method, peer.url + V1, headers=KEY) as answer:
            assert (answer.status, answer.headers["Allow"], await answer.text()) == (405, "POST, OPTIONS", "")
    async with http.options(peer.url + V1) as answer:
        assert (answer.status, await answer.text()) == (200, "")
    for path in (V1 + "/", "/" + V1, "/unknown"):
        async with http.post(peer.url + path, data=form(SOUND), headers=KEY) as answer:
            assert (answer.status, "html" in await answer.text()) == (404, True)


async def test_a_disabled_api(peer: DsmrReader, http: aiohttp.ClientSession) -> None:
    peer.enabled = False
    async with http.post(peer.url + V1, data=form(SOUND), headers=KEY) as answer:
        assert (answer.status, answer.headers["Allow"], await answer.text()) == (405, "POST", "API is disabled")
    async with http.get(peer.url + V2, headers=KEY) as answer:
        assert (answer.status, await answer.json()) == (403, {"detail": "API is disabled"})


async def test_a_database_that_is_down_answers_500_even_to_a_wrong_key(
    peer: DsmrReader, http: aiohttp.ClientSession
) -> None:
    peer.database_down = True
    async with http.post(peer.url + V1, data=form(SOUND), headers={"X-AUTHKEY": "wrong"}) as answer:
        assert answer.status == 500
        assert "OperationalError" in await answer.text()


async def test_a_server_without_a_key_asks_nobody(peer: DsmrReader, http: aiohttp.ClientSession) -> None:
    peer.key = None
    async with http.post(peer.url + V1, data=form(SOUND)) as answer:
        assert answer.status == 201


async def test_readings_are_listed_by_time_and_page(peer: DsmrReader, http: aiohttp.ClientSession) -> None:
    first = datetime(2026, 11, 20, 9, 0, 0)
    for second in range(30):
        stamp = (first + timedelta(seconds=second)).strftime("%y%m%d%H%M%SW")
        await http.post(peer.url + V1, data=form(telegram(stamp)), headers=KEY)

    async def listed(**query: str) -> tuple[int, dict[str, object]]:
        async with http.get(peer.url + V2, params=query, headers=KEY) as answer:
            assert answer.headers["Content-Type"] == "application/json"
            return answer.status, await answer.json()

    status, page = await listed()
    assert (status, page["count"], page["previous"]) == (200, 30, None)
    assert isinstance(page["results"], list)
    assert len(page["results"]) == 25
    assert page["results"][0]["timestamp"] == "2026-11-20T09:00:00+01:00"
    assert "offset=25" in str(page["next"])
    assert (await listed(limit="1000"))[1]["next"] is None
    for moment in ("2026-11-20 09:00:05", "2026-11-20T08:00:05Z", "2026-11-20T09:00:05+01:00"):
        assert (await listed(timestamp__gte=moment, timestamp__lte=moment))[1]["count"] == 1
    assert (await listed(timestamp__gte="2026-11-20 09:00:05"))[1]["count"] == 25
    assert await listed(timestamp__gte="yesterday") == (400, {"timestamp__gte": ["Enter a valid date/time."]})
    assert (await listed(unknown="1"))[1]["count"] == 30
    async with http.get(peer.url + V2, headers={"X-AUTHKEY": "wrong"}) as answer:
        assert (answer.status, await answer.json()) == (403, {"detail": "Invalid auth key"})


async def test_bad_days_last_as_long_as_they_are_told(peer: DsmrReader, http: aiohttp.ClientSession) -> None:
    peer.misbehave("answer", status=503, headers={"Retry-After": "7"}, matching="001111.111", times=2)
    odd = telegram(energy="001111.111")
    seen = []
    for frame in (SOUND, odd, SOUND, odd, odd):
        async with http.post(peer.url + V1, data=form(frame), headers=KEY) as answer:
            seen.append((answer.status, answer.headers.get("Retry-After")))
    assert seen == [(201, None), (503, "7"), (201, None), (503, "7"), (201, None)]


async def test_it_refuses_and_takes_connections_again_on_the_same_port(
    peer: DsmrReader, http: aiohttp.ClientSession
) -> None:
    port = peer.port
    await peer.refuse()
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.post(peer.url + V1, data=form(SOUND), headers=KEY)
    await peer.start()
    assert peer.port == port
    async with http.post(peer.url + V1, data=form(SOUND), headers=KEY) as answer:
        assert answer.status == 201


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[str]:
    """The URL of a server in a process of its own."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.peers.dsmr_reader", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert started.stdout is not None
    try:
        async with asyncio.timeout(60):
            yield (await started.stdout.readline()).decode().strip()
    finally:
        started.terminate()
        await started.wait()


@pytest.mark.slow
async def test_as_a_process_it_logs_every_row_and_takes_orders(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    log = tmp_path / "rows.jsonl"
    odd = telegram(text=bytes(range(0x80, 0x100)))
    async with process("--key", "other", "--log", str(log)) as url:
        fault = {"kind": "answer", "status": 502, "times": 1}
        async with http.post(f"{url}/control", json={"fault": fault, "set": {"key": "KEY"}}) as answer:
            assert (await answer.json())["rows"] == 0
        statuses = []
        for _ in range(2):
            async with http.post(url + V1, data=form(odd), headers=KEY) as answer:
                statuses.append(answer.status)
        assert statuses == [502, 201]
        await http.post(f"{url}/control", json={"refuse": 0.2})
        async with asyncio.timeout(30):
            refused = False
            while True:
                try:
                    async with http.post(f"{url}/control", json={}) as answer:
                        if refused:
                            assert (await answer.json())["rows"] == 1
                            break
                except aiohttp.ClientError:
                    refused = True
    [row] = [json.loads(line) for line in log.read_text().splitlines()]
    assert row["telegram"].encode("latin-1") == odd
    assert row["at"] > 0
