"""What comes on a line, held to the request that was made: the answer, or events with their reasons."""

import time
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalogger.protocol.framing import Reason, Rejected
from datalogger.protocol.modbus.answers import (
    MOST_HELD,
    Answer,
    Event,
    Listening,
    Refusal,
    Request,
    RtuListening,
    TcpListening,
)
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
    assert len(flood) - given_up <= MOST_HELD


def test_every_reason_is_one_of_the_bounded_set() -> None:
    assert {"late", "wrong_unit", "wrong_function", "no_answer", "closed"} <= {str(reason) for reason in Reason}


def test_an_exchange_of_the_specification_is_heard() -> None:
    """Unit 17, registers 40108 to 40110, with the check sums that are printed there."""
    request = Request(0x11, 3, 0x6B, 3)
    listening = RtuListening(request, echo=bytes.fromhex("1103006B00037687"))
    (answer,) = heard(listening, [bytes.fromhex("110306AE415652434049AD")])
    assert isinstance(answer, Answer)
    assert answer.pdu.hex().upper() == "0306AE4156524340"


LONG = Request(17, 4, 0x10, 20)
INNER = [rtu("8402"), rtu("0402" + "1122"), rtu(SOUND, 18), rtu("8302", 18), b"\x11\x04\x28", b"\x11\x84", b"\x11\x04"]


def one_by_one(octets: bytes) -> list[bytes]:
    return cut(octets, range(len(octets)))


@given(st.lists(st.one_of(st.sampled_from(INNER), st.binary(max_size=9)), max_size=9).map(b"".join))
def test_what_looks_like_a_frame_inside_the_answer_is_data(data: bytes) -> None:
    answer = rtu("0428" + data[:40].ljust(40, b"\x11").hex())
    for parts in ([answer], one_by_one(answer), [answer[:7], answer[7:20], answer[20:]]):
        (event,) = heard(RtuListening(LONG), parts)
        assert isinstance(event, Answer) and event.octets == answer


@given(st.lists(st.one_of(st.sampled_from(INNER), st.binary(max_size=9)), max_size=9).map(b"".join))
def test_an_answer_behind_anything_is_heard_once_it_is_there(noise: bytes) -> None:
    """Where the noise ends in a beginning that is none, too: an answer ends behind whatever began before it."""
    answer = rtu("0428" + bytes(range(40)).hex())
    events = heard(RtuListening(LONG), one_by_one(noise + answer))
    (found,) = answers(events)
    if found.octets != answer:  # the noise held one that is sound, too, or by chance (one in 65536) began one
        assert (noise + answer).index(found.octets) < len(noise)
        assert found.octets[-2:] == crc(found.octets[:-2])


@pytest.mark.parametrize("make", [on_rtu, on_tcp])
@given(PARTS, PLACES)
def test_how_the_stream_is_cut_does_not_matter_for_what_is_told_before_the_answer(
    make: Make, stream: bytes, places: list[int]
) -> None:
    def told(parts: list[bytes]) -> list[Event]:
        events = heard(make(), parts)
        ends = [at for at, event in enumerate(events) if not isinstance(event, Rejected)]
        return events[: ends[0] + 1] if ends else events

    whole = told([stream])
    if "malformed" not in reasons(whole):  # behind it nothing is a frame any more
        assert told(cut(stream, places)) == whole == told(one_by_one(stream))


@pytest.mark.parametrize("size", [1, 7, 255, 257])
def test_the_frames_of_others_in_a_long_noise_are_told_one_by_one(size: int) -> None:
    noise = b"".join(b"\xff" * (at * 7 % 90) + rtu(SOUND, 18) + b"\x11" * (at % 5) for at in range(60)) + b"\xff" * 300
    stream = noise + rtu(SOUND)
    events = heard(on_rtu(), cut(stream, range(0, len(stream), size)))
    assert events == heard(on_rtu(), [stream])
    assert b"".join(event.octets for event in events) == stream
    assert [event.octets for event in events if event.octets == rtu(SOUND, 18)] == [rtu(SOUND, 18)] * 60
    assert len(answers(events)) == 1


FAR = st.lists(
    st.one_of(st.binary(max_size=9), st.sampled_from([b"\x11\x04\x04", b"\x11\x84", b"\x11\x04\x28", *INNER])),
    max_size=9,
).flatmap(lambda parts: st.sampled_from([0, 200, 255, 256, 500, 512, 700]).map(lambda gap: (b"\xff" * gap).join(parts)))


@settings(max_examples=40, deadline=None)
@given(FAR, PLACES)
def test_far_behind_much_noise_an_answer_is_heard_and_no_octet_is_lost(noise: bytes, places: list[int]) -> None:
    for request, answer in ((REQUEST, rtu(SOUND)), (LONG, rtu("0428" + bytes(range(40)).hex()))):
        stream = noise + answer
        events = heard(RtuListening(request), [stream])
        assert b"".join(event.octets for event in events) == stream
        assert len(answers(events)) == 1
        place = [isinstance(event, Rejected) for event in events].index(False)
        for parts in (cut(stream, places), one_by_one(stream)):
            assert heard(RtuListening(request), parts)[: place + 1] == events[: place + 1]


