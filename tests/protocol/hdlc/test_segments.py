import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.hdlc.framer import HdlcFramer, enclose
from datalogger.protocol.hdlc.header import build, parse
from datalogger.protocol.hdlc.segments import LLC, MAX_MESSAGE, HdlcSegments
from datalogger.protocol.joining import Joined
from tests.protocol.dlms.corpus import Case, case
from tests.protocol.hdlc.corpus import HDLC, frames

METER = (b"\xcf", b"\x02\x23")
OTHER = (b"\xcf", b"\x03")


def frame(information: bytes, *, more: bool = False, addresses: tuple[bytes, bytes] = METER) -> Frame:
    payload = build(*addresses, 0x03 if more else 0x13, information, segmented=more)
    return Frame(payload, enclose(payload), framing="hdlc")


def segments(message: bytes, size: int) -> list[Frame]:
    """The message behind its LLC header, as a meter cuts it."""
    places = range(0, len(message), size)
    return [frame(message[place : place + size], more=place + size < len(message)) for place in places]


def take_all(taken: list[Frame]) -> list[Joined | Rejected]:
    joiner = HdlcSegments()
    return [event for one in taken for event in joiner.take(one)] + joiner.idle()


def messages(events: list[Joined | Rejected]) -> list[bytes]:
    return [event.data for event in events if isinstance(event, Joined)]


def reasons(events: list[Joined | Rejected]) -> list[Reason]:
    return [event.reason for event in events if isinstance(event, Rejected)]


def octets(events: list[Joined | Rejected]) -> bytes:
    return b"".join(event.octets for event in events)


MESSAGE = LLC + b"\x0f" + bytes(range(0x20, 0x90))
FIRST, MIDDLE, LAST = segments(MESSAGE, 45)


def test_segments_make_one_message() -> None:
    joiner = HdlcSegments()
    assert joiner.take(FIRST) == joiner.take(MIDDLE) == []
    assert joiner.take(LAST) == [Joined(MESSAGE, FIRST.octets + MIDDLE.octets + LAST.octets)]
    assert joiner.idle() == []


@pytest.mark.parametrize("capture", HDLC, ids=lambda capture: capture.name)
def test_every_capture_comes_out_whole(capture: Case) -> None:
    taken = [event for event in HdlcFramer().feed(capture.octets) if isinstance(event, Frame)]
    events = take_all(taken)
    assert reasons(events) == []
    assert octets(events) == capture.octets
    assert b"".join(messages(events)) == b"".join(parse(octets[1:-1]).information for octets in frames(capture.octets))


def test_a_message_in_one_frame_is_no_chain() -> None:
    assert messages(take_all([frame(MESSAGE), frame(MESSAGE)])) == [MESSAGE, MESSAGE]


def test_the_addresses_are_those_of_the_last_message() -> None:
    joiner = HdlcSegments()
    for addresses in (METER, OTHER):
        joiner.take(frame(MESSAGE, addresses=addresses))
        assert joiner.addresses == addresses


def test_a_last_segment_that_begins_like_a_message_is_still_a_segment() -> None:
    last = b"\x0f" + bytes(range(40))
    assert messages(take_all([FIRST, frame(last)])) == [MESSAGE[:45] + last]


def test_a_message_in_one_frame_ends_an_open_chain() -> None:
    whole = frame(MESSAGE)
    lost, found = take_all([FIRST, whole])
    assert isinstance(lost, Rejected)
    assert (lost.reason, lost.octets) == (Reason.SEGMENT_MISSING, FIRST.octets)
    assert found == Joined(MESSAGE, whole.octets)


def test_blocks_of_a_transfer_need_no_llc_but_the_first() -> None:
    events = take_all([frame(LLC + b"\xe0\x40\x00\x01"), frame(b"\xe0\x40\x00\x02"), frame(b"\xe0\xc0\x00\x03")])
    assert [data[:4] for data in messages(events)] == [LLC + b"\xe0", b"\xe0\x40\x00\x02", b"\xe0\xc0\x00\x03"]


