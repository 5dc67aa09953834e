from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from datalogger.protocol.p1.timestamp import read, read_naive

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("180104231941W", "2018-01-04T23:19:41+01:00"),
        ("200512134549S", "2020-05-12T13:45:49+02:00"),
        ("200512134549s", "2020-05-12T13:45:49+02:00"),
        ("210407114529W", "2021-04-07T11:45:29+01:00"),  # Nordic: standard time all year
        ("201211101002S", "2020-12-11T10:10:02+02:00"),  # the flag, not the calendar
        ("700101010000W", "1970-01-01T01:00:00+01:00"),
        ("991231235959W", "1999-12-31T23:59:59+01:00"),
        ("000101000001W", "2000-01-01T00:00:01+01:00"),
        ("20240111093500W", "2024-01-11T09:35:00+01:00"),
        ("20240111 09:35:00", "2024-01-11T09:35:00+01:00"),
        ("19-01-01 00:00:00", "2019-01-01T00:00:00+01:00"),
        ("19-07-01 00:00", "2019-07-01T00:00:00+02:00"),
        ("07EA080B0208151900007880", "2026-08-11T08:21:25+02:00"),
        ("07EA010B0208151900FFC400", "2026-01-11T08:21:25+01:00"),
        ("07EA080B02081519008000FF", "2026-08-11T08:21:25+02:00"),
    ],
)
def test_a_time_has_the_offset_that_its_flag_or_zone_says(text: str, expected: str) -> None:
    moment = read(text, AMSTERDAM)
    assert isinstance(moment, datetime)
    assert moment.isoformat() == expected


def test_the_flag_decides_the_doubled_hour() -> None:
    summer, winter = read("201025023000S", AMSTERDAM), read("201025023000W", AMSTERDAM)
    assert isinstance(summer, datetime) and isinstance(winter, datetime)
    assert (winter - summer).total_seconds() == 3600


def test_a_time_without_flag_is_the_first_of_the_doubled_hour() -> None:
    moment = read_naive("201025023000", AMSTERDAM)
    assert isinstance(moment, datetime) and moment.isoformat() == "2020-10-25T02:30:00+02:00"


@pytest.mark.parametrize(
    ("zone", "winter", "summer"),
    [
        ("Europe/Dublin", "+00:00", "+01:00"),  # its data call winter the exception
        ("Europe/Vilnius", "+02:00", "+03:00"),
        ("Australia/Sydney", "+10:00", "+11:00"),  # July is winter
        ("UTC", "+00:00", "+01:00"),  # no daylight saving: but the meter says it has it
    ],
)
def test_the_flag_means_the_two_offsets_of_the_zone(zone: str, winter: str, summer: str) -> None:
    for month in ("01", "07"):
        for flag, offset in (("W", winter), ("S", summer)):
            moment = read(f"23{month}15120000{flag}", ZoneInfo(zone))
            assert isinstance(moment, datetime) and moment.isoformat() == f"2023-{month}-15T12:00:00{offset}"


@pytest.mark.parametrize(
    "text",
    ["632525252525W", "632525252525S", "000000000000W", "00010101000000W", "250000000000W", "123412341234W",
     "230229000000W", "99-99-99 99:99:99", "FFFFFFFFFFFFFFFFFFFFFFFF"],
)  # fmt: skip
def test_an_invalid_time_is_none(text: str) -> None:
    assert read(text, AMSTERDAM) is None


@pytest.mark.parametrize(
    "text", ["", "00112.384*m3", "0000000267*s", "180104231941", "180104231941X", "²80104231941W", "0" * 25]
)
def test_what_is_no_time_at_all_is_unset(text: str) -> None:
    assert read(text, AMSTERDAM) is UNSET


def test_only_where_the_place_says_so_are_twelve_digits_a_time() -> None:
    assert read("121030140000", AMSTERDAM) is UNSET
    assert read_naive("12103014000", AMSTERDAM) is UNSET
    moment = read_naive("121030140000", AMSTERDAM)
    assert isinstance(moment, datetime) and moment.isoformat() == "2012-10-30T14:00:00+01:00"


@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=30),
        st.from_regex(r"[0-9]{12,14}[SW]?", fullmatch=True),
        st.from_regex(r"[0-9A-F]{24}", fullmatch=True),
    )
)
def test_any_text_is_a_time_with_an_offset_or_none_or_unset(text: str) -> None:
    for moment in (read(text, AMSTERDAM), read_naive(text, AMSTERDAM)):
        assert moment is None or moment is UNSET or (isinstance(moment, datetime) and moment.utcoffset() is not None)
