"""From words to records: every kind, unit, offset and scale against numbers worked out by hand, and exactly."""

import math
import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.encoding import report_binary
from datalogger.encoding.report_json import encode_report
from datalogger.model import Record, Report
from datalogger.obis import Obis
from datalogger.protocol.modbus.decoding import BlockDecoder, decoded, meaning
from datalogger.protocol.modbus.read_plan import Block, plan
from datalogger.protocol.modbus.register_map import Limits, Register, Split
from datalogger.protocol.modbus.register_types import TYPES, encode, words

INTEGERS = [name for name, kind in TYPES.items() if not kind.real and name != "bit"]
REALS = [name for name, kind in TYPES.items() if kind.real]
POWER = Split(imported="1-0:1.7.0", exported="1-0:2.7.0")


def register(kind: str = "u16", address: int = 0, name: str = "x", **more: Any) -> Register:
    more = {key: Decimal(value) if key in ("scale", "offset") else value for key, value in more.items()}
    return Register(name=name, addr=address, type=kind, **more)  # type: ignore[arg-type]


def read(one: Register, octets: str | bytes) -> list[Record]:
    """The records of this register, of the octets that stand there."""
    octets = bytes.fromhex(octets) if isinstance(octets, str) else octets
    (block,) = plan([one], Limits())
    return decoded([(BlockDecoder(block), words(octets))])


def only(one: Register, octets: str | bytes) -> Record:
    (record,) = read(one, octets)
    return record


@pytest.mark.parametrize(
    ("one", "octets", "value", "scaler", "unit"),
    [
        # The rows of the facts: EM24 over Ethernet counts 0.1 kWh, low word first.
        (register("s32l", unit="kWh", scale="0.1"), "4E200001", 85536, 2, "Wh"),
        (register("s32l", unit="V", scale="0.1"), "091B0000", 2331, -1, "V"),
        (register("s32l", unit="A", scale="0.001"), "FFFEFFFF", -2, -3, "A"),
        # The eGauge's sample: 0.1 W and 0.01 °C.
        (register("u32", unit="W", scale="0.1"), "00000FA1", 4001, -1, "W"),
        (register("s32", unit="degC", scale="0.01"), "FFFFFF38", -200, -2, "°C"),
        # The offset is added before the scale: (100 - 40) × 0.5, and (7 + 0.25) × 0.2.
        (register("u16", unit="W", offset="-40", scale="0.5"), "0064", 300, -1, "W"),
        (register("u16", unit="V", offset="0.25", scale="0.2"), "0007", 1450, -3, "V"),
        (register("u16", unit="Hz", offset="5"), "0000", 5, 0, "Hz"),
        (register("s16", unit="W", offset="1e2", scale="-10"), "FFFE", -98, 1, "W"),
        (register("u16", unit="W", scale="1000"), "0003", 3, 3, "W"),
        (register("u16", unit="kVArh", scale="2.5"), "0003", 75, 2, "varh"),
        (register("u16", unit="min"), "0003", 3, 0, "min"),
        (register("u64", unit="Wh", scale="0.01"), "FFFFFFFFFFFFFFFF", 18446744073709551615, -2, "Wh"),
        (register("s64", unit="Wh"), "8000000000000000", -(2**63), 0, "Wh"),
        (register("s32l", unit="kWh", scale="0.1", absolute=True), "FFFEFFFF", 2, 2, "Wh"),
        (register("u16"), "0005", 5, 0, None),
        (Register(name="x", addr=0, type="u16", kind="enum"), "0005", 5, 0, None),
        (Register(name="x", addr=0, type="u32", kind="bitset"), "80000001", 0x80000001, 0, None),
        (Register(name="x", addr=0, type="s16", kind="enum"), "FFFF", -1, 0, None),
    ],
)
def test_an_integer_is_what_it_counts_exactly(
    one: Register, octets: str, value: int, scaler: int, unit: str | None
) -> None:
    record = only(one, octets)
    assert (record.value, record.scaler, record.unit) == (value, scaler, unit)
    assert (record.name, record.real, record.not_measured, record.unscaled) == ("x", None, False, False)


