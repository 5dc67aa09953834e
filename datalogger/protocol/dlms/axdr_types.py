"""What A-XDR is made of: types, lengths, and the ways in which octets are none."""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from datalogger.errors import DecodeError
from datalogger.protocol.framing import Reason

MAX_DEPTH = 16  # the deepest real body has four levels; far below what Python's own stack can take

NULL, ARRAY, STRUCTURE, BOOLEAN, BIT_STRING, OCTET_STRING, VISIBLE_STRING, UTF8_STRING = 0, 1, 2, 3, 4, 9, 10, 12
BCD, INTEGER, LONG_UNSIGNED, COMPACT_ARRAY, ENUM, DATE_TIME, DONT_CARE = 13, 15, 18, 19, 22, 25, 255

FORMATS = {
    3: "?", 5: "i", 6: "I", 13: "B", 15: "b", 16: "h", 17: "B", 18: "H", 20: "q", 21: "Q", 22: "B",
    23: "f", 24: "d", 25: "12s", 26: "5s", 27: "4s",
}  # fmt: skip
OCTETS = frozenset((OCTET_STRING, VISIBLE_STRING, UTF8_STRING))
STRINGS = OCTETS | {BIT_STRING}
NESTED = frozenset((ARRAY, STRUCTURE))
EMPTY = frozenset((NULL, DONT_CARE))
INTEGERS = frozenset((5, 6, 15, 16, 17, 18, 20, 21))
FLOATS = frozenset((23, 24))

# By tag: what reads tag and value in one go (and so gives Data), and how many octets they take.
FIXED: list[tuple[Callable[[bytes, int], tuple[Any, ...]], int] | None] = [None] * 256
for _tag, _format in FORMATS.items():
    _both = struct.Struct(">B" + _format)
    FIXED[_tag] = (_both.unpack_from, _both.size)


class Incomplete(DecodeError):
    """The octets end before what they began does: more of them might make it whole."""


class Leaf(NamedTuple):
    """Where one value that holds no others stands in the octets.

    offset:   of its tag (of the value itself in a compact array, whose elements have none)
    value_at: where the value begins, behind tag and length
    size:     of the value, in octets
    path:     index in the body, index in that member …
    """

    offset: int
    tag: int
    value_at: int
    size: int
    path: tuple[int, ...]


def length(octets: bytes, at: int) -> tuple[int, int]:
    """The length or count at `at`, in any of its forms, and where it ends."""
    first = octets[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 4:
        raise DecodeError(Reason.AXDR, f"length {first:02X} at octet {at}: of four octets at most")
    end = at + 1 + size
    if end > len(octets):
        raise ended(octets, at)
    return int.from_bytes(octets[at + 1 : end], "big"), end


def encode_length(size: int) -> bytes:
    """A length or count, in its shortest form."""
    if size < 0x80:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def string_at(octets: bytes, at: int, tag: int) -> tuple[int, int]:
    """Where the content of the string whose length is at `at` begins and ends."""
    size, at = length(octets, at)
    if tag == BIT_STRING:
        size = (size + 7) // 8
    if size > len(octets) - at:
        raise ended(octets, at)
    return at, at + size


def bad_count(octets: bytes, at: int, count: int, depth: int) -> DecodeError:
    # Each value has a tag, so a count larger than what is left cannot be met.
    if depth >= MAX_DEPTH:
        return DecodeError(Reason.AXDR, f"nested deeper than {MAX_DEPTH} at octet {at}")
    return Incomplete(Reason.AXDR, f"count {count} at octet {at}, and {len(octets) - at} octets left")


def ended(octets: bytes, at: int) -> Incomplete:
    return Incomplete(Reason.AXDR, f"the octets end, at {len(octets)}, inside the value at octet {at}")


def unknown(octets: bytes, at: int) -> DecodeError:
    return DecodeError(Reason.AXDR, f"type tag {octets[at]:02X} at octet {at}")
