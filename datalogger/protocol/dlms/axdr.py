"""A-XDR: how DLMS writes a value into octets, and back."""

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from datalogger.errors import DecodeError
from datalogger.protocol.dlms import compact_array
from datalogger.protocol.dlms.axdr_types import (
    ARRAY,
    BIT_STRING,
    COMPACT_ARRAY,
    EMPTY,
    FIXED,
    FORMATS,
    INTEGER,
    LONG_UNSIGNED,
    MAX_DEPTH,
    NESTED,
    OCTET_STRING,
    OCTETS,
    STRINGS,
    STRUCTURE,
    Incomplete,
    Leaf,
    bad_count,
    encode_length,
    ended,
    length,
    string_at,
    unknown,
)
from datalogger.protocol.dlms.items import Data

__all__ = ["ARRAY", "COMPACT_ARRAY", "OCTET_STRING", "STRUCTURE", "Incomplete", "Leaf",
           "decode", "encode", "encode_length", "end_of", "leaves", "length"]  # fmt: skip

# Nearly all structures that meters push are one of these, and are read faster than others, by how they begin:
# 1. {scaler, unit} and the entries of a push object list, which are the same in every push: octets to look up
# 2. {name, number[, {scaler, unit}]}: by the tag of the number, what reads name, number and the rest in one go;
#    and {name, text}
_SCALER_SIZE, _OBJECT_SIZE, _NAME_SIZE = 6, 18, 6
_VALUE_AT = 4 + _NAME_SIZE

_Forms = list[tuple[Callable[[bytes, int], tuple[Any, ...]], int] | None]


def _entries(rest: int) -> _Forms:
    forms = {tag: struct.Struct(f">4x{_NAME_SIZE}sx{form}{rest}s") for tag, form in FORMATS.items()}
    return [(forms[tag].unpack_from, forms[tag].size) if tag in forms else None for tag in range(256)]


_OBJECT = bytes((STRUCTURE, 4, LONG_UNSIGNED))

_USUAL: dict[bytes, tuple[int, _Forms]] = {
    bytes((STRUCTURE, 2, INTEGER)): (_SCALER_SIZE, []),
    _OBJECT: (_OBJECT_SIZE, []),
    bytes((STRUCTURE, 2, OCTET_STRING)): (0, _entries(0)),
    bytes((STRUCTURE, 3, OCTET_STRING)): (0, _entries(_SCALER_SIZE)),
}


def decode(octets: bytes, start: int = 0) -> tuple[Data, int]:
    """The value that begins at `start`, and where it ends. Raises DecodeError on anything that is none."""
    try:
        values, end = _values(octets, start)
    except (IndexError, struct.error):
        raise ended(octets, start) from None
    return values[0], end


def encode(data: Data) -> bytes:
    """The octets of a value: decode(encode(data)) is data. Lengths in their shortest form, bit strings as whole octets.

    Raises ValueError for what A-XDR cannot hold: a number out of its type's range, an unknown tag.
    """
    tag, value = data
    head = bytes((tag,))
    if tag in NESTED:
        return head + encode_length(len(value)) + b"".join(map(encode, value))
    if tag == COMPACT_ARRAY:
        return head + compact_array.encode(value)
    return head + compact_array.bare(data)


def end_of(octets: bytes, start: int) -> int:
    """Where the value that begins at `start` ends; raises as `decode` does."""
    return decode(octets, start)[1]  # to walk without building the value takes longer


def leaves(octets: bytes, start: int) -> Iterator[Leaf]:
    """Every value of the body at `start` that holds no others, in order."""
    end_of(octets, start)  # so that what follows need not check
    yield from _leaves(octets, start, ())[0]


