"""Logical names (OBIS codes), always in the one spelling `A-B:C.D.E*F`.

A plain `str` in that spelling: hashable, comparable, ready for JSON. F is 255 where it is not written.
"""

import re
from typing import NewType

Obis = NewType("Obis", str)

# Meters write F as `*255` or `.255`, and one specification misprints C.D.E as C:D.E.
_SPELLINGS = re.compile(r"(\d{1,3})-(\d{1,3}):(\d{1,3})[.:](\d{1,3})\.(\d{1,3})(?:[*.](\d{1,3}))?")


def parse(text: str) -> Obis | None:
    """The logical name `text` spells, or None where it spells none."""
    found = _SPELLINGS.fullmatch(text)
    if found is None:
        return None
    groups = [int(group) for group in found.groups("255")]
    return from_groups(groups) if max(groups) <= 255 else None


def from_groups(groups: list[int] | tuple[int, ...] | bytes) -> Obis:
    """Six numbers, or the six octets DLMS sends."""
    a, b, c, d, e, f = groups
    return Obis(f"{a}-{b}:{c}.{d}.{e}*{f}")


def to_groups(obis: Obis) -> tuple[int, ...]:
    """(A, B, C, D, E, F)"""
    return tuple(map(int, re.split(r"[-:.*]", obis)))
