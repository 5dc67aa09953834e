"""What moment a push of each family was made at, in July and in January, from the octets such a meter sends.

The clock always shows 12:00:00; the hour of the moment in UTC is worked out by hand beside it. Oslo and Vienna keep
UTC+1, and UTC+2 in summer.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from datalogger.meters import profiles
from datalogger.meters.meaning import Reading
from datalogger.meters.profile import groups
from datalogger.meters.report import build
from datalogger.protocol.dlms.items import Item, Layout, Link, Push

PROFILES = profiles.load()
OSLO = ZoneInfo("Europe/Oslo")

JULY = bytes.fromhex("07E9070F02")  # Tuesday 15 July 2025
JANUARY = bytes.fromhex("07E9010F03")  # Wednesday 15 January 2025
NOON = bytes.fromhex("0C000000")
NO_DEVIATION, UTC_ALLEGED = "8000", "0000"
PLUS_1, PLUS_2, PLUS_3 = "FFC4", "FF88", "FF4C"  # -60, -120, -180 minutes: what to add to reach UTC

HEADER = ""

CLOCKS = [
    # profile, where the clock stands, its last three octets in July and in January, hour of the moment in UTC
    ("aidon-no", "0-0:1.0.0", (UTC_ALLEGED, "00"), 11, (UTC_ALLEGED, "00"), 11),  # standard time, its zone is wrong
    ("aidon-se", "0-0:1.0.0", (NO_DEVIATION, "FF"), 11, (NO_DEVIATION, "FF"), 11),  # standard time
    ("kaifa-l1", HEADER, (NO_DEVIATION, "00"), 10, (NO_DEVIATION, "00"), 11),  # summer time, and its status says no
    ("kaifa-3p-l2", HEADER, (NO_DEVIATION, "00"), 10, (NO_DEVIATION, "00"), 11),
    ("kaifa-3p-l3", HEADER, (NO_DEVIATION, "00"), 10, (NO_DEVIATION, "00"), 11),
    ("kaifa-1p-l3", HEADER, (NO_DEVIATION, "00"), 10, (NO_DEVIATION, "00"), 11),
    ("kaifa-se-flat", "0-0:1.0.0", (PLUS_1, "00"), 11, (PLUS_1, "00"), 11),  # standard time, and it says so
    ("kamstrup-no", HEADER, (NO_DEVIATION, "80"), 11, (NO_DEVIATION, "00"), 11),  # standard time, whatever the flag
    ("kamstrup-no", HEADER, (NO_DEVIATION, "00"), 11, (NO_DEVIATION, "00"), 11),
    ("kamstrup-se", HEADER, (NO_DEVIATION, "80"), 11, (NO_DEVIATION, "00"), 11),
    ("kamstrup-dk", HEADER, (NO_DEVIATION, "80"), 11, (NO_DEVIATION, "00"), 11),
    ("kamstrup-push1", HEADER, (NO_DEVIATION, "80"), 11, (NO_DEVIATION, "00"), 11),
    ("kamstrup", "0-1:1.0.0", (NO_DEVIATION, "80"), 11, (NO_DEVIATION, "00"), 11),
    ("at-noe", HEADER, (PLUS_2, "82"), 10, (PLUS_1, "02"), 11),  # doubtful, it says, of sound data
    ("kaifa-at-west", HEADER, (PLUS_2, "80"), 10, (PLUS_1, "00"), 11),
    ("iskra-at-wn", HEADER, (PLUS_2, "80"), 10, (PLUS_1, "00"), 11),
    ("iskra-am550-ch", HEADER, (PLUS_2, "80"), 10, (PLUS_1, "00"), 11),
    ("iskra-si-3p-inst", HEADER, (PLUS_2, "80"), 10, (PLUS_1, "00"), 11),
    ("iskra-hr-ie5", HEADER, (PLUS_2, "80"), 10, (PLUS_1, "00"), 11),
    ("at-p1short-12", HEADER, (PLUS_2, "80"), 10, (PLUS_1, "00"), 11),
    ("lg-e360", HEADER, (PLUS_2, "80"), 10, (PLUS_1, "00"), 11),
    ("lg-e450", HEADER, (NO_DEVIATION, "00"), 10, (NO_DEVIATION, "00"), 11),  # local time
    ("lg-e450", "0-0:1.0.0", (NO_DEVIATION, "81"), 10, (NO_DEVIATION, "01"), 11),
    ("lg-e450-graz", HEADER, (NO_DEVIATION, "00"), 10, (NO_DEVIATION, "00"), 11),
    ("lg-bgld-14", HEADER, (NO_DEVIATION, "00"), 10, (NO_DEVIATION, "00"), 11),
    ("lg-e570", HEADER, (NO_DEVIATION, "00"), 10, (NO_DEVIATION, "00"), 11),
    ("energomera", HEADER, (PLUS_3, "FF"), 9, (PLUS_3, "FF"), 9),
]


def moment(profile: str, where: str, octets: bytes) -> datetime | None:
    items = [Item(0, (9, octets), groups(where) + b"\xff")] if where else []
    push = Push(Layout.FLAT, items, 2, (9,) * len(items), None if where else octets, Link("apdu"), b"")
    report, _ = build(push, PROFILES[profile], Reading(zone=OSLO))
    return report.meter_time


@pytest.mark.parametrize(("profile", "where", "summer", "summer_hour", "winter", "winter_hour"), CLOCKS)
def test_noon_of_the_meter_is_this_hour_in_utc(
    profile: str, where: str, summer: tuple[str, str], summer_hour: int, winter: tuple[str, str], winter_hour: int
) -> None:
    july = moment(profile, where, JULY + NOON + bytes.fromhex("".join(summer)))
    january = moment(profile, where, JANUARY + NOON + bytes.fromhex("".join(winter)))

    assert july == datetime(2025, 7, 15, summer_hour, tzinfo=UTC)
    assert january == datetime(2025, 1, 15, winter_hour, tzinfo=UTC)


@pytest.mark.parametrize("profile", ["egd-cez-untagged", "embriq-no"])
def test_a_family_without_a_clock_has_no_time_whatever_it_sends(profile: str) -> None:
    assert moment(profile, HEADER, JULY + NOON + b"\x80\0\0") is None


def test_an_owner_can_say_what_the_clock_of_a_swedish_aidon_shows() -> None:
    octets = JULY + NOON + bytes.fromhex("8000FF")
    push = Push(Layout.FLAT, [Item(0, (9, octets), groups("0-0:1.0.0") + b"\xff")], 2, (9,), None, Link("apdu"), b"")

    report, _ = build(push, PROFILES["aidon-se"], Reading(zone=OSLO, clock="local"))

    assert report.meter_time == datetime(2025, 7, 15, 10, tzinfo=UTC)
