import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, pairwise
from pathlib import Path

import pytest

from datalogger.protocol.framing import Frame
from datalogger.protocol.p1.framer import P1Framer
from datalogger.simulation.p1 import DSMR5, telegrams

CORPUS = Path(__file__).parent.parent / "data" / "p1" / "telegrams"
START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def some(
    count: int, template: bytes = DSMR5, *, start: datetime = START, interval: timedelta = SECOND, seed: int = 0
) -> list[bytes]:
    return list(islice(telegrams(template, start=start, interval=interval, seed=seed), count))


def value(telegram: bytes, obis: str) -> str:
    """What stands in the last group of the object."""
    found = re.search(rb"^" + re.escape(obis.encode()) + rb"\(.*?([^()]*)\)\r$", telegram, re.MULTILINE)
    assert found is not None, obis
    return found[1].decode()


def register(telegram: bytes, obis: str) -> int:
    return int(value(telegram, obis).split("*")[0].replace(".", ""))


def crc(octets: bytes) -> int:
    """CRC-16/ARC bit by bit, on its own: the one under test comes from a library."""
    remainder = 0
    for octet in octets:
        remainder ^= octet
        for _ in range(8):
            remainder = remainder >> 1 ^ (0xA001 if remainder & 1 else 0)
    return remainder


def shape(telegram: bytes) -> bytes:
    """A telegram with every digit, flag and check sum blanked."""
    body, _, tail = telegram.partition(b"\n!")
    return re.sub(rb"(?<=\d)[SWsw](?=\))", b"_", re.sub(rb"\d", b"0", body)) + re.sub(rb"[0-9A-Fa-f]", b"0", tail)


def test_every_check_sum_is_right() -> None:
    for telegram in some(50):
        head, mark, sent = telegram.rpartition(b"!")
        assert sent == b"%04X\r\n" % crc(head + mark)


def test_only_what_a_meter_moves_moves() -> None:
    of_a_phase = (f"1-0:{c}.7.0" for c in (21, 22, 31, 32, 41, 42, 51, 52, 61, 62, 71, 72))
    moving = ("0-0:1.0.0", "1-0:1.8.2", "1-0:2.8.2", "1-0:1.7.0", "1-0:2.7.0", "0-1:24.2.1", "!", *of_a_phase)
    original = DSMR5.split(b"\r\n")
    for telegram in some(20, interval=timedelta(minutes=10)):
        lines = telegram.split(b"\r\n")
        assert len(lines) == len(original)
        for line, before in zip(lines, original, strict=True):
            assert len(line) == len(before)
            assert line == before or line.decode().startswith(moving)


def test_the_same_seed_gives_the_same_meter_and_another_another() -> None:
    assert some(20, seed=7) == some(20, seed=7)
    assert some(20, seed=7) != some(20, seed=8)
    assert len(set(some(200))) == 200


def test_the_register_of_the_tariff_in_force_rises_with_the_power() -> None:
    interval = timedelta(minutes=1)
    found = some(600, interval=interval)
    imported = exported = 0  # watt-minutes
    for before, after in pairwise(found):
        imported += register(before, "1-0:1.7.0")
        exported += register(before, "1-0:2.7.0")
        assert register(after, "1-0:1.8.2") == register(DSMR5, "1-0:1.8.2") + imported // 60
        assert register(after, "1-0:2.8.2") == register(DSMR5, "1-0:2.8.2") + exported // 60
    assert imported > 0 and exported > 0
    assert value(found[-1], "1-0:1.8.1") == value(DSMR5, "1-0:1.8.1")


