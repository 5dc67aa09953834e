"""A-XDR: how DLMS writes a value into octets, and back."""

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from datalogger.errors import DecodeError
from datalogger.protocol.dlms.items import Data
from datalogger.protocol.framing import Reason

MAX_DEPTH = 16  # the deepest real body has four levels; far below what Python's own stack can take
MAX_VALUES_PER_OCTET = 8  # of a compact array: null-data in it needs no octet, and must not make a small body huge

NULL, ARRAY, STRUCTURE, BIT_STRING, OCTET_STRING, VISIBLE_STRING, UTF8_STRING = 0, 1, 2, 4, 9, 10, 12
INTEGER, LONG_UNSIGNED, COMPACT_ARRAY, DONT_CARE = 15, 18, 19, 255

_FORMATS = {
    3: "?", 5: "i", 6: "I", 13: "B", 15: "b", 16: "h", 17: "B", 18: "H", 20: "q", 21: "Q", 22: "B",
    23: "f", 24: "d", 25: "12s", 26: "5s", 27: "4s",
}  # fmt: skip
_OCTETS = frozenset((OCTET_STRING, VISIBLE_STRING, UTF8_STRING))
_STRINGS = _OCTETS | {BIT_STRING}
_NESTED = frozenset((ARRAY, STRUCTURE))
_EMPTY = frozenset((NULL, DONT_CARE))

# By tag: what reads tag and value in one go (and so gives Data), and how many octets they take.
_FIXED: list[tuple[Callable[[bytes, int], tuple[Any, ...]], int] | None] = [None] * 256
for _tag, _format in _FORMATS.items():
    _both = struct.Struct(">B" + _format)
    _FIXED[_tag] = (_both.unpack_from, _both.size)

# Nearly all structures that meters push are one of these, and are read faster than others, by how they begin:
# 1. {scaler, unit} and the entries of a push object list, which are the same in every push: octets to look up
# 2. {name, number[, {scaler, unit}]}
_ENTRY = -1
_USUAL = {
    bytes((STRUCTURE, 2, INTEGER)): 6,
    bytes((STRUCTURE, 4, LONG_UNSIGNED)): 18,
    bytes((STRUCTURE, 2, OCTET_STRING)): _ENTRY,
    bytes((STRUCTURE, 3, OCTET_STRING)): _ENTRY,
}
_SCALER_SIZE, _NAME_SIZE = 6, 6


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


def decode(octets: bytes, start: int = 0) -> tuple[Data, int]:
    """The value that begins at `start`, and where it ends. Raises DecodeError on anything that is none."""
    try:
        values, end = _values(octets, start)
    except (IndexError, struct.error):
        raise _ended(octets, start) from None
    return values[0], end


def encode(data: Data) -> bytes:
    """The octets of a value: decode(encode(data)) is data. Lengths in their shortest form, bit strings as whole octets.

    Raises ValueError for what A-XDR cannot hold: a number out of its type's range, an unknown tag.
    """
    tag, value = data
    head = bytes((tag,))
    if tag in _NESTED:
        return head + encode_length(len(value)) + b"".join(map(encode, value))
    if tag == COMPACT_ARRAY:
        content = b"".join(map(_bare, value))
        if value and not content:
            raise ValueError("the elements of a compact array need octets of their own")
        return head + (_one_kind(value) if value else bytes((NULL,))) + encode_length(len(content)) + content
    return head + _bare(data)


def end_of(octets: bytes, start: int) -> int:
    """Where the value that begins at `start` ends, found without building it."""
    try:
        return _walk(octets, start)
    except IndexError:
        raise _ended(octets, start) from None


def leaves(octets: bytes, start: int) -> Iterator[Leaf]:
    """Every value of the body at `start` that holds no others, in order."""
    end_of(octets, start)  # so that what follows need not check
    yield from _leaves(octets, start, ())[0]


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
        raise _ended(octets, at)
    return int.from_bytes(octets[at + 1 : end], "big"), end


def encode_length(size: int) -> bytes:
    """A length or count, in its shortest form."""
    if size < 0x80:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


# Reading


