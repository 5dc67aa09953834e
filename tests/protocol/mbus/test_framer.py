"""M-Bus long frames out of streams; the stream contract itself is in tests/protocol/test_invariants.py."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalogger.protocol.framing import Frame, Framer, Reason, Rejected
from datalogger.protocol.mbus.framer import MAX_FRAME, MAX_PAYLOAD, MbusFramer, enclose
from datalogger.protocol.mbus.segments import build
from tests.protocol.dlms.corpus import Case, case
from tests.protocol.invariants import PLACES, cut, events_of, joined, payloads
from tests.protocol.mbus.corpus import MBUS, MBUS_MALFORMED, frames, mbus_frames

FIRST, SECOND = mbus_frames("at_kaifa_netznoe_doc_sample")
SHORT = bytes.fromhex("107BFE7916")
ACK = b"\xe5"
# One maker's first segment: 257 octets of payload, and 01 where their number belongs.
LONG = enclose(build(bytes.fromhex("DB08") + bytes(range(250)), 0, last=False))


def rejected(events: list[Frame | Rejected]) -> list[tuple[Reason, int]]:
    return [(event.reason, len(event.octets)) for event in events if isinstance(event, Rejected)]


@pytest.mark.parametrize("capture", MBUS, ids=lambda capture: capture.name)
class TestEveryCapture:
    def test_all_at_once(self, capture: Case) -> None:
        expected = [Frame(frame[4:-2], frame, framing="mbus") for frame in frames(capture.octets)]
        assert MbusFramer().feed(capture.octets) == expected

    def test_byte_by_byte(self, capture: Case) -> None:
        parts = cut(capture.octets, range(len(capture.octets)))
        assert events_of(MbusFramer(), parts) == MbusFramer().feed(capture.octets)

    @settings(max_examples=20, deadline=None)
    @given(places=PLACES)
    def test_in_random_chunks(self, capture: Case, places: list[int]) -> None:
        assert events_of(MbusFramer(), cut(capture.octets, places)) == MbusFramer().feed(capture.octets)

    def test_cut_at_every_octet_and_followed_by_a_whole_one(self, capture: Case) -> None:
        whole = payloads(MbusFramer().feed(capture.octets))
        for length in range(len(capture.octets)):
            stream = capture.octets[:length] + capture.octets
            events = events_of(MbusFramer(), [stream])
            assert payloads(events)[-len(whole) :] == whole, length
            assert set(payloads(events)) == set(whole), length
            assert joined(events) == stream, length


@pytest.mark.parametrize(
    ("name", "expected", "sound"),
    [
        ("mbus_checksum", [(Reason.CHECKSUM, 256)], 1),
        ("mbus_l_mismatch", [(Reason.LENGTH, 256)], 3),
        ("mbus_stop_byte", [(Reason.LENGTH, 256)], 3),
        ("mbus_segment_1_missing", [], 3),
    ],
)
def test_a_broken_frame_is_one_rejection_with_its_reason(
    name: str, expected: list[tuple[Reason, int]], sound: int
) -> None:
    events = events_of(MbusFramer(), [case(name).octets])
    assert rejected(events) == expected
    assert len(payloads(events)) == sound


@pytest.mark.parametrize("capture", MBUS_MALFORMED, ids=lambda capture: capture.name)
def test_a_broken_capture_gives_the_same_however_it_is_cut(capture: Case) -> None:
    once = events_of(MbusFramer(), [capture.octets])
    for size in (1, 7, 64):
        assert events_of(MbusFramer(), cut(capture.octets, range(0, len(capture.octets), size))) == once


def test_a_payload_longer_than_its_length_can_say() -> None:
    assert LONG.startswith(b"\x68\x01\x01\x68\x53\xff\x00\x01\x67")
    assert payloads(MbusFramer().feed(LONG + SECOND)) == [LONG[4:-2], SECOND[4:-2]]
    assert payloads(events_of(MbusFramer(), cut(LONG, range(len(LONG))))) == [LONG[4:-2]]


@pytest.mark.parametrize("size", [3, 255, 256, 257, MAX_PAYLOAD])
def test_every_length_passes(size: int) -> None:
    frame = enclose(bytes(size))
    assert len(frame) == size + 6 <= MAX_FRAME
    assert payloads(events_of(MbusFramer(), [frame + SECOND])) == [bytes(size), SECOND[4:-2]]


@pytest.mark.parametrize("size", [0, 2, MAX_PAYLOAD + 1])
def test_a_payload_that_no_frame_can_hold_is_not_enclosed(size: int) -> None:
    with pytest.raises(ValueError, match="3 to 511"):
        enclose(bytes(size))


def test_acknowledgements_and_short_frames_are_padding() -> None:
    events = events_of(MbusFramer(), [ACK + FIRST + SHORT + ACK + SECOND + SHORT])
    assert rejected(events) == [(Reason.PADDING, 1), (Reason.PADDING, 6), (Reason.PADDING, 5)]
    assert payloads(events) == [FIRST[4:-2], SECOND[4:-2]]


def test_a_short_frame_with_a_wrong_sum_is_noise() -> None:
    events = events_of(MbusFramer(), [SHORT + b"\x10\x7b\xfe\x78\x16" + FIRST])
    assert rejected(events) == [(Reason.PADDING, 5), (Reason.NOISE, 5)]


def test_a_frame_torn_by_the_next_is_truncated() -> None:
    events = events_of(MbusFramer(), [FIRST[:100] + FIRST + SECOND])
    assert rejected(events) == [(Reason.TRUNCATED, 100)]
    assert payloads(events) == [FIRST[4:-2], SECOND[4:-2]]


def test_quiet_inside_a_frame_truncates_it_and_finds_the_whole_ones_behind() -> None:
    framer = MbusFramer()
    assert framer.feed(FIRST[:20] + SECOND) == []
    events = framer.idle()
    assert rejected(events) == [(Reason.TRUNCATED, 20)]
    assert payloads(events) == [SECOND[4:-2]]


def test_a_frame_comes_out_with_its_last_octet() -> None:
    framer = MbusFramer()
    assert framer.feed(FIRST[:-1]) == []
    assert payloads(framer.feed(FIRST[-1:])) == [FIRST[4:-2]]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("680304 68", Reason.LENGTH),
        ("680000680016", Reason.CHECKSUM),  # a payload without C, A and CI
        ("68030368 530000 5417", Reason.LENGTH),
        ("68030368 530000 5416", Reason.CHECKSUM),
        ("68030368 5300", Reason.TRUNCATED),
        ("6803", Reason.NOISE),
        ("680303", Reason.NOISE),
    ],
)
def test_a_start_that_is_none_has_a_reason(octets: str, reason: Reason) -> None:
    stream = bytes.fromhex(octets)
    assert rejected(events_of(MbusFramer(), [stream])) == [(reason, len(stream))]
    assert payloads(events_of(MbusFramer(), [stream, SECOND])) == [SECOND[4:-2]]


def seconds(framer: Framer, parts: list[bytes]) -> float:
    begin = time.process_time()
    events_of(framer, parts)
    return time.process_time() - begin


@pytest.mark.slow
@pytest.mark.parametrize(
    "filler", [b"\x68", b"\x68\xff\xff\x68", b"\x68\x05\x05\x68", b"\xe5", b"\x10\x7b\xfe\x79\x16"]
)
def test_work_is_linear_in_what_looks_like_starts(filler: bytes) -> None:
    """Eight times the octets in less than 32 times the time: quadratic work would take 64 times."""
    for size in (1, 4096):
        short, long = (filler * (count // len(filler)) for count in (4_000, 32_000))
        once, eight_times = (
            min(seconds(MbusFramer(), cut(stream, range(0, len(stream), size))) for _ in range(3))
            for stream in (short, long)
        )
        assert eight_times < 32 * once


@pytest.mark.slow
def test_five_megabytes_a_second() -> None:
    stream = b"".join(capture.octets for capture in MBUS) * 2000
    parts = cut(stream, range(0, len(stream), 4096))
    assert min(seconds(MbusFramer(), parts) for _ in range(5)) < len(stream) / 5e6


@given(st.binary(max_size=200))
def test_noise_costs_no_frame(octets: bytes) -> None:
    events = events_of(MbusFramer(), [octets, FIRST])
    assert payloads(events)[-1:] == [FIRST[4:-2]]
    assert joined(events) == octets + FIRST
