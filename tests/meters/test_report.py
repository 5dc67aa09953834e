"""A push and its profile → a report: nothing is lost, nothing is guessed, and what is not known is marked so."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from datalogger.meters.meaning import MOST_NAMES, Meaning, Remembered
from datalogger.meters.profile import Profile
from datalogger.meters.profiles import load
from datalogger.meters.recognition import recognise
from datalogger.meters.report import Reading, build
from datalogger.model import PushObject, Record, Report, Security
from datalogger.obis import Obis
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms.items import Data, Item, Layout, Link, Push
from tests.meters.pushes import flat, name, octets, positional, profile, push, u16, u32

OSLO = ZoneInfo("Europe/Oslo")

TABLE = profile(
    "table",
    """
ask = ["Is there a current transformer?"]
registers = [
    {obis = ["1.8.0", "2.8.0"], unit = "Wh", scaler = 1},
    {obis = ["1-1:2.8.0"], unit = "Wh", scaler = 0},
    {obis = ["1.7.0", "2.7.0"], unit = "W", scaler = 0},
    {obis = ["31.7.0", "51.7.0", "71.7.0"], unit = "A", scaler = -2},
    {obis = ["32.7.0", "52.7.0", "72.7.0"], unit = "V", ranges = [
        {least = 0, most = 500, scaler = 0}, {least = 10000, most = 50000, scaler = -2}]},
    {obis = ["3.8.0"], unit = "varh"},
]
absent = [{obis = ["52.7.0"], value = 0, unless = ["32.7.0", "72.7.0"]}]
[match]
layout = "flat"
[clock]
body = "0-1:1.0.0"
""",
)
POSITIONS = profile(
    "positions",
    """
