"""Which framing is told from its octets: on a line, and of a file."""

import random

import pytest

from datalogger.protocol import detect
from datalogger.protocol.bare import ApduFramer
from datalogger.protocol.detect import DOCUMENT, MAX_BUFFER, MAX_NOISE, SLICE, AutoFramer, document
from datalogger.protocol.framing import Frame, Framer, Framing, Reason, Rejected
from datalogger.protocol.hdlc.framer import HdlcFramer
from datalogger.protocol.mbus.framer import MbusFramer
from datalogger.protocol.p1.framer import P1Framer
from datalogger.protocol.wrapper import WrapperFramer, enclose
from tests.protocol.dlms.corpus import MALFORMED, METERS, SEED, SYNTHETIC, Case, case
from tests.protocol.invariants import Event, cut, events_of, joined, payloads
from tests.protocol.p1.corpus import telegram
from tests.protocol.pushes import CIPHER_BLOCKS, PUSHES

P1 = telegram("nl-dsmr50_iskra-am550e_bus2")
UNCHECKED = telegram("nl-dsmr22_iskra-mt382-1004_gas-value-next-line")
HDLC = case("no_aidon_list3_3ph_hourly").octets
MBUS = case("at_kaifa_ma309_netznoe_enc").octets
BLOCK = CIPHER_BLOCKS[0]
LINES: dict[Framing, bytes] = {"p1": P1, "hdlc": HDLC, "mbus": MBUS, "apdu": BLOCK}
FRAMERS: dict[Framing, type[Framer]] = {"p1": P1Framer, "hdlc": HdlcFramer, "mbus": MbusFramer, "apdu": ApduFramer}
HEAD_LINE = b"/ELS5\\2GAMA350\r\n\r\n"

every_line = pytest.mark.parametrize("framing", LINES)


def framing_of(found: Case) -> str:
    """As its JSON says; a malformed case has none."""
    return str(found.expected["messages"][0].get("framing", ""))


WHOLE = [found for found in METERS + SEED + SYNTHETIC if framing_of(found)]
ON_LINES = [found for found in WHOLE if framing_of(found).startswith(("hdlc", "mbus"))]
every_case = pytest.mark.parametrize("found", WHOLE, ids=lambda found: found.name)
every_case_on_a_line = pytest.mark.parametrize("found", ON_LINES, ids=lambda found: found.name)


