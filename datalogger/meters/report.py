"""A push and the meaning its profile gives it → a report. Every value is kept; what nobody knows is marked so."""

from datetime import datetime
from operator import itemgetter

from msgspec import UNSET, UnsetType

from datalogger import units
from datalogger.meters import plausibility, type_vector
from datalogger.meters.meaning import Meaning, Meanings, Reading, meanings
from datalogger.meters.profile import Profile, groups
from datalogger.model import Record, Report
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms import cosem_time
from datalogger.protocol.dlms.axdr_types import (
    ARRAY,
    BCD,
    BOOLEAN,
    COMPACT_ARRAY,
    DATE_TIME,
    EMPTY,
    ENUM,
    FLOATS,
    INTEGERS,
    NESTED,
    OCTET_STRING,
    STRUCTURE,
    UTF8_STRING,
    VISIBLE_STRING,
)
from datalogger.protocol.dlms.items import Item, Layout, Push

__all__ = ["Reading", "build"]

_NESTED = NESTED | {COMPACT_ARRAY}
_BARE_INTEGERS = frozenset((BOOLEAN, BCD, ENUM))
_TEXTS = frozenset((VISIBLE_STRING, UTF8_STRING))

_SYMBOLS: dict[int | None, str] = dict(units.SYMBOLS.items())  # None, where the wire has no unit, has no symbol
_TRANSFORMED = frozenset(("A", "W", "var", "VA", "Wh", "varh", "VAh"))
"""What a current transformer scales: the unit tells."""
_NO_TEXT = frozenset(("octets", "time", "date", "date-time"))
"""Kinds of member whose octets are no text, whatever they look like."""
_LEAST, _MOST = -(2**63), 2**64 - 1
"""Numbers that a meter can send; times a factor they stay among them."""
_CLOCK = groups("1.0.0")
_NO_MEANING = Layout.POSITIONAL, Layout.SCALAR
_MOST_NAMES = 60  # of one line in the log; the longest real list has half as many
_LONGEST_VECTOR = 1000  # characters of one line in the log; the longest real one has a tenth
_TITLE_OF_MAKER = 8  # hex digits of a system title that name maker and type; the rest is the meter's own number


def build(push: Push, profile: Profile | None, reading: Reading) -> tuple[Report, list[Notice]]:
    """The report of a push, and what a person should know about it; how often is for the caller to say."""
    builder = _Builder(push, meanings(profile, reading, push.layout), reading)
    report = builder.report()
    return report, builder.notices()


