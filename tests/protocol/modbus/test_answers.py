"""What comes on a line, held to the request that was made: the answer, or events with their reasons."""

import time
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.protocol.framing import Reason, Rejected
from datalogger.protocol.modbus.answers import Answer, Event, Listening, Refusal, Request, RtuListening, TcpListening
from tests.protocol.invariants import PLACES, cut
from tests.sources.modbus.bus import crc

REQUEST = Request(17, 4, 0x10, 2)
DATA = "11223344"
SOUND = "0404" + DATA
TRANSACTION = 0x0102


def rtu(pdu: str, unit: int = 17) -> bytes:
    octets = bytes((unit,)) + bytes.fromhex(pdu)
    return octets + crc(octets)


def tcp(pdu: str, unit: int = 17, transaction: int = TRANSACTION, protocol: int = 0) -> bytes:
    octets = bytes((unit,)) + bytes.fromhex(pdu)
    return b"".join(number.to_bytes(2, "big") for number in (transaction, protocol, len(octets))) + octets


def on_rtu() -> Listening:
    return RtuListening(REQUEST)


def on_tcp() -> Listening:
    return TcpListening(REQUEST, TRANSACTION)


def heard(listening: Listening, parts: Iterable[bytes]) -> list[Event]:
    """Up to the answer, as a conversation hears it; without one, all of it."""
    events: list[Event] = []
    for part in parts:
        events += listening.feed(part)
        if any(not isinstance(event, Rejected) for event in events):
            return events
    return events + listening.end()


def reasons(events: Iterable[Event]) -> list[str]:
    return [str(event.reason) for event in events if isinstance(event, Rejected)]


def answers(events: Iterable[Event]) -> list[Answer | Refusal]:
    return [event for event in events if not isinstance(event, Rejected)]


BOTH = pytest.mark.parametrize(("make", "frame"), [(on_rtu, rtu), (on_tcp, tcp)], ids=["rtu", "tcp"])
Make = Callable[[], Listening]
Frame = Callable[..., bytes]


def test_the_frames_of_these_tests_are_those_of_the_wire() -> None:
    """By hand: 17 = 11h; the check sum low octet first."""
    assert rtu(SOUND).hex() == "11040411223344" + crc(bytes.fromhex("11040411223344")).hex()
    assert tcp(SOUND).hex() == "010200000007" + "11" + "040411223344"


@BOTH
def test_an_answer_is_heard(make: Make, frame: Frame) -> None:
    (answer,) = heard(make(), [frame(SOUND)])
    assert isinstance(answer, Answer)
    assert (answer.pdu.hex(), answer.octets) == (SOUND, frame(SOUND))


@BOTH
@pytest.mark.parametrize("code", [*range(1, 12), 0, 12, 255])
def test_an_exception_is_heard_with_its_code(make: Make, frame: Frame, code: int) -> None:
    (refusal,) = heard(make(), [frame(f"84{code:02X}")])
    assert isinstance(refusal, Refusal)
    assert refusal.code == code


@BOTH
@pytest.mark.parametrize(
    ("pdu", "unit", "reason"),
    [
        (SOUND, 18, "wrong_unit"),
        ("8402", 18, "wrong_unit"),
        ("0304" + DATA, 17, "wrong_function"),
        ("8302", 17, "wrong_function"),
        ("0402" + "1122", 17, "late"),  # of a request for one register
        ("0406" + DATA + "5566", 17, "late"),
    ],
)
def test_a_sound_frame_that_is_no_answer_to_this_is_told_and_the_answer_behind_it_is_heard(
    make: Make, frame: Frame, pdu: str, unit: int, reason: str
) -> None:
    events = heard(make(), [frame(pdu, unit), frame(SOUND)])
    assert reasons(events) == [reason]
    assert [answer.octets for answer in answers(events)] == [frame(SOUND)]


def test_an_answer_to_another_number_is_late() -> None:
    events = heard(on_tcp(), [tcp(SOUND, transaction=TRANSACTION - 1) + tcp(SOUND)])
    assert reasons(events) == ["late"]
    assert len(answers(events)) == 1


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (rtu(SOUND)[:-1], "truncated"),
        (rtu(SOUND)[:4], "truncated"),
        (rtu(SOUND)[:-1] + b"\x00", "checksum"),
        (rtu(SOUND)[:-1] + b"\x00\x00\x00", "too_long"),
        (b"\x00\xff", "noise"),
        (rtu("8402")[:-1] + b"\x00", "checksum"),
    ],
)
def test_what_is_no_frame_on_a_line_is_told_when_it_is_quiet(octets: bytes, reason: str) -> None:
    events = heard(on_rtu(), [octets])
    assert reasons(events) == [reason]
    assert not answers(events)


def test_an_answer_is_found_behind_noise_and_before_what_nobody_asked_for() -> None:
    events = heard(on_rtu(), [b"\x00\xff\x11\x04" + rtu(SOUND) + b"\x01\x02"])
    assert reasons(events) == ["noise", "too_long"]
    assert [answer.octets for answer in answers(events)] == [rtu(SOUND)]


