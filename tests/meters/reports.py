"""Reports of small pushes, for tests."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from datalogger.meters.profile import Profile
from datalogger.meters.report import Reading, build
from datalogger.model import Record, Report
from datalogger.protocol.dlms.items import Data, Item, Layout, Push
from tests.meters.pushes import flat, name, profile, push

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