def test_a_lost_last_segment_is_seen_by_the_next_message() -> None:
    events = take_all([FIRST, MIDDLE, FIRST, MIDDLE, LAST])
    assert events[0] == Rejected(
        Reason.SEGMENT_MISSING,
        FIRST.octets + MIDDLE.octets,
        "another message begins before the last segment of this one",
    )
    assert messages(events) == [MESSAGE]
    assert len(events) == 2


def test_the_corpus_case_of_a_lost_last_segment() -> None:
    taken = HdlcFramer().feed(case("hdlc_segment_last_missing_then_good").octets)
    events = take_all([event for event in taken if isinstance(event, Frame)])
    assert reasons(events) == [Reason.SEGMENT_MISSING]
    assert [len(data) for data in messages(events)] == [379 - 3 * 12]  # flags, header and check sums gone


@pytest.mark.parametrize("rest", [[MIDDLE, LAST], [LAST], [MIDDLE]])
def test_without_its_first_segment_nothing_of_a_message_comes_out(rest: list[Frame]) -> None:
    events = take_all(rest)
    assert reasons(events) == [Reason.SEGMENT_MISSING] * len(rest)
    assert octets(events) == b"".join(one.octets for one in rest)


def test_quiet_gives_up_an_open_chain() -> None:
    joiner = HdlcSegments()
    joiner.take(FIRST)
    assert [event.octets for event in joiner.idle()] == [FIRST.octets]
    assert [event.reason for event in joiner.take(LAST) if isinstance(event, Rejected)] == [Reason.SEGMENT_MISSING]


def test_a_frame_of_another_meter_ends_the_chain() -> None:
    events = take_all([FIRST, frame(b"\x99" * 20, addresses=OTHER), LAST])
    assert reasons(events) == [Reason.SEGMENT_MISSING] * 3
    assert messages(take_all([FIRST, frame(MESSAGE, addresses=OTHER)])) == [MESSAGE]


def test_link_management_between_segments_does_no_harm() -> None:
    events = take_all([FIRST, frame(b""), MIDDLE, LAST])
    assert messages(events) == [MESSAGE]
    assert reasons(events) == [Reason.PADDING]


def test_a_chain_without_end_is_given_up() -> None:
    endless = frame(b"\x99" * 2000, more=True)
    events = take_all([FIRST, *[endless] * 100])
    assert reasons(events)[0] is Reason.TOO_LONG
    assert set(reasons(events)[1:]) == {Reason.SEGMENT_MISSING}
    assert MAX_MESSAGE < len(events[0].octets) <= MAX_MESSAGE + len(endless.octets)
    assert messages(events) == []


@given(st.binary(max_size=40))
def test_any_payload_gives_an_event_and_never_raises(payload: bytes) -> None:
    joiner = HdlcSegments()
    events = joiner.take(Frame(payload, payload, framing="hdlc")) + joiner.idle()
    assert octets(events) == payload
    assert events


@settings(deadline=None)
@given(data=st.data())
def test_no_message_of_which_the_first_or_the_last_segment_is_lost_comes_out(data: st.DataObject) -> None:
    """In any order and number: what comes out begins with an LLC header and was ended by a last segment."""
    numbered = [
        [frame(LLC + bytes([0x80, n]), more=True), frame(bytes([0x81, n]), more=True), frame(bytes([0x82, n]))]
        for n in range(3)
    ]
    taken = data.draw(st.lists(st.sampled_from([one for message in numbered for one in message]), max_size=15))
    events = take_all(taken)
    assert octets(events) == b"".join(one.octets for one in taken)
    for message in messages(events):
        assert message.startswith(LLC)
        assert message[-2] == 0x82
        assert message.count(LLC) == message.count(b"\x82") == 1