def frames(events: list[Event]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


# A line


@every_line
def test_the_first_sound_frame_locks_and_comes_out(framing: Framing) -> None:
    framer = AutoFramer()
    assert framer.locked is None
    assert [frame.framing for frame in frames(events_of(framer, [LINES[framing]]))][:1] == [framing]
    assert framer.locked == framing


@every_line
def test_behind_the_lock_the_other_framings_are_noise(framing: Framing) -> None:
    framer = AutoFramer()
    events_of(framer, [LINES[framing]])
    for other, line in LINES.items():
        assert {frame.framing for frame in frames(events_of(framer, [line]))} == ({framing} & {other})


@every_line
def test_a_locked_line_gives_the_events_of_its_own_framer(framing: Framing) -> None:
    line = LINES[framing]
    stream = line[len(line) // 2 :] + line + b"noise" + line[:40] + line
    if framing == "apdu":  # see the pause it needs
        stream = line[len(line) // 2 :] + line + line
    assert events_of(AutoFramer(), [stream]) == events_of(FRAMERS[framing](), [stream])


def test_a_frame_comes_before_the_line_is_quiet() -> None:
    framer = AutoFramer()
    found = frames([event for _ in range(3) for event in framer.feed(P1)])
    assert len(found) >= 2
    assert framer.locked == "p1"


def test_a_telegram_without_check_sum_locks_too() -> None:
    framer = AutoFramer()
    (frame,) = frames(events_of(framer, [UNCHECKED]))
    assert not frame.check
    assert framer.locked == "p1"


def test_octets_that_end_like_a_telegram_without_check_sum_do_not_lock() -> None:
    octets = b"/ABC5\n1-0:1.8.0(\xfe\x81*kWh)\n!\n"
    framer = AutoFramer()
    assert payloads(events_of(P1Framer(), [octets])) == [octets]
    events_of(framer, [octets])
    assert framer.locked is None
    events_of(framer, [octets.replace(b"\xfe\x81", b"12")])
    assert framer.locked == "p1"


@every_case_on_a_line
def test_a_capture_cut_anywhere_gives_no_frame_of_another_framing(found: Case) -> None:
    whole = payloads(events_of(AutoFramer(), [found.octets]))
    assert whole
    for place in range(0, len(found.octets), 1 + len(found.octets) // 150):
        for part in (found.octets[:place], found.octets[place:]):
            framer = AutoFramer()
            assert set(payloads(events_of(framer, [part]))) <= set(whole), place
            assert framer.locked is None or framing_of(found).startswith(framer.locked), place


@every_case_on_a_line
def test_behind_a_torn_capture_the_whole_one_comes_out(found: Case) -> None:
    whole = payloads(events_of(AutoFramer(), [found.octets]))
    for place in range(1, len(found.octets), 1 + len(found.octets) // 60):
        events = events_of(AutoFramer(), [found.octets[:place], found.octets])
        assert payloads(events)[-len(whole) :] == whole, place


def test_the_inside_of_a_torn_frame_is_no_cipher_block() -> None:
    hdlc = case("at_iskra_am550_enc").octets
    for begin in (0, hdlc.index(b"\xe6\xe7\x00"), hdlc.index(b"\xdb\x08")):
        framer = AutoFramer()
        events_of(framer, [hdlc[begin:-3], b""])
        # Only what begins a burst and ends it can be a cipher block by itself.
        assert framer.locked == ("apdu" if begin == hdlc.index(b"\xdb\x08") else None)


def test_a_cipher_block_behind_noise_comes_out_and_does_not_lock() -> None:
    framer = AutoFramer()
    assert payloads(events_of(framer, [b"\x55\x33\x11", BLOCK])) == [BLOCK]
    assert framer.locked is None
    assert payloads(events_of(framer, [BLOCK])) == [BLOCK]
    assert framer.locked == "apdu"


def test_cipher_blocks_in_a_row_lock_even_behind_noise() -> None:
    framer = AutoFramer()
    assert payloads(events_of(framer, [b"\x55\x33\x11", BLOCK, BLOCK])) == [BLOCK, BLOCK]
    assert framer.locked == "apdu"


def test_the_first_line_of_a_telegram_before_a_cipher_block_does_not_hinder() -> None:
    framer = AutoFramer()
    assert payloads(events_of(framer, [HEAD_LINE, CIPHER_BLOCKS[3]])) == [CIPHER_BLOCKS[3]]
    assert framer.locked == "apdu"


@pytest.mark.parametrize("octets", [PUSHES[0], enclose(PUSHES[0]), b"\xe6\xe7\x00" + PUSHES[0]])
def test_on_a_line_neither_the_wrapper_nor_a_bare_notification_is_guessed(octets: bytes) -> None:
    framer = AutoFramer()
    assert payloads(events_of(framer, [octets, octets])) == []
    assert framer.locked is None


def test_of_two_the_one_whose_frame_ends_first_locks() -> None:
    for first, second in ((HDLC, MBUS), (MBUS, HDLC), (P1, HDLC), (HDLC, P1)):
        framer = AutoFramer()
        expected = events_of(AutoFramer(), [first])
        assert frames(events_of(framer, [first, second]))[0] == frames(expected)[0]


def test_two_frames_in_one_slice_are_decided_by_their_place() -> None:
    short_hdlc, short_mbus = case("no_kaifa_ma304h3e_list1").octets, bytes.fromhex("6803036853FF106216")
    assert len(short_hdlc + short_mbus) < SLICE
    for parts, framing in (((short_hdlc, short_mbus), "hdlc"), ((short_mbus, short_hdlc), "mbus")):
        framer = AutoFramer()
        events_of(framer, parts)
        assert framer.locked == framing


def test_what_nobody_can_use_is_the_noise_of_the_one_who_made_most_of_it() -> None:
    torn = HDLC[:200]
    assert events_of(AutoFramer(), [b"\1\2", torn]) == events_of(HdlcFramer(), [b"\1\2", torn])
    torn = P1[:200]
    assert events_of(AutoFramer(), [torn]) == events_of(P1Framer(), [torn])


@every_line
def test_noise_before_the_lock_is_given_out_in_pieces_and_bounded(framing: Framing) -> None:
    line = LINES[framing]
    noise = random.Random(1).randbytes(40_000).translate(None, b"\x68\x7e\xdb\xdc\xdd/\x10\xe5")
    framer = AutoFramer()
    held, events = 0, list[Event]()
    for begin in range(0, len(noise), 999):
        events += framer.feed(noise[begin : begin + 999])
        held = max(held, min(begin + 999, len(noise)) - len(joined(events)))
    assert held < MAX_BUFFER
    assert [event.octets for event in events] == [
        noise[begin : begin + MAX_NOISE] for begin in range(0, len(joined(events)), MAX_NOISE)
    ]
    assert {event.reason for event in events if isinstance(event, Rejected)} == {Reason.NOISE}
    events += framer.feed(line + line) + framer.idle()
    assert joined(events) == noise + line + line
    assert {frame.framing for frame in frames(events)} == {framing}
    assert framer.locked == framing
    assert events == events_of(AutoFramer(), cut(noise + line + line, [1, 4095, 4096, 9000, 9001, len(noise)]))


def test_why_a_line_is_noise_is_said_before_anything_locks() -> None:
    seven_even = bytes(octet | (octet.bit_count() % 2) << 7 for octet in P1) * 20  # 7E1, read as 8N1
    framer = AutoFramer()
    events = framer.feed(seven_even)
    assert events
    assert events == P1Framer().feed(seven_even)[: len(events)]
    assert all(isinstance(event, Rejected) and "parity even" in event.detail for event in events)


def test_a_line_may_have_fewer_candidates() -> None:
    framer = AutoFramer({"hdlc": HdlcFramer})
    assert payloads(events_of(framer, [P1, HDLC])) == payloads(events_of(HdlcFramer(), [P1, HDLC]))
    assert framer.locked == "hdlc"


# A file


@every_case
def test_a_case_of_the_corpus_is_given_the_framing_that_its_json_names(found: Case) -> None:
    expected = {
        "wpdu": WrapperFramer, "raw": ApduFramer, "llc+apdu": ApduFramer, "hdlc": HdlcFramer, "mbus": MbusFramer,
    }  # fmt: skip
    make = document(found.octets)
    assert make is expected[framing_of(found).partition("+seg")[0].partition("+gbt")[0]]
    assert payloads(events_of(make(), [found.octets]))


@pytest.mark.parametrize("found", MALFORMED, ids=lambda found: found.name)
def test_a_malformed_case_is_given_the_framing_of_what_is_sound_in_it(found: Case) -> None:
    framer = document(found.octets)()
    wrapped = found.octets.startswith((b"\0\1\0", b"\0\2\0"))
    assert isinstance(framer, WrapperFramer) == wrapped
    if not wrapped:
        expected = MbusFramer if b"\x68\x53\xff" in found.octets else HdlcFramer
        events = events_of(expected(), [found.octets])
        assert events_of(framer, [found.octets]) == events
        assert isinstance(framer, expected if frames(events) else AutoFramer)


@pytest.mark.parametrize("octets", [P1, UNCHECKED, P1[100:] + P1])
def test_a_file_with_a_telegram_at_its_beginning_needs_no_more_detection(octets: bytes) -> None:
    assert document(octets) is P1Framer


@pytest.mark.parametrize("octets", [b"", b"\0", b"\xff" * 100, b"hello\r\n"])
def test_all_else_is_for_detection(octets: bytes) -> None:
    assert document(octets) is AutoFramer


def test_a_file_of_pushes_without_link_layer_that_is_damaged_gives_the_reasons_of_its_framing() -> None:
    for octets in (PUSHES[0] + b"\xde\xad", PUSHES[0][:100], bytes.fromhex("0F00112233 00 0202 6300 6300")):
        assert document(octets) is ApduFramer


def test_a_cut_file_of_wrapper_pdus_gives_the_reasons_of_the_wrapper() -> None:
    octets = enclose(PUSHES[0])
    assert document(octets[:-1]) is WrapperFramer
    assert document(octets + octets[:-1]) is WrapperFramer
    assert document(octets + b"\xde\xad") is WrapperFramer


def test_a_wrapper_of_another_version_is_rejected_as_a_whole() -> None:
    octets = b"\0\2" + enclose(BLOCK)[2:] + enclose(BLOCK)
    (event,) = events_of(document(octets)(), [octets])
    assert isinstance(event, Rejected)
    assert event.reason is Reason.VERSION


def test_a_file_that_begins_inside_a_frame_is_told_by_the_next_one() -> None:
    for begin in range(1, len(HDLC)):
        octets = HDLC[begin:] + HDLC
        assert document(octets) is HdlcFramer, begin
        assert payloads(events_of(document(octets)(), [octets]))[-1:] == payloads(events_of(HdlcFramer(), [HDLC]))


def test_of_a_long_file_only_the_beginning_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert document(enclose(PUSHES[0]) * 1000) is WrapperFramer
    assert document(PUSHES[0] * 1000) is ApduFramer
    seen: list[int] = []
    look = detect._all_events

    def counting(framer: Framer, octets: bytes) -> list[Event]:
        seen.append(len(octets))
        return look(framer, octets)

    monkeypatch.setattr(detect, "_all_events", counting)
    document(b"\xff" * (2 * DOCUMENT))
    assert set(seen) == {DOCUMENT}


@pytest.mark.parametrize(
    "whole", [PUSHES[0], b"\xe6\xe7\0" + PUSHES[0], enclose(PUSHES[0])], ids=["0F", "LLC", "wrapper"]
)
def test_a_file_whose_beginning_is_torn_is_told_by_what_stands_behind_it(whole: bytes) -> None:
    expected = WrapperFramer if whole.startswith(b"\0\1") else ApduFramer
    for end in range(1, len(whole)):
        octets = whole[:end] + whole
        assert document(octets) is expected, end
        assert payloads(events_of(document(octets)(), [octets])) == [PUSHES[0]], end


def test_in_a_damaged_frame_no_push_of_another_framing_is_looked_for() -> None:
    damaged = bytearray(HDLC)
    damaged[-3] ^= 1
    assert payloads(events_of(document(bytes(damaged))(), [bytes(damaged)])) == []
