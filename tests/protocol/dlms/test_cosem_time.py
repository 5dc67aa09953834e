import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.protocol.dlms.cosem_time import CosemTime, Policy, looks_like, parse, resolve, sent
from tests.protocol.dlms.corpus import METERS, SEED

AMSTERDAM, DUBLIN, SYDNEY = ZoneInfo("Europe/Amsterdam"), ZoneInfo("Europe/Dublin"), ZoneInfo("Australia/Sydney")
POLICIES: list[Policy] = ["trust", "local", "standard", "arrival"]

SUMMER = "07EA 07 0F 03 0C1E05 00"  # 2026-07-15 12:30:05
WINTER = "07EA 01 0F 04 0C1E05 FF"  # 2026-01-15 12:30:05
DOUBLED = "07EA 0A 19 07 021E00 00"  # 2026-10-25 02:30:00


def _resolve(octets: str, policy: Policy, zone: ZoneInfo = AMSTERDAM) -> str | None:
    moment = resolve(bytes.fromhex(octets), zone, policy)
    return None if moment is None else moment.isoformat()


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("07E9031E07030005FFFF8880", CosemTime(datetime(2025, 3, 30, 3, 0, 5), -120, 0x80)),
        ("07E9031E07030005 32 003C 00", CosemTime(datetime(2025, 3, 30, 3, 0, 5), 60, 0)),
        ("07E9031E07030005 00 8000 FF", CosemTime(datetime(2025, 3, 30, 3, 0, 5), None, None)),
        ("07E9031EFF030005 00 02D0 81", CosemTime(datetime(2025, 3, 30, 3, 0, 5), 720, 0x81)),
        ("07E9031E55030005 00 02D1 00", CosemTime(datetime(2025, 3, 30, 3, 0, 5), None, 0)),
        ("07E902FEFF000000 00 FD30 00", CosemTime(datetime(2025, 2, 28), -720, 0)),
        ("07E802FEFF000000 00 FD2F 00", CosemTime(datetime(2024, 2, 29), None, 0)),
        ("07E804FDFF000000 00 0000 00", CosemTime(datetime(2024, 4, 29), 0, 0)),
    ],
)
def test_a_date_time_is_read(octets: str, expected: CosemTime) -> None:
    assert parse(bytes.fromhex(octets)) == expected


@pytest.mark.parametrize(
    "octets",
    [
        "FFFFFFFFFFFFFFFFFF8000FF",
        "FFFF 03 1E FF 030005 00 8000 00",
        "07E9 FF 1E FF 030005 00 8000 00",
        "07E9 FD 1E FF 030005 00 8000 00",  # when summer time ends: a rule, no moment
        "07E9 FE 1E FF 030005 00 8000 00",
        "07E9 03 FF FF 030005 00 8000 00",
        "07E9 03 1E FF FF0005 00 8000 00",
        "07E9 03 1E FF 03FF05 00 8000 00",
        "07E9 03 1E FF 0300FF 00 8000 00",
        "07E9 0D 1E FF 030005 00 8000 00",  # month 13
        "07E9 00 1E FF 030005 00 8000 00",
        "07E9 02 1F FF 030005 00 8000 00",  # 31 February
        "07E9 03 00 FF 030005 00 8000 00",
        "07E9 03 1E FF 180000 00 8000 00",  # hour 24
        "07E9 03 1E FF 033C00 00 8000 00",
        "07E9 03 1E FF 03003C 00 8000 00",
        "07E9 03 1E FF 030005 64 8000 00",  # 100 hundredths
        "0000 01 01 FF 000000 00 8000 00",
        "07B1 0C 1F FF 000000 00 8000 00",  # 1969
        "270F 0C 1F FF 000000 00 8000 00",  # 9999
    ],
)
def test_what_names_no_moment_has_no_time(octets: str) -> None:
    encoded = bytes.fromhex(octets)
    found = parse(encoded)
    assert found is not None and found.local is None
    for policy in POLICIES:
        assert resolve(encoded, AMSTERDAM, policy) is None
        assert sent(encoded, AMSTERDAM, policy) is None


def test_days_counted_from_the_end_of_the_month_and_no_hundredths() -> None:
    assert parse(bytes.fromhex("07E902FEFF 17000563 8000 00")) == CosemTime(datetime(2025, 2, 28, 23, 0, 5), None, 0)
    assert parse(bytes.fromhex("07E80CFDFF 030005FF 8000 00")) == CosemTime(datetime(2024, 12, 30, 3, 0, 5), None, 0)


def test_a_trusted_deviation_says_how_far_utc_is() -> None:
    assert _resolve(f"{SUMMER} FF88 80", "trust") == "2026-07-15T12:30:05+02:00"
    assert _resolve(f"{SUMMER} FFC4 00", "trust") == "2026-07-15T12:30:05+01:00"  # standard time all year
    assert _resolve(f"{SUMMER} 0000 00", "trust") == "2026-07-15T12:30:05+00:00"
    assert _resolve(f"{SUMMER} 003C 00", "trust") == "2026-07-15T12:30:05-01:00"


def test_without_deviation_it_is_local_time() -> None:
    assert _resolve(f"{SUMMER} 8000 00", "trust") == "2026-07-15T12:30:05+02:00"
    assert _resolve(f"{WINTER} 8000 00", "trust") == "2026-01-15T12:30:05+01:00"


def test_local_time_does_not_look_at_the_deviation() -> None:
    assert _resolve(f"{SUMMER} 0000 00", "local") == "2026-07-15T12:30:05+02:00"
    assert _resolve(f"{WINTER} 0000 00", "local") == "2026-01-15T12:30:05+01:00"