def _values(octets: bytes, at: int) -> tuple[list[Data], int]:
    """The value at `at`, in a list, and where it ends."""
    # The one loop that every push runs through, value by value: so all that is frequent is read in place,
    # and a structure costs no call.
    total = len(octets)
    usual = _USUAL.get
    shallow = True  # enough for a structure in a structure
    values: list[Data] = []
    append = values.append
    to_come = iter(range(1))
    outer: list[tuple[Callable[[Data], None], Iterator[int]]] = []  # what goes on where this list is whole
    while True:
        for _ in to_come:
            tag = octets[at]
            if tag == STRUCTURE and shallow and (kind := usual(octets[at : at + 3])):
                size, forms = kind
                if size:
                    if known := _known(octets[at : at + size]):
                        append(known)
                        at += size
                        continue
                elif octets[at + 3] == _NAME_SIZE:
                    value_tag = octets[at + _VALUE_AT]
                    if form := forms[value_tag]:
                        read, size = form
                        if at + size <= total:
                            name, value, scale = read(octets, at)
                            if not scale:
                                append((tag, [(OCTET_STRING, name), (value_tag, value)]))
                                at += size
                                continue
                            if known := _known(scale):
                                append((tag, [(OCTET_STRING, name), (value_tag, value), known]))
                                at += size
                                continue
                    elif value_tag in OCTETS and octets[at + 1] == 2 and (size := octets[at + _VALUE_AT + 1]) < 0x80:
                        begin = at + _VALUE_AT + 2
                        end = begin + size
                        if end <= total:
                            name = octets[at + 4 : at + _VALUE_AT]
                            append((tag, [(OCTET_STRING, name), (value_tag, octets[begin:end])]))
                            at = end
                            continue
            if fixed := FIXED[tag]:
                read, size = fixed
                append(read(octets, at))
                at += size
            elif tag in OCTETS:
                size = octets[at + 1]
                at += 2
                if size > 0x7F:
                    size, at = length(octets, at - 1)
                end = at + size
                if end > total:
                    raise ended(octets, at)
                append((tag, octets[at:end]))
                at = end
            elif tag in NESTED:
                count = octets[at + 1]
                if shallow and octets[at + 2 : at + 5] == _OBJECT and count < 0x80:
                    end = at + 2 + count * _OBJECT_SIZE
                    if end <= total and (known := _known_list(octets[at:end])):
                        append(known)
                        at = end
                        continue
                at += 2
                if count > 0x7F:
                    count, at = length(octets, at - 1)
                if count > total - at or len(outer) >= MAX_DEPTH:
                    raise bad_count(octets, at, count, len(outer))
                inner: list[Data] = []
                append((tag, inner))
                outer.append((append, to_come))
                shallow = len(outer) < MAX_DEPTH - 1
                append, to_come = inner.append, iter(range(count))
                break
            elif tag in EMPTY:
                append((tag, None))
                at += 1
            elif tag == BIT_STRING:
                at, end = string_at(octets, at + 1, tag)
                append((tag, octets[at:end]))
                at = end
            elif tag == COMPACT_ARRAY:
                elements, at = compact_array.decode(octets, at, len(outer))
                append((tag, elements))
            else:
                raise unknown(octets, at)
        else:
            if not outer:
                return values, at
            append, to_come = outer.pop()
            shallow = len(outer) < MAX_DEPTH - 1


@lru_cache(maxsize=1024)  # some dozens for each meter; the same lists are given out again: nobody changes a value
def _known(octets: bytes) -> Data | None:
    """The structure of numbers and names that these octets are; None where they are not just one."""
    if _USUAL.get(octets[:3], (0, []))[0] != len(octets):
        return None
    return _all(octets)


@lru_cache(maxsize=64)  # a meter has a handful, of 2 kB at most
def _known_list(octets: bytes) -> Data | None:
    """The push object list that these octets are; None where they are not just one."""
    return _all(octets)


def _all(octets: bytes) -> Data | None:
    """The array or structure that these octets are, and no more; None where they are not."""
    members, at = [], 2
    try:
        for _ in range(octets[1]):
            (member,), at = _values(octets, at)
            members.append(member)
    except (IndexError, struct.error, DecodeError):
        return None
    return (octets[0], members) if at == len(octets) else None


def _leaves(octets: bytes, at: int, path: tuple[int, ...]) -> tuple[list[Leaf], int]:
    tag = octets[at]
    found: list[Leaf] = []
    fixed = FIXED[tag]
    if fixed is not None:
        return [Leaf(at, tag, at + 1, fixed[1] - 1, path)], at + fixed[1]
    if tag in EMPTY:
        return [Leaf(at, tag, at + 1, 0, path)], at + 1
    if tag in STRINGS:
        value_at, end = string_at(octets, at + 1, tag)
        return [Leaf(at, tag, value_at, end - value_at, path)], end
    if tag == COMPACT_ARRAY:
        _, end = compact_array.decode(octets, at, len(path), path, found)
        return found, end
    count, at = length(octets, at + 1)
    for index in range(count):
        inner, at = _leaves(octets, at, (*path, index))
        found += inner
    return found, at
