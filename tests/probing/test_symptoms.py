"""What is wrong with a line, told from the octets that a UART set wrongly makes of a real push."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.line_settings import LineSettings
from datalogger.probing.symptoms import Kind, Symptom, symptom
from datalogger.simulation.p1 import DSMR5, telegrams
from datalogger.simulation.uart import as_heard, receive
from tests.probing.meter import Time
from tests.protocol.dlms.corpus import case

P1 = next(telegrams(DSMR5, start=Time().now()))
HDLC = case("no_kaifa_ma304h3e_list2").octets


def of(text: str) -> LineSettings:
    return LineSettings.parse(text)


def told(octets: bytes, sent: str, heard: str, *, inverted: bool = False) -> Symptom:
    got = receive(octets, of(sent), of(heard), inverted=inverted)
    faults = sum(each.fault is not None for each in got)
    return symptom(bytes(each.octet for each in got), of(heard), faults=faults)


def test_no_octet_is_silence() -> None:
    assert symptom(b"", of("2400 8E1")) == Symptom(Kind.SILENT)


@pytest.mark.parametrize("sent", ["9600 7E1", "115200 7E1"])
def test_seven_bits_and_even_parity_read_as_eight_bits_are_told(sent: str) -> None:
    heard = of(sent)._replace(bytesize=8, parity="N")
    assert told(P1, sent, str(heard)) == Symptom(Kind.SEVEN_BITS, of(sent))


def test_odd_parity_is_told_from_even() -> None:
    assert told(P1, "9600 7O1", "9600 8N1") == Symptom(Kind.SEVEN_BITS, of("9600 7O1"))


def test_an_inverted_telegram_is_told() -> None:
    assert told(P1 * 2, "115200 8N1", "115200 8N1", inverted=True) == Symptom(Kind.INVERTED)


@pytest.mark.parametrize("octets", [P1, HDLC])
@pytest.mark.parametrize(
    "sent, heard",
    [
        ("19200 8N1", "38400 8N1"),
        ("38400 8N1", "115200 8N1"),
        ("2400 8E1", "9600 8N1"),
        ("19200 8E1", "115200 8N1"),
        ("9600 7E1", "38400 7E1"),
    ],
)
def test_a_line_that_is_a_few_times_slower_is_told_with_its_speed(octets: bytes, sent: str, heard: str) -> None:
    found = told(octets, sent, heard)
    assert found.kind is Kind.SLOWER
    assert found.sent is not None and found.sent.baud_rate == of(sent).baud_rate


@pytest.mark.parametrize("sent", ["2400 8E1", "9600 8N1", "300 7E1"])
def test_a_line_that_is_many_times_slower_gives_only_nuls(sent: str) -> None:
    assert told(HDLC, sent, "115200 8N1") == Symptom(Kind.ONLY_NULS)


def test_a_parity_that_the_receiver_sees_to_be_wrong_is_told() -> None:
    assert told(HDLC, "2400 8N1", "2400 8E1").kind is Kind.PARITY
    assert told(HDLC, "2400 8E1", "2400 8N1").kind is Kind.PARITY


def test_a_line_that_is_faster_is_not_said_to_be_slower() -> None:
    assert told(HDLC, "9600 8N1", "2400 8N1").kind in (Kind.PARITY, Kind.UNKNOWN)


@pytest.mark.parametrize("octets", [P1, HDLC])
def test_nothing_is_wrong_with_what_was_heard_right(octets: bytes) -> None:
    assert symptom(octets, of("115200 8N1")) == Symptom(Kind.UNKNOWN)


def test_few_octets_prove_nothing() -> None:
    assert symptom(as_heard(b"/ISK5", of("9600 7E1"), of("9600 8N1")), of("9600 8N1")) == Symptom(Kind.UNKNOWN)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_octets_have_a_symptom(octets: bytes, faults: int) -> None:
    assert symptom(octets, of("9600 8N1"), faults=faults).kind in Kind
    assert symptom(bytes(octet & 0x7F for octet in octets), of("9600 7E1"), faults=faults).kind in Kind