def _values(octets: bytes, at: int) -> tuple[list[Data], int]:
    """The value at `at`, in a list, and where it ends."""
    # The one loop that every push runs through, value by value: so all that is frequent is read in place,
    # and a structure costs no call.
    total = len(octets)
    usual = _USUAL.get
    values: list[Data] = []
    append = values.append
    to_come = iter(range(1))
    outer: list[tuple[Callable[[Data], None], Iterator[int]]] = []  # what goes on where this list is whole
    while True:
        for _ in to_come:
            tag = octets[at]
            if fixed := _FIXED[tag]:
                read, size = fixed
                append(read(octets, at))
                at += size
            elif tag in _OCTETS:
                size = octets[at + 1]
                at += 2
                if size > 0x7F:
                    size, at = length(octets, at - 1)
                end = at + size
                if end > total:
                    raise _ended(octets, at)
                append((tag, octets[at:end]))
                at = end
            elif tag in _NESTED:
                if len(outer) < MAX_DEPTH - 1 and (kind := usual(octets[at : at + 3])):
                    if kind == _ENTRY:
                        if found := _entry(octets, at):
                            append(found[0])
                            at = found[1]
                            continue
                    elif known := _known(octets[at : at + kind]):
                        append(known)
                        at += kind
                        continue
                count = octets[at + 1]
                at += 2
                if count > 0x7F:
                    count, at = length(octets, at - 1)
                if count > total - at or len(outer) >= MAX_DEPTH:
                    raise _bad_count(octets, at, count, len(outer))
                inner: list[Data] = []
                append((tag, inner))
                outer.append((append, to_come))
                append, to_come = inner.append, iter(range(count))
                break
            elif tag in _EMPTY:
                append((tag, None))
                at += 1
            elif tag == BIT_STRING:
                at, end = _string(octets, at + 1, tag)
                append((tag, octets[at:end]))
                at = end
            elif tag == COMPACT_ARRAY:
                elements, at = _compact_array(octets, at, len(outer))
                append((tag, elements))
            else:
                raise _unknown(octets, at)
        else:
            if not outer:
                return values, at
            append, to_come = outer.pop()


def _entry(octets: bytes, at: int) -> tuple[Data, int] | None:
    """The structure of name, number and perhaps scaler and unit at `at`, and its end; None where it is another."""
    value_at = at + 4 + _NAME_SIZE
    if octets[at + 3] != _NAME_SIZE or not (fixed := _FIXED[octets[value_at]]):
        return None
    read, size = fixed
    value = read(octets, value_at)
    name = (OCTET_STRING, octets[at + 4 : value_at])
    end = value_at + size
    if octets[at + 1] == 2:
        return (STRUCTURE, [name, value]), end
    scale = _known(octets[end : end + _SCALER_SIZE])
    return ((STRUCTURE, [name, value, scale]), end + _SCALER_SIZE) if scale else None


@lru_cache(maxsize=1024)  # some dozens for each meter; the same lists are given out again: nobody changes a value
def _known(octets: bytes) -> Data | None:
    """The structure of numbers and names that these octets are; None where they are not just one."""
    if _USUAL.get(octets[:3]) != len(octets):
        return None
    members, at = [], 2
    try:
        for _ in range(octets[1]):
            (member,), at = _values(octets, at)
            members.append(member)
    except (IndexError, struct.error, DecodeError):
        return None
    return (STRUCTURE, members) if at == len(octets) else None


def _bad_count(octets: bytes, at: int, count: int, depth: int) -> DecodeError:
    # Each value has a tag, so a count larger than what is left cannot be met.
    if depth >= MAX_DEPTH:
        return DecodeError(Reason.AXDR, f"nested deeper than {MAX_DEPTH} at octet {at}")
    return Incomplete(Reason.AXDR, f"count {count} at octet {at}, and {len(octets) - at} octets left")


def _string(octets: bytes, at: int, tag: int) -> tuple[int, int]:
    """Where the content of the string whose length is at `at` begins and ends."""
    size, at = length(octets, at)
    if tag == BIT_STRING:
        size = (size + 7) // 8
    if size > len(octets) - at:
        raise _ended(octets, at)
    return at, at + size


def _walk(octets: bytes, at: int) -> int:
    total = len(octets)
    left = [1]  # values to come, by depth
    while left:
        if not left[-1]:
            left.pop()
            continue
        left[-1] -= 1
        tag = octets[at]
        fixed = _FIXED[tag]
        if fixed is not None:
            at += fixed[1]
        elif tag in _STRINGS:
            _, at = _string(octets, at + 1, tag)
        elif tag in _NESTED:
            count, at = length(octets, at + 1)
            if count > total - at or len(left) > MAX_DEPTH:
                raise _bad_count(octets, at, count, len(left) - 1)
            left.append(count)
        elif tag in _EMPTY:
            at += 1
        elif tag == COMPACT_ARRAY:
            _, _, at = _compact_head(octets, at, len(left) - 1)
        else:
            raise _unknown(octets, at)
        if at > total:
            raise _ended(octets, at)
    return at


def _leaves(octets: bytes, at: int, path: tuple[int, ...]) -> tuple[list[Leaf], int]:
    tag = octets[at]
    found: list[Leaf] = []
    fixed = _FIXED[tag]
    if fixed is not None:
        return [Leaf(at, tag, at + 1, fixed[1] - 1, path)], at + fixed[1]
    if tag in _EMPTY:
        return [Leaf(at, tag, at + 1, 0, path)], at + 1
    if tag in _STRINGS:
        value_at, end = _string(octets, at + 1, tag)
        return [Leaf(at, tag, value_at, end - value_at, path)], end
    if tag == COMPACT_ARRAY:
        _, end = _compact_array(octets, at, len(path), path, found)
        return found, end
    count, at = length(octets, at + 1)
    for index in range(count):
        inner, at = _leaves(octets, at, (*path, index))
        found += inner
    return found, at


# Compact arrays: one description of the type, then elements without tags


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


