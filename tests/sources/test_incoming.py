import asyncio

import pytest

from datalogger.errors import SourceError
from datalogger.sources.incoming import CHUNK, MOST_HELD, Incoming


class Line(asyncio.ReadTransport):
    """A transport that only remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")


def incoming(line: Line | None = None) -> Incoming:
    made = Incoming(lambda error: f"it ended: {error}")
    made.connection_made(line or Line())
    return made


async def test_what_arrived_is_read_before_the_failure_that_followed_it() -> None:
    line = incoming()
    line.data_received(b"/ABC")
    line.data_received(b"!1234\r\n")
    line.connection_lost(OSError("unplugged"))
    assert await line.read() == b"/ABC!1234\r\n"
    for _ in range(2):
        with pytest.raises(SourceError, match="it ended: unplugged"):
            await line.read()


async def test_a_reader_that_waits_is_told_of_the_end() -> None:
    line = incoming()
    waiting = asyncio.create_task(line.read())
    await asyncio.sleep(0)
    line.connection_lost(None)
    with pytest.raises(SourceError, match="it ended: None"):
        await waiting


async def test_a_read_cancelled_as_the_octets_come_loses_none() -> None:
    line = incoming()
    waiting = asyncio.create_task(line.read())
    await asyncio.sleep(0)
    line.data_received(b"half ")
    waiting.cancel()  # the octets have woken it, and it is cancelled before it runs
    with pytest.raises(asyncio.CancelledError):
        await waiting
    line.data_received(b"a telegram")
    assert await line.read() == b"half a telegram"


async def test_a_flood_is_read_in_bounded_chunks_and_the_line_paused_meanwhile() -> None:
    transport = Line()
    line = incoming(transport)
    flood = bytes(range(256)) * (MOST_HELD // 256 + 1)
    line.data_received(flood)
    line.data_received(b"more")
    assert transport.told == ["pause"]
    read = b""
    while len(read) < len(flood) + 4:
        assert transport.told == ["pause"]
        chunk = await line.read()
        assert 0 < len(chunk) <= CHUNK
        read += chunk
    assert read == flood + b"more"
    assert transport.told == ["pause", "resume"]


async def test_a_flood_is_read_to_its_end_also_when_the_line_failed_meanwhile() -> None:
    line = incoming()
    flood = bytes(MOST_HELD + 1)
    line.data_received(flood)
    line.connection_lost(None)
    read = b""
    with pytest.raises(SourceError):
        while True:
            read += await line.read()
    assert read == flood
