"""What a receiver with other line settings makes of a sender, bit by bit."""

import os
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from datalogger.line_settings import LineSettings
from datalogger.simulation.uart import as_heard, as_marked, receive
from datalogger.simulation.uart_pty import UartPtyLine

TEXT = b"/SIM5\\2DATALOGGER\r\n\r\n1-0:1.7.0(00.500*kW)\r\n"

BYTES = st.binary(max_size=40)
SETTINGS = st.builds(
    LineSettings,
    st.sampled_from([300, 1200, 2400, 9600, 19200, 38400, 115200]),
    st.sampled_from([7, 8]),
    st.sampled_from(["N", "E", "O"]),
    st.sampled_from([1, 2]),
)


def of(text: str) -> LineSettings:
    return LineSettings.parse(text)


@given(BYTES, SETTINGS, st.integers(0, 3))
def test_with_the_senders_settings_every_octet_is_heard_without_a_fault(
    octets: bytes, settings: LineSettings, gap: int
) -> None:
    mask = 0x7F if settings.bytesize == 7 else 0xFF
    heard = receive(octets, settings, settings, gap=gap)
    assert [each.octet for each in heard] == [octet & mask for octet in octets]
    assert all(each.fault is None for each in heard)


def test_the_bits_of_one_octet_are_those_of_the_standard() -> None:
    # The parity bit stands where the eighth data bit is looked for.
    assert as_heard(b"\x41", of("9600 7E1"), of("9600 8N1")) == b"\x41"  # two ones: parity 0
    assert as_heard(b"\x43", of("9600 7E1"), of("9600 8N1")) == b"\xc3"  # three ones: parity 1
    assert as_heard(b"\x43", of("9600 7O1"), of("9600 8N1")) == b"\x43"


def test_seven_bits_with_parity_read_as_eight_have_an_even_number_of_ones() -> None:
    heard = as_heard(TEXT, of("9600 7E1"), of("9600 8N1"))
    assert bytes(octet & 0x7F for octet in heard) == TEXT
    assert heard != TEXT
    assert all(octet.bit_count() % 2 == 0 for octet in heard)


def test_a_parity_bit_at_the_place_of_the_stop_bit_is_a_framing_error_where_it_is_0() -> None:
    heard = receive(TEXT, of("2400 8E1"), of("2400 8N1"))
    assert bytes(each.octet for each in heard) == TEXT
    for octet, fault in heard:
        assert fault == ("framing" if octet.bit_count() % 2 == 0 else None)


def test_parity_that_nobody_sends_is_a_fault_in_half_of_the_octets_and_costs_their_neighbours() -> None:
    heard = receive(bytes(range(256)), of("2400 8N1"), of("2400 8E1"))
    assert {each.fault for each in heard} == {None, "parity", "framing"}
    assert bytes(each.octet for each in heard) != bytes(range(256))
    apart = receive(bytes(range(256)), of("2400 8N1"), of("2400 8E1"), gap=1)
    assert bytes(each.octet for each in apart) == bytes(range(256))
    assert all((fault == "parity") == (octet.bit_count() % 2 == 0) for octet, fault in apart)


@pytest.mark.parametrize(
    "sent, heard, only",
    [
        ("2400 8N1", "115200 8N1", {0x00}),
        ("9600 8N1", "38400 8N1", {0x00, 0x78, 0x80, 0xF8}),
        ("19200 8N1", "115200 8N1", {0x00, 0xE0}),
    ],
)
def test_a_receiver_that_is_a_whole_number_of_times_too_fast_hears_its_own_few_octets(
    sent: str, heard: str, only: set[int]
) -> None:
    assert set(as_heard(bytes(range(256)), of(sent), of(heard))) == only


def test_a_receiver_that_is_too_slow_hears_less() -> None:
    assert 0 < len(as_heard(TEXT * 4, of("115200 8N1"), of("2400 8N1"))) <= 5