@pytest.mark.parametrize(
    ("one", "octets", "real", "scaler", "unit"),
    [
        (register("float", unit="V"), "43668000", 230.5, 0, "V"),
        # As the meter sent it: the prefix goes into the scaler, and no float is multiplied.
        (register("float", unit="kWh"), "449A5225", 1234.5670166015625, 3, "Wh"),
        (register("floatl", unit="A", scale="0.001"), "80004366", 230.5, -3, "A"),
        (register("double", unit="Hz"), "4049000000000000", 50.0, 0, "Hz"),
        (register("float", unit="V", offset="0.5", scale="2"), "43668000", 462.0, 0, "V"),
        (register("float", unit="W", scale="0.25"), "41200000", 2.5, 0, "W"),
        (register("float16l", unit="%"), "003C", 1.0, 0, "%"),
        (register("float", unit="W", absolute=True), "C1480000", 12.5, 0, "W"),
    ],
)
def test_a_float_is_what_the_meter_sent(one: Register, octets: str, real: float, scaler: int, unit: str) -> None:
    record = only(one, octets)
    assert (record.real, record.scaler, record.unit) == (real, scaler, unit)
    assert (record.value, record.not_measured) == (None, False)


@pytest.mark.parametrize(
    ("one", "octets"),
    [
        (register("float"), "7FC00000"),
        (register("float"), "FF800000"),
        (register("float"), "7F800000"),
        (register("floatl"), "00007FC0"),
        (register("double"), "7FF8000000000000"),
        (register("float16"), "7E00"),
        (register("u16", absent=(0xFFFF,)), "FFFF"),
        (register("s16", absent=(0x8000,)), "8000"),
        (register("s32l", absent=(0x7FFFFFFF,)), "FFFF7FFF"),
        (register("u32", absent=(0xFFFFFFFF, 0)), "00000000"),
        (register("u64", absent=(2**64 - 1,)), "FFFFFFFFFFFFFFFF"),
        (register("float", absent=(0x43668000,)), "43668000"),
        (Register(name="x", addr=0, type="u16", kind="enum", absent=(0xFFFF,)), "FFFF"),
    ],
)
def test_what_a_meter_says_where_it_has_nothing_is_not_measured(one: Register, octets: str) -> None:
    record = only(one, octets)
    assert record.not_measured
    assert (record.value, record.real) == (None, None)


def test_a_marker_of_absence_is_that_of_its_own_register_only() -> None:
    assert only(register("s16", absent=(0xFFFF,)), "8000").value == -32768


@pytest.mark.parametrize(
    ("octets", "whole", "imported", "exported"),
    [("04D2", 1234, 1234, 0), ("FB2E", -1234, 0, 1234), ("0000", 0, 0, 0)],
)
def test_a_signed_power_is_split_into_its_two_directions(octets: str, whole: int, imported: int, exported: int) -> None:
    records = read(register("s16", unit="W", obis="1-0:16.7.0", split=POWER), octets)
    assert [(record.obis, record.name, record.value) for record in records] == [
        ("1-0:16.7.0*255", "x", whole),
        ("1-0:1.7.0*255", "x_import", imported),
        ("1-0:2.7.0*255", "x_export", exported),
    ]
    inverted = read(register("s16", unit="W", split=POWER, inverted=True), octets)
    assert [record.value for record in inverted] == [whole, exported, imported]


@pytest.mark.parametrize("octets", ["00000000", "80000000", "C1480000", "41480000"])
def test_no_direction_of_a_power_is_below_zero_not_even_by_its_sign(octets: str) -> None:
    for inverted in (False, True):
        _, *halves = read(register("float", unit="W", split=POWER, inverted=inverted), octets)
        assert all(half.real is not None and math.copysign(1, half.real) == 1 for half in halves)


def test_what_is_not_measured_has_no_direction() -> None:
    assert [one.not_measured for one in read(register("float", split=POWER), "7FC00000")] == [True] * 3


def factored(value: Register, factor: Register, *answers: str) -> Record:
    """The record of `value`; each answer is that of the block which its register makes."""
    blocks = plan([value, factor], Limits(gap=0))
    octets = [bytes.fromhex(answer) for answer in answers]
    records = decoded((BlockDecoder(block), words(one)) for block, one in zip(blocks, octets, strict=True))
    (record,) = (record for record in records if record.name == value.name)
    return record


SCALED = Register(name="x", addr=0, type="s16", unit="W", function=3, scale_register=1)
FACTOR = Register(name="factor", addr=1, type="s16", kind="factor", function=3)
FAR = Register(name="factor", addr=100, type="s16", kind="factor", function=3)


@pytest.mark.parametrize(
    ("octets", "scaler"), [("04D2FFFE", -2), ("04D20000", 0), ("04D20003", 3), ("04D2000A", 10), ("04D2FFF6", -10)]
)
def test_a_scale_factor_is_the_power_of_ten_of_its_register(octets: str, scaler: int) -> None:
    record = factored(SCALED, FACTOR, octets)
    assert (record.value, record.scaler, record.unit, record.unscaled) == (1234, scaler, "W", False)