class _Builder:
    """One push on its way to a report."""

    def __init__(self, push: Push, known: Meanings, reading: Reading) -> None:
        self._push = push
        self._known = known
        self._reading = reading
        self._identifiers: list[tuple[int, Record]] = []
        self._clock: bytes | None = None
        self._unscaled: list[str] = []
        self._gauges: dict[str, float] = {}
        self._saying: dict[int, set[bytes]] = {}

    def report(self) -> Report:
        push, known = self._push, self._known
        return Report(
            protocol="dlms",
            records=self._records(),  # first: the others are found on the way
            meter=self._reading.meter or self._identifier(),
            meter_time=self._meter_time(),
            frame=push.octets,
            profile="" if known.profile is None else known.profile.id,
            security=push.security,
        )

    def _records(self) -> tuple[Record, ...]:
        """One a value, in their order. Numbers of which no more is to be found out, nearly all there are, take the
        short way."""
        of, gauges, as_sent = self._known.of, self._gauges, self._reading.factor == 1
        records: list[Record] = []
        append = records.append
        for item in self._push.items:
            tag, value = item.data
            name = item.name
            if name is None:
                position: int | None = item.position
                meaning = of[item.position]
            else:
                position = None
                meaning = of[name]
            if tag in INTEGERS and as_sent and meaning.plain and not meaning.ranges:
                scaler, unscaled = item.scaler, False
                if scaler is not None:
                    unit = _SYMBOLS.get(item.unit)
                elif (scaler := meaning.fixed) is not None:
                    unit = meaning.unit
                    if meaning.gauge:
                        gauges[meaning.gauge] = value * meaning.weight
                else:
                    scaler, unit = 0, None
                    if unscaled := meaning.is_register(item.class_id):
                        self._unscaled.append(meaning.obis)
                append(
                    Record(
                        meaning.obis, value, scaler, unit, None, UNSET, None, None,
                        position, item.class_id, item.attribute, tag, None, None, unscaled,
                    )
                )  # fmt: skip
                continue
            number = value if tag in INTEGERS else _only_number(item) if tag in _NESTED else None
            if number is None:
                record = self._other(item, position, meaning)
            else:
                record = self._number(item, number, position, meaning)
            if meaning.rank:
                self._identifiers.append((meaning.rank, record))
            append(record)
        return tuple(records)

    def _number(self, item: Item, value: int, position: int | None, meaning: Meaning) -> Record:
        """An integer of which something is unknown, or more is to say."""
        scaler, unit, unscaled = item.scaler, None, False
        if scaler is not None:
            unit = _SYMBOLS.get(item.unit)
        else:
            scaler = meaning.scaler_of(value)
            if scaler is not None:
                unit = meaning.unit
                if meaning.gauge:
                    self._gauges[meaning.gauge] = value * 10.0**scaler
            elif meaning.is_register(item.class_id):
                unscaled = True
                self._unscaled.append(meaning.obis)
        shown: int | None = value
        absent = meaning.absent is not None and self._is_absent(value, meaning)
        if absent:
            shown = None
        elif unit in _TRANSFORMED:
            shown = value * self._reading.factor
            if not _LEAST <= shown <= _MOST:  # no meter counts so far, and no store holds it
                shown, unit, unscaled = value, None, True
                self._unscaled.append(meaning.obis)
        return Record(
            meaning.obis, shown, scaler or 0, unit, None, UNSET, None, None,
            position, item.class_id, item.attribute, item.data[0], None, None, unscaled, absent,
        )  # fmt: skip

    def _other(self, item: Item, position: int | None, meaning: Meaning) -> Record:
        """Whatever is no integer."""
        tag, value = item.data
        number: int | None = None
        scaler, unit = item.scaler or 0, _SYMBOLS.get(item.unit)
        real: float | None = None
        text: str | None = None
        time: datetime | UnsetType | None = UNSET
        octets: bytes | None = None
        shown_tag: int | None = tag
        if item.objects is not None:
            shown_tag = None  # the list describes the push; it is no value of it
        elif tag == OCTET_STRING:
            octets = value
            if len(value) == cosem_time.DATE_TIME_SIZE and self._is_moment(value, meaning, position):
                time = self._time(value, meaning)
            elif meaning.kind not in _NO_TEXT:
                text = _printable(value)
        elif tag in _TEXTS:
            text = _printable(value)
            if text is None or len(text) != len(value):
                octets = value
        elif tag in _BARE_INTEGERS:
            number = int(value)
        elif tag in FLOATS:
            real = value
            if item.scaler is None and meaning.scaler is not None:
                scaler, unit = meaning.scaler, meaning.unit
            if unit in _TRANSFORMED:
                real *= self._reading.factor
        elif tag == DATE_TIME:
            octets = value
            time = self._time(value, meaning)
        elif tag in _NESTED:
            octets = item.encoded
        elif tag not in EMPTY:  # bit-string, date, time
            octets = value
        return Record(
            meaning.obis, number, scaler, unit, text, time, octets, None,
            position, item.class_id, item.attribute, shown_tag, None, real, False, False, item.objects,
        )  # fmt: skip

    def _is_moment(self, octets: bytes, meaning: Meaning, position: int | None) -> bool:
        """Twelve octets are a date-time where a clock is or, where nobody knows what is there, if they look so."""
        return meaning.clock or (position is not None and meaning.kind is None and cosem_time.looks_like(octets))

    def _time(self, octets: bytes, meaning: Meaning) -> datetime | None:
        if self._clock is None and (self._known.body_clock or _CLOCK) in (meaning.octets, meaning.octets[2:]):
            self._clock = octets
        return cosem_time.sent(octets, self._reading.zone, self._known.policy)

    def _is_absent(self, value: int, meaning: Meaning) -> bool:
        rule = meaning.absent
        if rule is None or value != rule.value:
            return False
        if value not in self._saying:
            self._saying[value] = self._that_say(value)
        saying = self._saying[value]
        return saying.isdisjoint(map(groups, rule.unless)) and saying.issuperset(map(groups, rule.where))

    def _that_say(self, value: int) -> set[bytes]:
        """The names, with and without their channel, of all that is this number."""
        said = [
            self._known.of[item.position if item.name is None else item.name].octets
            for item in self._push.items
            if item.data[1] == value and item.data[0] in INTEGERS
        ]
        return {*said, *(octets[2:] for octets in said)}

    def _meter_time(self) -> datetime | None:
        """The header's, else the body's clock."""
        for octets in (self._push.date_time, self._clock):
            if octets is not None:
                moment = cosem_time.resolve(octets, self._reading.zone, self._known.policy)
                if moment is not None:
                    return moment
        return None

    def _identifier(self) -> str:
        """The best that the meter says of itself; its system title where it says nothing else."""
        for _, record in sorted(self._identifiers, key=itemgetter(0)):
            found = _identifying(record)
            if found:
                return found
        security = self._push.security
        return "" if security is None else security.system_title

    def notices(self) -> list[Notice]:
        """What a person should know."""
        push, known = self._push, self._known
        found = list(known.questions)
        if known.profile is None and push.layout in _NO_MEANING:
            found.append(Notice("layout_unknown", _described(push)))
        if self._unscaled:
            fits = "" if known.profile else "no profile fits: name one, or set scalers; "
            found.append(Notice("unscaled", f"{fits}nobody knows the scaler of {_some(self._unscaled)}"))
        if self._gauges:
            gauges, reading = self._gauges, self._reading
            reading.exporting = reading.exporting or any(gauges.get(name) for name in plausibility.EXPORTS)
            doubt = plausibility.doubt(gauges, exporting=reading.exporting)
            if doubt:
                found.append(Notice("implausible", doubt))
        return found