def _compact_array(
    octets: bytes, at: int, depth: int, path: tuple[int, ...] = (), found: list[Leaf] | None = None
) -> tuple[list[Data], int]:
    """The elements of the compact array whose tag is at `at`, and its end; their leaves are added to `found`."""
    kind, at, end = _compact_head(octets, at, depth)
    elements: list[Data] = []
    while at < end:
        if kind.least > end - at:
            raise DecodeError(Reason.AXDR, f"compact array: {end - at} octets at octet {at} are no whole element")
        element, at = _packed(octets, at, end, kind, (*path, len(elements)), found)
        elements.append(element)
    return elements, end


def _compact_head(octets: bytes, at: int, depth: int) -> tuple[_Kind, int, int]:
    """What its elements are, where they begin and where they end."""
    kind, content = _description(octets, at + 1, depth + 1)
    size, content = length(octets, content)
    if size > len(octets) - content:
        raise _ended(octets, at)
    if size and kind.values > MAX_VALUES_PER_OCTET * kind.least:
        raise DecodeError(Reason.AXDR, f"compact array at octet {at}: {kind.values} values in {kind.least} octets")
    return kind, content, content + size


def _description(octets: bytes, at: int, depth: int) -> tuple[_Kind, int]:
    if depth > MAX_DEPTH:
        raise DecodeError(Reason.AXDR, f"nested deeper than {MAX_DEPTH} at octet {at}")
    tag = octets[at]
    fixed = _FIXED[tag]
    if fixed is not None:
        return _Kind(tag, [], 0, 1, fixed[1] - 1), at + 1
    if tag in _EMPTY:
        return _Kind(tag, [], 0, 1, 0), at + 1
    if tag in _STRINGS:
        return _Kind(tag, [], 0, 1, 1), at + 1
    if tag == ARRAY:
        if at + 3 > len(octets):
            raise _ended(octets, at)
        count = int.from_bytes(octets[at + 1 : at + 3], "big")
        element, end = _description(octets, at + 3, depth + 1)
        return _Kind(tag, [element], count, 1 + count * element.values, count * element.least), end
    if tag == STRUCTURE:
        count, end = length(octets, at + 1)
        if count > len(octets) - end:
            raise _bad_count(octets, end, count, depth - 1)
        members = []
        for _ in range(count):
            member, end = _description(octets, end, depth + 1)
            members.append(member)
        return _Kind(tag, members, 1, 1 + sum(m.values for m in members), sum(m.least for m in members)), end
    raise _unknown(octets, at)


def _packed(
    octets: bytes, at: int, end: int, kind: _Kind, path: tuple[int, ...], found: list[Leaf] | None
) -> tuple[Data, int]:
    # Bounded by _compact_head: an element has at most MAX_VALUES_PER_OCTET values for each of its octets.
    tag = kind.tag
    if tag in _NESTED:
        nested: list[Data] = []
        for member in kind.members * kind.times:
            value, at = _packed(octets, at, end, member, (*path, len(nested)), found)
            nested.append(value)
        return (tag, nested), at
    fixed = _FIXED[tag]
    value_at, value_end = at, at
    if fixed is not None:
        value_end = at + fixed[1] - 1
    elif tag in _STRINGS:
        value_at, value_end = _string(octets, at, tag)
    if value_end > end:
        raise DecodeError(Reason.AXDR, f"compact array: the value at octet {at} goes beyond its end")
    if found is not None:
        found.append(Leaf(value_at, tag, value_at, value_end - value_at, path))
    if fixed is not None:
        return (tag, struct.unpack_from(">" + _FORMATS[tag], octets, at)[0]), value_end
    return (tag, None if tag in _EMPTY else octets[value_at:value_end]), value_end


# Writing


def _bare(data: Data) -> bytes:
    """The value without its tag; without its count too where it is an array or structure (of a compact array)."""
    tag, value = data
    if tag in _FORMATS:
        try:
            return struct.pack(">" + _FORMATS[tag], value)
        except struct.error as problem:
            raise ValueError(f"A-XDR type {tag} cannot hold {value!r}: {problem}") from None
    if tag in _STRINGS:
        return encode_length(len(value) * 8 if tag == BIT_STRING else len(value)) + bytes(value)
    if tag in _EMPTY:
        return b""
    if tag in _NESTED:
        return b"".join(map(_bare, value))
    raise ValueError(f"A-XDR has no type {tag} here")


def _describe(data: Data) -> bytes:
    tag, value = data
    if tag == ARRAY:
        return bytes((tag,)) + len(value).to_bytes(2, "big") + (_one_kind(value) if value else bytes((NULL,)))
    if tag == STRUCTURE:
        return bytes((tag,)) + encode_length(len(value)) + b"".join(map(_describe, value))
    return bytes((tag,))


def _one_kind(elements: list[Data]) -> bytes:
    described = _describe(elements[0])
    if any(_describe(element) != described for element in elements):
        raise ValueError("the elements of a compact array are of one type")
    return described


# Refusing


def _ended(octets: bytes, at: int) -> Incomplete:
    return Incomplete(Reason.AXDR, f"the octets end, at {len(octets)}, inside the value at octet {at}")


def _unknown(octets: bytes, at: int) -> DecodeError:
    return DecodeError(Reason.AXDR, f"type tag {octets[at]:02X} at octet {at}")
