import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.protocol.checksum import crc16_modbus
from datalogger.protocol.modbus.answers import Request
from datalogger.simulation.modbus.wire import MOST_FRAME, Asked, Ear, Framing
from datalogger.sources.modbus.wire import Wire

REQUESTS = [Request(1, 4, 0, 38), Request(9, 3, 0x5000, 7), Request(247, 1, 3, 2000)]
PDUS = ["0400000026", "0350000007", "01000307D0"]


def rtu(text: str) -> bytes:
    octets = bytes.fromhex(text)
    return octets + crc16_modbus(octets).to_bytes(2, "little")


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_what_the_daemon_asks_is_heard_in_whatever_pieces(framing: Framing) -> None:
    wire, ear = Wire(framing), Ear(framing)
    octets = b"".join(wire.ask(request)[0] for request in REQUESTS)
    heard = [asked for octet in octets for asked in ear.feed(bytes((octet,)))]
    numbers = [1, 2, 3] if framing == "tcp" else [0, 0, 0]
    assert heard == [
        Asked(request.unit, number, bytes.fromhex(pdu))
        for request, number, pdu in zip(REQUESTS, numbers, PDUS, strict=True)
    ]
    assert Ear(framing).feed(octets) == heard


def test_a_request_behind_noise_and_behind_half_a_request_is_heard() -> None:
    ear = Ear("rtu")
    assert [
        asked.unit for asked in ear.feed(b"\x01\x04\x00" + rtu("020400000002") + b"\xff\x01" + rtu("030400000002"))
    ] == [2, 3]


def test_a_request_whose_check_sum_is_wrong_is_none() -> None:
    damaged = bytearray(rtu("020400000002"))
    damaged[3] ^= 1
    assert Ear("rtu").feed(bytes(damaged)) == []


@pytest.mark.parametrize(
    "text", ["0206000A0001", "0210000A000102ABCD", "0207", "0211", "022B0E0100", "024201", "0217000000010000000102ABCD"]
)
def test_functions_that_are_not_answered_are_heard(text: str) -> None:
    ear = Ear("rtu")
    assert [asked.pdu.hex().upper() for asked in ear.feed(rtu(text) + b"")] == [text[2:]]
    assert [asked.unit for asked in ear.feed(rtu("030400000002"))] == [3]


def test_the_answers_of_others_on_the_line_are_no_requests() -> None:
    ear = Ear("rtu")
    assert ear.feed(rtu("05840200"[:6])) == []
    assert [asked.unit for asked in ear.feed(rtu("030400000002"))] == [3]


@pytest.mark.parametrize(
    "octets", [b"\0\1\0\1\0\6\1\4\0\0\0\2", b"\0\1\0\0\0\1\1\4\0\0\0\2", b"\0\1\0\0\xff\xff\1\4\0\0"]
)
def test_what_is_no_modbus_tcp_breaks_the_connection(octets: bytes) -> None:
    ear = Ear("tcp")
    assert ear.feed(octets) == []
    assert ear.broken


@given(st.lists(st.binary(max_size=400)), st.sampled_from(["tcp", "rtu"]))
def test_any_octets_do_no_harm(parts: list[bytes], framing: Framing) -> None:
    ear = Ear(framing)
    for part in parts:
        ear.feed(part)
    if framing == "rtu":
        request = rtu("030400000002")
        assert Asked(3, 0, request[1:-2]) in ear.feed(request)


def test_the_longest_request_is_heard_after_any_silence() -> None:
    ear = Ear("rtu")
    longest = rtu("01100000007BF6" + "00" * 246)
    assert len(longest) == MOST_FRAME - 1
    ear.feed(bytes(MOST_FRAME))
    assert [len(asked.pdu) for asked in ear.feed(longest)] == [len(longest) - 3]
