"""Where in a TOML text a key stands: tomllib does not tell, and a person wants the line."""

import re
import tomllib
from collections import Counter
from functools import cached_property

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_KEY})\s*=")
_MULTILINE = re.compile(r'"""|' + "'''")


class Lines:
    """Line numbers, from 1, of the tables and keys of a text that is known to be TOML.

    Of a list of tables ([[source.bus.units]]) each has its number behind the name: ("source", "bus", "units", "1").
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def of(self, where: tuple[str, ...]) -> int | None:
        """The line of this key; else of the nearest table around it; None where it has none."""
        while where:
            if where in self._numbers:
                return self._numbers[where]
            where = where[:-1]
        return None

    @cached_property  # a right configuration never asks
    def _numbers(self) -> dict[tuple[str, ...], int]:
        numbers: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        lists: Counter[tuple[str, ...]] = Counter()
        inside = None  # the delimiter of the multi-line text that goes on over this line
        for number, line in enumerate(self._text.split("\n"), start=1):
            starts_inside = inside is not None
            for delimiter in _MULTILINE.findall(line):
                if inside is None:
                    inside = delimiter
                elif inside == delimiter:
                    inside = None
            if starts_inside:
                continue
            if header := _HEADER.match(line):
                where = table = _parts(header[2])
                if header[1] == "[[":  # the first of such tables is number 1, and so is its line
                    lists[table] += 1
                    where = table = (*table, str(lists[table]))
            elif assignment := _ASSIGNMENT.match(line):
                where = table + _parts(assignment[1])
            else:
                continue
            for end in range(1, len(where) + 1):  # a dotted key names the tables on its way too
                numbers.setdefault(where[:end], number)
        return numbers


def _parts(key: str) -> tuple[str, ...]:
    parts = []
    try:
        found = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:  # not a key after all, but a piece of a longer text
        return ()
    while isinstance(found, dict):
        part, found = next(iter(found.items()))
        parts.append(part)
    return tuple(parts)
