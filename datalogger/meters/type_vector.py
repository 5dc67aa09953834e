"""The type vector of a body, as profiles write it: "os os os u32*10 dt u32*4".

`os(5)` is an octet string of so many octets, `dt` one of twelve that is a date-time, `array(u16)` an array of these,
`u32?` may be null-data instead, `u32*10` ten in a row.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

from msgspec import Struct

from datalogger.protocol.dlms import cosem_time
from datalogger.protocol.dlms.items import Data, Item

TAGS = {
    "null": 0, "array": 1, "structure": 2, "bool": 3, "bits": 4, "i32": 5, "u32": 6, "os": 9, "vs": 10, "utf8": 12,
    "bcd": 13, "i8": 15, "i16": 16, "u8": 17, "u16": 18, "compact": 19, "i64": 20, "u64": 21, "enum": 22, "f32": 23,
    "f64": 24, "date-time": 25, "date": 26, "time": 27, "dt": 9,
}  # fmt: skip
WORDS = {tag: word for word, tag in TAGS.items() if word != "dt"} | {255: "dont-care"}

MOST_MEMBERS = 1024  # of one vector: no body with so many fits into any frame that we have seen

_NULL = TAGS["null"]
_LENGTHS = frozenset(("os", "vs", "utf8"))
_ARRAYS = frozenset(("array", "compact"))
_DATE_TIME_OCTETS = 12
_SLOT = re.compile(r"(?P<word>[a-z0-9-]+)(?:\((?P<inner>[a-z0-9-]+)\))?(?P<optional>\?)?(?:\*(?P<times>[0-9]{1,4}))?")


class Slot(Struct, frozen=True):
    """What may stand in one place.

    length:   of a string; None: any
    element:  tag of an array's elements; None: any
    moment:   the twelve octets must be a date-time
    optional: null-data may stand here instead
    """

    tag: int
    length: int | None = None
    element: int | None = None
    moment: bool = False
    optional: bool = False

    @property
    def tag_is_enough(self) -> bool:
        """Whether the tag alone decides."""
        return self.length is None and self.element is None and not self.moment

    def holds(self, data: Data) -> bool:
        tag, value = data
        if tag == _NULL and self.optional:
            return True
        if tag != self.tag:
            return False
        if self.length is not None and len(value) != self.length:
            return False
        if self.element is not None and any(inner != self.element for inner, _ in value):
            return False
        return not self.moment or cosem_time.looks_like(value)


@lru_cache(maxsize=512)
def parse(text: str) -> tuple[Slot, ...]:
    """One slot a member; ValueError with the mend where the text is no type vector."""
    slots: list[Slot] = []
    for token in text.split():
        found = _SLOT.fullmatch(token)
        if found is None:
            raise ValueError(f'"{token}" is no type: write such as u32, os(5), dt, array(u16), u32? or u32*10')
        slots += [_slot(token, found["word"], found["inner"], bool(found["optional"]))] * int(found["times"] or 1)
        if len(slots) > MOST_MEMBERS:
            raise ValueError(f"more than {MOST_MEMBERS} members")
    return tuple(slots)


def _slot(token: str, word: str, inner: str | None, optional: bool) -> Slot:
    if word not in TAGS:
        raise ValueError(f'"{token}": there is no type "{word}"; there is {", ".join(TAGS)}')
    tag = TAGS[word]
    if inner is None:
        return Slot(tag, moment=word == "dt", optional=optional)
    if word in _ARRAYS and inner in TAGS and inner != "dt":
        return Slot(tag, element=TAGS[inner], optional=optional)
    if word in _LENGTHS and inner.isdecimal():
        return Slot(tag, length=int(inner), optional=optional)
    raise ValueError(
        f'"{token}": in brackets stands the length of a string (os(5)) or the type in an array (array(u16))'
    )


def fits(slots: Sequence[Slot], types: Sequence[int]) -> bool:
    """Whether the tags agree, one to one. What only the values can tell is asked by `Slot.holds`."""
    return len(slots) == len(types) and all(
        tag == slot.tag or (slot.optional and tag == _NULL) for slot, tag in zip(slots, types, strict=True)
    )


def overlap(one: Sequence[Slot], other: Sequence[Slot]) -> bool:
    """Whether some body fits both."""
    return len(one) == len(other) and all(map(_overlap, one, other))


def _overlap(one: Slot, other: Slot) -> bool:
    if one.optional and other.optional:
        return True
    if one.tag != other.tag:
        return (one.optional and other.tag == _NULL) or (other.optional and one.tag == _NULL)
    lengths = {slot.length or (_DATE_TIME_OCTETS if slot.moment else None) for slot in (one, other)} - {None}
    elements = {slot.element for slot in (one, other)} - {None}
    return len(lengths) <= 1 and len(elements) <= 1


def describe(items: Sequence[Item]) -> str:
    """The vector of these values: types and lengths of strings, never what is in them."""
    return _drawn_together([_described(item.data) for item in items])


def _described(data: Data) -> str:
    tag, value = data
    word = _word(tag)
    if word == "os" and cosem_time.looks_like(value):
        return "dt"
    if word in _LENGTHS:
        return f"{word}({len(value)})"
    if word in _ARRAYS and value and len({inner for inner, _ in value}) == 1:
        return f"{word}({_word(value[0][0])})"
    return word


def _word(tag: int) -> str:
    return WORDS.get(tag, f"tag-{tag}")


def _drawn_together(words: list[str]) -> str:
    runs = [(word, sum(1 for _ in run)) for word, run in groupby(words)]
    return " ".join(word if times == 1 else f"{word}*{times}" for word, times in runs)