def test_an_inverted_text_comes_as_its_complement_one_bit_late_and_ends_in_a_break() -> None:
    heard = receive(TEXT * 2, of("115200 8N1"), of("115200 8N1"), inverted=True)
    turned = bytes((~each.octet & 0xFF) >> 1 for each in heard)
    assert TEXT in turned  # the second; within the first it falls into step
    assert heard[-1] == (0, "break")
    assert len(heard) == pytest.approx(2 * len(TEXT), abs=3)


def test_marks_tell_a_fault_from_an_octet_that_looks_like_a_mark() -> None:
    assert as_marked(b"\xff\x41", of("2400 8N1"), of("2400 8N1")) == b"\xff\xff\x41"
    assert as_marked(b"\x03\x01", of("2400 8E1"), of("2400 8N1")) == b"\xff\x00\x03\x01"
    assert as_marked(b"\x00", of("300 8N1"), of("9600 8N1")) == b"\xff\x00\x00"


@given(BYTES, SETTINGS, SETTINGS, st.integers(0, 3), st.booleans())
def test_any_two_settings_give_some_octets_and_an_end(
    octets: bytes, sent: LineSettings, heard: LineSettings, gap: int, inverted: bool
) -> None:
    got = receive(octets, sent, heard, gap=gap, inverted=inverted)
    most = (len(octets) * (12 + gap) + 60) * max(1, heard.baud_rate // sent.baud_rate + 1)
    assert len(got) <= most
    assert all(0 <= each.octet < 1 << heard.bytesize for each in got)


@pytest.mark.parametrize("text", ["2400 8E1", "2400/8e1", "2400 8 E 1", "2400,8E1"])
def test_line_settings_are_read_as_people_write_them(text: str) -> None:
    assert of(text) == LineSettings(2400, 8, "E", 1)
    assert str(of(text)) == "2400 8E1"


@pytest.mark.parametrize("text", ["", "2400", "8E1", "2400 9N1", "2400 8X1", "0 8N1", "99999999 8N1", "2400 8E3"])
def test_what_are_no_line_settings_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match='such as "2400 8E1"'):
        of(text)


@pytest.fixture
async def line() -> AsyncIterator[UartPtyLine]:
    line = UartPtyLine(None, of("2400 8E1"))
    await line.open()
    yield line
    await line.disconnect()


def reader(line: UartPtyLine, baud_rate: int) -> serial.Serial:
    return serial.Serial(line.terminal, baud_rate, timeout=5)


async def test_a_reader_of_a_pseudo_terminal_hears_the_meter_at_its_speed_only(line: UartPtyLine) -> None:
    with reader(line, 2400) as port:
        line.send(TEXT, begins=True)
        assert port.read(len(TEXT)) == TEXT
        port.baudrate = 9600
        line.send(TEXT, begins=True)
        expected = as_heard(TEXT, of("2400 8E1"), of("9600 8E1"))
        assert port.read(len(expected)) == expected


async def test_seven_bits_and_parity_cannot_be_seen_on_a_pseudo_terminal(line: UartPtyLine) -> None:
    """The reason why only the speed is looked at; it fails when some Linux can."""
    terminal = os.open(line.terminal, os.O_RDWR | os.O_NOCTTY)
    try:
        modes = termios.tcgetattr(terminal)
        modes[2] = modes[2] & ~termios.CSIZE | termios.CS7 | termios.PARENB
        modes[4] = modes[5] = termios.B2400  # one change that it can make: then it is silent on the others
        termios.tcsetattr(terminal, termios.TCSANOW, modes)
        control = termios.tcgetattr(terminal)[2]
        assert control & termios.CSIZE == termios.CS8
        assert not control & termios.PARENB
    finally:
        os.close(terminal)


async def test_a_link_leads_to_the_terminal(tmp_path: Path) -> None:
    line = UartPtyLine(tmp_path / "meter", of("9600 7E1"), inverted=True)
    await line.open()
    with serial.Serial(line.address, 9600, timeout=5) as port:
        line.send(TEXT, begins=True)
        expected = as_heard(TEXT, of("9600 7E1"), of("9600 7E1"), inverted=True)
        assert port.read(len(expected)) == expected
    await line.disconnect()