def test_a_scale_factor_may_stand_in_another_block() -> None:
    far = Register(name="x", addr=0, type="s16", unit="kW", function=3, scale_register=100)
    record = factored(far, FAR, "04D2", "FFFE")
    assert (record.value, record.scaler) == (1234, 1)


@pytest.mark.parametrize("factor", ["8000", "000B", "FFF5", "7FFF"])
def test_a_number_whose_scale_factor_says_nothing_is_marked_unscaled(factor: str) -> None:
    record = factored(SCALED, FACTOR, "04D2" + factor)
    assert (record.value, record.unscaled) == (1234, True)


def test_a_number_whose_scale_factor_was_not_read_is_marked_unscaled() -> None:
    (record,) = decoded([(BlockDecoder(Block(3, 0, 1, (SCALED,))), [1234])])
    assert (record.value, record.unscaled) == (1234, True)


def test_a_number_beyond_64_bits_is_given_as_it_stands_and_marked() -> None:
    record = only(register("u64", unit="Wh", scale="3"), "FFFFFFFFFFFFFFFF")
    assert (record.value, record.unscaled) == (2**64 - 1, True)


def test_bits_are_read_each_at_its_address() -> None:
    bits = [Register(name=f"b{at}", addr=at, type="bit", function=1) for at in (3, 4, 7)]
    (block,) = plan(bits, Limits())
    assert (block.function, block.address, block.count) == (1, 3, 5)
    records = decoded([(BlockDecoder(block), [1, 0, 1, 1, 1])])
    assert [(record.name, record.value) for record in records] == [("b3", 1), ("b4", 0), ("b7", 1)]


def test_a_bit_of_a_register_is_its_lowest() -> None:
    one = Register(name="x", addr=0, type="bit", function=3)
    assert [only(one, octets).value for octets in ("0001", "FFFE", "8001")] == [1, 0, 1]


def test_registers_of_one_block_are_read_each_at_its_own_place() -> None:
    """A float, a swapped integer, a gap and a word, high octet first."""
    several = [
        register("float", 10, "f", function=3, unit="V"),
        register("s32l", 12, "i", function=3),
        register("u16", 16, "w", function=3),
    ]
    (block,) = plan(several, Limits())
    octets = bytes.fromhex("43668000" + "0002FFFF" + "AAAABBBB" + "0102")
    records = decoded([(BlockDecoder(block), words(octets))])
    assert [record.real or record.value for record in records] == [230.5, -65534, 0x0102]


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=4)


@given(st.sampled_from(INTEGERS), st.data(), NUMBERS, NUMBERS.filter(bool), st.sampled_from(["W", "kWh", "mA", ""]))
def test_an_integer_is_raw_plus_offset_times_scale_exactly(
    kind: str, data: st.DataObject, offset: Decimal, scale: Decimal, unit: str
) -> None:
    size = 2 * TYPES[kind].words
    octets = data.draw(st.binary(min_size=size, max_size=size))
    swapped = b"".join(octets[at : at + 2] for at in range(size - 2, -1, -2)) if TYPES[kind].swapped else octets
    raw = int.from_bytes(swapped, "big", signed=kind.startswith("s"))
    power = {"kWh": 3, "mA": -3}.get(unit, 0)
    record = only(Register(name="x", addr=0, type=kind, offset=offset, scale=scale, unit=unit), octets)  # type: ignore[arg-type]
    assert record.value is not None
    if record.unscaled:
        assert record.value == raw
    else:
        found = Fraction(record.value) * Fraction(10) ** record.scaler
        assert found == (raw + Fraction(offset)) * Fraction(scale) * Fraction(10) ** power


@given(st.sampled_from(sorted(TYPES)), st.data())
def test_whatever_stands_there_is_a_record_that_can_be_kept_and_sent(kind: str, data: st.DataObject) -> None:
    size = 2 * TYPES[kind].words
    octets = data.draw(st.binary(min_size=size, max_size=size))
    scale = data.draw(st.sampled_from(["1", "0.001", "7", "1e12"])) if kind != "bit" else "1"
    split = POWER if kind != "bit" else None
    records = tuple(read(register(kind, scale=scale, function=3, split=split), octets))
    report = Report(protocol="modbus", meter="m", profile="own", records=records)
    assert report_binary.decode(report_binary.encode(report)) == report
    assert encode_report(report)


@given(st.sampled_from(REALS), st.data())
def test_a_float_is_kept_to_the_last_bit(kind: str, data: st.DataObject) -> None:
    width = {"e": 16, "f": 32, "d": 64}[TYPES[kind].code]
    real = data.draw(st.floats(width=width, allow_nan=False, allow_infinity=False))  # type: ignore[arg-type]
    record = only(register(kind), encode(kind, real))
    assert record.real == real
    assert struct.pack(">d", record.real) == struct.pack(">d", real)


