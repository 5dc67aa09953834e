"""HDLC frames out of streams; the stream contract itself is in tests/protocol/test_invariants.py."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalogger.protocol.framing import Frame, Framer, Reason, Rejected
from datalogger.protocol.hdlc.framer import MAX_FRAME, HdlcFramer, enclose
from datalogger.protocol.hdlc.header import build
from datalogger.protocol.hunting import MAX_NOISE
from tests.protocol.dlms.corpus import Case, case
from tests.protocol.hdlc.corpus import HDLC, HDLC_MALFORMED, frames, hdlc_frames
from tests.protocol.invariants import PLACES, cut, events_of, joined, noise, payloads

AIDON = case("no_aidon_list3_3ph_hourly").octets
KAIFA = case("no_kaifa_ma304h3e_list1").octets
HEADER = build(b"\x41", b"\x08\x83", 0x13, bytes(2000))[:8]  # with a sound HCS


def rejected(events: list[Frame | Rejected]) -> list[tuple[Reason, int]]:
    return [(event.reason, len(event.octets)) for event in events if isinstance(event, Rejected)]


@pytest.mark.parametrize("capture", HDLC, ids=lambda capture: capture.name)
class TestEveryCapture:
    def test_all_at_once(self, capture: Case) -> None:
        expected = [Frame(frame[1:-1], frame, framing="hdlc") for frame in frames(capture.octets)]
        assert HdlcFramer().feed(capture.octets) == expected

    def test_byte_by_byte(self, capture: Case) -> None:
        parts = cut(capture.octets, range(len(capture.octets)))
        assert events_of(HdlcFramer(), parts) == HdlcFramer().feed(capture.octets)

    @settings(max_examples=20, deadline=None)
    @given(places=PLACES)
    def test_in_random_chunks(self, capture: Case, places: list[int]) -> None:
        assert events_of(HdlcFramer(), cut(capture.octets, places)) == HdlcFramer().feed(capture.octets)

    def test_cut_at_every_octet_and_followed_by_a_whole_one(self, capture: Case) -> None:
        whole = payloads(HdlcFramer().feed(capture.octets))
        for length in range(len(capture.octets)):
            stream = capture.octets[:length] + capture.octets
            events = events_of(HdlcFramer(), [stream])
            assert payloads(events)[-len(whole) :] == whole, length
            assert set(payloads(events)) == set(whole), length
            assert joined(events) == stream, length


@pytest.mark.parametrize(
    ("name", "expected", "sound"),
    [
        ("bad_fcs", [(Reason.FCS, 396)], 0),
        ("one_bit_in_value", [(Reason.FCS, 396)], 0),
        ("bad_hcs", [(Reason.HCS, 396)], 0),
        ("length_plus_2", [(Reason.HCS, 396)], 1),
        ("truncated_at_eof", [(Reason.TRUNCATED, 200)], 0),
        ("truncated_then_good", [(Reason.TRUNCATED, 200)], 1),
        ("leading_half_frame", [(Reason.NOISE, 246)], 1),
        ("axdr_count_too_big", [], 1),
        ("hdlc_segment_last_missing_then_good", [], 5),
    ],
)
def test_a_broken_frame_is_one_rejection_with_its_reason(
    name: str, expected: list[tuple[Reason, int]], sound: int
) -> None:
    events = events_of(HdlcFramer(), [case(name).octets])
    assert rejected(events) == expected
    assert len(payloads(events)) == sound


@pytest.mark.parametrize("capture", HDLC_MALFORMED, ids=lambda capture: capture.name)
def test_a_broken_capture_gives_the_same_however_it_is_cut(capture: Case) -> None:
    once = events_of(HdlcFramer(), [capture.octets])
    for size in (1, 7, 64):
        assert events_of(HdlcFramer(), cut(capture.octets, range(0, len(capture.octets), size))) == once


def test_a_flag_may_stand_inside() -> None:
    frame = case("flag_in_payload").octets
    assert frame.count(b"\x7e") > 2
    assert payloads(HdlcFramer().feed(frame * 2)) == [frame[1:-1]] * 2


def test_a_flag_may_close_one_frame_and_open_the_next() -> None:
    stream = AIDON + KAIFA[1:] + AIDON[1:]
    events = HdlcFramer().feed(stream)
    assert payloads(events) == [AIDON[1:-1], KAIFA[1:-1], AIDON[1:-1]]
    assert [event.octets for event in events] == [AIDON, KAIFA[1:], AIDON[1:]]


def test_a_shared_flag_behind_a_broken_frame_still_opens_the_next() -> None:
    broken = case("bad_fcs").octets
    events = HdlcFramer().feed(broken + KAIFA[1:])
    assert rejected(events) == [(Reason.FCS, len(broken) - 1)]
    assert payloads(events) == [KAIFA[1:-1]]


def test_flags_between_frames_are_padding() -> None:
    events = events_of(HdlcFramer(), [b"\x7e\x7e" + KAIFA + b"\x7e\x7e\x7e" + KAIFA])
    assert rejected(events) == [(Reason.PADDING, 2), (Reason.PADDING, 3)]
    assert len(payloads(events)) == 2


def test_a_frame_comes_out_with_its_last_octet() -> None:
    framer = HdlcFramer()
    assert framer.feed(KAIFA[:-1]) == []
    assert payloads(framer.feed(KAIFA[-1:])) == [KAIFA[1:-1]]


def test_a_frame_without_information_has_no_header_check_sum() -> None:
    receive_ready = enclose(build(b"\x03", b"\x21", 0x11, b""))
    assert payloads(events_of(HdlcFramer(), [receive_ready + KAIFA])) == [receive_ready[1:-1], KAIFA[1:-1]]
    damaged = receive_ready[:-2] + b"\x00\x7e"
    assert rejected(events_of(HdlcFramer(), [damaged])) == [(Reason.FCS, len(damaged))]


def test_a_length_that_lies_under_a_sound_header_is_told_from_a_torn_frame() -> None:
    payload = build(b"\x41", b"\x08\x83", 0x13, bytes(range(1, 101)))
    lying = enclose(payload[:-10])
    torn = lying[:-1]
    assert rejected(events_of(HdlcFramer(), [lying + KAIFA])) == [(Reason.LENGTH, len(lying))]
    assert rejected(events_of(HdlcFramer(), [torn + KAIFA])) == [(Reason.TRUNCATED, len(torn))]


def test_a_header_that_fails_waits_for_nothing() -> None:
    lying = b"\x7e\xa7\xff" + AIDON[3:20]  # claims 2047 octets
    framer = HdlcFramer()
    events = framer.feed(lying + KAIFA)
    assert rejected(events) == [(Reason.HCS, len(lying))]
    assert payloads(events) == [KAIFA[1:-1]]


def test_a_torn_frame_and_the_broken_one_behind_it_are_two_rejections() -> None:
    broken = case("bad_fcs").octets
    assert rejected(events_of(HdlcFramer(), [AIDON[:20] + broken])) == [(Reason.TRUNCATED, 20), (Reason.FCS, 396)]


def test_what_looks_like_starts_inside_a_broken_frame_is_part_of_it() -> None:
    frame = enclose(build(b"\x41", b"\x08\x83", 0x13, b"\x7e\xa0\x10\x41\x08\x83\x13\x00" * 20))
    for place, reason in ((7, Reason.HCS), (len(frame) - 2, Reason.FCS)):
        broken = bytearray(frame)
        broken[place] ^= 1
        assert rejected(events_of(HdlcFramer(), [bytes(broken) + KAIFA])) == [(reason, len(frame))]


def test_quiet_still_finds_whole_frames_behind_one_that_never_ended() -> None:
    torn = AIDON[:20]
    framer = HdlcFramer()
    assert framer.feed(torn + KAIFA + KAIFA) == []  # 396 octets are promised
    events = framer.idle()
    assert rejected(events) == [(Reason.TRUNCATED, 20)]
    assert payloads(events) == [KAIFA[1:-1]] * 2


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("7EA002", Reason.LENGTH),
        ("7EA009410883130000", Reason.LENGTH),  # shorter than header, HCS and FCS
        ("7EA010020202024141", Reason.MALFORMED),
        ("7EA0", Reason.TRUNCATED),
        ("7EA0104108", Reason.TRUNCATED),
        ("7E", Reason.PADDING),
        ("7E00", Reason.NOISE),
    ],
)
def test_a_start_that_is_none_has_a_reason(octets: str, reason: Reason) -> None:
    stream = bytes.fromhex(octets)
    assert rejected(events_of(HdlcFramer(), [stream]))[0][0] is reason
    assert payloads(events_of(HdlcFramer(), [stream, KAIFA])) == [KAIFA[1:-1]]


def test_noise_comes_in_pieces() -> None:
    framer = HdlcFramer()
    assert rejected(framer.feed(b"\xff" * (2 * MAX_NOISE + 5))) == [(Reason.NOISE, MAX_NOISE)] * 2
    assert rejected(framer.idle()) == [(Reason.NOISE, 5)]


def test_the_longest_frame_passes() -> None:
    frame = enclose(build(b"\x03", b"\x03", 0x13, b"\x7e" * 2038))
    assert len(frame) == MAX_FRAME
    assert payloads(events_of(HdlcFramer(), cut(frame, range(0, MAX_FRAME, 100)))) == [frame[1:-1]]


def seconds(framer: Framer, parts: list[bytes]) -> float:
    begin = time.process_time()
    events_of(framer, parts)
    return time.process_time() - begin


@pytest.mark.slow
@pytest.mark.parametrize(
    "filler", [b"\x7e", b"\x7e\xa7\xff", b"\x7e\xa7\xff\x03\x03\x13", b"\x7e" + HEADER, b"\x7e\xa0\x10\x41"]
)
def test_work_is_linear_in_what_looks_like_starts(filler: bytes) -> None:
    """Eight times the octets in less than 32 times the time: quadratic work would take 64 times."""
    for size in (1, 4096):
        short, long = (filler * (count // len(filler)) for count in (4_000, 32_000))
        once, eight_times = (
            min(seconds(HdlcFramer(), cut(stream, range(0, len(stream), size))) for _ in range(3))
            for stream in (short, long)
        )
        assert eight_times < 32 * once


@pytest.mark.slow
def test_five_megabytes_a_second() -> None:
    stream = b"".join(octets for capture in HDLC for octets in hdlc_frames(capture.name)) * 200
    parts = cut(stream, range(0, len(stream), 4096))
    assert min(seconds(HdlcFramer(), parts) for _ in range(5)) < len(stream) / 5e6


@given(st.binary(max_size=200))
def test_noise_costs_no_frame(octets: bytes) -> None:
    events = events_of(HdlcFramer(), [octets, AIDON])
    assert payloads(events)[-1:] == [AIDON[1:-1]]
    assert joined(events) == octets + AIDON
    assert not [event for event in noise(events) if not event.detail]
