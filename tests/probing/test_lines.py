"""Marks of faulty octets; a serial port and a TCP port as probe reads them."""

import os
import pty
import socket
import termios
import tty
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.errors import SourceError
from datalogger.line_settings import LineSettings
from datalogger.probing import lines
from datalogger.probing.lines import Marks, Reading, SerialLine, TcpLine, lasting_name
from datalogger.simulation.uart import as_marked, receive
from tests.probing.meter import Time

SOON = 10  # seconds; a failure bound, never waited for
HEARD = LineSettings.parse("2400 8N1")


@given(st.binary(max_size=60), st.lists(st.integers(0, 200), max_size=4))
def test_marks_are_taken_out_and_counted_however_the_stream_is_cut(octets: bytes, cuts: list[int]) -> None:
    sent = LineSettings.parse("2400 8E1")
    marked = as_marked(octets, sent, HEARD)
    marks = Marks()
    edges = [0, *sorted(min(cut, len(marked)) for cut in cuts), len(marked)]
    readings = [marks.taken_out(marked[begin:end]) for begin, end in pairwise(edges)]
    assert b"".join(each.octets for each in readings) == octets
    assert sum(each.faults for each in readings) == sum(each.fault is not None for each in receive(octets, sent, HEARD))


def test_an_octet_ff_that_a_driver_did_not_double_is_kept() -> None:
    assert Marks().taken_out(b"\xff\x41\xffA") == Reading(b"\xff\x41\xffA")


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """The meter's end, and the name of the other."""
    meter, reader = pty.openpty()
    tty.setraw(reader)
    name = os.ttyname(reader)
    os.close(reader)
    yield meter, name
    os.close(meter)


def everything(line: SerialLine | TcpLine, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        reading = line.read(SOON)
        assert reading.octets, f"only {octets!r}"
        octets += reading.octets
    return octets


def test_a_serial_port_gives_its_octets_at_the_speed_it_is_tuned_to(terminal: tuple[int, str]) -> None:
    meter, name = terminal
    line = SerialLine(name)
    line.open()
    try:
        assert not line.shows_form  # a pseudo-terminal
        assert line.tune(LineSettings.parse("2400 8E1"))
        assert termios.tcgetattr(meter)[5] == termios.B2400
        os.write(meter, bytes(range(256)))
        assert everything(line, 256) == bytes(range(256))
        os.write(meter, b"old")
        assert line.tune(LineSettings.parse("9600 7E1"))
        assert line.read(0.01) == Reading(b"")  # what came before is thrown away
    finally:
        line.close()


def test_a_real_port_is_told_to_mark_faults_and_the_marks_are_taken_out(terminal: tuple[int, str]) -> None:
    meter, name = terminal
    line = SerialLine(name)
    line.open()
    try:
        line.shows_form = True
        assert line.tune(LineSettings.parse("2400 8N1"))
        modes = termios.tcgetattr(meter)[0]
        assert modes & termios.INPCK and modes & termios.PARMRK
        os.write(meter, b"\xff\x00\x41\xff")  # the kernel doubles each FF
        assert everything(line, 4) == b"\xff\x00\x41\xff"
    finally:
        line.close()


def test_a_line_that_hangs_up_says_so() -> None:
    meter, reader = pty.openpty()
    line = SerialLine(os.ttyname(reader))
    os.close(reader)
    line.open()
    try:
        os.close(meter)
        with pytest.raises(SourceError, match=r"gone|hung up"):
            line.read(SOON)
    finally:
        line.close()


def test_a_port_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such port; there is"):
        SerialLine(str(tmp_path / "ttyUSB9")).open()


def test_a_port_that_another_line_has_open_is_said_to_be_taken(terminal: tuple[int, str]) -> None:
    first, second = SerialLine(terminal[1]), SerialLine(terminal[1])
    first.open()
    try:
        with pytest.raises(SourceError, match="already open"):
            second.open()
    finally:
        first.close()


def test_a_tcp_port_gives_its_octets_and_silence_is_no_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = TcpLine("127.0.0.1", server.getsockname()[1], Time())
        try:
            line.open()
            with server.accept()[0] as dongle:
                assert line.read(0.01) == Reading(b"")
                dongle.sendall(b"/SIM5")
                assert everything(line, 5) == b"/SIM5"
            with pytest.raises(SourceError, match="closed the connection"):
                line.read(SOON)
        finally:
            line.close()


def test_a_tcp_port_where_nothing_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    line = TcpLine("127.0.0.1", port, Time())
    try:
        with pytest.raises(SourceError, match=f"nothing listens on 127.0.0.1:{port}"):
            line.open()
    finally:
        line.close()


def test_the_link_that_stays_is_preferred_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, by_id = tmp_path / "ttyUSB0", tmp_path / "by-id"
    port.touch()
    by_id.mkdir()
    (by_id / "usb-other").symlink_to(tmp_path / "ttyUSB1")
    (by_id / "usb-FTDI-if00-port0").symlink_to(port)
    monkeypatch.setattr(lines, "_BY_ID", by_id)
    assert lasting_name(str(port)) == str(by_id / "usb-FTDI-if00-port0")
    assert lasting_name(str(tmp_path / "ttyAMA0")) == str(tmp_path / "ttyAMA0")
    assert lasting_name(str(by_id / "usb-FTDI-if00-port0")) == str(by_id / "usb-FTDI-if00-port0")
