import asyncio
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from datalogger.errors import ReportsRejected, SinkError, SinkUnavailable
from datalogger.sinks.dsmr_answers import judge
from datalogger.sinks.http_exchange import BODY_BOUND, Answer, read_answer
from datalogger.sinks.plain_connection import HEAD_BOUND
from datalogger.sinks.retry_after import LONGEST, SHORTEST

NOW = datetime(2026, 11, 20, tzinfo=UTC)
URL = "http://attic.local"

# Pieces that lead a parser deep into itself, and noise.
PIECES = st.sampled_from(
    [
        b"HTTP/1.1 201 Created\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 500 \r\n",
        b"HTTP/1.1 500",
        b"HTTP/1.1 000 x\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: five\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"5\r\nabcde\r\n",
        b"-5\r\n",
        b"fffffffff\r\n",
        b"0\r\n\r\n",
        b"x" * 70_000,
    ]
)


def read(octets: bytes) -> Answer | Exception:
    async def run() -> Answer:
        reader = asyncio.StreamReader(limit=HEAD_BOUND)
        reader.feed_data(octets)
        reader.feed_eof()
        return (await read_answer(reader, "POST"))[0]

    try:
        return asyncio.run(run())
    except (ValueError, asyncio.LimitOverrunError, asyncio.IncompleteReadError) as error:
        return error


@given(st.lists(PIECES | st.binary(max_size=20), max_size=8))
def test_any_octets_are_an_answer_or_one_of_the_documented_errors(pieces: list[bytes]) -> None:
    answer = read(b"".join(pieces))
    if isinstance(answer, Answer):
        assert 200 <= answer.status <= 999
        assert len(answer.body) <= BODY_BOUND


def test_an_answer_is_read_however_it_is_framed() -> None:
    for head, body in [
        (b"Content-Length: 5\r\n", b"abcde"),
        (b"content-length:5\r\n", b"abcdeand more"),
        (b"Transfer-Encoding: gzip, chunked\r\n", b"2;a=b\r\nab\r\n3\r\ncde\r\n0\r\nTrailer: x\r\n\r\n"),
        (b"", b"abcde"),
    ]:
        answer = read(b"HTTP/1.1 500 Oops\r\nX-Y: z\r\n" + head + b"\r\n" + body)
        assert isinstance(answer, Answer)
        assert (answer.status, answer.headers["x-y"], answer.body) == (500, "z", b"abcde")


TEXTS = st.text(max_size=200) | st.sampled_from(
    [
        "Failed to parse telegram",
        "Invalid data",
        "OperationalError",
        "<html>IntegrityError: x\n",
        "&#x41;&#0;&#x10FFFF;",
    ]
)


@given(
    st.integers(min_value=200, max_value=999),
    TEXTS,
    st.dictionaries(st.sampled_from(["location", "retry-after", "date"]), st.text(max_size=40)),
)
def test_any_answer_is_success_or_one_error_in_one_short_line(status: int, text: str, headers: dict[str, str]) -> None:
    error = judge(Answer(status, headers, text.encode()), URL, URL + "/api/v1/datalogger/dsmrreading", NOW, "mend it")
    if error is None:
        assert status in (200, 201)
        return
    assert isinstance(error, SinkError)
    assert str(error).isprintable()
    assert len(str(error)) < 800
    if isinstance(error, SinkUnavailable) and error.retry_after_s is not None:
        assert SHORTEST <= error.retry_after_s <= LONGEST
    if isinstance(error, ReportsRejected):
        assert (status, set(error.rejected)) in ((400, {0}), (500, {0}))
