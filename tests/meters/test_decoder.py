"""From frames to reports: every case of the corpus, at once, in pieces, and cut anywhere."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from datalogger.meters.decoder import Event, MeterDecoder
from datalogger.meters.meaning import Reading
from datalogger.meters.profiles import load
from datalogger.model import Record, Report
from datalogger.protocol.decoder import Notice
from datalogger.protocol.detect import document
from datalogger.protocol.dlms import apdu
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.messages import Envelope
from datalogger.protocol.dlms.security import MemoryCounters, Policy, Security, seal
from datalogger.protocol.framing import Frame, Framer, Framing, Reason, Rejected
from datalogger.protocol.wrapper import enclose
from tests.protocol.dlms.corpus import MALFORMED, METERS, SEED, SYNTHETIC, Case, case
from tests.protocol.p1.corpus import telegram

ZONE = ZoneInfo("Europe/Amsterdam")
EVERY = METERS + SEED + SYNTHETIC + MALFORMED
framer_for = cache(document)
every_case = pytest.mark.parametrize("found", EVERY, ids=lambda found: found.name)
every_sound_case = pytest.mark.parametrize(
    "found", [found for found in METERS + SEED + SYNTHETIC if found.messages_out], ids=lambda found: found.name
)


def decoder(found: Case, **options: Any) -> MeterDecoder:
    security = Security(Keys(found.key, found.auth_key), counters=MemoryCounters(), **options)
    return MeterDecoder(Reading(zone=ZONE), security, load)


def read(found: Case, parts: Iterable[bytes], **options: Any) -> list[Event]:
    framer: Framer = framer_for(found.octets)()
    meter = decoder(found, **options)
    events: list[Event] = []
    for batch in (*(framer.feed(part) for part in parts), framer.idle()):
        for event in batch:
            events += meter.take(event) if isinstance(event, Frame) else [*meter.damaged(event), event]
    return events + meter.idle()


def reports(events: Iterable[Event]) -> list[Report]:
    return [event for event in events if isinstance(event, Report)]


def reasons(events: Iterable[Event]) -> list[str]:
    return [event.reason for event in events if isinstance(event, Rejected)]


@every_case
def test_a_case_gives_as_many_reports_as_it_must_and_a_bounded_reason_for_the_rest(found: Case) -> None:
    events = read(found, [found.octets])
    assert len(reports(events)) == found.messages_out
    assert all(reason in list(Reason) for reason in reasons(events))
    assert reasons(events) or found.messages_out


@every_sound_case
def test_a_report_holds_every_value_in_body_order(found: Case) -> None:
    (report,) = reports(read(found, [found.octets]))
    (message,) = found.expected["messages"]
    assert len(report.records) == len(message["records"])
    for record, expected in zip(report.records, message["records"], strict=True):
        assert _agrees(record, expected), (record, expected)
    assert _same_moment(report.meter_time, message["header_time"]) or message["header_time"] is None
    if message["system_title"] is not None:
        assert report.security is not None
        assert report.security.system_title == message["system_title"]
        assert report.security.invocation_counter == message["invocation_counter"]


def _agrees(record: Record, expected: dict[str, Any]) -> bool:
    """Whether the record says what the wire says; what a profile adds (a name, a scaler) stands beside it."""
    for key, value in expected.items():
        match key:
            case "obis":
                fits = record.obis == value
            case "position" | "tag" | "attribute":
                fits = getattr(record, key) == value
            case "class":
                fits = record.class_id == value
            case "value":
                fits = record.value == value or record.not_measured
            case "float":
                fits = record.real == value
            case "scaler" | "unit":
                fits = getattr(record, key) == value
            case "octets" | "raw":
                fits = value is None or (record.octets or b"") == bytes.fromhex(value)
            case "text":
                fits = value in (None, record.text, (record.octets or b"").hex().upper())
            case "time":
                fits = record.time is not UNSET and _same_moment(record.time, value)
            case "push_objects":
                fits = record.push_objects is not None and len(record.push_objects) == value
            case _:
                raise AssertionError(f"no test for {key}")
        if not fits:
            return False
    return True


def _same_moment(found: object, expected: str | None) -> bool:
    """A time without offset is that of the meter's wall clock, whatever zone that is in."""
    if expected is None or not isinstance(found, datetime):
        return found is expected
    moment = datetime.fromisoformat(expected)
    return found == moment if moment.tzinfo else found.replace(tzinfo=None) == moment


