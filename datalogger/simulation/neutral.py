"""A capture without the home it came from: the same layout, other numbers, names, times and keys."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC

from msgspec import Struct
from msgspec.structs import replace

from datalogger.errors import DecodeError
from datalogger.meters import profiles
from datalogger.meters.recognition import recognise
from datalogger.protocol.dlms import apdu, axdr
from datalogger.protocol.dlms.axdr import Leaf
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.security import AUTHENTICATED
from datalogger.protocol.p1.telegram import decode_telegram
from datalogger.simulation import body, telegram_text
from datalogger.simulation.body import Body, content, is_name
from datalogger.simulation.dates import DATE_OCTETS, has_year, is_time_of_day, read_date, write_date
from datalogger.simulation.substitutes import Substitutes
from datalogger.simulation.twin import Capture, Message

_TEXTS = frozenset((9, 10, 12))  # A-XDR: octet-string, visible-string, utf8-string
_NUMBERS = frozenset((5, 6, 16, 18, 20, 21))
_INVOKE_ID = slice(2, 5)  # of a data-notification; the octet before are its priority and service class
_DATES = frozenset((25, 26))
_TIME, _BITS = 27, 4
_SAYING_NOTHING = b"\x00\xff"
_WIDE = 4  # octets: what holds no value is a class, an attribute, a scaler or a unit, and shorter than this
_SHORT = 2  # octets: a tariff, a state
_ORIGINATOR, _RECIPIENT = 1, 2  # of the fields of a general-ciphering header: their system titles
_MESSAGE = (96, 13)  # C, D of what an operator writes to a customer
_NAMED_BY_MAKER = 3  # octets of a system title; the rest is the serial number


class Twin(Struct, frozen=True):
    """octets: of the twin's frames, all that was left out gone

    keys:     those it is enciphered with; without any where nothing was ciphered
    system_title: what its reader must know where the meter leaves its own out, else b""
    messages: how many it holds
    replaced: what was replaced, and how often
    left_out: reason → octets
    """

    octets: bytes
    keys: Keys
    system_title: bytes
    messages: int
    replaced: dict[str, int]
    left_out: dict[str, int]


def neutralise(capture: Capture, dice: random.Random) -> Twin:
    """dice: random.SystemRandom, so that nobody can go back; seeded in tests.

    ValueError where the twin, read again, has not the form of its original: then it is no use to anybody.
    """
    return _Neutraliser(capture, dice).twin()


class _Neutraliser:
    def __init__(self, capture: Capture, dice: random.Random) -> None:
        self._capture = capture
        self._dice = dice
        self._substitutes = Substitutes(dice)
        self._titles: dict[bytes, bytes] = {}
        self._counter_shift = dice.randint(100_000, 900_000)
        self._replaced: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def twin(self) -> Twin:
        capture = self._capture
        for rejected in capture.left_out:
            self._left_out[rejected.reason] += len(rejected.octets)
        bodies = {number: body.take_apart(message) for number, message in enumerate(capture.messages)}
        self._hide(bodies)
        twins: list[Message] = []
        unknown: set[int] = set()
        for number, message in enumerate(capture.messages):
            found = bodies[number]
            if found is not None:
                twins.append(self._with_other_title(replace(message, text=self._text(message, found))))
            elif _is_telegram(message.text):
                text = telegram_text.neutral(message.text, self._substitutes, self._replaced)
                twins.append(self._with_other_title(replace(message, text=text)))
            else:
                unknown.update(message.frames)
        whole = [twin for twin in twins if not unknown.intersection(twin.frames)]
        lost = _frames(capture.messages) - _frames(whole)
        if lost:
            self._left_out["no readings"] += capture.size_of(lost)
        keys = self._other_keys(whole)
        title = self._other_title(capture.system_title)
        octets = capture.only(whole, keys=keys, system_title=title) if whole else b""
        wanted = [_form(message) for message in capture.messages if not lost.intersection(message.frames)]
        if [_form(message) for message in Capture(octets, keys, system_title=title).messages] != wanted:
            raise ValueError("its twin, read again, has another form: nothing is written, so that nobody is misled")
        return Twin(octets, keys, title, len(whole), dict(self._replaced), dict(self._left_out))

    def _hide(self, bodies: dict[int, Body | None]) -> None:
        numbers: list[int] = []
        texts: list[bytes] = []
        for number, message in enumerate(self._capture.messages):
            found = bodies[number]
            if found is None:
                texts.append(message.text)
                numbers += telegram_text.numbers(message.text)
                continue
            for leaf in _leaves(found):
                octets = content(message.text, leaf)
                if leaf.tag in _TEXTS:
                    texts.append(octets)
                else:
                    numbers += [int.from_bytes(octets, "big"), int.from_bytes(octets, "big", signed=True)]
        self._substitutes.hide(numbers, texts)

    def _other_keys(self, messages: Iterable[Message]) -> Keys:
        """As long as the original ones; an authentication key wherever there is a tag, known or not."""
        envelopes = [message.control for message in messages if message.envelope]
        keys = self._capture.keys
        encryption = keys.encryption and self._dice.randbytes(len(keys.encryption))
        if encryption is None or not any(control & AUTHENTICATED for control in envelopes):
            return Keys(encryption if envelopes else None)
        return Keys(encryption, self._dice.randbytes(len(keys.authentication or encryption)))

    def _with_other_title(self, message: Message) -> Message:
        if message.counter is None:
            return message
        self._replaced["invocation counter"] += 1
        counter = (message.counter + self._counter_shift) % 2**32
        message = replace(message, envelope=self._other_header(message.envelope))
        if not message.title:
            return replace(message, counter=counter)
        self._replaced["system title"] += 1
        return replace(message, counter=counter, title=self._other_title(message.title))

    def _other_header(self, envelope: bytes) -> bytes:
        """Of general-ciphering, what stands around the system title: who it is for, which transaction, when."""
        if envelope[0] != apdu.GENERAL_CIPHERING:
            return envelope
        written = bytearray(envelope)
        end = 1
        for number in range(apdu.HEADER_FIELDS):
            size, at = axdr.length(envelope, end)
            end = at + size
            field = envelope[at:end]
            if number == _ORIGINATOR or not field:
                continue
            self._replaced["header"] += 1
            if number == _RECIPIENT and size == apdu.TITLE_SIZE:
                written[at:end] = self._other_title(field)
            elif size in DATE_OCTETS and read_date(field) is not None:
                written[at:end] = self._date(field)
            else:
                written[at:end] = self._substitutes.octets(field)
        return bytes(written)

    def _other_title(self, title: bytes) -> bytes:
        if title not in self._titles:
            head, serial = title[:_NAMED_BY_MAKER], title[_NAMED_BY_MAKER:]
            self._titles[title] = head + self._substitutes.octets(serial)
        return self._titles[title]

    def _text(self, message: Message, found: Body) -> bytes:
        text = message.text
        edits: dict[int, bytes] = {}
        if found.date_time is not None:
            self._edit(edits, found.date_time, text[found.date_time : found.date_time + 12], "time", self._date)
        self._edit(edits, _INVOKE_ID.start, text[_INVOKE_ID], "invoke id", self._invoke_id)
        profile, _ = recognise(found.push, profiles.load())
        absent = {rule.value for rule in profile.absent} if profile is not None else set()
        for place in found.places:
            if place.item.data[0] in _NUMBERS and place.item.data[1] in absent:
                continue  # not a number, but that there is none
            private = place.item.name is not None and tuple(place.item.name[2:4]) == _MESSAGE
            for leaf in place.leaves:
                self._leaf(edits, text, leaf, private=private)
        for leaf in found.others:
            listed = any(item.objects is not None and leaf.path[:1] == (item.position,) for item in found.push.items)
            if not listed and (leaf.tag in _TEXTS or leaf.size >= _WIDE):
                self._leaf(edits, text, leaf, private=False)
        return body.written(text, edits)

    def _leaf(self, edits: dict[int, bytes], text: bytes, leaf: Leaf, *, private: bool) -> None:
        octets = content(text, leaf)
        if leaf.tag in _DATES:
            self._edit(edits, leaf.value_at, octets, "time", self._date)
        elif leaf.tag == _TIME and not is_time_of_day(octets):
            self._edit(edits, leaf.value_at, octets, "time", self._unknown)
        elif leaf.tag == _BITS and leaf.size >= _WIDE:
            self._edit(edits, leaf.value_at, octets, "bits", self._unknown)
        elif leaf.tag not in _TEXTS:
            self._edit(edits, leaf.value_at, octets, "value", lambda octets: self._substitutes.value(leaf.tag, octets))
        elif leaf.size in DATE_OCTETS and read_date(octets) is not None:
            self._edit(edits, leaf.value_at, octets, "time", self._date)
        elif not (leaf.size <= _SHORT or is_name(octets) or is_time_of_day(octets)):
            self._edit(
                edits, leaf.value_at, octets, "text", lambda octets: self._substitutes.string(octets, private=private)
            )

    def _edit(
        self, edits: dict[int, bytes], at: int, octets: bytes, what: str, other: Callable[[bytes], bytes]
    ) -> None:
        new = other(octets)
        if new != octets:
            self._replaced[what] += 1
            edits[at] = new

    def _invoke_id(self, octets: bytes) -> bytes:
        """Some meters count their pushes in it, and others always say 0."""
        number = int.from_bytes(octets, "big")
        return ((number + self._counter_shift) % 2**24).to_bytes(3, "big") if number else octets

    def _date(self, octets: bytes) -> bytes:
        """A date or date-time some weeks away; an impossible one, or one that leaves something open, stays."""
        day = read_date(octets)
        if day is not None:
            return write_date(octets, self._substitutes.time(day))
        return octets if has_year(octets) else self._unknown(octets)

    def _unknown(self, octets: bytes) -> bytes:
        """Of octets that may be anything, an identifier too, those stay that say nothing."""
        other = self._substitutes.octets(octets)
        return bytes(old if old in _SAYING_NOTHING else new for old, new in zip(octets, other, strict=True))


def _is_telegram(text: bytes) -> bool:
    try:
        decode_telegram(text, check=True, zone=UTC)
    except DecodeError:
        return False
    return True


def _form(message: Message) -> object:
    """What a message and its twin have in common."""
    found = body.take_apart(message)
    if found is None:
        telegram = decode_telegram(message.text, check=True, zone=UTC)
        return [(record.obis, record.scaler, record.unit, record.value is None) for record in telegram.records]
    push = found.push
    return push.layout, push.types, [(item.position, item.name, item.data[0], item.scaler) for item in push.items]


def _leaves(found: Body) -> Iterator[Leaf]:
    for place in found.places:
        yield from place.leaves
    yield from found.others


def _frames(messages: Iterable[Message]) -> set[int]:
    return {number for message in messages for number in message.frames}
