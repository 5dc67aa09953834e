"""What a line's OBIS code says about the one group behind it, where the group itself does not say.

`(00003)` can be a count, a status word or half an identifier. The value groups of the code decide:
quantities are C 1-92; C 0 (general purpose), 42 (device name), 94 (national), 96 (device
information) and 97 (errors) designate things, except the counters among them.
"""

from typing import Literal

from datalogger.obis import Obis, parse, to_groups

# How a group without unit is to be read.
Bare = Literal[
    "number",  # a number where it is one: registers and counters
    "text",  # as sent: status words, versions, device types
    "name",  # an identifier, often in hex of ASCII
    "message",  # a text for people, in hex of ASCII unless the meter sends it plain
    "clock",  # the meter's clock
    "profile",  # how many rows follow
]


Object = tuple[Obis, Bare]


_VERSION = (96, 1, 4)  # e-MUCS: `50217` is a version, though it stands among the identifiers
_COUNTERS = {7, 8, 15}  # of C 96: power failures, operating time, events
_MBUS_READINGS = {2, 3}  # of C 24: the reading and its profile; the others are type and valve


class _Objects(dict[str, Object | None]):
    """Spelling → the object it names, or None where it is no OBIS code.

    Only remembers a pure function of the spelling. A meter has some 50 codes; noise cannot fill more than the bound.
    """

    BOUND = 1024

    def __missing__(self, spelling: str) -> Object | None:
        if len(self) >= self.BOUND:
            self.clear()
        obis = parse(spelling)
        found = self[spelling] = None if obis is None else (obis, _bare(to_groups(obis)))
        return found


OBJECTS = _Objects()


def _bare(groups: tuple[int, ...]) -> Bare:
    a, b, c, d, e, _ = groups
    match c:
        case 1 if (a, b, d, e) == (0, 0, 0, 0):
            return "clock"
        case 96 if d in _COUNTERS:
            return "number"
        case 96 if d == 1 and (c, d, e) != _VERSION:
            return "name"
        case 96 if d == 13:
            return "message"
        case 42 if a == 0:
            return "name"
        case 0 if d == 0:
            return "name"
        case 98 | 99:
            return "profile"
        case 0 | 94 | 96 | 97:
            return "text"
        case 24 if a == 0 and d not in _MBUS_READINGS:
            return "text"
    return "number"