@pytest.mark.parametrize("policy", ["trust", "local"])
def test_the_status_decides_the_doubled_hour(policy: Policy) -> None:
    assert _resolve(f"{DOUBLED} 8000 80", policy) == "2026-10-25T02:30:00+02:00"
    assert _resolve(f"{DOUBLED} 8000 00", policy) == "2026-10-25T02:30:00+01:00"
    assert _resolve(f"{DOUBLED} 8000 FF", policy) == "2026-10-25T02:30:00+02:00"  # not said: the first
    assert (
        _resolve(f"{DOUBLED} 8000 80", policy, DUBLIN) == "2026-10-25T02:30:00+00:00"
    )  # doubled an hour earlier there


def test_the_doubled_hour_of_dublin_is_decided_too() -> None:
    doubled = DOUBLED.replace("021E", "011E")
    assert _resolve(f"{doubled} 8000 80", "local", DUBLIN) == "2026-10-25T01:30:00+01:00"
    assert _resolve(f"{doubled} 8000 00", "local", DUBLIN) == "2026-10-25T01:30:00+00:00"


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        (AMSTERDAM, "+01:00"),
        (DUBLIN, "+00:00"),  # its data call winter the exception
        (SYDNEY, "+10:00"),  # July is winter
        (ZoneInfo("Asia/Kolkata"), "+05:30"),
        (ZoneInfo("UTC"), "+00:00"),
    ],
)
def test_standard_time_is_the_same_all_year(zone: ZoneInfo, offset: str) -> None:
    assert _resolve(f"{SUMMER} FF88 80", "standard", zone) == f"2026-07-15T12:30:05{offset}"
    assert _resolve(f"{WINTER} 8000 00", "standard", zone) == f"2026-01-15T12:30:05{offset}"


def test_a_clock_of_no_use_gives_no_time() -> None:
    assert _resolve(f"{SUMMER} FF88 80", "arrival") is None


def test_a_clock_status_does_not_take_the_time_away() -> None:
    assert _resolve(f"{SUMMER} 8000 81", "trust") == "2026-07-15T12:30:05+02:00"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_time_as_sent_keeps_its_deviation(policy: Policy) -> None:
    moment = sent(bytes.fromhex(f"{SUMMER} 0000 00"), AMSTERDAM, policy)
    assert moment is not None and moment.isoformat() == "2026-07-15T12:30:05+00:00"
    moment = sent(bytes.fromhex(f"{SUMMER} 8000 00"), AMSTERDAM, policy)
    offset = "+01:00" if policy == "standard" else "+02:00"
    assert moment is not None and moment.isoformat() == f"2026-07-15T12:30:05{offset}"


@given(st.binary(max_size=13), st.sampled_from([AMSTERDAM, DUBLIN, SYDNEY]), st.sampled_from(POLICIES))
def test_any_octets_give_a_moment_or_none(octets: bytes, zone: ZoneInfo, policy: Policy) -> None:
    looks_like(octets)
    for moment in (resolve(octets, zone, policy), sent(octets, zone, policy)):
        if moment is not None:
            assert moment.utcoffset() is not None


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31)),
    st.integers(-720, 720) | st.just(-0x8000),
    st.sampled_from([0, 0x80, 0x81, 0xFF]),
    st.sampled_from(POLICIES[:3]),
    st.integers(0, 99),
)
def test_every_moment_is_read_as_written_to_the_second(
    local: datetime, deviation: int, status: int, policy: Policy, hundredths: int
) -> None:
    local = local.replace(microsecond=0)
    octets = (
        local.year.to_bytes(2, "big")
        + bytes((local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second))
        + bytes((hundredths,))
        + deviation.to_bytes(2, "big", signed=True)
        + bytes((status,))
    )
    moment = resolve(octets, AMSTERDAM, policy)
    assert moment is not None
    assert moment.replace(tzinfo=None) == local
    assert moment.astimezone(UTC)
    if policy == "trust" and deviation != -0x8000:
        assert moment.astimezone(UTC).replace(tzinfo=None) == local + timedelta(minutes=deviation)
    assert looks_like(octets) == (1990 <= local.year <= 2100)


@pytest.mark.parametrize(
    "octets",
    [
        b"393516036333",  # a meter id
        b"754196080809",
        b"            ",
        bytes(12),
        b"\xff" * 11,
        bytes.fromhex("07E90D1E07030005FFFF8880"),  # month 13
        bytes.fromhex("07E9032007030005FFFF8880"),  # day 32
        bytes.fromhex("07E9031E08030005FFFF8880"),  # weekday 8
        bytes.fromhex("07E9031E07180005FFFF8880"),  # hour 24
        bytes.fromhex("07E9031E07030005640000 00"),  # 100 hundredths
        bytes.fromhex("07E9031E0703000500 02D1 00"),  # deviation 721
        bytes.fromhex("07E9031E0703000500 0000 10"),  # a status bit that has no meaning
    ],
)
def test_other_octets_do_not_look_like_a_date_time(octets: bytes) -> None:
    assert not looks_like(octets)


def test_wildcards_look_like_a_date_time() -> None:
    assert looks_like(bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF"))
    assert looks_like(bytes.fromhex("FFFFFEFE07020000008000FF"))  # the last Sunday on which summer time begins


def test_every_time_in_the_plain_corpus_looks_like_one() -> None:
    found = [
        octets
        for one in METERS + SEED
        if one.key is None
        for octets in re.findall(rb"\x09\x0c(\x07[\xe0-\xf0].{10})", one.octets, re.DOTALL)
    ]
    assert len(found) > 20
    assert all(map(looks_like, found))


@given(st.text("0123456789ABCDEFKMZ ", min_size=12, max_size=12))
def test_no_text_looks_like_a_date_time(text: str) -> None:
    assert not looks_like(text.encode())
