"""Every type and word order, against octets written down by hand."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.protocol.modbus.register_types import TYPES, decode, encode, words

BY_HAND = [
    ("bit", "0001", 1),
    ("bit", "0000", 0),
    ("s16", "7FFF", 32767),
    ("s16", "8000", -32768),
    ("s16", "FFFE", -2),
    ("u16", "FFFE", 65534),
    ("u16", "0102", 0x0102),
    ("s32", "00010002", 65538),
    ("s32", "FFFFFFFE", -2),
    ("s32", "80000000", -2147483648),
    ("u32", "FFFFFFFE", 4294967294),
    ("u32", "01020304", 0x01020304),
    # Low word first: the word 091B, then 0000, is 2331 (233.1 V of a Carlo Gavazzi ET112).
    ("s32l", "091B0000", 2331),
    ("s32l", "FFFEFFFF", -2),
    ("s32l", "00008000", -2147483648),
    ("u32l", "03040102", 0x01020304),
    ("u32l", "FFFEFFFF", 4294967294),
    ("s64", "FFFFFFFFFFFFFFFE", -2),
    ("s64", "8000000000000000", -9223372036854775808),
    ("u64", "FFFFFFFFFFFFFFFE", 18446744073709551614),
    ("u64", "0102030405060708", 0x0102030405060708),
    # Half precision: sign, five bits of exponent, ten of fraction.
    ("float16", "3C00", 1.0),
    ("float16", "C000", -2.0),
    ("float16", "7BFF", 65504.0),
    ("float16", "0001", 2.0**-24),
    ("float16l", "003C", 1.0),
    ("float16l", "00C0", -2.0),
    # 230.5 = 1.80078125 × 2^7; an Eastron sends the high word first.
    ("float", "43668000", 230.5),
    ("float", "C1480000", -12.5),
    ("float", "00000001", 2.0**-149),
    ("floatl", "80004366", 230.5),
    ("floatl", "0000C148", -12.5),
    ("double", "406CD00000000000", 230.5),
    ("double", "C029000000000000", -12.5),
]


@pytest.mark.parametrize(("name", "octets", "raw"), BY_HAND)
def test_octets_are_the_value_and_the_value_is_these_octets(name: str, octets: str, raw: float) -> None:
    assert decode(name, bytes.fromhex(octets)) == raw
    assert encode(name, raw) == bytes.fromhex(octets)


def test_every_type_is_among_these() -> None:
    assert {name for name, _, _ in BY_HAND} == TYPES.keys()


@pytest.mark.parametrize(
    ("name", "octets"),
    [("bit", 2), ("s16", 2), ("u16", 2), ("s32", 4), ("u32", 4), ("s32l", 4), ("u32l", 4), ("s64", 8), ("u64", 8),
     ("float16", 2), ("float16l", 2), ("float", 4), ("floatl", 4), ("double", 8)],
)  # fmt: skip
def test_a_type_takes_up_so_many_registers(name: str, octets: int) -> None:
    assert 2 * TYPES[name].words == octets == len(encode(name, 0))


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data())
def test_any_octets_are_a_value_that_encodes_to_them_again(name: str, data: st.DataObject) -> None:
    size = 2 * TYPES[name].words
    octets = data.draw(st.binary(min_size=size, max_size=size))
    raw = decode(name, octets)
    if name == "bit":
        assert encode(name, raw) == bytes((0, octets[1] & 1))
    elif isinstance(raw, float) and math.isnan(raw):
        assert math.isnan(decode(name, encode(name, raw)))
    else:
        assert encode(name, raw) == octets
        assert math.copysign(1, raw) == math.copysign(1, decode(name, encode(name, raw)))


@pytest.mark.parametrize(
    ("name", "raw"),
    [("bit", 2), ("bit", -1), ("s16", 32768), ("s16", -32769), ("u16", -1), ("u16", 65536), ("u32l", -1),
     ("s32l", 2**31), ("u64", 2**64), ("s64", -(2**63) - 1), ("float", 1e39), ("float16", 1e6)],
)  # fmt: skip
def test_what_does_not_fit_is_refused(name: str, raw: float) -> None:
    with pytest.raises(ValueError, match=r"bit|does not fit"):
        encode(name, raw)


def test_words_are_the_registers_of_octets() -> None:
    assert words(bytes.fromhex("0001FF00")) == [1, 0xFF00]
    assert words(b"") == []


@given(st.integers(0, 0xFFFF))
def test_all_patterns_of_half_precision_are_what_struct_makes_of_them(pattern: int) -> None:
    (wanted,) = struct.unpack(">e", pattern.to_bytes(2, "big"))
    found = decode("float16", pattern.to_bytes(2, "big")), decode("float16l", pattern.to_bytes(2, "little"))
    assert found == (wanted, wanted) or (math.isnan(wanted) and all(map(math.isnan, found)))


def test_every_pattern_of_half_precision_is_the_number_that_its_bits_say() -> None:
    """Sign, exponent and fraction, worked out: (1 + fraction/1024) × 2^(exponent - 15), and without the 1 for 0."""
    for pattern in range(0x10000):
        sign, exponent, fraction = pattern >> 15, pattern >> 10 & 31, pattern & 1023
        high, low = pattern.to_bytes(2, "big"), pattern.to_bytes(2, "little")
        found = decode("float16", high)
        if exponent == 31:
            assert not math.isfinite(found) and math.isnan(found) == (fraction != 0)
            continue
        size = (1024 + fraction) * 2.0 ** (exponent - 25) if exponent else fraction * 2.0**-24
        assert found == decode("float16l", low) == (-size if sign else size)
        assert math.copysign(1, found) == (-1 if sign else 1)
        assert encode("float16", found) == high and encode("float16l", found) == low
