import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.errors import DecodeError
from datalogger.protocol.dlms import axdr
from datalogger.protocol.dlms.axdr import Incomplete, Leaf
from datalogger.protocol.dlms.items import Data
from tests.protocol.dlms.values import values


@pytest.mark.parametrize(
    ("octets", "tag", "value"),
    [
        ("00", 0, None),
        ("FF", 255, None),
        ("0301", 3, True),
        ("0300", 3, False),
        ("03FF", 3, True),
        ("040AFFC0", 4, b"\xff\xc0"),
        ("05FFFFFFFE", 5, -2),
        ("06FFFFFFFF", 6, 0xFFFFFFFF),
        ("0900", 9, b""),
        ("0A03616263", 10, b"abc"),
        ("0C03E282AC", 12, "€".encode()),
        ("0D42", 13, 0x42),
        ("0F80", 15, -128),
        ("108000", 16, -32768),
        ("11FF", 17, 255),
        ("12FFFF", 18, 65535),
        ("14FFFFFFFFFFFFFFFF", 20, -1),
        ("15FFFFFFFFFFFFFFFF", 21, 2**64 - 1),
        ("16FF", 22, 255),
        ("1743668000", 23, 230.5),
        ("184048FE5604189375", 24, 49.987),
        ("1907E9031E07030005FFFF8880", 25, bytes.fromhex("07E9031E07030005FFFF8880")),
        ("1A07E9031E07", 26, bytes.fromhex("07E9031E07")),
        ("1B030005FF", 27, bytes.fromhex("030005FF")),
        ("0102 1101 1102", 1, [(17, 1), (17, 2)]),
        ("0202 1101 00", 2, [(17, 1), (0, None)]),
        ("0202 0FFE 1621", 2, [(15, -2), (22, 33)]),
        ("0202 0FFE 1121", 2, [(15, -2), (17, 33)]),
        ("0201 0201 0300", 2, [(2, [(3, False)])]),
        ("0100", 1, []),
        # one octet too long, three, four: all lengths are taken
        ("09 8103 616263", 9, b"abc"),
        ("09 820003 616263", 9, b"abc"),
        ("02 8400000001 1101", 2, [(17, 1)]),
    ],
)
def test_every_type_is_read(octets: str, tag: int, value: Any) -> None:
    encoded = bytes.fromhex(octets)
    assert axdr.decode(encoded) == ((tag, value), len(encoded))
    assert axdr.end_of(encoded, 0) == len(encoded)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("13 12 04 00010002", [(18, 1), (18, 2)]),
        ("13 00 00", []),
        ("13 02 02 12 0F 06 0001FF 0002FE", [(2, [(18, 1), (15, -1)]), (2, [(18, 2), (15, -2)])]),
        ("13 01 0002 11 04 01020304", [(1, [(17, 1), (17, 2)]), (1, [(17, 3), (17, 4)])]),
        ("13 09 06 02 6162 01 63 00", [(9, b"ab"), (9, b"c"), (9, b"")]),
        ("13 02 03 11 00 0A 03 07 01 61", [(2, [(17, 7), (0, None), (10, b"a")])]),
        ("13 04 02 03 E0", [(4, b"\xe0")]),
    ],
)  # fmt: skip
def test_a_compact_array_is_unpacked(octets: str, value: list[Data]) -> None:
    encoded = bytes.fromhex(octets)
    assert axdr.decode(encoded) == ((19, value), len(encoded))
    assert axdr.end_of(encoded, 0) == len(encoded)


def test_a_value_inside_octets_is_read_where_it_begins() -> None:
    assert axdr.decode(bytes.fromhex("AAAA 1105 BBBB"), 2) == ((17, 5), 4)


@given(values)
def test_what_is_written_reads_back(data: Data) -> None:
    octets = axdr.encode(data)
    assert axdr.decode(octets) == (data, len(octets))
    assert axdr.end_of(octets, 0) == len(octets)


@given(values)
def test_a_value_cut_short_is_incomplete(data: Data) -> None:
    octets = axdr.encode(data)
    for cut in range(0, len(octets), 1 + len(octets) // 20):
        with pytest.raises(Incomplete) as caught:
            axdr.decode(octets[:cut])
        assert caught.value.reason == "axdr"
        with pytest.raises(Incomplete):
            axdr.end_of(octets[:cut], 0)


_LIKELY = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 9, 10, 12, 13, 15, 16, 17, 18, 19, 20, 22, 25, 0x81, 0x84, 0xFF])


@given(st.lists(_LIKELY, max_size=60).map(bytes) | st.binary(max_size=60), st.integers(0, 70))
def test_any_octets_give_a_value_or_a_decode_error(octets: bytes, start: int) -> None:
    try:
        data, end = axdr.decode(octets, start)
    except DecodeError as error:
        assert error.reason == "axdr"
        with pytest.raises(DecodeError):
            list(axdr.leaves(octets, start))
        return
    assert start < end <= len(octets)
    assert axdr.end_of(octets, start) == end
    assert axdr.decode(octets[:end], start) == (data, end) or _has_nan(data)
    assert [(leaf.tag, _at(data, leaf.path)) for leaf in axdr.leaves(octets, start)] == list(_flat(data)) or _has_nan(
        data
    )


