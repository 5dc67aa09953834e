"""Compact arrays: one description of their type, then elements without tags."""

import struct
from typing import NamedTuple

from datalogger.errors import DecodeError
from datalogger.protocol.dlms.axdr_types import (
    ARRAY,
    BIT_STRING,
    EMPTY,
    FIXED,
    FORMATS,
    MAX_DEPTH,
    NESTED,
    NULL,
    STRINGS,
    STRUCTURE,
    Leaf,
    bad_count,
    encode_length,
    ended,
    length,
    string_at,
    unknown,
)
from datalogger.protocol.dlms.items import Data
from datalogger.protocol.framing import Reason

MAX_VALUES_PER_OCTET = 4  # null-data in them needs no octet, and must not make a small body huge


class _Kind(NamedTuple):
    """What a compact array says of its elements, once for all.

    members: of a structure; the one kind of element of an array, which has `times` of them
    values:  how many values one element unpacks to, itself included
    least:   octets that one element needs at least
    """

    tag: int
    members: "list[_Kind]"
    times: int
    values: int
    least: int


def decode(
    octets: bytes, at: int, depth: int, path: tuple[int, ...] = (), found: list[Leaf] | None = None
) -> tuple[list[Data], int]:
    """The elements of the compact array whose tag is at `at`, and its end; their leaves are added to `found`."""
    kind, at, end = _head(octets, at, depth)
    elements: list[Data] = []
    while at < end:
        if kind.least > end - at:
            raise DecodeError(Reason.AXDR, f"compact array: {end - at} octets at octet {at} are no whole element")
        element, at = _packed(octets, at, end, kind, (*path, len(elements)), found)
        elements.append(element)
    return elements, end


def _head(octets: bytes, at: int, depth: int) -> tuple[_Kind, int, int]:
    """What its elements are, where they begin and where they end."""
    kind, content = _description(octets, at + 1, depth + 1)
    size, content = length(octets, content)
    if size > len(octets) - content:
        raise ended(octets, at)
    if size and kind.values > MAX_VALUES_PER_OCTET * kind.least:
        raise DecodeError(Reason.AXDR, f"compact array at octet {at}: {kind.values} values in {kind.least} octets")
    return kind, content, content + size


def _description(octets: bytes, at: int, depth: int) -> tuple[_Kind, int]:
    if depth > MAX_DEPTH:
        raise DecodeError(Reason.AXDR, f"nested deeper than {MAX_DEPTH} at octet {at}")
    tag = octets[at]
    fixed = FIXED[tag]
    if fixed is not None:
        return _Kind(tag, [], 0, 1, fixed[1] - 1), at + 1
    if tag in EMPTY:
        return _Kind(tag, [], 0, 1, 0), at + 1
    if tag in STRINGS:
        return _Kind(tag, [], 0, 1, 1), at + 1
    if tag == ARRAY:
        if at + 3 > len(octets):
            raise ended(octets, at)
        count = int.from_bytes(octets[at + 1 : at + 3], "big")
        element, end = _description(octets, at + 3, depth + 1)
        return _Kind(tag, [element], count, 1 + count * element.values, count * element.least), end
    if tag == STRUCTURE:
        count, end = length(octets, at + 1)
        if count > len(octets) - end:
            raise bad_count(octets, end, count, depth - 1)
        members = []
        for _ in range(count):
            member, end = _description(octets, end, depth + 1)
            members.append(member)
        return _Kind(tag, members, 1, 1 + sum(m.values for m in members), sum(m.least for m in members)), end
    raise unknown(octets, at)


def _packed(
    octets: bytes, at: int, end: int, kind: _Kind, path: tuple[int, ...], found: list[Leaf] | None
) -> tuple[Data, int]:
    # Bounded by _head: an element has at most MAX_VALUES_PER_OCTET values for each of its octets.
    tag = kind.tag
    if tag in NESTED:
        nested: list[Data] = []
        for member in kind.members * kind.times:
            value, at = _packed(octets, at, end, member, (*path, len(nested)), found)
            nested.append(value)
        return (tag, nested), at
    fixed = FIXED[tag]
    value_at, value_end = at, at
    if fixed is not None:
        value_end = at + fixed[1] - 1
    elif tag in STRINGS:
        value_at, value_end = string_at(octets, at, tag)
    if value_end > end:
        raise DecodeError(Reason.AXDR, f"compact array: the value at octet {at} goes beyond its end")
    if found is not None:
        found.append(Leaf(value_at, tag, value_at, value_end - value_at, path))
    if fixed is not None:
        return (tag, struct.unpack_from(">" + FORMATS[tag], octets, at)[0]), value_end
    return (tag, None if tag in EMPTY else octets[value_at:value_end]), value_end


def encode(elements: list[Data]) -> bytes:
    """What follows the tag. ValueError for elements of several types, or of one that needs no octets."""
    content = b"".join(map(bare, elements))
    if elements and not content:
        raise ValueError("the elements of a compact array need octets of their own")
    return (_description_of(elements) if elements else bytes((NULL,))) + encode_length(len(content)) + content


def bare(data: Data) -> bytes:
    """The value without its tag; without its count too where it is an array or structure (of a compact array)."""
    tag, value = data
    if tag in FORMATS:
        try:
            return struct.pack(">" + FORMATS[tag], value)
        except struct.error as problem:
            raise ValueError(f"A-XDR type {tag} cannot hold {value!r}: {problem}") from None
    if tag in STRINGS:
        return encode_length(len(value) * 8 if tag == BIT_STRING else len(value)) + bytes(value)
    if tag in EMPTY:
        return b""
    if tag in NESTED:
        return b"".join(map(bare, value))
    raise ValueError(f"A-XDR has no type {tag} here")


def _describe(data: Data) -> bytes:
    tag, value = data
    if tag == ARRAY:
        return bytes((tag,)) + len(value).to_bytes(2, "big") + (_description_of(value) if value else bytes((NULL,)))
    if tag == STRUCTURE:
        return bytes((tag,)) + encode_length(len(value)) + b"".join(map(_describe, value))
    return bytes((tag,))


def _description_of(elements: list[Data]) -> bytes:
    described = _describe(elements[0])
    if any(_describe(element) != described for element in elements):
        raise ValueError("the elements of a compact array are of one type")
    return described