def test_power_voltage_and_current_agree() -> None:
    for telegram in some(200):
        taken = sum(register(telegram, f"1-0:{c}.7.0") for c in (21, 41, 61))
        fed = sum(register(telegram, f"1-0:{c}.7.0") for c in (22, 42, 62))
        assert register(telegram, "1-0:1.7.0") - register(telegram, "1-0:2.7.0") == taken - fed
        assert 0 in (register(telegram, "1-0:1.7.0"), register(telegram, "1-0:2.7.0"))
        for phase in (1, 2, 3):
            decivolts = register(telegram, f"1-0:{20 * phase + 12}.7.0")
            watts = register(telegram, f"1-0:{20 * phase + 1}.7.0") + register(telegram, f"1-0:{20 * phase + 2}.7.0")
            assert 2200 <= decivolts <= 2430
            assert abs(register(telegram, f"1-0:{20 * phase + 11}.7.0") * decivolts - watts * 10) <= decivolts


@pytest.mark.parametrize(
    ("start", "stamps"),
    [
        (datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), ["260329015959W", "260329030000S"]),
        (datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC), ["261025025959S", "261025020000W"]),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=1))), ["261231235959W", "270101000000W"]),
    ],
)
def test_the_clock_goes_on_by_the_interval_and_says_which_time_it_is(start: datetime, stamps: list[str]) -> None:
    assert [value(telegram, "0-0:1.0.0") for telegram in some(2, start=start)] == stamps


def test_gas_comes_every_five_minutes() -> None:
    found = some(11, start=START + timedelta(minutes=3), interval=timedelta(minutes=1))
    readings = [re.search(rb"0-1:24\.2\.1\((\d+W)\)\((\d+\.\d+)\*m3\)", telegram) for telegram in found]
    stamps = [reading[1] for reading in readings if reading]
    assert stamps == [b"261120110000W"] * 2 + [b"261120110500W"] * 5 + [b"261120111000W"] * 4
    volumes = [reading[2] for reading in readings if reading]
    assert volumes == sorted(volumes)
    assert volumes[0] == b"00456.789"
    assert len(set(zip(stamps, volumes, strict=True))) == 3


def test_a_full_register_begins_again() -> None:
    full = DSMR5.replace(b"1-0:1.8.2(002345.678", b"1-0:1.8.2(999999.999")
    found = some(2, full, interval=timedelta(days=1))
    assert register(found[0], "1-0:1.8.2") == 999_999_999
    assert register(found[1], "1-0:1.8.2") < 1_000_000


# --- other meters' telegrams


def with_objects(*lines: str, end: str = "!") -> bytes:
    return "\r\n".join(["/ISk5\\2MT382-1004", "", *lines, end, ""]).encode("latin-1")


def test_a_meter_without_a_check_sum_gets_none() -> None:
    assert some(1, with_objects("1-0:1.7.0(0003.64*kW)"))[0].endswith(b"\r\n!\r\n")


def test_a_check_sum_is_written_as_the_meter_writes_it() -> None:
    lower = some(30, DSMR5.replace(b"!0000", b"!abcd"))
    assert all(t == t[:-6] + t[-6:].lower() for t in lower)
    assert any(re.search(rb"![0-9a-f]*[a-f][0-9a-f]*\r\n", telegram) for telegram in lower)
    short = some(200, DSMR5.replace(b"!0000", b"!B9F"))
    assert {len(telegram.rpartition(b"!")[2].strip()) for telegram in short} >= {3, 4}
    assert all(int(t.rpartition(b"!")[2], 16) == crc(t[: t.rindex(b"!") + 1]) for t in short)


def test_gas_on_the_line_below_moves_as_dsmr_2_writes_it() -> None:
    template = with_objects("0-1:24.3.0(161107190000)(00)(60)(1)(0-1:24.2.1)(m3)", "(00001.718)", "0-1:24.4.0(1)")
    first, later = some(2, template, interval=timedelta(hours=2))
    assert b"0-1:24.3.0(261120110000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00001.718)\r\n" in first
    found = re.search(rb"\(261120130000\)\(00\)\(60\)\(1\)\(0-1:24\.2\.1\)\(m3\)\r\n\((\d{5}\.\d{3})\)", later)
    assert found is not None and found[1] > b"00001.718"