def _printable(octets: bytes) -> str | None:
    """The text, trailing NULs removed; None where it is not printable ASCII."""
    text = octets.rstrip(b"\0").decode("latin-1")
    return text if text.isascii() and text.isprintable() else None


def _only_number(item: Item) -> int | None:
    """The number of an array or structure that holds one number and no more."""
    tag, value = item.data
    if tag not in _NESTED or item.objects is not None:
        return None
    while tag in _NESTED and len(value) == 1:
        tag, value = value[0]
    return value if tag in INTEGERS else None


def _identifying(record: Record) -> str:
    if record.text is not None:
        return record.text.strip()
    if record.octets is not None:
        return record.octets.hex().upper()
    return "" if record.value is None else str(record.value)


def _described(push: Push) -> str:
    """A layout as it can be sent in: types, lengths and the maker, nothing of what the values say."""
    roots = {ARRAY: "array", STRUCTURE: "structure"}
    link = push.link
    line = f" {link.destination.hex().upper()}/{link.source.hex().upper()}" if link.destination else ""
    title = f", system title {push.security.system_title[:_TITLE_OF_MAKER]}…" if push.security else ""
    return (
        f"no profile knows this layout: {roots.get(push.root, 'scalar')} of {len(push.types)}: "
        f"{_shortened(type_vector.describe(push.items))} ({link.framing}{line}{title}); please send this line in"
    )


def _some(names: list[str]) -> str:
    """All of them, or the first of more than any meter sends."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _shortened(vector: str) -> str:
    return vector if len(vector) <= _LONGEST_VECTOR else vector[:_LONGEST_VECTOR] + "…"