@given(PARTS, PLACES)
def test_nothing_is_taken_for_an_answer_when_it_is_given_up(stream: bytes, places: list[int]) -> None:
    listening = on_rtu()
    for part in cut(stream, places):
        if answers(listening.feed(part)):
            return
    assert not answers(listening.end())
    assert listening.end() == []


@pytest.mark.parametrize("places", [range(30), [1], [3], [7], [8], [9], []])
def test_an_echo_that_begins_as_an_answer_does_is_one_however_it_comes(places: Iterable[int]) -> None:
    """Address 0x0400: its first octet stands where an answer has the number of its octets."""
    request = Request(17, 4, 0x0400, 2)
    echo = bytes.fromhex("110404000002")
    echo += crc(echo)
    for answer in (rtu(SOUND), rtu("8402")):
        events = heard(RtuListening(request, echo), cut(echo + answer, places))
        assert reasons(events) == ["padding"]
        assert [event.octets for event in answers(events)] == [answer]


def test_an_answer_that_begins_as_the_request_does_is_no_echo() -> None:
    request = Request(17, 4, 0x0400, 2)
    echo = bytes.fromhex("110404000002")
    answer = rtu("0404" + "00000200")
    assert len(answers(heard(RtuListening(request, echo + crc(echo)), one_by_one(answer)))) == 1


def test_an_answer_is_begun_behind_whole_frames_and_not_behind_noise() -> None:
    def begun(octets: bytes) -> tuple[bool, bool]:
        listening = on_rtu()
        listening.feed(octets)
        return listening.begun, listening.damaged

    assert begun(rtu(SOUND, 18)) == (False, False)
    assert begun(rtu(SOUND, 18) + b"\x11") == (False, False)  # noise may be one octet, too
    assert begun(rtu(SOUND, 18) + b"\x11\x04") == (True, False)
    assert begun(rtu(SOUND, 18) + rtu(SOUND)[:-1] + b"\x00") == (True, True)
    assert begun(b"\x00\x11\x04") == (False, False)
    # A late answer to another request: as long as this one, and more of it is to come.
    late = rtu("0408" + DATA + DATA)
    assert begun(late[:-1]) == (True, False)
    assert begun(late) == (False, False)
    assert begun(late[:-1] + b"\x00") == (True, True)


@pytest.mark.parametrize(
    ("pdu", "reason"),
    [("840200", "length"), ("84", "length"), ("04", "length"), ("0405" + DATA, "length"), ("0400", "late"),
     ("04FF" + DATA, "length"), ("07", "wrong_function")],
)  # fmt: skip
def test_a_length_that_does_not_hold_is_told_on_tcp(pdu: str, reason: str) -> None:
    events = heard(on_tcp(), [tcp(pdu) + tcp(SOUND)])
    assert reasons(events) == [reason]
    assert len(answers(events)) == 1


@pytest.mark.parametrize(
    ("request_", "octets"),
    [
        (Request(1, 3, 0, 125), 250),
        (Request(247, 1, 0, 2000), 250),
        (Request(255, 2, 9, 3), 1),
        (Request(0, 3, 0, 1), 2),
    ],
)
def test_the_longest_and_the_shortest_answers_are_heard(request_: Request, octets: int) -> None:
    pdu = bytes((request_.function, octets)) + bytes(octets)
    for listening, answer in (
        (RtuListening(request_), rtu(pdu.hex(), request_.unit)),
        (TcpListening(request_, TRANSACTION), tcp(pdu.hex(), request_.unit)),
    ):
        assert len(answers(heard(listening, one_by_one(answer)))) == 1


@pytest.mark.parametrize("filler", [b"\x11", b"\x11\x04", b"\x11\x04\x04", b"\x03", b"\x12\x04\xfb", rtu("8402", 18)])
def test_64_kib_of_what_is_no_answer_take_no_time_octet_by_octet(filler: bytes) -> None:
    flood = filler * (0x10000 // len(filler))
    listening = on_rtu()
    began = time.process_time()
    events = [event for at in range(len(flood)) for event in listening.feed(flood[at : at + 1])]
    assert time.process_time() - began < 2  # it is a tenth of that; a square would take minutes
    events += listening.end()
    assert b"".join(event.octets for event in events) == flood


def test_a_request_is_told_as_a_person_would_look_it_up() -> None:
    assert str(Request(1, 3, 0x48, 1)) == "unit 1, function 3, 0x0048"
    assert str(Request(1, 3, 0x48, 4)) == "unit 1, function 3, 0x0048 to 0x004b"
