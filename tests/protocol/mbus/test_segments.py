import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.joining import Joined
from datalogger.protocol.mbus.framer import MbusFramer, enclose
from datalogger.protocol.mbus.segments import MAX_SEGMENTS, MbusSegments, build
from tests.protocol.dlms.corpus import Case, case
from tests.protocol.invariants import events_of
from tests.protocol.mbus.corpus import MBUS, frames


def segment(data: bytes, number: int, last: bool, *, source: int = 1) -> Frame:
    payload = build(data, number, last, source=source)
    return Frame(payload, enclose(payload), framing="mbus")


def segments(message: bytes, count: int) -> list[Frame]:
    """The message in `count` segments."""
    size = -(-len(message) // count)
    return [segment(message[n * size : (n + 1) * size], n, n == count - 1) for n in range(count)]


def take_all(taken: list[Frame]) -> list[Joined | Rejected]:
    joiner = MbusSegments()
    return [event for one in taken for event in joiner.take(one)] + joiner.idle()


def messages(events: list[Joined | Rejected]) -> list[bytes]:
    return [event.data for event in events if isinstance(event, Joined)]


def reasons(events: list[Joined | Rejected]) -> list[Reason]:
    return [event.reason for event in events if isinstance(event, Rejected)]


def octets(events: list[Joined | Rejected]) -> bytes:
    return b"".join(event.octets for event in events)


MESSAGE = b"\xdb\x08" + bytes(range(100))
FIRST, MIDDLE, LAST = segments(MESSAGE, 3)


def test_the_control_information_numbers_the_segments_and_marks_the_last() -> None:
    assert [one.payload[:5].hex() for one in (FIRST, MIDDLE, LAST)] == ["53ff000167", "53ff010167", "53ff120167"]


@pytest.mark.parametrize("count", range(1, MAX_SEGMENTS + 1))
def test_segments_make_one_message(count: int) -> None:
    taken = segments(MESSAGE, count)
    assert take_all(taken) == [Joined(MESSAGE, b"".join(one.octets for one in taken))]


@pytest.mark.parametrize("capture", MBUS, ids=lambda capture: capture.name)
def test_every_capture_comes_out_whole(capture: Case) -> None:
    taken = [event for event in MbusFramer().feed(capture.octets) if isinstance(event, Frame)]
    data = b"".join(frame[9:-2] for frame in frames(capture.octets))
    assert data[0] == 0xDB
    assert take_all(taken) == [Joined(data, capture.octets)]


@pytest.mark.parametrize(
    ("name", "lost", "whole"),
    [("mbus_checksum", 1, 0), ("mbus_l_mismatch", 1, 1), ("mbus_stop_byte", 1, 1), ("mbus_segment_1_missing", 1, 1)],
)
def test_of_a_broken_capture_only_whole_messages_come_out(name: str, lost: int, whole: int) -> None:
    found = events_of(MbusFramer(), [case(name).octets])
    events = take_all([event for event in found if isinstance(event, Frame)])
    assert reasons(events) == [Reason.SEGMENT_MISSING] * lost
    assert len(messages(events)) == whole


@pytest.mark.parametrize(
    "taken",
    [
        [LAST],
        [MIDDLE, LAST],
        [FIRST, LAST],
        [FIRST, MIDDLE],
        [FIRST, MIDDLE, MIDDLE, LAST],
        [FIRST, LAST, MIDDLE],
        [MIDDLE, FIRST, LAST],
        [FIRST, MIDDLE, segment(b"x", 2, True, source=2)],
    ],
)
def test_a_missing_repeated_or_misplaced_segment_loses_the_message_and_no_other(taken: list[Frame]) -> None:
    events = take_all([*taken, FIRST, MIDDLE, LAST])
    assert messages(events) == [MESSAGE]
    assert reasons(events)
    assert set(reasons(events)) == {Reason.SEGMENT_MISSING}
    assert octets(events) == b"".join(one.octets for one in [*taken, FIRST, MIDDLE, LAST])


def test_quiet_gives_up_an_open_chain() -> None:
    joiner = MbusSegments()
    joiner.take(FIRST)
    assert [event.octets for event in joiner.idle()] == [FIRST.octets]
    assert joiner.idle() == []
    assert reasons(joiner.take(MIDDLE)) == [Reason.SEGMENT_MISSING]


def test_a_chain_that_cannot_end_is_given_up() -> None:
    events = take_all([segment(b"x", n, False) for n in range(MAX_SEGMENTS)] + segments(MESSAGE, 2))
    assert reasons(events) == [Reason.SEGMENT_MISSING]
    assert messages(events) == [MESSAGE]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x08\x01\x72\x01\x67\x00", Reason.APDU_TAG),
        (b"\x53\xff\x20\x01\x67", Reason.APDU_TAG),
        (b"\x53\xff\x10", Reason.MALFORMED),
    ],
)
def test_what_carries_no_dlms_is_refused_and_does_no_harm(payload: bytes, reason: Reason) -> None:
    alien = Frame(payload, enclose(payload), framing="mbus")
    events = take_all([FIRST, alien, MIDDLE, LAST])
    assert reasons(events) == [reason]
    assert messages(events) == [MESSAGE]


@pytest.mark.parametrize("number", [-1, MAX_SEGMENTS])
def test_a_segment_that_cannot_be_numbered_is_not_built(number: int) -> None:
    with pytest.raises(ValueError, match="0 to 15"):
        build(b"", number)


@given(st.binary(max_size=40))
def test_any_payload_gives_an_event_and_never_raises(payload: bytes) -> None:
    joiner = MbusSegments()
    events = joiner.take(Frame(payload, payload, framing="mbus")) + joiner.idle()
    assert octets(events) == payload


@settings(deadline=None)
@given(data=st.data())
def test_only_whole_messages_come_out_in_whatever_order_segments_come(data: st.DataObject) -> None:
    """A message out of parts 0 … n of one line-up; parts of two messages of the same length cannot be told apart."""
    pool = [one for count in range(1, 5) for one in segments(bytes((count,)) * 12, count)]
    taken = data.draw(st.lists(st.sampled_from(pool), max_size=20))
    events = take_all(taken)
    assert octets(events) == b"".join(one.octets for one in taken)
    for event in events:
        if isinstance(event, Joined):
            controls = [frame[6] for frame in frames(event.octets)]
            assert controls == [*range(len(controls) - 1), len(controls) - 1 | 0x10]
            assert event.data == b"".join(frame[9:-2] for frame in frames(event.octets))
