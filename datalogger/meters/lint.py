"""What is wrong with a profile that can be read, and what two profiles would quarrel over."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any

from datalogger import obis, units
from datalogger.meters import type_vector
from datalogger.meters.profile import Match, Member, Profile, ShortName, groups, title_prefix
from datalogger.meters.type_vector import Slot

_ADDRESS = re.compile(r"([0-9A-F]{2}){1,4}/([0-9A-F]{2}){1,4}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_SERIAL = re.compile(r"[0-9]{3,6} [78][NEO][12]")

_NUMBERS = frozenset((1, 2, 5, 6, 13, 15, 16, 17, 18, 20, 21, 23, 24))  # or an array or structure that holds one
_STRINGS = frozenset((9, 10, 12))
_KINDS = {
    "register": _NUMBERS,
    "text": _STRINGS,
    "octets": _STRINGS | {type_vector.TAGS["bits"]},
    "time": frozenset((type_vector.TAGS["os"], type_vector.TAGS["time"])),
    "date": frozenset((type_vector.TAGS["os"], type_vector.TAGS["date"])),
    "date-time": frozenset((type_vector.TAGS["os"], type_vector.TAGS["date-time"])),
    "enum": frozenset((type_vector.TAGS["enum"], type_vector.TAGS["u8"])),
    "bool": frozenset((type_vector.TAGS["bool"],)),
}
"""What kind of member can stand in which types."""

_ELECTRICITY = 1
_PUSH_SETUP = groups("0.25.9")[-2:]  # C D
_MOMENTARY = frozenset((4, 5, 6, 7, 14, 15, 16, 24, 25, 26, 27))  # group D: averages, extremes, instantaneous values
_CUMULATIVE = frozenset((8, 9, 29, 30))  # group D: time integrals


def faults(profile: Profile) -> list[str]:
    """What is wrong with it by itself: `key: what is wrong; the mend`."""
    found: list[str] = []
    for check in (_head, _match, _members, _registers, _absent, _elsewhere):
        found += check(profile)
    return found


def _head(profile: Profile) -> Iterator[str]:
    for key, values in (("makers", profile.makers), ("countries", profile.countries), ("sources", profile.sources)):
        if not values:
            yield f"{key}: empty: name at least one"
    for country in profile.countries:
        if not _COUNTRY.fullmatch(country):
            yield f'countries: "{country}" is no country: write two letters such as "NO"'
    for line in profile.line.serial:
        if not _SERIAL.fullmatch(line):
            yield f'line.serial: "{line}": write such as "2400 8E1"'
    if profile.match == Match() and not profile.by_configuration_only:
        yield "match: says nothing: no push would ever be recognised; set by_configuration_only = true if that is meant"


def _match(profile: Profile) -> Iterator[str]:
    match = profile.match
    yield from _names("match.names", match.names)
    yield from _names("match.without", match.without)
    for key, pattern in match.texts.items():
        if not key.isdecimal():
            yield from _names("match.texts", (key,))
        try:
            re.compile(pattern.encode())
        except re.error as error:
            yield f'match.texts."{key}": "{pattern}" is no regular expression: {error}'
    for title in match.titles:
        try:
            length = len(title_prefix(title)) // 2
        except ValueError:
            length = 0
        if not 0 < length <= 8:
            yield f'match.titles: "{title}": write up to 8 ASCII letters, or hex behind 0x'
    for address in match.addresses:
        if not _ADDRESS.fullmatch(address):
            yield f'match.addresses: "{address}": write destination/source in upper-case hex, such as "CF/0223"'
    try:
        slots = type_vector.parse(match.types)
    except ValueError as error:
        yield f"match.types: {error}"
        return
    if slots and match.layout != "positional":
        yield 'match.types: only asked of a positional body: set match.layout = "positional"'
    if slots and match.counts not in ((), (len(slots),)):
        yield f"match.counts: {list(match.counts)}, but match.types has {len(slots)} members"
    for key in match.texts:
        if slots and key.isdecimal() and int(key) >= len(slots):
            yield f'match.texts."{key}": match.types ends at {len(slots) - 1}'


def _members(profile: Profile) -> Iterator[str]:
    try:
        slots = type_vector.parse(profile.match.types)
    except ValueError:
        return  # said already
    indices = [member.index for member in profile.members]
    if len(set(indices)) < len(indices):
        yield f"members: index {_first_twice(indices)} stands there twice"
    if profile.match.layout == "positional":
        if not slots:
            yield "match.types: missing: a positional body is known by its types only"
        elif sorted(set(indices)) != list(range(len(slots))):
            odd = sorted(set(range(len(slots))) ^ set(indices))
            yield f"members: {len(slots)} types, and index {', '.join(map(str, odd))} is missing or too many"
    names = [(member.obis, member.attribute) for member in profile.members if member.obis]
    if len(set(names)) < len(names):
        yield f"members: {_first_twice(names)[0]} stands there twice"
    for member in profile.members:
        slot = slots[member.index] if 0 <= member.index < len(slots) else None
        yield from (f"members[{member.index}].{fault}" for fault in _member(member, slot))


def _member(member: Member, slot: Slot | None) -> Iterator[str]:
    name = obis.parse(member.obis)
    if member.obis and name is None:
        yield f'obis: "{member.obis}" is no logical name: write such as "1-0:1.7.0"'
    if not member.obis and member.kind == "register":
        yield 'obis: missing for a register; kind = "unknown" if nobody knows what it is'
    if member.kind != "register" and (member.scaler is not None or member.unit is not None):
        yield f'scaler: a {member.kind} has neither scaler nor unit; kind = "register"?'
    if slot is not None and member.kind in _KINDS and slot.tag not in _KINDS[member.kind]:
        yield f'kind: "{member.kind}" cannot be a {type_vector.WORDS[slot.tag]}'
    if name is not None:
        yield from _unit(member.obis, member.unit)


def _registers(profile: Profile) -> Iterator[str]:
    names = [name for register in profile.registers for name in register.obis]
    if len(set(names)) < len(names):
        yield f"registers: {_first_twice(names)} stands there twice"
    for register in profile.registers:
        yield from _names("registers.obis", register.obis)
        for name in register.obis:
            yield from (f"registers.{fault}" for fault in _unit(name, register.unit))
        ranges = sorted(register.ranges, key=lambda part: part.least)
        for part in ranges:
            if part.least > part.most:
                yield f"registers.ranges: least {part.least} is above most {part.most}"
        for one, other in pairwise(ranges):
            if one.most >= other.least:
                yield f"registers.ranges: {one.least}…{one.most} and {other.least}…{other.most} overlap"


def _absent(profile: Profile) -> Iterator[str]:
    for absent in profile.absent:
        yield from _names("absent.obis", absent.obis)
        yield from _names("absent.unless", absent.unless)
        yield from _names("absent.where", absent.where)


def _elsewhere(profile: Profile) -> Iterator[str]:
    if profile.clock.body is not None:
        yield from _names("clock.body", (profile.clock.body,))
    if isinstance(profile.meter, str):
        yield from _names("meter", (profile.meter,))


def _names(key: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            good = len(groups(name)) in (3, 5)
        except ValueError:
            good = False
        if not good:
            yield f'{key}: "{name}" is no logical name: write C.D.E or A-B:C.D.E, groups up to 255'


def _unit(name: ShortName, unit: str | None) -> Iterator[str]:
    """Whether the unit is one, and of the quantity that the name says."""
    if unit is None:
        return
    if unit not in units.SYMBOLS.values():
        yield f'unit: "{unit}" ({name}) is no symbol of a base unit: write such as Wh, W, varh, var, V, A, count'
    elif (expected := _unit_of(name)) is not None and unit != expected:
        yield f'unit: "{unit}" for {name}, which is measured in {expected}'


def _unit_of(name: ShortName) -> str | None:
    """What IEC 62056-61 measures under this name; None where it does not say, or nothing is measured."""
    try:
        *channel, c, d, _ = groups(name)
    except ValueError:
        return None
    if (channel and channel[0] != _ELECTRICITY) or not (d in _MOMENTARY or d in _CUMULATIVE):
        return None
    quantity = c % 20 if c <= 80 else None
    momentary = d in _MOMENTARY
    match quantity:
        case 1 | 2:
            return "W" if momentary else "Wh"
        case 3 | 4 | 5 | 6 | 7 | 8:
            return "var" if momentary else "varh"
        case 9 | 10:
            return "VA" if momentary else "VAh"
        case 11 if momentary:
            return "A"
        case 12 if momentary:
            return "V"
        case 13 if momentary:
            return "count"
        case 14 if momentary:
            return "Hz"
    return None


def conflicts(profiles: Iterable[Profile]) -> list[str]:
    """Pairs of which one push could be both, with nothing that decides."""
    themselves = [profile for profile in profiles if not profile.by_configuration_only and profile.match != Match()]
    return [
        f"{one.id} and {other.id}: a push may fit both, and nothing tells them apart"
        for one, other in combinations(themselves, 2)
        if not _told_apart(one.match, other.match)
    ]


def _told_apart(one: Match, other: Match) -> bool:
    slots = [type_vector.parse(match.types) for match in (one, other)]
    counts = [
        frozenset(match.counts or ((len(vector),) if vector else ()))
        for match, vector in zip((one, other), slots, strict=True)
    ]
    setups = _push_setups(one), _push_setups(other)
    return (
        _differ(one.layout, other.layout)
        or _differ(one.root, other.root)
        or (all(counts) and counts[0].isdisjoint(counts[1]))
        or (all(slots) and not type_vector.overlap(*slots))
        or _forbids(one, other)
        or _forbids(other, one)
        or _too_short(one, other)
        or _too_short(other, one)
        or (bool(setups[0] and setups[1]) and setups[0].isdisjoint(setups[1]))
        or any(pattern != other.texts.get(key, pattern) for key, pattern in one.texts.items())
        or _moment_for_text(one, slots[1])
        or _moment_for_text(other, slots[0])
        or _disjoint(one.titles, other.titles, lambda a, b: title_prefix(a).startswith(title_prefix(b)))
        or _disjoint(one.addresses, other.addresses, str.__eq__)
    )


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _asked(match: Match) -> set[bytes]:
    """The names that must be there."""
    return {groups(name) for name in (*match.names, *match.texts) if not name.isdecimal()}


def _forbids(one: Match, other: Match) -> bool:
    """Whether `one` must not have a name that `other` must have."""
    there = _asked(other) | {octets[-3:] for octets in _asked(other)}
    return any(groups(name) in there for name in one.without)


def _too_short(one: Match, other: Match) -> bool:
    """Whether `one` has fewer members than `other` must have names."""
    return bool(one.counts) and max(one.counts) < len({octets[-3:] for octets in _asked(other)})


def _push_setups(match: Match) -> set[bytes]:
    """A push object list is that of one push setup."""
    return {octets for octets in _asked(match) if match.layout == "push-list" and octets[-3:-1] == _PUSH_SETUP}


def _moment_for_text(match: Match, slots: Sequence[Slot]) -> bool:
    """Whether text is asked for where a date-time stands: its octets are none."""
    return any(key.isdecimal() and int(key) < len(slots) and slots[int(key)].moment for key in match.texts)


def _disjoint(one: Iterable[str], other: Iterable[str], same: Callable[[str, str], bool]) -> bool:
    one, other = tuple(one), tuple(other)
    return bool(one and other) and not any(same(a, b) or same(b, a) for a in one for b in other)


def _first_twice(values: list[Any]) -> Any:
    return next(value for index, value in enumerate(values) if value in values[:index])
