"""A meter profile: what one family of meters means by its pushes, as `profiles/*.toml` says it.

One file, one family and one layout of it. `lint` holds the files to these rules and to each other.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from datalogger.protocol.dlms import cosem_time
from datalogger.protocol.framing import Framing

ShortName = Annotated[str, Meta(pattern=r"^(\d{1,3}-\d{1,3}:)?\d{1,3}\.\d{1,3}\.\d{1,3}$")]
"""`A-B:C.D.E`, or `C.D.E` for any A-B."""

Scaler = Annotated[int, Meta(ge=-12, le=12)]

ClockPolicy = cosem_time.Policy


def groups(name: ShortName) -> bytes:
    """The three octets C D E, or five, A B C D E, where the name has an A-B; ValueError for a group above 255."""
    return bytes(map(int, name.replace("-", ".").replace(":", ".").split(".")))


def title_prefix(text: str) -> str:
    """Upper-case hex of a prefix that stands as text, or as hex behind "0x"; ValueError where it is neither."""
    return bytes.fromhex(text[2:]).hex().upper() if text.startswith("0x") else text.encode("ascii").hex().upper()


class Match(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By what a push is recognised. Everything that is given must hold; nothing given: only by configuration."""

    layout: Literal["push-list", "structures", "flat", "positional", "untagged", "scalar"] | None = None
    root: Literal["structure", "array"] | None = None
    """What the body is; a structure where a type vector is given and this is not."""
    counts: tuple[int, ...] = ()
    """Members of the body; any where empty."""
    types: str = ""
    """Positional: the whole type vector, such as "os os os u32*10 dt u32*4".

    `os(5)`: an octet string of so many octets; `dt`: one of twelve that is a date-time; `array(u16)`: an array
    of these; `null` behind a `?` (`u32?`) may stand in its place. The facts of §1.0 in full.
    """
    texts: dict[str, str] = {}
    """Member index ("0") or logical name ("1-1:96.1.1", any A-B with "96.1.1") → regular expression for its text.

    The whole text must fit; NULs and spaces around it do not count. A logical name as a value is `A-B:C.D.E`.
    """
    names: tuple[ShortName, ...] = ()
    """Logical names that must all be there (of an item, or in the push object list)."""
    without: tuple[ShortName, ...] = ()
    """Logical names that must not be there."""
    titles: tuple[str, ...] = ()
    """System titles that begin so, as text ("KFM", "LGZg") or as hex behind "0x"; only asked of ciphered pushes."""
    addresses: tuple[str, ...] = ()
    """HDLC destination/source as hex, "CF/0223"; only asked of HDLC frames. A hint: it decides between equals.

    More than a hint where positions are all there is: without a text or a system title, it has to be one of these.
    """


class Member(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Positional: what stands at one index. `obis` "" is a value whose meaning nobody knows."""

    index: int
    obis: str = ""
    kind: Literal["register", "text", "octets", "time", "date", "date-time", "enum", "bool", "unknown"] = "register"
    class_id: int | None = field(default=None, name="class")
    attribute: int | None = None
    scaler: Scaler | None = None
    """A register without one is passed on unscaled."""
    unit: str | None = None
    """Symbol of the base unit: Wh W varh var VA V A Hz m3 count …"""
    sure: str = ""
    """Marks of certainty: G V O R N I ?"""


class Range(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Raw values from `least` to `most` have this scaler: where the ranges of two firmwares cannot overlap."""

    least: int
    most: int
    scaler: Scaler


class Register(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Scaler and unit of named values that come without. Several names share a line."""

    obis: tuple[ShortName, ...]
    unit: str | None = None
    scaler: Scaler | None = None
    """None: nobody knows; the number is passed on unscaled."""
    ranges: tuple[Range, ...] = ()
    sure: str = ""


class Absent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A raw number that says "not measured"."""

    obis: tuple[ShortName, ...]
    value: int
    unless: tuple[ShortName, ...] = ()
    """Not so where any of these is nothing else than `value` too: a meter without voltage at all says 0 V."""
    where: tuple[ShortName, ...] = ()
    """Only so where all of these are `value` too: 0 A of a phase whose voltage is not measured."""


class ClockRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the meter's clock shows, where its own deviation does not say (or says it wrongly).

    trust:    the deviation on the wire; where there is none, local time with summer time
    local:    local time of the source's zone, summer time included; the deviation is not looked at
    standard: the zone's standard time all year; the deviation is not looked at
    arrival:  the meter has no clock (or a useless one): no meter time
    """

    policy: ClockPolicy = "trust"
    body: ShortName | None = None
    """Logical name of the clock in the body that is the meter time where the header has none."""


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How such a meter is connected."""

    serial: tuple[str, ...] = ()
    """Most likely first: "2400 8E1"."""
    framing: tuple[Framing, ...] = ("hdlc",)
    interface: str = ""
    """Socket and level: "RJ45 M-Bus", "RJ12 P1, inverted"."""
    interval: str = ""
    sure: str = ""


class Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which keys a person has to ask for, and whom."""

    need: Literal["none", "encryption", "both", "operator's choice"] = "none"
    ask: str = ""


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """id is the file's name without .toml."""

    id: str
    title: str
    """One line for people."""
    makers: tuple[str, ...]
    models: tuple[str, ...] = ()
    countries: tuple[str, ...]
    """ISO 3166: "NO", "SE" …"""
    operators: tuple[str, ...] = ()
    """Of the first of the countries."""
    sources: tuple[str, ...]
    """Where the meaning is known from, in own words, with marks of certainty."""
    match: Match = Match()
    by_configuration_only: bool = False
    """Never recognised by itself: the meter does not say which of several it is."""
    meter: ShortName | int | None = None
    """Where the meter's identifier stands: a logical name or a position. Tried before the usual names."""
    members: tuple[Member, ...] = ()
    """Every member of a positional body; in other layouts those that come without a name and have a meaning."""
    registers: tuple[Register, ...] = ()
    absent: tuple[Absent, ...] = ()
    clock: ClockRule = ClockRule()
    line: Line = Line()
    key: Key = Key()
    ask: tuple[str, ...] = ()
    """What only the owner can answer, in one sentence each; shown once when the profile is first used."""
    notes: tuple[str, ...] = ()