def test_what_an_adapter_hears_itself_say_is_no_noise() -> None:
    request = bytes.fromhex("110400100002")
    listening = RtuListening(REQUEST, echo=request + crc(request))
    events = heard(listening, [request, crc(request) + rtu(SOUND)])
    assert reasons(events) == ["padding"]
    assert len(answers(events)) == 1


def test_an_answer_with_a_wrong_check_sum_is_known_to_be_whole() -> None:
    """So nobody waits for the rest of it."""
    listening = on_rtu()
    assert listening.feed(rtu(SOUND)[:-1]) == []
    assert (listening.begun, listening.damaged) == (True, False)
    assert listening.feed(b"\x00") == []
    assert (listening.begun, listening.damaged) == (True, True)


@pytest.mark.parametrize(
    "octets",
    [
        tcp(SOUND, protocol=1),
        rtu(SOUND),
        bytes.fromhex("01020000" + "0001" + "11"),
        bytes.fromhex("01020000" + "00FF" + "11"),
        b"HTTP/1.1 400 Bad Request\r\n",
    ],
)
def test_what_is_no_modbus_tcp_breaks_the_connection(octets: bytes) -> None:
    listening = on_tcp()
    assert reasons(heard(listening, [octets])) == ["malformed"]
    assert listening.broken


def test_half_an_answer_on_tcp_is_told_when_it_is_given_up() -> None:
    assert reasons(heard(on_tcp(), [tcp(SOUND)[:-1]])) == ["truncated"]


@pytest.mark.parametrize(
    ("request_", "octets"),
    [(Request(1, 1, 0, 1), 1), (Request(1, 2, 0, 9), 2), (Request(1, 3, 0, 9), 18), (Request(1, 1, 0, 2000), 250)],
)
def test_an_answer_has_so_many_octets_of_data(request_: Request, octets: int) -> None:
    assert request_.data_octets == octets


PARTS = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from([rtu(SOUND), rtu("8402"), rtu(SOUND, 18), rtu("040211AA"), rtu("0304" + DATA)]),
        st.sampled_from([tcp(SOUND), tcp("8402"), tcp(SOUND, 18), tcp(SOUND, transaction=7), tcp("040211AA")]),
        st.sampled_from(
            [rtu(SOUND)[:-1], rtu(SOUND)[1:], tcp(SOUND)[:-1], tcp(SOUND)[3:], b"\x11\x04", b"\x11\x04\xff"]
        ),
    ),
    max_size=8,
).map(b"".join)


@pytest.mark.parametrize("make", [on_rtu, on_tcp])
@given(PARTS, PLACES)
def test_no_octet_is_lost_and_only_what_keeps_to_the_request_is_an_answer(
    make: Make, stream: bytes, places: list[int]
) -> None:
    fed = b""
    listening, events = make(), []
    for part in cut(stream, places):
        fed += part
        events += listening.feed(part)
        if answers(events) or listening.broken:
            break
    events += listening.end()
    assert b"".join(event.octets for event in events) == fed
    for event in answers(events):
        if make is on_rtu:
            unit, pdu = event.octets[0], event.octets[1:-2]
            assert event.octets[-2:] == crc(event.octets[:-2])
        else:
            assert event.octets[:4] == TRANSACTION.to_bytes(2, "big") + b"\0\0"
            unit, pdu = event.octets[6], event.octets[7:]
        assert unit == REQUEST.unit
        assert pdu[:2].hex() == "0404" if isinstance(event, Answer) else pdu[0] == 0x84
        assert len(pdu) == (6 if isinstance(event, Answer) else 2)
    assert len(answers(events)) <= 1


@pytest.mark.parametrize("make", [on_rtu, on_tcp])
@given(PARTS, PLACES)
def test_how_the_stream_is_cut_does_not_matter_for_what_is_the_answer(
    make: Make, stream: bytes, places: list[int]
) -> None:
    whole, pieces = heard(make(), [stream]), heard(make(), cut(stream, places))
    assert answers(whole) == answers(pieces)


@pytest.mark.parametrize("make", [on_rtu, on_tcp])
def test_a_flood_costs_no_more_than_its_length(make: Make) -> None:
    """Octet by octet, of what looks like the beginning of an answer again and again."""
    flood = b"\x11\x04\xfb" * 20_000
    listening = make()
    began = time.monotonic()
    given_up = 0
    for at in range(len(flood)):
        given_up += sum(len(event.octets) for event in listening.feed(flood[at : at + 1]))
        if listening.broken:
            return
    assert time.monotonic() - began < 5  # a square would take minutes
    assert len(flood) - given_up <= 256


def test_every_reason_is_one_of_the_bounded_set() -> None:
    assert {"late", "wrong_unit", "wrong_function", "no_answer", "closed"} <= {str(reason) for reason in Reason}