@pytest.mark.parametrize("name", ["seed_e570_gbt_plain", "seed_raw_apdu", "seed_single_hdlc", "seed_wpdu_plain"])
def test_the_seed_push_list_is_its_28_objects_in_every_framing(name: str) -> None:
    found = case(name)
    (report,) = reports(read(found, [found.octets]))
    objects = found.expected["seed_objects"]
    assert len(report.records) == len(objects) == 28
    listed, *values = report.records
    assert listed.push_objects is not None
    assert [
        {
            "logical_name": one.obis.removesuffix("*255"),
            "class": one.class_id,
            "attribute": one.attribute,
            "data_index": one.data_index,
        }
        for one in listed.push_objects
    ] == objects[0]["push_object_list"]
    sizes = {6: 4, 20: 8, 21: 8}
    for record, expected in zip(values, objects[1:], strict=True):
        assert record.obis == expected["logical_name"] + "*255"
        assert record.class_id == expected["class"]
        assert record.tag == expected["tag"]
        if record.octets is not None:
            assert (len(record.octets), record.octets.hex().upper()) == (expected["size"], expected["value"])
        else:
            assert record.tag is not None
            assert (sizes[record.tag], record.value) == (expected["size"], expected["value"])


@every_case
def test_byte_by_byte_is_the_same_as_all_at_once(found: Case) -> None:
    octets = found.octets
    assert read(found, [octets[at : at + 1] for at in range(len(octets))]) == read(found, [octets])


@settings(max_examples=150, deadline=None)
@given(found=st.sampled_from(EVERY), places=st.lists(st.integers(0, 1000), max_size=12))
def test_random_pieces_are_the_same_as_all_at_once(found: Case, places: list[int]) -> None:
    edges = [0, *sorted(place % (len(found.octets) + 1) for place in places), len(found.octets)]
    assert read(found, [found.octets[a:b] for a, b in pairwise(edges)]) == read(found, [found.octets])


@pytest.mark.slow
@every_sound_case
def test_a_push_cut_anywhere_gives_no_record_and_the_next_whole_one_comes_out(found: Case) -> None:
    whole = reports(read(found, [found.octets]))[0].records
    hdlc = found.octets.startswith(b"~")
    for cut in range(1, len(found.octets)):
        # The same counter twice would be a replay; here it is the same capture that is cut.
        events = read(found, [found.octets[:cut], found.octets], replay=False)
        # Of an HDLC frame only the closing flag may be missing, for the flag of the next one closes it as well.
        times = 2 if hdlc and cut == len(found.octets) - 1 else 1
        assert [report.records for report in reports(events)] == [whole] * times, cut
        assert reasons(events) or times == 2 or (hdlc and cut == 1), cut


@pytest.mark.slow
@every_sound_case
def test_a_push_that_ends_too_early_gives_no_report_at_all(found: Case) -> None:
    for cut in range(1, len(found.octets)):
        assert reports(read(found, [found.octets[:cut]])) == [], cut


@settings(max_examples=300, deadline=None)
@given(
    framing=st.sampled_from(["p1", "hdlc", "mbus", "wrapper", "apdu"]),
    octets=st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(b"\x0f\0\0\0\0\0".__add__)),
)
def test_any_octets_are_reports_or_reasons(framing: Framing, octets: bytes) -> None:
    for event in decoder(case("encrypt_only_wpdu")).take(Frame(octets, octets, framing=framing)):
        assert not isinstance(event, Rejected) or event.reason in list(Reason)


