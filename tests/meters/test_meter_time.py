"""Which moment a push was made at: by its header or its body clock, read as the policy of the meter demands."""

from datetime import UTC, datetime

import pytest
from msgspec import UNSET

from tests.meters.pushes import flat, octets, profile, u32
from tests.meters.reports import (
    IMPOSSIBLE,
    NOON,
    OSLO,
    SUMMER,
    TABLE,
    UTC_PLUS_2,
    records,
    report,
)


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


def test_where_the_header_names_no_moment_the_clock_in_the_body_does() -> None:
    pushed = flat({"0-0:1.0.0": octets(SUMMER)}, date_time=IMPOSSIBLE)
    assert report(pushed).meter_time == NOON.replace(tzinfo=OSLO)


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
