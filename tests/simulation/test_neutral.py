import random
import re
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from datalogger.meters import profiles
from datalogger.meters.recognition import recognise
from datalogger.protocol.bare import ApduFramer
from datalogger.protocol.dlms import apdu, untagged
from datalogger.protocol.dlms.items import Data, Push, Telegram
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.messages import DataNotification, Envelope, EventNotification
from datalogger.protocol.dlms.security import seal
from datalogger.protocol.framing import Frame
from datalogger.protocol.hdlc import framer, header
from datalogger.protocol.p1.framer import P1Framer
from datalogger.protocol.p1.telegram import decode_telegram
from datalogger.simulation import meters
from datalogger.simulation.dates import read_date
from datalogger.simulation.dlms import Pushes
from datalogger.simulation.neutral import Twin, neutralise
from datalogger.simulation.substitutes import Substitutes
from datalogger.simulation.twin import Capture
from tests.protocol.dlms.corpus import MALFORMED, Case, case
from tests.simulation.pushes import SOUND, keys_of, pushes, read, values

TELEGRAMS = sorted((Path(__file__).parents[1] / "data/p1/telegrams").glob("*.txt"))
MANY = re.compile(rb"\d{5,}")


def twin_of(octets: bytes, keys: Keys | None = None, seed: int = 0) -> Twin:
    return neutralise(Capture(octets, keys), random.Random(seed))