@settings(max_examples=300, deadline=None)
@given(found=st.sampled_from(METERS), place=st.integers(0, 5000), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_body_is_a_report_or_a_reason(found: Case, place: int, bit: int) -> None:
    """No check sum holds it back here: this is what lies behind them."""
    (report,) = reports(read(found, [found.octets]))
    octets = bytearray(report.frame)
    octets[place % len(octets)] ^= 1 << bit
    read(found, [bytes(octets)])


@pytest.mark.parametrize(
    "body",
    [b"\x02\x01" * 800 + b"\x00", b"\x09\x84\x80\x00\x00\x00" + bytes(40), b"\x01\x82\xff\xff" + bytes(46)],
    ids=["800 nested structures", "a length of 2 GiB", "an array of 65,535 in 50 octets"],
)
def test_what_asks_for_too_much_is_refused_at_once(body: bytes) -> None:
    octets = enclose(b"\x0f\0\0\0\0\0" + body)
    found = case("encrypt_only_wpdu")._replace(octets=octets)
    assert reasons(read(found, [octets])) == ["axdr"]


def test_blocks_inside_blocks_do_not_nest_without_end() -> None:
    apdu = b""
    for _ in range(5000):
        apdu = b"\xe0\xc0\0\1\0\0\x84" + len(apdu).to_bytes(4, "big") + apdu
        if len(apdu) > 60_000:
            break
    events = decoder(case("seed_raw_apdu")).take(Frame(apdu, apdu, framing="wrapper"))
    assert reasons(events) == ["apdu_tag"]


def test_several_packets_in_one_information_field_are_several_reports() -> None:
    seed = case("no_aidon_amshan_no_list_2")
    events = decoder(seed).take(Frame(seed.octets * 3, seed.octets * 3, framing="wrapper"))
    assert len(reports(events)) == 3


def test_what_lies_behind_a_packet_spoils_all_of_the_frame() -> None:
    seed = case("no_aidon_amshan_no_list_2")
    octets = seed.octets * 2 + b"\xde\xad"
    assert reasons(decoder(seed).take(Frame(octets, octets, framing="wrapper"))) == ["length"]


def test_of_a_push_that_is_not_of_the_pinned_profile_that_alone_is_said() -> None:
    found = case("no_kaifa_ma304h3e_list2")
    framer = document(found.octets)()
    meter = MeterDecoder(Reading(zone=ZONE), Security(Keys(), counters=MemoryCounters()), load, "kaifa-1p-l3")
    frames = [frame for frame in framer.feed(found.octets) + framer.idle() if isinstance(frame, Frame)]
    events = [event for frame in frames for event in meter.take(frame)]
    assert len(reports(events)) == found.messages_out
    assert [event.reason for event in events if isinstance(event, Notice)] == ["profile_mismatch"]


def test_a_telegram_in_the_clear_does_not_pass_where_both_keys_are_given() -> None:
    octets = telegram("lu-smarty_dsmrreader")
    found = case("auth_only_0x10")
    assert reasons(decoder(found).take(Frame(octets, octets))) == ["policy"]
    assert len(reports(decoder(found, policy=Policy.ENCRYPTED).take(Frame(octets, octets)))) == 1


def test_a_replay_is_refused_and_the_one_behind_it_is_not_judged_by_it() -> None:
    found = case("replayed_counter")
    events = read(found, [found.octets])
    assert [type(event).__name__ for event in events if not isinstance(event, Rejected)] == ["Report"]
    assert reasons(events) == ["replay"]


@pytest.mark.parametrize("name", ["ch_iskra_am550_hdlc_seg3", "ch_lg_e450_gbt3_plain", "seed_e570_gbt_plain"])
def test_the_rest_of_one_push_is_never_taken_for_that_of_another(name: str) -> None:
    """Segments and blocks of two pushes look alike, and with as many lost as one push has, their numbers fit."""
    found = case(name)
    framer = document(found.octets)()
    frames = [event.octets for event in framer.feed(found.octets) + framer.idle()]
    for first in range(1, len(frames)):
        lost = b"".join(
            bytes((*octets[:-5], octets[-5] ^ 1, *octets[-4:])) for octets in frames[first:] + frames[:first]
        )
        events = read(found, [b"".join(frames[:first]) + lost + b"".join(frames[first:])])
        assert not reports(events), first


def test_a_single_octet_of_noise_between_its_segments_costs_no_push() -> None:
    found = case("ch_iskra_am550_hdlc_seg3")
    framer = document(found.octets)()
    events = read(found, [b"\x00".join(event.octets for event in framer.feed(found.octets) + framer.idle())])
    assert len(reports(events)) == 1


TITLE, KEY = b"KFM\x12\x34\x56\x78\x90", bytes(range(16))


def ciphered(text: bytes, counter: int) -> Frame:
    """In an envelope without tag."""
    content = seal(text, TITLE, counter, 0x20, Keys(KEY))
    octets = apdu.build(Envelope(apdu.GENERAL_GLO_CIPHERING, TITLE, 0x20, counter, content))
    return Frame(octets, octets, check=False, framing="wrapper")


@pytest.mark.parametrize(
    "made_up",
    [
        pytest.param(bytes.fromhex("0F0000000000030A"), id="one value"),
        pytest.param(bytes.fromhex("0F0000000000"), id="nothing"),
        pytest.param(bytes.fromhex("0F00000000000200"), id="an empty structure"),
        pytest.param(b"/abcde\n!", id="a telegram of no lines"),
    ],
)
def test_what_somebody_without_the_key_may_hit_upon_does_not_lock_the_meter_out(made_up: bytes) -> None:
    meter = MeterDecoder(Reading(zone=ZONE), Security(Keys(KEY), counters=MemoryCounters()), load)
    push = bytes.fromhex("0F00000000000202 09060100010800FF 0600000001")
    assert not reports(meter.take(ciphered(made_up, 2**32 - 1)))
    assert len(reports(meter.take(ciphered(push, 1)))) == 1
    assert reasons(meter.take(ciphered(push, 1))) == ["replay"]


def test_the_counter_of_a_ciphered_telegram_is_remembered_once_it_is_read() -> None:
    meter = MeterDecoder(Reading(zone=ZONE), Security(Keys(KEY), counters=MemoryCounters()), load)
    text = b"/ISK5\\2M550T-1012\r\n\r\n1-0:1.8.0(000001.000*kWh)\r\n!\r\n"
    assert len(reports(meter.take(ciphered(text, 7)))) == 1
    assert reasons(meter.take(ciphered(text, 7))) == ["replay"]
