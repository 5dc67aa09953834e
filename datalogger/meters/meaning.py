"""What one name or position means on one line: from the profile, and from what the configuration says beside it."""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import TypeVar

from msgspec import Struct

from datalogger import obis
from datalogger.meters import plausibility
from datalogger.meters.profile import Absent, ClockPolicy, Member, Profile, Range, ShortName, groups
from datalogger.obis import Obis
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms.items import Layout

MOST_NAMES = 256  # remembered a line, some 90 kB; a meter has dozens, a hostile one could invent more with every push

Value = TypeVar("Value")

# Where meters put their identifier, the best first. Not 1-1:96.1.1 and 0-0:96.1.7: those are models.
_IDENTIFIERS = (
    "0-0:96.1.0", "0-0:96.1.1", "1-1:0.0.5", "1-0:0.0.5", "1-0:0.0.0", "1-1:0.0.0", "1-0:96.1.0", "0-0:42.0.0",
)  # fmt: skip
_RANKS = {groups(name): rank for rank, name in enumerate(_IDENTIFIERS, 2)}
_OWN_RANK = 1  # of the place the profile names

_CLOCK = groups("1.0.0")
_REGISTER_CLASSES = frozenset((3, 4, 5))
_ABSTRACT = 0
_QUANTITIES = range(1, 96)  # group C of what is measured; 0 and from 96 on: identifiers, states, lists


class Reading(Struct, kw_only=True):
    """What the configuration of a line says about the meter's values. One object a line: it remembers.

    zone:    where a time without deviation is local
    clock:   what the meter's clock shows, in place of the profile's own rule
    scalers: short name → (scaler, unit symbol), in place of the profile's; "A-B:C.D.E" before "C.D.E"; a unit of None
             leaves that of the profile
    meter:   the meter's identifier where it sends none (or another is wanted)
    factor:  of the current transformer: currents, powers and energies are multiplied by it
    """

    zone: tzinfo
    clock: ClockPolicy | None = None
    scalers: Mapping[ShortName, tuple[int, str | None]] = {}
    meter: str = ""
    factor: int = 1
    exporting: bool = False
    """This meter was seen to deliver power."""
    meanings: dict[tuple[str, bool], "Meanings"] = {}
    """By profile id, and whether its positions hold."""


class Meaning(Struct, frozen=True):
    """What is known of the values under one name, or at one position.

    obis:     "" where nobody knows
    octets:   A B C D E
    kind:     as the profile says; None where only the name is known
    scaler:   None where neither configuration nor profile knows; `ranges` decide first
    register: by its name, this is a register
    rank:     as an identifier of the meter: 1 is the best, 0 is none
    plain:    a number is no identifier of the meter, and never a way to say "not measured"
    fixed:    and its scaler is this one, whatever the number
    gauge:    what the plausibility check calls it, "" if it does not look at it; a number counts `weight` there
    """

    obis: Obis = Obis("")
    octets: bytes = b""
    kind: str | None = None
    scaler: int | None = None
    unit: str | None = None
    ranges: tuple[Range, ...] = ()
    absent: Absent | None = None
    register: bool = False
    clock: bool = False
    rank: int = 0
    plain: bool = False
    fixed: int | None = None
    gauge: str = ""
    weight: float = 1.0

    def scaler_of(self, value: int) -> int | None:
        for part in self.ranges:
            if part.least <= value <= part.most:
                return part.scaler
        return self.scaler

    def is_register(self, class_id: int | None) -> bool:
        return self.register if class_id is None else class_id in _REGISTER_CLASSES


class Remembered(dict[bytes | int, Meaning]):
    """Meanings, each made when it is first asked for."""

    def __init__(self, make: Callable[[bytes | int], Meaning]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: bytes | int) -> Meaning:
        if len(self) >= MOST_NAMES:
            self.clear()
        meaning = self[key] = self._make(key)
        return meaning


class Meanings:
    """What a profile (None: none) means on a line: `of[name]` by six octets, `of[position]` without a name."""

    def __init__(self, profile: Profile | None, reading: Reading, positions_hold: bool) -> None:
        self.profile = profile
        self.of = Remembered(self._make)
        self.questions = [Notice("ask", f"{profile.id}: {line}") for line in profile.ask] if profile else []
        self.body_clock = groups(profile.clock.body) if profile and profile.clock.body else None
        self.policy: ClockPolicy = reading.clock or (profile.clock.policy if profile else "trust")
        self._overrides = {groups(name): scale for name, scale in reading.scalers.items()}
        self._members = {member.index: member for member in profile.members} if profile and positions_hold else {}
        self._meter: bytes | int | None = None
        self._registers: dict[bytes, tuple[int | None, str | None, tuple[Range, ...]]] = {}
        self._absent: dict[bytes, Absent] = {}
        if profile is not None:
            self._meter = groups(profile.meter) if isinstance(profile.meter, str) else profile.meter
            for register in profile.registers:
                scale = (register.scaler, register.unit, register.ranges)
                self._registers |= dict.fromkeys(map(groups, register.obis), scale)
            for absent in profile.absent:
                self._absent |= dict.fromkeys(map(groups, absent.obis), absent)

    def _make(self, key: bytes | int) -> Meaning:
        return self._at(key) if isinstance(key, int) else self._named(key, None)

    def _at(self, position: int) -> Meaning:
        member = self._members.get(position)
        rank = _OWN_RANK if position == self._meter else 0
        if member is None:
            return Meaning(rank=rank, plain=not rank)
        name = obis.parse(member.obis)
        if name is None:
            return Meaning(kind=member.kind, rank=rank, plain=not rank)
        return self._named(bytes(obis.to_groups(name)), member, rank)

    def _named(self, name: bytes, member: Member | None, rank: int = 0) -> Meaning:
        octets, quantity = name[:5], name[2:5]
        scaler, unit, ranges = _found(self._registers, octets) or (None, None, ())
        kind: str | None = None
        if member is not None:
            kind = member.kind
            if member.scaler is not None:
                scaler, unit, ranges = member.scaler, member.unit, ()
        if override := _found(self._overrides, octets):
            scaler, unit, ranges = override[0], override[1] or unit, ()
        if self._meter in (octets, quantity):
            rank = _OWN_RANK
        rank = rank or _RANKS.get(octets, 0)
        absent = _found(self._absent, octets)
        plain = not rank and absent is None
        return Meaning(
            obis=obis.from_groups(name),
            octets=octets,
            kind=kind,
            scaler=scaler,
            unit=unit,
            ranges=ranges,
            absent=absent,
            register=kind == "register" if kind is not None else name[0] != _ABSTRACT and name[2] in _QUANTITIES,
            clock=kind == "date-time" or quantity == _CLOCK,
            rank=rank,
            plain=plain,
            fixed=scaler if plain and not ranges else None,
            gauge=plausibility.GAUGES.get(quantity, ""),
            weight=1.0 if scaler is None else 10.0**scaler,
        )


def meanings(profile: Profile | None, reading: Reading, layout: Layout) -> Meanings:
    """What the profile means on this line, made once. Its positions are those of its own layout only."""
    key = ("", False) if profile is None else (profile.id, profile.match.layout in (None, layout))
    found = reading.meanings.get(key)
    if found is None or found.profile is not profile:
        found = reading.meanings[key] = Meanings(profile, reading, key[1])
    return found


def _found(table: Mapping[bytes, Value], octets: bytes) -> Value | None:
    """What stands under A-B:C.D.E, else under C.D.E."""
    found = table.get(octets)
    return table.get(octets[2:]) if found is None else found