def each(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("one", cases, ids=[one.name for one in cases])


def numbers(push: Push) -> set[int]:
    """Of five digits and more; those at the end of a type's range mean that there is no value."""
    found = {abs(value) for _, value in values(push) if isinstance(value, int) and not isinstance(value, bool)}
    return {number for number in found if number >= 10_000 and number + 1 & number and number & number - 1}


def runs(push: Push) -> set[bytes]:
    return {run for _, value in values(push) if isinstance(value, bytes) for run in MANY.findall(value)}


@pytest.mark.parametrize("seed", range(4))
@each(SOUND)
def test_a_twin_has_the_form_of_its_original_and_none_of_its_numbers(one: Case, seed: int) -> None:
    (before,) = pushes(one.octets, keys_of(one))
    twin = twin_of(one.octets, keys_of(one), seed)
    (after,) = pushes(twin.octets, twin.keys)
    assert (after.layout, after.root, after.types) == (before.layout, before.root, before.types)
    for new, old in zip(after.items, before.items, strict=True):
        shape = ("position", "name", "class_id", "attribute", "scaler", "unit", "objects")
        assert [getattr(new, field) for field in shape] == [getattr(old, field) for field in shape]
    for (new_tag, new_value), (old_tag, old_value) in zip(values(after), values(before), strict=True):
        assert new_tag == old_tag
        assert bool(new_value) == bool(old_value)  # zero stays zero
        if isinstance(new_value, bytes):
            assert len(new_value) == len(old_value)
    assert recognise(after, profiles.load())[0] == recognise(before, profiles.load())[0]
    shown = numbers(before) | {int(run) for run in runs(before)}
    said = b" ".join(str(number).encode() for number in numbers(after)) + b" " + b" ".join(runs(after))
    for number in shown:
        assert str(number).encode() not in said
    assert twin.left_out == {}
    assert len(twin.octets) == len(one.octets)


@each([one for one in SOUND if one.key])
def test_a_twin_has_another_title_counter_and_keys(one: Case) -> None:
    (before,) = pushes(one.octets, keys_of(one))
    twin = twin_of(one.octets, keys_of(one))
    (after,) = pushes(twin.octets, twin.keys)
    assert before.security is not None and after.security is not None
    assert after.security.system_title[:6] == before.security.system_title[:6]  # the maker
    assert after.security.system_title[6:] != before.security.system_title[6:]
    assert bytes.fromhex(before.security.system_title[6:]) not in twin.octets
    assert after.security.invocation_counter != before.security.invocation_counter
    assert after.security.tag == before.security.tag
    assert twin.keys.encryption not in (None, one.key)
    assert (twin.keys.authentication is None) == (one.auth_key is None)
    assert twin.keys.authentication is None or twin.keys.authentication != one.auth_key


@each([one for one in SOUND if one.expected["messages"][0]["header_time_raw"]])
def test_times_move_by_whole_weeks_all_alike(one: Case) -> None:
    (before,) = pushes(one.octets, keys_of(one))
    twin = twin_of(one.octets, keys_of(one))
    (after,) = pushes(twin.octets, twin.keys)
    assert before.date_time is not None and after.date_time is not None
    old, new = read_date(before.date_time), read_date(after.date_time)
    if old is None or new is None:
        assert after.date_time == before.date_time  # it never was a date
        return
    weeks = new - old
    assert weeks.days and weeks.days % 7 == 0 and weeks.seconds == 0
    assert after.date_time[4:] == before.date_time[4:]  # weekday, hour, deviation, status
    for (_, new_value), (_, old_value) in zip(values(after), values(before), strict=True):
        if isinstance(old_value, bytes) and len(old_value) == 12 and (clock := read_date(old_value)):
            assert read_date(new_value) == clock + weeks


@pytest.mark.parametrize("seed", range(3))
@each(MALFORMED)
def test_what_cannot_be_read_is_not_passed_on(one: Case, seed: int) -> None:
    twin = twin_of(one.octets, keys_of(one), seed)
    sound = [found for found in read(one.octets, keys_of(one)) if isinstance(found, Push)]
    assert twin.messages == len(sound)
    assert bool(twin.left_out) == (len(sound) == 0 or one.name not in ("bad_month", "replayed_counter"))
    assert [found for found in read(twin.octets, twin.keys) if not isinstance(found, Push)] == []
    if sound:
        assert len(twin.octets) + sum(twin.left_out.values()) == len(one.octets)


def test_the_same_number_is_the_same_everywhere() -> None:
    one = case("se_kamstrup_omnipower_hourly")
    two = case("si_iskra_am550_ljubljana_5s").octets
    twin = twin_of(two + two)
    first, second = pushes(twin.octets)
    assert values(first) == values(second)
    assert values(pushes(twin_of(one.octets, seed=1).octets)[0]) != values(
        pushes(twin_of(one.octets, seed=2).octets)[0]
    )


def test_names_of_lists_and_models_stay() -> None:
    twin = twin_of(case("no_aidon_list3_3ph_hourly").octets)
    texts = [value for _, value in values(pushes(twin.octets)[0]) if isinstance(value, bytes)]
    assert b"AIDON_V0001" in texts
    twin = twin_of(case("no_kaifa_ma304h3e_list2").octets)
    texts = [value for _, value in values(pushes(twin.octets)[0]) if isinstance(value, bytes)]
    assert {b"KFM_001", b"MA304H3E"} <= set(texts)


def test_without_the_key_there_is_no_twin() -> None:
    twin = twin_of(case("at_kaifa_netznoe_doc_sample").octets)
    assert (twin.octets, twin.messages) == (b"", 0)
    assert twin.left_out == {"no_key": 282}


def telegrams(octets: bytes) -> list[Frame]:
    framer = P1Framer()
    return [event for event in framer.feed(octets) + framer.idle() if isinstance(event, Frame)]


@pytest.mark.parametrize("path", TELEGRAMS, ids=[path.stem for path in TELEGRAMS])
def test_a_telegram_s_twin_has_its_lines_and_none_of_its_numbers(path: Path) -> None:
    originals = telegrams(path.read_bytes())
    twin = twin_of(path.read_bytes())
    twins = telegrams(twin.octets)
    assert [frame.check for frame in twins] == [frame.check for frame in originals]
    for new, old in zip(twins, originals, strict=True):
        assert len(new.payload) == len(old.payload)
        after, before = (decode_telegram(frame.payload, check=frame.check, zone=UTC) for frame in (new, old))
        assert [(r.obis, r.unit, r.scaler) for r in after.records] == [
            (r.obis, r.unit, r.scaler) for r in before.records
        ]
        assert (before.meter_time is None) == (after.meter_time is None)
        shown = {r.value for r in before.records if r.value is not None and r.value >= 10_000}
        assert shown.isdisjoint(r.value for r in after.records)
        if len(before.meter) > 4 and re.search(r"\d{5}", before.meter):
            assert before.meter not in new.payload.decode("latin-1")


def test_a_ciphered_telegram_has_a_twin() -> None:
    model = meters.built_in("lu-smarty")
    twin = twin_of(model.octets, model.keys)
    (telegram,) = read(twin.octets, twin.keys)
    assert isinstance(telegram, Telegram)
    assert telegram.security is not None and telegram.security.tag == "verified"
    (frame,) = telegrams(telegram.text)
    assert frame.check
    (original,) = read(model.octets, model.keys)
    assert isinstance(original, Telegram)
    for run in MANY.findall(original.text):
        assert run in (b"00000",) or run not in telegram.text or int(run) < 10_000


def test_a_customer_s_message_loses_its_letters() -> None:
    hidden = b"Dear Mrs Jones".hex().upper().encode()
    telegram = b"/ABC5X\r\n\r\n0-0:96.13.0(" + hidden + b")\r\nrow 7, for Jones\r\n1-0:1.8.0(000001*kWh)\r\n!\r\n"
    twin = twin_of(telegram)
    assert twin.replaced["text"] == 2
    (frame,) = telegrams(twin.octets)
    assert hidden[10:20] not in frame.payload
    assert b"Jones" not in frame.payload
    assert b"1-0:1.8.0(000001*kWh)" in frame.payload


@pytest.mark.parametrize(
    "identifier", [b"123456789012", b"260131120000", b"1234-5678-9012", b"00FF12AB99CD", b"87654321"]
)
def test_an_identifier_of_any_form_goes(identifier: bytes) -> None:
    telegram = b"/ABC5X\r\n\r\n0-0:96.1.1(" + identifier + b")\r\n1-0:1.8.0(000001*kWh)\r\n!\r\n"
    (frame,) = telegrams(twin_of(telegram).octets)
    assert identifier not in frame.payload
    assert len(frame.payload) == len(telegram)


def test_a_date_is_some_weeks_from_today_not_centuries() -> None:
    twin = twin_of(case("si_iskra_am550_ljubljana_5s").octets, seed=5)
    time = read_date(pushes(twin.octets)[0].date_time or b"")
    assert time is not None
    assert abs(time - datetime(2023, 7, 24)).days < 3 * 366


def in_a_frame(information: bytes) -> bytes:
    return framer.enclose(header.build(b"\x01", b"\x03", 0x13, information))


def test_an_event_is_left_out_and_so_is_what_shares_its_frame() -> None:
    llc = b"\xe6\xe7\x00"
    event = llc + apdu.build(EventNotification(None, 1, bytes((0, 0, 96, 1, 0, 255)), 2, (9, b"12345678")))
    push = llc + case("si_iskra_am550_llc_only").octets.removeprefix(llc)
    beside = twin_of(in_a_frame(event) + in_a_frame(push))
    assert beside.messages == len(pushes(beside.octets)) == 1
    assert beside.left_out == {"no readings": len(in_a_frame(event))}
    together = twin_of(in_a_frame(push + event) + in_a_frame(push))
    assert together.messages == len(pushes(together.octets)) == 1
    assert together.left_out == {"no readings": len(in_a_frame(push + event))}
    assert b"12345678" not in beside.octets + together.octets


def test_an_identifier_written_with_dashes_and_a_sentence_go_too() -> None:
    substitutes = Substitutes(random.Random(1))
    for text in (b"1234-5678-9012", b"Maple Street", b"12 34 56 78 9"):
        other = substitutes.string(text)
        assert len(other) == len(text)
        assert all(a != b for a, b in zip(other, text, strict=True) if chr(b).isalnum())
    for text in (b"Kamstrup_V0001", b"MA304H3E", b"6534", b"", b"\0\0\0\0"):
        assert substitutes.string(text) == text


@pytest.mark.parametrize("number", [10, 255, 60_000, 65_534, 99_999, 4_294_967_294])
def test_a_number_keeps_its_size_its_sign_and_its_type(number: int) -> None:
    for seed in range(20):
        substitutes = Substitutes(random.Random(seed))
        substitutes.hide([number], [])
        for most in (2**16 - 1, 2**32 - 1):
            if number < most:
                other = substitutes.number(number, most=most)
                assert other != number
                assert 0.6 * number <= other <= min(1.4 * number, most)
        assert substitutes.number(-number) < 0
        assert substitutes.number(number, most=number) == number


def test_a_value_that_says_that_there_is_none_stays() -> None:
    one = case("at_lg_e450_burgenland_enc_auth_1")
    (before,) = pushes(one.octets, keys_of(one))
    wanted = [index for index, (_, value) in enumerate(values(before)) if value == 400]
    for seed in range(3):
        twin = twin_of(one.octets, keys_of(one), seed)
        (after,) = pushes(twin.octets, twin.keys)
        assert [index for index, (_, value) in enumerate(values(after)) if value == 400] == wanted


def test_a_czech_body_whose_names_have_no_type_tags_has_a_twin() -> None:
    def entry(class_id: int, name: tuple[int, ...], value: Data) -> Data:
        return 2, [(9, untagged.DESCRIPTOR.pack(class_id, bytes(name), 2)), value]

    entries = [
        entry(1, (0, 0, 96, 1, 1, 255), (9, b"30412345")),
        entry(3, (1, 0, 1, 7, 0, 255), (6, 1956)),
        entry(3, (1, 0, 1, 8, 0, 255), (6, 4913794)),
        entry(70, (0, 0, 96, 3, 10, 255), (22, 1)),
    ]
    octets = apdu.build(DataNotification(0, None, (2, [(22, 5), (1, entries)]), 0, untagged=True))
    twin = twin_of(in_a_frame(octets))
    (before,), (after,) = pushes(in_a_frame(octets)), pushes(twin.octets)
    assert [item.name for item in after.items] == [item.name for item in before.items]
    (_, name), (_, power), (_, energy), (_, relay) = values(after)
    assert name != b"30412345" and name.isdigit() and len(name) == 8
    assert power != 1956 and energy != 4913794 and relay == 1
    assert twin.replaced == {"text": 1, "value": 2}


def test_an_hour_of_pushes_takes_seconds() -> None:
    model = meters.built_in("aidon-no")
    start = datetime(2026, 7, 1, tzinfo=UTC)
    hour = islice(
        Pushes(Capture(model.octets), start=start, interval=timedelta(seconds=10), zone=ZoneInfo(model.zone)), 360
    )
    twin = twin_of(b"".join(hour))
    assert twin.messages == len(pushes(twin.octets)) == 360


def test_a_meter_that_leaves_its_title_out_gets_another_title_to_leave_out() -> None:
    plain = case("si_iskra_am550_llc_only").octets.removeprefix(b"\xe6\xe7\x00")
    keys, title = Keys(b"k" * 16, b"a" * 16), b"EGM12345"
    content = seal(plain, title, 7, 0x30, keys)
    octets = in_a_frame(b"\xe6\xe7\x00" + apdu.build(Envelope(0xDB, b"", 0x30, 7, content)))
    twin = neutralise(Capture(octets, keys, system_title=title), random.Random(1))
    assert twin.system_title[:3] == b"EGM" and twin.system_title != title
    (push,) = read(twin.octets, twin.keys, twin.system_title)
    assert isinstance(push, Push)
    assert push.security is not None and push.security.tag == "verified"
    comment = b"# system-title: " + twin.system_title.hex().encode()
    assert meters.described("mine", comment, twin.octets).system_title == twin.system_title


def test_a_general_ciphering_header_tells_nothing_of_the_home() -> None:
    keys = Keys(bytes(range(16)), bytes(range(16, 32)))
    fields = (b"86543211", b"LGZ\1\2\3\4\5", b"GRIDHOME", bytes.fromhex("07E70C1F0517000000FFC480"), b"INFO12345")
    head = b"".join(bytes((len(field),)) + field for field in fields)
    title, counter = fields[1], 7
    push = bytes.fromhex("0F0000000000020106000186A1")
    content = seal(push, title, counter, 0x30, keys, head)
    octets = apdu.build(Envelope(apdu.GENERAL_CIPHERING, title, 0x30, counter, content, head))
    twin = twin_of(octets, keys)
    assert twin.messages == 1
    assert not [field for field in fields if field in twin.octets]
    (envelope, _) = apdu.parse(twin.octets)
    assert isinstance(envelope, Envelope) and len(envelope.header) == len(head)
    assert len(pushes(twin.octets, twin.keys)) == 1


def test_a_capture_of_every_number_there_is_has_a_twin() -> None:
    lows = range(9_980, 14_080)
    octets = b"".join(bytes.fromhex("0F0000000000020106") + number.to_bytes(4) for number in lows)
    twin = neutralise(Capture(octets, framer=ApduFramer()), random.Random(0))
    assert twin.messages == len(lows)


@pytest.mark.parametrize("tag", ["19", "0460", "1A", "1B"])
def test_an_identifier_where_another_type_belongs_goes_too(tag: str) -> None:
    """A line without check sum turns one type into another: then a date-time may hold a number of the meter."""
    size = {"19": 12, "0460": 12, "1A": 5, "1B": 4}[tag]
    identifier = b"83208217"[:size] + b"ABCD"[: max(0, size - 8)]
    octets = bytes.fromhex("0F0000000000 0202 0600000001" + tag) + identifier
    twin = neutralise(Capture(octets, framer=ApduFramer()), random.Random(0))
    assert twin.messages == 1
    assert identifier[:4] not in twin.octets and identifier[-4:] not in twin.octets


def test_an_impossible_date_and_an_open_one_stay() -> None:
    dates = bytes.fromhex("07E60D05020C0000FF800000"), bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF")
    octets = bytes.fromhex("0F0000000000 0202 19") + dates[0] + b"\x19" + dates[1]
    twin = neutralise(Capture(octets, framer=ApduFramer()), random.Random(0))
    assert twin.octets == octets