def test_a_channel_without_a_meter_stays_as_it_is() -> None:
    lines = [
        "0-1:24.2.1(700101010000W)(00000000)",
        "0-2:24.2.3(632525252525W)(00000.000)",
        "0-3:24.2.1()",
        "0-4:24.2.1(000000000000W)(00000.000*m3)",
    ]
    template = with_objects(*lines)
    assert some(3, template, interval=timedelta(hours=1)) == [template] * 3


def test_units_and_widths_of_other_meters() -> None:
    template = with_objects(
        "1-0:1.7.0(000000000*W)",
        "1-0:1.8.0(000812345*Wh)",
        "1-0:32.7.0(0000.000*kV)",
        "1-0:31.7.0(0000.000*kA)",
        "1-0:21.7.0(00.0000*kW)",
        "1-0:52.7.0(000.00V)",
        "1-1:1.7.0(00.000)",
    )
    first, later = some(2, template, interval=timedelta(hours=1))
    assert len(first) == len(template)
    watts = register(first, "1-0:1.7.0")
    assert watts > 0
    assert int(value(later, "1-0:1.8.0").removesuffix("*Wh")) == 812_345 + watts
    assert re.fullmatch(r"0000\.2[23]\d\*kV", value(first, "1-0:32.7.0"))
    assert re.fullmatch(r"0000\.00\d\*kA", value(first, "1-0:31.7.0"))
    assert re.fullmatch(r"00\.\d{4}\*kW", value(first, "1-0:21.7.0"))
    assert re.fullmatch(r"2[23]\d\.\d\dV", value(first, "1-0:52.7.0"))
    assert re.fullmatch(r"0\d\.\d{3}", value(first, "1-1:1.7.0"))


def test_a_clock_keeps_its_own_form() -> None:
    for written, shown in [("161107190000", "261120110000"), ("161107190000s", "261120110000w")]:
        assert value(some(1, with_objects(f"0-0:1.0.0({written})"))[0], "0-0:1.0.0") == shown
    cosem = with_objects("0-0:1.0.0(07EA080B0208151900007880)")
    assert some(1, cosem) == [cosem]


def test_of_several_telegrams_and_a_torn_one_the_first_is_taken() -> None:
    second = with_objects("1-0:1.7.0(0003.64*kW)")
    assert some(1, b"noise\r\n" + DSMR5 + second) == some(1)
    torn = DSMR5[:200]
    assert some(1, torn + b"\r\n" + second)[0].endswith(b"\r\n")
    assert b"!" not in some(1, torn + b"\r\n" + second)[0]


def test_a_telegram_ends_with_the_end_of_its_line() -> None:
    assert some(1, DSMR5.rstrip()) == some(1)


@pytest.mark.parametrize("octets", [b"", b"no telegram", b"1-0:1.8.1(000001.000*kWh)\r\n!\r\n"])
def test_a_file_without_a_telegram_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match="no telegram: no line begins with /"):
        telegrams(octets, start=START)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.txt")), ids=lambda path: path.stem)
def test_every_meter_of_the_corpus_lives_and_stays_in_its_form(path: Path) -> None:
    template = path.read_bytes()
    found = some(4, template, interval=timedelta(minutes=7))
    assert len(set(found)) == 4 or b"kW" not in template
    assert {shape(telegram) for telegram in found} == {shape(found[0])}
    if template.startswith(b"/") and template.count(b"\n/") == 0 and not re.search(rb"\n![0-9A-Fa-f]{3}\r", template):
        assert [len(telegram) for telegram in found] == [len(template)] * 4
    if re.search(rb"\n![0-9A-Fa-f]{4}\r?\n", template):
        framer = P1Framer()
        events = framer.feed(b"".join(found)) + framer.idle()
        assert [event.octets for event in events if isinstance(event, Frame)] == found
