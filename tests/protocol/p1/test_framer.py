"""What P1 lines do to a framer, beyond the stream contract."""

import re
from typing import Any

import pytest

from datalogger.protocol.checksum import crc16_arc
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.p1 import framer as framer_module
from datalogger.protocol.p1.framer import MAX_TELEGRAM, MAX_TRIES, P1Framer
from tests.protocol.invariants import Event, cut, joined, payloads
from tests.protocol.p1.corpus import telegram

CHECKED = telegram("nl-dsmr50_iskra-am550e_bus2")
OTHER = telegram("at-sagemcom_minimum")
UNCHECKED = telegram("nl-dsmr22_iskra-mt382-1004_gas-value-next-line")
WITHOUT_BANG = telegram("nl-dsmr22_iskra-mt382-1003_plain-text-message_no-bang")
EASYMETER = telegram("de-easymeter-q3db1024_d0-push_trailer")


def events_of(*parts: bytes) -> list[Event]:
    framer = P1Framer()
    return [event for part in parts for event in framer.feed(part)] + framer.idle()


def with_check_sum(text: bytes) -> bytes:
    """`text` ends with its `!`."""
    return text + b"%04X\r\n" % crc16_arc(text)


def only(events: list[Event]) -> Frame | Rejected:
    assert len(events) == 1, events
    return events[0]


def reason_of(event: Event) -> Reason:
    assert isinstance(event, Rejected), event
    return event.reason


def test_a_frame_comes_with_its_last_octet_and_not_before() -> None:
    framer = P1Framer()
    assert framer.feed(CHECKED[:-1]) == []
    assert framer.feed(CHECKED[-1:]) == [Frame(CHECKED, CHECKED)]


@pytest.mark.parametrize("digits", [b"0B9F", b"B9F", b"b9f", b"0b9F"])
def test_the_check_sum_may_lose_its_leading_zero_and_its_capitals(digits: bytes) -> None:
    number = next(n for n in range(1 << 20) if crc16_arc(b"/ABC5\r\n1-0:1.8.0(%06d*kWh)\r\n!" % n) == 0x0B9F)
    octets = b"/ABC5\r\n1-0:1.8.0(%06d*kWh)\r\n!%s\r\n" % (number, digits)
    assert only(events_of(octets)) == Frame(octets, octets)


def test_a_wrong_check_sum_is_told_with_both_numbers() -> None:
    event = only(events_of(CHECKED.replace(b"!7E45", b"!7E46")))
    assert event == Rejected(Reason.CHECKSUM, event.octets, "CRC 7E46 sent, 7E45 computed")


def test_a_copy_with_other_line_ends_is_rejected_and_told_why() -> None:
    for copy in (CHECKED.replace(b"\r\n", b"\n"), CHECKED.replace(b"\r\n", b"\r\r\n")):
        event = only(events_of(copy))
        assert reason_of(event) is Reason.CHECKSUM
        assert isinstance(event, Rejected) and "CR LF" in event.detail


def test_line_ends_of_lf_alone_pass_where_the_check_sum_holds_over_them() -> None:
    octets = with_check_sum(CHECKED[: CHECKED.index(b"!") + 1].replace(b"\r\n", b"\n")).replace(b"\r\n", b"\n")
    assert only(events_of(octets)) == Frame(octets, octets)


def test_a_7e1_line_read_as_8n1_is_recognised() -> None:
    octets = bytes(octet | (octet.bit_count() & 1) << 7 for octet in UNCHECKED)
    event = only(events_of(octets))
    assert isinstance(event, Rejected) and "7E1 line read as 8N1" in event.detail


@pytest.mark.parametrize("bang", [b"\n!\r\n", b"\n!\r", b"\n!"])
def test_quiet_after_the_end_closes_a_telegram_whose_standard_has_no_check_sum(bang: bytes) -> None:
    octets = UNCHECKED.removesuffix(b"\n!\r\n") + bang
    assert only(events_of(octets)) == Frame(octets, octets, check=False)


@pytest.mark.parametrize("tail", [b"!", b"!\r", b"!7", b"!7E", b"!7E4", b"!7E4\r"])
def test_quiet_inside_the_check_sum_is_a_truncated_telegram(tail: bytes) -> None:
    assert reason_of(only(events_of(CHECKED.removesuffix(b"!7E45\r\n") + tail))) is Reason.TRUNCATED