def test_a_float_that_its_scale_makes_too_large_is_given_as_it_stands_and_marked() -> None:
    records = read(register("double", unit="W", scale="7", split=POWER), "7FEFFFFFFFFFFFFF")
    largest = 1.7976931348623157e308
    assert [(record.real, record.unscaled) for record in records] == [(largest, True), (largest, True), (0.0, True)]


@pytest.mark.parametrize(
    ("marker", "absent", "there"),
    [(0x80000000, "80000000", "00000000"), (0, "00000000", "80000000"), (0x7F7FFFFF, "7F7FFFFF", "FF7FFFFF")],
)
def test_the_marker_of_a_float_is_its_bits(marker: int, absent: str, there: str) -> None:
    for kind, turned in (("float", False), ("floatl", True)):
        one = register(kind, absent=(marker,))
        octets = [octets[4:] + octets[:4] if turned else octets for octets in (absent, there)]
        assert [only(one, each).not_measured for each in octets] == [True, False]


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        ("float16", ["7C00", "FC00", "7C01", "7DFF", "7E00", "FFFF"]),
        ("float16l", ["007C", "00FC", "017C", "007E", "FFFF"]),
        ("float", ["7F800000", "FF800000", "7F800001", "7FC00000", "FFFFFFFF"]),
        ("floatl", ["00007F80", "0000FF80", "00017F80", "00007FC0", "FFFFFFFF"]),
        ("double", ["7FF0000000000000", "FFF0000000000000", "7FF0000000000001", "FFFFFFFFFFFFFFFF"]),
    ],
)
def test_a_float_that_is_no_number_is_not_measured(kind: str, octets: list[str]) -> None:
    nothing = Record(Obis(""), unit="V", not_measured=True, name="x")
    assert [only(register(kind, unit="V"), one) for one in octets] == [nothing] * len(octets)


def test_the_ends_of_64_bits_have_two_directions() -> None:
    least = read(register("s64", split=POWER), "8000000000000000")
    assert [record.value for record in least] == [-(2**63), 0, 2**63]
    most = read(register("u64", split=POWER, inverted=True), "FFFFFFFFFFFFFFFF")
    assert [record.value for record in most] == [2**64 - 1, 0, 2**64 - 1]


@given(
    st.sampled_from(INTEGERS), st.data(), st.decimals(allow_nan=False, allow_infinity=False, places=3).filter(bool),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_no_number_is_beyond_64_bits_and_no_direction_below_zero(
    kind: str, data: st.DataObject, scale: Decimal, inverted: bool, absolute: bool
) -> None:
    size = 2 * TYPES[kind].words
    octets = data.draw(st.binary(min_size=size, max_size=size))
    whole, *halves = read(register(kind, scale=scale, split=POWER, inverted=inverted, absolute=absolute), octets)
    assert all(one.value is not None and -(2**63) <= one.value < 2**64 for one in (whole, *halves))
    imported, exported = (half.value or 0 for half in halves)
    assert min(imported, exported) == 0 <= max(imported, exported)
    assert (imported - exported) * (-1 if inverted else 1) == whole.value
    assert {one.scaler for one in halves} == {whole.scaler}
    assert {one.unscaled for one in halves} == {whole.unscaled}


@given(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=12), st.data())
def test_any_words_of_a_block_are_the_values_of_its_registers(kinds: list[str], data: st.DataObject) -> None:
    registers, at = [], data.draw(st.integers(0, 9))
    for number, kind in enumerate(kinds):
        registers.append(register(kind, at, f"{number}", function=3))
        at += TYPES[kind].words + data.draw(st.integers(0, 3))
    (block,) = plan(registers, Limits())
    stands = data.draw(st.lists(st.integers(0, 0xFFFF), min_size=block.count, max_size=block.count))
    records = decoded([(BlockDecoder(block), stands)])
    assert [record.name for record in records] == [one.name for one in registers]
    for one, record in zip(registers, records, strict=True):
        begin = one.addr - block.address
        alone = stands[begin : begin + TYPES[one.type].words]
        assert [record] == decoded([(BlockDecoder(Block(3, one.addr, one.words, (one,))), alone)])


def test_a_unit_that_nobody_knows_and_a_scale_that_is_no_number_have_no_meaning() -> None:
    with pytest.raises(ValueError, match='unknown unit "furlong"'):
        meaning(register(unit="furlong"))
    with pytest.raises(ValueError, match="numbers"):
        meaning(register(scale="NaN"))