def _at(data: Data, path: tuple[int, ...]) -> Any:
    for index in path:
        data = data[1][index]
    return data[1]


def _flat(data: Data) -> list[Data]:
    tag, value = data
    return [leaf for member in value for leaf in _flat(member)] if tag in (1, 2, 19) else [data]


def _has_nan(data: Data) -> bool:
    return any(tag in (23, 24) and math.isnan(value) for tag, value in _flat(data))


@pytest.mark.parametrize(
    ("octets", "detail"),
    [
        ("0201 63", "type tag 63 at octet 2"),
        ("09 85 0000000001 61", "length 85 at octet 1"),
        ("09 80", "length 80 at octet 1"),
        ("0182FFFF" + "11" * 50, "count 65535 at octet 4, and 50 octets left"),
        ("01847FFFFFFF" + "00" * 50, "count 2147483647"),
        ("0201" * 800 + "00", "nested deeper than 16"),
        ("0101" * 800 + "00", "nested deeper than 16"),
        ("0201" * 16 + "13 12 00", "nested deeper than 16"),
        ("0201" * 15 + "13 0201 12 00", "nested deeper than 16"),
        ("13" + "0201" * 800 + "00", "nested deeper than 16"),
        ("13 00 84 7FFFFFFF", "end"),
        ("13 00 04 00000000", "1 values in 0 octets"),
        ("13 0203 000000 04 00000000", "4 values in 0 octets"),
        ("13 0202 11 01FFFF00 04 00000000", "65538 values in 1 octets"),
        ("13 01FFFF01FFFF01FFFF01FFFF11 04 00000000", "no whole element"),
        ("13 12 03 000102", "no whole element"),
        ("13 09 03 05 6162", "the octets end"),
        ("13 0202 11 09 03 05 02 61 6262", "goes beyond its end"),
        ("13 13 12 00 00", "type tag 13 at octet 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_once(octets: str, detail: str) -> None:
    with pytest.raises(DecodeError, match=detail) as caught:
        axdr.decode(bytes.fromhex(octets))
    assert caught.value.reason == "axdr"


def test_a_two_gigabyte_string_is_refused() -> None:
    with pytest.raises(Incomplete):
        axdr.decode(bytes.fromhex("09 84 7FFFFFFF") + bytes(50))


def test_sixteen_levels_are_read() -> None:
    octets = bytes.fromhex("0201" * 16 + "1105")
    assert axdr.end_of(octets, 0) == len(octets)
    data, _ = axdr.decode(octets)
    for _ in range(16):
        assert data[0] == 2
        (data,) = data[1]
    assert data == (17, 5)


@pytest.mark.parametrize("usual", ["02020F001600", "020209060000000000001105", "020412000309060000000000000F02120000"])
def test_a_usual_structure_counts_as_a_level_too(usual: str) -> None:
    octets = bytes.fromhex("0201" * 15 + usual)
    assert axdr.decode(octets)[1] == axdr.end_of(octets, 0) == len(octets)
    for read in (axdr.decode, axdr.end_of):
        with pytest.raises(DecodeError, match="nested deeper"):
            read(bytes.fromhex("0201" * 16 + usual), 0)


def test_scaler_and_unit_count_as_a_level_too() -> None:
    entry = bytes.fromhex("020309060000000000001105 02020F001600")
    assert axdr.decode(bytes.fromhex("0201") * 14 + entry)[1] == 28 + len(entry)
    for read in (axdr.decode, axdr.end_of):
        with pytest.raises(DecodeError, match="nested deeper"):
            read(bytes.fromhex("0201") * 15 + entry, 0)


def test_leaves_say_where_each_value_stands() -> None:
    octets = bytes.fromhex("AA 0203 090201FF 0202 0FFE 1621 13 11 02 0708")
    assert list(axdr.leaves(octets, 1)) == [
        Leaf(3, 9, 5, 2, (0,)),
        Leaf(9, 15, 10, 1, (1, 0)),
        Leaf(11, 22, 12, 1, (1, 1)),
        Leaf(16, 17, 16, 1, (2, 0)),
        Leaf(17, 17, 17, 1, (2, 1)),
    ]


@pytest.mark.parametrize(
    "data",
    [(17, 256), (15, -129), (99, None), (19, [(17, 1), (18, 2)]), (19, [(0, None)]), (19, [(19, [])])],
)
def test_what_a_type_cannot_hold_is_not_written(data: Data) -> None:
    with pytest.raises(ValueError, match=r"A-XDR|compact array"):
        axdr.encode(data)


@pytest.mark.parametrize(
    ("size", "octets"), [(0, "00"), (127, "7F"), (128, "8180"), (231, "81E7"), (65536, "83010000")]
)
def test_a_length_is_written_in_its_shortest_form(size: int, octets: str) -> None:
    assert axdr.encode_length(size) == bytes.fromhex(octets)
    assert axdr.length(bytes.fromhex(octets), 0) == (size, len(octets) // 2)


def test_a_list_of_objects_may_hold_something_shorter_behind_them() -> None:
    entry = bytes.fromhex("0204 120001 09060100010700FF 0F02 120000")
    body, end = axdr.decode(b"\x01\x02" + entry + b"\x00" + b"\x16\x01")
    assert [tag for tag, _ in body[1]] == [2, 0]
    assert end == 2 + len(entry) + 1