def test_quiet_after_all_four_digits_closes_a_telegram() -> None:
    octets = CHECKED.removesuffix(b"\r\n")
    assert only(events_of(octets)) == Frame(octets, octets)
    assert reason_of(only(events_of(octets[:-1] + b"6"))) is Reason.CHECKSUM


def test_check_sum_digits_that_a_meter_has_sent_before_cannot_just_be_missing() -> None:
    bare = CHECKED.replace(b"!7E45", b"!")
    assert only(events_of(bare)) == Frame(bare, bare, check=False)
    first, second = events_of(CHECKED, bare)
    assert first == Frame(CHECKED, CHECKED)
    assert reason_of(second) is Reason.CHECKSUM


def test_a_meter_that_sends_no_end_is_read_telegram_by_telegram() -> None:
    assert events_of(WITHOUT_BANG) == [Frame(WITHOUT_BANG, WITHOUT_BANG, check=False)]
    many = events_of(WITHOUT_BANG * 40)
    assert many == [Frame(WITHOUT_BANG, WITHOUT_BANG, check=False)] * 40


def test_no_end_is_never_forgiven_where_more_than_the_end_may_be_missing() -> None:
    lines = WITHOUT_BANG.splitlines(keepends=True)
    for count in range(1, len(lines)):
        events = events_of(b"".join(lines[:count]), UNCHECKED)
        assert payloads(events) == [UNCHECKED], lines[count - 1]
    for line in (b"1-3:0.2.8(40)", b"0-0:1.0.0(101209115528W)", b"0-0:96.1.4(50217)"):  # has a check sum to come
        event = only(events_of(WITHOUT_BANG.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n")))
        assert reason_of(event) is Reason.TRUNCATED
    assert reason_of(only(events_of(CHECKED[: CHECKED.index(b"!")]))) is Reason.TRUNCATED


def test_a_torn_telegram_without_check_sum_costs_only_itself() -> None:
    whole_but_for_its_end = len(UNCHECKED.removesuffix(b"!\r\n"))
    for length in range(1, len(UNCHECKED) - 1):
        events = events_of(UNCHECKED[:length], UNCHECKED)
        assert payloads(events)[-1] == UNCHECKED
        assert len(payloads(events)) == (2 if length == whole_but_for_its_end else 1), length


def test_a_nul_behind_the_check_sum_is_part_of_the_end() -> None:
    for octets in (CHECKED, UNCHECKED):
        with_nul = octets.removesuffix(b"\r\n") + b"\0\r\n"
        assert payloads([only(events_of(with_nul))]) == [with_nul]


def test_a_telegram_that_lost_its_middle_is_not_whole_for_ending_with_a_valve() -> None:
    assert reason_of(only(events_of(b"/ABC5\r\n\r\n1-0:1.8.1(1*kWh)\r\n0-1:24.4.0(1)\r\n"))) is Reason.TRUNCATED


def test_a_trailer_and_blank_lines_are_padding() -> None:
    events = events_of(EASYMETER, b"\r\n\r\n", EASYMETER)
    assert [reason_of(e) for e in events if isinstance(e, Rejected)] == [Reason.PADDING, Reason.PADDING]
    assert len(payloads(events)) == 2
    assert joined(events) == EASYMETER + b"\r\n\r\n" + EASYMETER


def test_digits_between_telegrams_are_noise_where_no_trailer_can_be() -> None:
    _, event = events_of(CHECKED, b"  25803103\r\n12\r\n")
    assert reason_of(event) is Reason.NOISE


def test_slashes_and_bangs_inside_texts_are_neither_start_nor_end() -> None:
    body = CHECKED[: CHECKED.index(b"!")]
    octets = with_check_sum(body + b"0-0:96.13.0(see http://x/y !ABCD! and/ABC5)\r\n!")
    assert only(events_of(octets)) == Frame(octets, octets)
    assert payloads(events_of(octets[:-8], OTHER)) == [OTHER]


def test_a_line_that_looks_like_a_header_inside_a_sound_telegram_does_not_split_it() -> None:
    octets = with_check_sum(CHECKED[: CHECKED.index(b"!")] + b"/ABC5\r\n!")
    assert only(events_of(octets)) == Frame(octets, octets)


def test_starts_inside_starts_are_given_up_one_by_one() -> None:
    events = events_of(b"/ABC5\r\n1-0:1.8.0(0/ABC6\r\n0-0:96", CHECKED)
    assert [reason_of(e) for e in events[:-1]] == [Reason.TRUNCATED, Reason.TRUNCATED]
    assert payloads(events) == [CHECKED]


def test_every_cut_of_two_telegrams_gives_the_same_events() -> None:
    stream = b"\r\n" + OTHER + UNCHECKED + b"noise" + OTHER
    whole = events_of(stream)
    assert payloads(whole) == [OTHER, UNCHECKED, OTHER]
    for place in range(len(stream)):
        assert events_of(stream[:place], stream[place:]) == whole


def test_a_telegram_just_within_the_bound_passes_and_one_beyond_does_not() -> None:
    head, tail = b"/ABC5\r\n0-0:96.13.0(", b")\r\n!"
    for size, reason in ((MAX_TELEGRAM, None), (MAX_TELEGRAM + 1, Reason.TOO_LONG)):
        octets = with_check_sum(head + b"A" * (size - len(head) - len(tail) - 6) + tail)
        assert len(octets) == size
        events = events_of(octets, CHECKED)
        assert payloads(events) == ([octets] if reason is None else []) + [CHECKED]
        assert reason is None or reason_of(events[0]) is reason


def test_quiet_does_not_make_a_telegram_beyond_the_bound_pass() -> None:
    octets = with_check_sum(b"/ABC5\r\n0-0:96.13.0(" + b"A" * MAX_TELEGRAM + b")\r\n!").removesuffix(b"\r\n")
    assert payloads(events_of(octets)) == []


def test_more_starts_than_are_tried_still_leave_the_last_telegram() -> None:
    events = events_of(b"/ABC5\r\n" * (MAX_TRIES * 3), CHECKED)
    assert payloads(events) == [CHECKED]


class CountingPattern:
    """Counts the octets that a pattern is run over."""

    def __init__(self, pattern: re.Pattern[bytes], counted: list[int]) -> None:
        self._pattern, self._counted = pattern, counted

    def search(self, octets: bytearray, begin: int = 0, *end: int) -> re.Match[bytes] | None:
        found = self._pattern.search(octets, begin, *end)
        self._counted[0] += (found.end() if found else min([len(octets), *end])) - begin
        return found

    def finditer(self, octets: bytearray, begin: int, end: int) -> Any:
        self._counted[0] += end - begin
        return self._pattern.finditer(octets, begin, end)


@pytest.mark.parametrize(
    "filler",
    [
        b"/",
        b"a",
        b"/ABC5\r\n",
        b"/ABC",
        b"\r\n",
        b"!\r\n",
        b"\n!ABCD\r\n",
        b"/ABC5\r\n" * 400 + b"!ABCD\r\n",
        b"/ABC5\r\n" + b"1-0:1.8.0(1)\r\n" * 1000,
        CHECKED[:-5] + b"0\r\n",
    ],
    ids=lambda filler: filler[:12].decode("latin-1"),
)
@pytest.mark.parametrize("chunk", [7, 4096])
def test_work_is_linear_in_the_input(monkeypatch: pytest.MonkeyPatch, filler: bytes, chunk: int) -> None:
    counted = [0]

    def counting_crc(octets: bytes) -> int:
        counted[0] += len(octets)
        return crc16_arc(octets)

    monkeypatch.setattr(framer_module, "crc16_arc", counting_crc)
    for name in ("_START", "_END"):
        monkeypatch.setattr(framer_module, name, CountingPattern(getattr(framer_module, name), counted))
    framer = P1Framer()
    stream = b"/ABC5\r\n" + filler * (100_000 // len(filler))
    for part in cut(stream, range(0, len(stream), chunk)):
        framer.feed(part)
    framer.idle()
    overlap = framer_module.MAX_HEADER / chunk  # a pattern may have begun before the chunk
    assert counted[0] <= len(stream) * (40 + overlap)
