"""A push and its profile → a report: nothing is lost, nothing is guessed, and what is not known is marked so."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.meters.profile import Profile
from datalogger.meters.profiles import load
from datalogger.meters.report import build
from datalogger.model import PushObject, Record, Security
from datalogger.obis import Obis
from datalogger.protocol.dlms.items import Data, Item, Layout, Link
from tests.meters.pushes import flat, name, octets, positional, profile, push, u16, u32
from tests.meters.reports import (
    IMPOSSIBLE,
    NOON,
    OSLO,
    POSITIONS,
    SUMMER,
    TABLE,
    UTC_PLUS_2,
    notices,
    only,
    reading,
    report,
)

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
    record = only(u32(5), class_id=4, attribute=2, scaler=-3, unit=13)
    assert (record.class_id, record.attribute, record.scaler, record.unit) == (4, 2, -3, "m3")


def test_unit_255_is_a_count() -> None:
    assert only(u16(941), scaler=-3, unit=255).unit == "count"


def test_a_push_object_list_is_passed_on() -> None:
    objects = (PushObject(Obis("0-8:25.9.0*255"), 40, 2, 0),)
    item = Item(0, (1, [(2, [])]), name("0-8:25.9.0"), 40, 2, objects=objects)
    (record,) = report(push([item], Layout.PUSH_LIST)).records
    assert record == Record(Obis("0-8:25.9.0*255"), class_id=40, attribute=2, push_objects=objects)


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


@pytest.mark.parametrize("kind", ["octets", "time", "date"])
def test_octets_that_the_profile_calls_no_text_are_none_whatever_they_look_like(kind: str) -> None:
    known = profile(
        "known", f'members = [{{index = 0, kind = "{kind}"}}]\n[match]\nlayout = "positional"\ntypes = "os(4)"\n'
    )
    (record,) = report(positional(octets(b"abcd")), known).records
    assert record == Record(Obis(""), octets=b"abcd", position=0, tag=9)


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
