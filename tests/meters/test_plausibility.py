"""Questions and doubts that go with a report: told, and nothing is changed."""

import time

import pytest

from datalogger.meters.report import build
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms.items import Data, Item, Layout, Push
from tests.meters.pushes import flat, name, positional, push, u16, u32
from tests.meters.reports import TABLE, notices, reading, report


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


def test_a_made_up_push_makes_no_endless_line_in_the_log() -> None:
    named = flat({f"1-0:{c}.7.{e}": u32(0) for c in range(1, 90) for e in range(20)})
    assert notices(named)["unscaled"].endswith("1-0:3.7.19*255 and 1720 more")
    mixed = positional(*[u32(0), u16(0)] * 700)
    assert len(notices(mixed)["layout_unknown"]) < 1200


def test_many_zeros_under_one_name_take_no_time() -> None:
    items = [Item(place, u16(0), name("1-0:52.7.0")) for place in range(3000)]
    began = time.perf_counter()
    absent = [record.not_measured for record in build(push(items, Layout.FLAT), TABLE, reading())[0].records]
    assert time.perf_counter() - began < 1, "each is held against every other"
    assert absent == [True] * 3000
