import os
import select
import socket
from collections.abc import Iterator
from io import TextIOWrapper

import pytest

from datalogger.service.lines_out import LinesOut


@pytest.fixture(params=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, TextIOWrapper]]:
    """What reads, and the stream that is written to."""
    if request.param == "pipe":
        reading, writing = os.pipe()
    else:
        reading, writing = (end.detach() for end in socket.socketpair())
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        yield reading, stream
    os.close(reading)


def fill(out: LinesOut, stream: TextIOWrapper, line: str = "x" * 99) -> int:
    """How many lines went out before one did not."""
    count = 0
    while out.write(stream, line):
        count += 1
        assert count < 100_000
    return count


def read_all(reading: int) -> bytes:
    octets = b""
    while select.select([reading], [], [], 0)[0]:
        octets += os.read(reading, 65536)
    return octets


def test_a_line_nobody_reads_is_dropped_and_counted_once(ends: tuple[int, TextIOWrapper]) -> None:
    reading, stream = ends
    out = LinesOut()
    went = fill(out, stream)
    assert not out.write(stream, "lost too")
    assert out.dropped(stream) == 0, "there is no room to say it yet"
    assert read_all(reading) == (b"x" * 99 + b"\n") * went
    assert out.dropped(stream) == 2
    assert out.dropped(stream) == 0
    assert out.write(stream, "it flows")
    assert read_all(reading) == b"it flows\n"


def test_a_long_line_goes_out_whole(ends: tuple[int, TextIOWrapper]) -> None:
    reading, stream = ends
    line = "äöü" * 3000
    assert LinesOut().write(stream, line)
    assert read_all(reading) == line.encode() + b"\n"


def test_after_a_line_that_was_torn_the_next_begins_anew(ends: tuple[int, TextIOWrapper]) -> None:
    reading, stream = ends
    out = LinesOut()
    fill(out, stream, "y" * 19_999)
    assert not out.write(stream, "lost too")
    read_all(reading)
    assert out.dropped(stream) == 2
    assert out.write(stream, "whole")
    assert out.write(stream, "whole again")
    assert read_all(reading) == b"\nwhole\nwhole again\n"


def test_a_reader_that_is_gone_is_an_error(ends: tuple[int, TextIOWrapper]) -> None:
    reading, stream = ends
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, reading)
    os.close(nothing)
    with pytest.raises(BrokenPipeError):
        LinesOut().write(stream, "nobody")