meter = 0
members = [
    {index = 0, obis = "0-0:96.1.0", kind = "text"},
    {index = 1, obis = "1-0:1.8.0", scaler = 0, unit = "Wh"},
    {index = 2, obis = "0-0:1.0.0", kind = "date-time"},
    {index = 3, kind = "unknown"},
    {index = 4, obis = "1-0:31.4.0", unit = "A"},
    {index = 5, obis = "1-0:0.9.1", kind = "time"},
]
[match]
layout = "positional"
types = "os u32 os u32 array(u16) os(4)"
""",
)
SUMMER = bytes.fromhex("07E60705020C0000FF800000")  # Tuesday 5 July 2022, 12:00:00, no deviation
UTC_PLUS_2 = bytes.fromhex("07E60705020C0000FFFF8880")  # the same, deviation -120, summer time
IMPOSSIBLE = bytes.fromhex("07E60D05020C0000FF800000")  # month 13
NOON = datetime(2022, 7, 5, 12)


def reading(**options: Any) -> Reading:
    return Reading(zone=OSLO, **options)


def report(pushed: Push, known: Profile | None = None, **options: Any) -> Report:
    return build(pushed, known, reading(**options))[0]


def notices(pushed: Push, known: Profile | None = None, **options: Any) -> dict[str, str]:
    return {notice.reason: notice.detail for notice in build(pushed, known, reading(**options))[1]}


def records(values: dict[str, Data], known: Profile | None = TABLE, **options: Any) -> list[Record]:
    return list(report(flat(values), known, **options).records)


def only(data: Data, **item: Any) -> Record:
    """The record of one named value that nobody knows anything about."""
    (found,) = report(push([Item(1, data, name("0-0:97.1.0"), **item)], Layout.FLAT)).records
    return found


# Scalers


def test_the_scaler_on_the_wire_stands_before_every_other() -> None:
    item = Item(1, u32(5), name("1-0:1.8.0"), scaler=3, unit=30)
    (record,) = report(push([item], Layout.FLAT), TABLE, scalers={"1.8.0": (0, "Wh")}).records
    assert record == Record(Obis("1-0:1.8.0*255"), 5, 3, "Wh", tag=6)


def test_the_configuration_stands_before_the_profile() -> None:
    (record,) = records({"1-0:1.8.0": u32(5)}, scalers={"1.8.0": (-1, "Wh")})
    assert (record.scaler, record.unit) == (-1, "Wh")


def test_a_whole_name_in_the_configuration_stands_before_a_short_one() -> None:
    both = {"1.8.0": (0, "Wh"), "1-1:1.8.0": (3, "Wh")}
    assert [record.scaler for record in records({"1-0:1.8.0": u32(5), "1-1:1.8.0": u32(5)}, scalers=both)] == [0, 3]


def test_the_configuration_may_leave_the_unit_to_the_profile() -> None:
    (record,) = records({"1-0:1.8.0": u32(5)}, scalers={"1.8.0": (0, None)})
    assert (record.scaler, record.unit) == (0, "Wh")


def test_the_configuration_mends_a_position_under_the_name_the_profile_gives_it() -> None:
    found = report(positional(octets(b"1"), u32(7)), POSITIONS, scalers={"1.8.0": (3, "Wh")})
    assert found.records[1].scaler == 3


def test_the_profile_gives_scaler_and_unit_under_any_channel_unless_it_names_one() -> None:
    assert [(record.scaler, record.unit) for record in records({"1-0:2.8.0": u32(5), "1-1:2.8.0": u32(5)})] == [
        (1, "Wh"),
        (0, "Wh"),
    ]


def test_a_range_decides_by_the_number() -> None:
    assert [record.scaler for record in records({"1-1:32.7.0": u16(233), "1-1:72.7.0": u16(22199)})] == [0, -2]


def test_a_number_in_no_range_is_passed_on_unscaled() -> None:
    (record,) = records({"1-1:32.7.0": u16(5000)})
    assert record == Record(Obis("1-1:32.7.0*255"), 5000, tag=18, unscaled=True)


def test_a_register_that_nobody_knows_is_marked_and_told_of() -> None:
    pushed = flat({"1-0:3.8.0": u32(5), "1-0:9.8.0": u32(6), "1-0:1.8.0": u32(7)})
    found = report(pushed, TABLE)
    assert [record.unscaled for record in found.records] == [True, True, False]
    assert found.records[0].unit is None
    assert notices(pushed, TABLE)["unscaled"] == "nobody knows the scaler of 1-0:3.8.0*255, 1-0:9.8.0*255"


@pytest.mark.parametrize(
    ("text", "class_id", "unscaled"),
    [
        ("1-1:0.0.1", None, False),  # a number of the meter, no quantity
        ("0-0:96.3.10", None, False),
        ("1-0:1.7.0", None, True),
        ("0-1:24.2.1", 4, True),
        ("0-0:96.3.10", 70, False),
        ("1-0:1.7.0", 1, False),
    ],
)
def test_only_a_register_misses_its_scaler(text: str, class_id: int | None, unscaled: bool) -> None:
    item = Item(1, u32(5), name(text), class_id)
    (record,) = report(push([item], Layout.FLAT)).records
    assert record.unscaled is unscaled


def test_the_factor_of_a_current_transformer_multiplies_what_it_transforms() -> None:
    values = {"1-0:1.8.0": u32(7), "1-0:31.7.0": u32(3), "1-0:32.7.0": u16(230), "1-0:9.8.0": u32(5)}
    assert [(record.value, record.scaler) for record in records(values, factor=50)] == [
        (350, 1),
        (150, -2),
        (230, 0),
        (5, 0),
    ]


def test_the_factor_holds_for_scalers_on_the_wire_too() -> None:
    item = Item(1, (16, -46), name("1-0:31.7.0"), scaler=-1, unit=33)
    (record,) = report(push([item], Layout.FLAT), factor=40).records
    assert (record.value, record.scaler, record.unit) == (-1840, -1, "A")


def test_a_voltage_that_is_not_measured_is_no_0_v() -> None:
    three_wire = records({"1-0:32.7.0": u16(239), "1-0:52.7.0": u16(0), "1-0:72.7.0": u16(240)})
    assert three_wire[1] == Record(Obis("1-0:52.7.0*255"), None, 0, "V", tag=18, not_measured=True)
    assert three_wire[0].value == 239


def test_0_v_on_every_phase_is_0_v() -> None:
    dark = records({"1-0:32.7.0": u16(0), "1-0:52.7.0": u16(0), "1-0:72.7.0": u16(0)})
    assert [record.value for record in dark] == [0, 0, 0]


# Kinds of values


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ((0, None), {}),
        ((255, None), {}),
        ((3, True), {"value": 1}),
        ((3, False), {"value": 0}),
        ((4, b"\xff\xc0"), {"octets": b"\xff\xc0"}),
        ((5, -2), {"value": -2}),
        ((9, b""), {"octets": b"", "text": ""}),
        ((9, b"\0"), {"octets": b"\0", "text": ""}),
        ((9, b"RATE1\0\0"), {"octets": b"RATE1\0\0", "text": "RATE1"}),
        ((9, b"\0\1"), {"octets": b"\0\1"}),
        ((9, b"a\0b"), {"octets": b"a\0b"}),
        ((10, b"abc"), {"text": "abc"}),
        ((10, b"abc\0"), {"text": "abc", "octets": b"abc\0"}),
        ((12, "€".encode()), {"octets": "€".encode()}),
        ((13, 66), {"value": 66}),
        ((15, -128), {"value": -128}),
        ((20, -(2**63)), {"value": -(2**63)}),
        ((21, 2**64 - 1), {"value": 2**64 - 1}),
        ((22, 1), {"value": 1}),
        ((23, 230.5), {"real": 230.5}),
        ((25, UTC_PLUS_2), {"octets": UTC_PLUS_2, "time": NOON.replace(tzinfo=OSLO)}),
        ((25, IMPOSSIBLE), {"octets": IMPOSSIBLE, "time": None}),
        ((26, b"\x07\xe6\x07\x05\x02"), {"octets": b"\x07\xe6\x07\x05\x02"}),
        ((27, b"\x0c\0\0\xff"), {"octets": b"\x0c\0\0\xff"}),
    ],
)
def test_every_type_keeps_what_the_meter_sent(data: Data, expected: dict[str, Any]) -> None:
    assert only(data) == Record(Obis("0-0:97.1.0*255"), tag=data[0], **expected)


def test_an_array_that_nobody_takes_apart_is_kept_as_octets() -> None:
    assert only((1, [(18, 1), (18, 2)]), encoded=b"\1\2\3") == Record(Obis("0-0:97.1.0*255"), tag=1, octets=b"\1\2\3")


def test_a_number_alone_in_an_array_is_that_number() -> None:
    record = only((1, [(2, [(18, 9400)])]), encoded=b"\1\2\3")
    assert (record.value, record.octets, record.tag) == (9400, None, 1)


def test_what_the_body_says_of_a_value_stays_with_it() -> None:
    record = only(u32(5), class_id=4, attribute=2, status=8, scaler=-3, unit=13)
    assert (record.class_id, record.attribute, record.status, record.scaler, record.unit) == (4, 2, 8, -3, "m3")


def test_unit_255_is_a_count() -> None:
    assert only(u16(941), scaler=-3, unit=255).unit == "count"


def test_a_push_object_list_is_passed_on() -> None:
    objects = (PushObject(Obis("0-8:25.9.0*255"), 40, 2, 0),)
    item = Item(0, (1, [(2, [])]), name("0-8:25.9.0"), 40, 2, objects=objects)
    (record,) = report(push([item], Layout.PUSH_LIST)).records
    assert record == Record(Obis("0-8:25.9.0*255"), class_id=40, attribute=2, tag=1, push_objects=objects)


# Positions


def test_a_position_with_a_meaning_keeps_its_position_as_the_mark_of_the_profile() -> None:
    values = [octets(b"4711\0"), u32(7), octets(SUMMER), u32(9), (1, [(18, 94)]), octets(b"\x0c\x20\x21\x22")]
    found = report(positional(*values), POSITIONS)
    assert list(found.records) == [
        Record(Obis("0-0:96.1.0*255"), text="4711", octets=b"4711\0", position=0, tag=9),
        Record(Obis("1-0:1.8.0*255"), 7, 0, "Wh", position=1, tag=6),
        Record(Obis("0-0:1.0.0*255"), time=NOON.replace(tzinfo=OSLO), octets=SUMMER, position=2, tag=9),
        Record(Obis(""), 9, position=3, tag=6),
        Record(Obis("1-0:31.4.0*255"), 94, position=4, tag=1, unscaled=True),
        Record(Obis("1-0:0.9.1*255"), octets=b"\x0c\x20\x21\x22", position=5, tag=9),
    ]
    assert (found.profile, found.meter, found.meter_time) == ("positions", "4711", NOON.replace(tzinfo=OSLO))


def test_a_push_that_no_profile_knows_keeps_every_value_under_its_position() -> None:
    found = report(positional(octets(b"4711"), u32(7), octets(UTC_PLUS_2)))
    assert [(record.obis, record.position) for record in found.records] == [("", 0), ("", 1), ("", 2)]
    assert found.records[1].value == 7 and not found.records[1].unscaled
    assert found.records[2].time == NOON.replace(tzinfo=OSLO)
    assert found.profile == ""


def test_an_unknown_layout_is_described_without_its_values() -> None:
    pushed = positional(
        octets(b"SECRET-4711"), u32(987654), u32(7), link=Link("hdlc", b"\xcf", b"\x02\x23"),
        security=Security("49534B6900ABCDEF", 1, "absent"),
    )  # fmt: skip
    told = notices(pushed)["layout_unknown"]
    assert "structure of 3: os(11) u32*2 (hdlc CF/0223, system title 49534B69…)" in told
    assert "SECRET" not in told and "987654" not in told and "ABCDEF" not in told


def test_names_need_no_profile() -> None:
    assert "layout_unknown" not in notices(flat({"1-0:1.8.0": u32(1)}))


def test_positions_of_another_layout_mean_nothing() -> None:
    pushed = push([Item(0, u32(7)), Item(1, u32(8))], Layout.FLAT)
    assert [record.obis for record in report(pushed, POSITIONS).records] == ["", ""]


# Time


@pytest.mark.parametrize(
    ("policy", "octets_sent", "expected"),
    [
        (None, SUMMER, NOON.replace(tzinfo=OSLO)),
        ("local", UTC_PLUS_2, NOON.replace(tzinfo=OSLO)),
        ("standard", SUMMER, datetime(2022, 7, 5, 11, tzinfo=UTC)),
        ("standard", UTC_PLUS_2, datetime(2022, 7, 5, 11, tzinfo=UTC)),
        ("trust", UTC_PLUS_2, datetime(2022, 7, 5, 10, tzinfo=UTC)),
        ("arrival", UTC_PLUS_2, None),
        (None, IMPOSSIBLE, None),
    ],
)
def test_the_clock_of_the_header_is_read_by_the_policy(
    policy: str | None, octets_sent: bytes, expected: datetime | None
) -> None:
    found = report(flat({"1-0:1.8.0": u32(1)}, date_time=octets_sent), TABLE, clock=policy)
    assert found.meter_time == expected
    assert found.records[0].value == 1


def test_the_policy_of_the_profile_holds_where_the_configuration_has_none() -> None:
    standard = profile("standard", '[match]\nlayout = "flat"\n[clock]\npolicy = "standard"\n')
    pushed = flat({"1-0:1.8.0": u32(1)}, date_time=SUMMER)
    assert report(pushed, standard).meter_time == datetime(2022, 7, 5, 11, tzinfo=UTC)
    assert report(pushed, standard, clock="local").meter_time == NOON.replace(tzinfo=OSLO)


def test_without_a_header_time_the_clock_in_the_body_tells_it() -> None:
    own = {"0-0:1.0.0": octets(IMPOSSIBLE), "0-1:1.0.0": octets(SUMMER)}
    assert report(flat(own), TABLE).meter_time == NOON.replace(tzinfo=OSLO)
    assert report(flat({"0-0:1.0.0": octets(SUMMER)})).meter_time == NOON.replace(tzinfo=OSLO)
    assert report(flat({"0-0:1.0.0": octets(SUMMER)}), TABLE).meter_time is None, "the profile names another"


def test_the_time_of_a_clock_record_keeps_the_deviation_the_meter_sent() -> None:
    (record,) = records({"0-0:1.0.0": octets(UTC_PLUS_2)}, clock="standard")
    assert isinstance(record.time, datetime) and record.time.isoformat() == "2022-07-05T12:00:00+02:00"
    assert record.octets == UTC_PLUS_2


def test_a_clock_that_says_nothing_has_no_time_and_keeps_its_octets() -> None:
    nothing = bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF")
    (record,) = records({"0-0:1.0.0": octets(nothing)})
    assert record.time is None and record.octets == nothing


def test_twelve_octets_under_another_name_are_no_time() -> None:
    (record,) = records({"0-0:96.1.0": octets(b"123456789012")})
    assert record.time is UNSET and record.text == "123456789012"


# The meter


@pytest.mark.parametrize(
    ("values", "meter"),
    [
        ({"0-0:96.1.0": octets(b" 4711\0\0")}, "4711"),
        ({"0-0:42.0.0": octets(b"LGZ1"), "0-0:96.1.0": octets(b"4711")}, "4711"),
        ({"0-0:96.1.0": octets(b"\0"), "0-0:42.0.0": octets(b"LGZ1")}, "LGZ1"),
        ({"1-1:0.0.5": (10, b"570656730")}, "570656730"),
        ({"0-0:96.1.1": octets(b"\xca\xfe")}, "CAFE"),
        ({"0-0:96.1.7": octets(b"MA304H3E")}, ""),
        ({"1-1:96.1.1": (10, b"684112104000000040")}, ""),
        ({"0-1:96.1.0": octets(b"a gas meter")}, ""),
    ],
)
def test_the_meter_is_what_it_calls_itself(values: dict[str, Data], meter: str) -> None:
    assert report(flat(values)).meter == meter


def test_the_profile_says_where_the_identifier_stands() -> None:
    numbered = profile("numbered", 'meter = "0.0.1"\n[match]\nlayout = "flat"\n')
    assert report(flat({"0-0:96.1.0": octets(b"4711"), "1-1:0.0.1": u32(36815490)}), numbered).meter == "36815490"


def test_the_configured_identifier_stands_before_all() -> None:
    assert report(flat({"0-0:96.1.0": octets(b"4711")}), meter="mine").meter == "mine"


def test_a_ciphered_push_without_identifier_is_known_by_its_system_title() -> None:
    security = Security("4C475A62E8FCCD0B", 7, "verified")
    found = report(flat({"1-0:1.8.0": u32(1)}, security=security))
    assert (found.meter, found.security) == ("4C475A62E8FCCD0B", security)


def test_the_frame_goes_with_the_report() -> None:
    found = report(flat({"1-0:1.8.0": u32(1)}))
    assert (found.protocol, found.frame, found.check) == ("dlms", b"the frame", "ok")


# Notices


def test_the_questions_of_a_profile_are_asked() -> None:
    _, told = build(flat({"1-0:1.8.0": u32(1)}), TABLE, reading())
    assert told == [Notice("ask", "table: Is there a current transformer?")]


def mains(volts: int, amperes: int, watts: int, **more: Data) -> Push:
    return flat({"1-0:32.7.0": u16(volts), "1-0:31.7.0": u32(amperes), "1-0:1.7.0": u32(watts)} | more)


def test_a_scaler_that_cannot_be_right_is_told_and_changes_nothing() -> None:
    pushed = mains(230, 1000, 22)
    assert "2300 VA" in notices(pushed, TABLE)["implausible"]
    assert [record.value for record in report(pushed, TABLE).records] == [230, 1000, 22]


@pytest.mark.parametrize(
    ("pushed", "odd"),
    [
        (mains(230, 1000, 2200), False),
        (mains(230, 1000, 22000), True),
        (mains(230, 100, 10), False),  # below 300 VA anything goes
        (mains(23, 1000, 220), True),
        (mains(0, 1000, 0), False),  # no voltage measured
        (mains(230, 1000, 0), False),  # no power measured
    ],
)
def test_volts_amperes_and_watts_have_to_agree(pushed: Push, odd: bool) -> None:
    assert ("implausible" in notices(pushed, TABLE)) is odd


def test_a_meter_that_was_seen_to_deliver_may_draw_little_for_its_currents() -> None:
    line = reading()
    build(flat({"1-0:2.7.0": u32(5)}), TABLE, line)
    assert all(notice.reason != "implausible" for notice in build(mains(230, 1000, 22), TABLE, line)[1])


def test_what_came_with_its_scaler_is_not_doubted() -> None:
    items = [
        Item(place, u32(value), name(text), scaler=0, unit=unit)
        for place, (text, value, unit) in enumerate((("1-0:32.7.0", 23, 35), ("1-0:31.7.0", 10, 33)))
    ]
    assert notices(push(items, Layout.FLAT)) == {}


# The built-in profiles


def test_the_currents_of_a_kaifa_are_milliamperes_and_its_voltages_tenths() -> None:
    numbers = [3486, 845, 927, 146, 16016, 8806, 18911, 2392, 0, 2397]
    pushed = positional(octets(b"KFM_001"), octets(b"0565617807410394"), octets(b"MA304H3E"), *map(u32, numbers))
    known, _ = recognise(pushed, load())
    found = report(pushed, known)
    by_name = {record.obis: record for record in found.records}
    assert str(by_name[Obis("1-0:31.7.0*255")].physical) == "16.016"
    assert str(by_name[Obis("1-0:32.7.0*255")].physical) == "239.2"
    assert by_name[Obis("1-0:52.7.0*255")].not_measured
    assert found.meter == "0565617807410394"


@pytest.mark.parametrize(("tail", "energy"), [("040", "320141580"), ("090", "32014158"), ("092", "32014158")])
def test_a_kamstrup_counts_by_the_country_its_type_number_ends_in(tail: str, energy: str) -> None:
    values: dict[str, Data] = {
        "1-1:0.0.5": (10, b"5706567304897725"), "1-1:96.1.1": (10, b"684112104000000" + tail.encode()),
        "1-1:1.7.0": u32(431), "1-1:32.7.0": u16(230), "1-1:1.8.0": u32(32014158),
    }  # fmt: skip
    pushed = flat(values, types=(10,) + (9, 6) * 17)
    items = [Item(0, (10, b"Kamstrup_V0001")), *pushed.items]
    known, _ = recognise(push(items, Layout.FLAT, types=pushed.types), load())
    found = report(pushed, known)
    assert [f"{record.physical:f}" for record in found.records if ":1.8.0" in record.obis] == [energy]


# Any values at all

datas: st.SearchStrategy[Data] = st.one_of(
    st.tuples(st.sampled_from((5, 6, 15, 16, 17, 18, 20, 21, 22, 13)), st.integers(-(2**63), 2**64)),
    st.tuples(st.sampled_from((4, 9, 10, 12)), st.binary(max_size=20)),
    st.tuples(st.just(25), st.binary(min_size=12, max_size=12)),
    st.tuples(st.sampled_from((0, 255)), st.none()),
    st.tuples(st.just(3), st.booleans()),
    st.tuples(st.sampled_from((23, 24)), st.floats()),
    st.tuples(st.sampled_from((1, 2)), st.lists(st.tuples(st.just(18), st.integers(0, 65535)), max_size=3)),
)
items = st.builds(
    Item,
    position=st.integers(0, 70),
    data=datas,
    name=st.none() | st.binary(min_size=6, max_size=6) | st.sampled_from([name("1-0:52.7.0"), name("0-0:1.0.0")]),
    class_id=st.none() | st.integers(0, 100),
    scaler=st.none() | st.integers(-128, 127),
    unit=st.none() | st.integers(0, 255),
)


@given(st.lists(items, max_size=12), st.sampled_from([None, TABLE, POSITIONS, *load().values()]), st.integers(1, 100))
def test_whatever_comes_gives_a_report_with_every_value(found: list[Item], known: Profile | None, factor: int) -> None:
    made, _ = build(push(found, Layout.FLAT), known, reading(factor=factor))
    assert len(made.records) == len(found)


def test_names_that_are_made_up_fill_no_memory() -> None:
    known = Remembered(lambda key: Meaning())
    for number in range(MOST_NAMES + 10):
        known[number]
    assert len(known) <= MOST_NAMES
