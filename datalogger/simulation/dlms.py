"""A DLMS meter: any push, brought to life. Its clock goes, what it counts rises, each push has a new counter."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from datalogger.meters import profiles
from datalogger.meters.meaning import Reading, meanings
from datalogger.meters.recognition import recognise
from datalogger.obis import to_groups
from datalogger.protocol.dlms.axdr import Leaf
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.security import AUTHENTICATED
from datalogger.simulation import body, p1
from datalogger.simulation.body import Body, content
from datalogger.simulation.dates import DATE_OCTETS, is_time_of_day, read_date, write_date
from datalogger.simulation.house import WATT_HOUR, House
from datalogger.simulation.template import COUNTED, MEASURED, Template, What
from datalogger.simulation.twin import Capture, Message

_INTEGERS = {5: 31, 6: 32, 16: 15, 18: 16, 20: 63, 21: 64}  # A-XDR tag → bits of a number that is not negative
_OCTET_STRING, _DATE_TIME = 9, 25

_INSTANTANEOUS = 7  # group D
_REACTIVE = frozenset((3, 4, 23, 24, 43, 44, 63, 64))  # group C: var, all phases and each

_DEVIATION = slice(9, 11)  # of a date-time: minutes, UTC = local + deviation
_UNSPECIFIED = b"\x80\x00"
_STATUS = 11
_NO_STATUS = 0xFF
_SUMMER_TIME = 0x80

# Counters follow the clock, so that one who starts the same meter again is no replay.
_COUNTERS_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_COUNTERS_STEP = timedelta(milliseconds=100)


class PushFault(StrEnum):
    """What only a push can suffer; see faults.Fault for what befalls any octets."""

    REPLAY = "replay"  # the push before is sent again
    WRONG_KEY = "wrong-key"  # enciphered with another key
    LOST_SEGMENT = "lost-segment"  # one of its frames is missing


class Pushes:
    """Without end, the same for the same arguments, each `interval` of the meter's time after the one before.

    capture:  holds at least one message (ValueError)
    zone, standard_time: where the meter's clock is, and whether it knows no summer time
    counter:  the first invocation counter; None: as the clock has it
    keys:     to encipher with; None: those the capture was opened with
    faults:   how often each strikes, 0 to 1. ValueError for one that this push cannot suffer
    now:      the meter's time
    struck:   the faults of the push that came last
    """

    def __init__(
        self,
        capture: Capture,
        *,
        start: datetime,
        interval: timedelta,
        zone: ZoneInfo,
        standard_time: bool = False,
        counter: int | None = None,
        keys: Keys | None = None,
        faults: Mapping[PushFault, float] | None = None,
        seed: int = 0,
    ) -> None:
        if not capture.messages:
            why = "; ".join(dict.fromkeys(f"{rejected.reason}: {rejected.detail}" for rejected in capture.left_out))
            raise ValueError(f"no push that could be read: {why or 'nothing but noise'}")
        self._capture = capture
        self._interval = interval
        self._keys = keys or capture.keys
        self.now = start  # the meter's time
        self._counter = counter if counter is not None else (start - _COUNTERS_BEGIN) // _COUNTERS_STEP
        self._rates = dict(faults or {})
        self._dice = {fault: random.Random(f"{seed}:{fault}") for fault in PushFault}
        clock = _Clock(zone, standard_time)
        self._lives = [_life(message, start=start, seed=seed, clock=clock) for message in capture.messages]
        self._before: bytes | None = None
        self.struck: list[PushFault] = []
        self._check()

    def _check(self) -> None:
        tagged = any(message.control & AUTHENTICATED for message in self._capture.messages)
        if tagged and self._keys.authentication is None:
            raise ValueError(
                "its pushes carry an authentication tag: give an authentication key, too (any will do here; "
                "who checks the tag needs the same one)"
            )
        ciphered = any(message.counter is not None for message in self._capture.messages)
        if PushFault.WRONG_KEY in self._rates and not ciphered:
            raise ValueError(f"{PushFault.WRONG_KEY}: this meter does not cipher; `--list` shows which do")
        if PushFault.LOST_SEGMENT in self._rates and not self._segments():
            raise ValueError(f"{PushFault.LOST_SEGMENT}: this push comes in one frame; `--list` shows which do not")

    def _segments(self) -> list[int]:
        """The frames of messages that have several."""
        messages = self._capture.messages
        return [number for message in messages if len(message.frames) > 1 for number in message.frames]

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self._next()
            self.now += self._interval
            for life in self._lives:
                life.live(self._interval)

    def _next(self) -> bytes:
        self.struck = [fault for fault in PushFault if self._dice[fault].random() < self._rates.get(fault, 0)]
        if PushFault.REPLAY in self.struck and self._before is not None:
            self.struck = [PushFault.REPLAY]
            return self._before
        self.struck = [fault for fault in self.struck if fault is not PushFault.REPLAY]
        messages = []
        for message, life in zip(self._capture.messages, self._lives, strict=True):
            counter = None if message.counter is None else self._next_counter()
            messages.append(replace(message, text=life.text(), counter=counter))
        keys = self._keys
        if PushFault.WRONG_KEY in self.struck:
            keys = Keys(_inverted(keys.encryption), _inverted(keys.authentication))
        octets = self._capture.render(messages, keys=keys)
        if PushFault.LOST_SEGMENT in self.struck:
            octets = self._capture.without(octets, self._dice[PushFault.LOST_SEGMENT].choice(self._segments()))
        self._before = octets
        return octets

    def _next_counter(self) -> int:
        counter = self._counter % 2**32
        self._counter += 1
        return counter


def _inverted(key: bytes | None) -> bytes | None:
    return None if key is None else bytes(octet ^ 0xFF for octet in key)


class _Clock(NamedTuple):
    zone: ZoneInfo
    standard_time: bool

    def local(self, now: datetime) -> datetime:
        local = now.astimezone(self.zone)
        summer = local.dst() if self.standard_time else None
        return local - summer if summer else local

    def written(self, octets: bytes, now: datetime) -> bytes:
        """`now` in the form of these octets: a deviation and a status that say nothing, or stay all year, stay."""
        local = self.local(now)
        new = bytearray(write_date(octets, local))
        if self.standard_time or len(octets) not in DATE_OCTETS[1:] or octets[_DEVIATION] == _UNSPECIFIED:
            return bytes(new)
        offset, summer = local.utcoffset(), local.dst()
        minutes = 0 if offset is None else offset // timedelta(minutes=1)
        new[_DEVIATION] = (-minutes).to_bytes(2, "big", signed=True)
        if new[_STATUS] != _NO_STATUS:
            new[_STATUS] = new[_STATUS] & ~_SUMMER_TIME | (_SUMMER_TIME if summer else 0)
        return bytes(new)


class _Life(Protocol):
    """One message that moves with the time."""

    def text(self) -> bytes: ...

    def live(self, time: timedelta) -> None: ...


def _life(message: Message, *, start: datetime, seed: int, clock: _Clock) -> _Life:
    found = body.take_apart(message)
    if found is not None:
        return _PushLife(message, found, start=start, seed=seed, clock=clock)
    if message.text.startswith(b"/"):
        return _TelegramLife(message.text, start=start, seed=seed, clock=clock)
    return _Still(message.text)


class _Still:
    """What is no push of readings is sent as it is."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def text(self) -> bytes:
        return self._text

    def live(self, time: timedelta) -> None:
        pass


class _TelegramLife:
    """P1 in a cipher block."""

    def __init__(self, text: bytes, *, start: datetime, seed: int, clock: _Clock) -> None:
        self._form = Template(text)
        self._size = len(text)
        self._meter = p1.Meter(self._form, start=start, seed=seed, zone=clock.zone)

    def text(self) -> bytes:
        return self._form.written(self._meter.show)[: self._size]

    def live(self, time: timedelta) -> None:
        self._meter.house.live(time)


class _Register(NamedTuple):
    """A number that moves. base: what it showed at first; ten: its scaler; what: None for one that only shows base."""

    what: What | None
    of: int
    leaf: Leaf
    base: int
    ten: int


class _PushLife:
    def __init__(self, message: Message, found: Body, *, start: datetime, seed: int, clock: _Clock) -> None:
        self._text = message.text
        self._clock = clock
        self._registers = _registers(found)
        self._dates = _dates(message.text, found)
        of_a_phase = [register.of for register in self._registers if register.what not in ("import", "export")]
        feeds_in = any(register.what == "export" for register in self._registers)
        self._house = House(start=start, seed=seed, phases=max([1, *of_a_phase]), feeds_in=feeds_in, channels=0)

    def live(self, time: timedelta) -> None:
        self._house.live(time)

    def text(self) -> bytes:
        edits: dict[int, bytes] = {}
        for at, size in self._dates:
            octets = self._text[at : at + size]
            edits[at] = self._moved(octets)
        for register in self._registers:
            leaf = register.leaf
            number = min(self._shown(register), (1 << _INTEGERS[leaf.tag]) - 1)
            edits[leaf.value_at] = number.to_bytes(leaf.size, "big")
        return body.written(self._text, edits)

    def _moved(self, octets: bytes) -> bytes:
        if not is_time_of_day(octets):
            return self._clock.written(octets, self._house.now)
        local = self._clock.local(self._house.now)
        return bytes((local.hour, local.minute, local.second)) + octets[3:]

    def _shown(self, register: _Register) -> int:
        house, of = self._house, register.of
        loads = house.loads if of == 0 else house.loads[of - 1 : of]
        match register.what:
            case "import":
                return register.base + _scaled(house.imported, WATT_HOUR, register.ten)
            case "export":
                return register.base + _scaled(house.exported, WATT_HOUR, register.ten)
            case "taken":
                return _scaled(max(sum(loads), 0), 1, register.ten)
            case "fed":
                return _scaled(max(-sum(loads), 0), 1, register.ten)
            case "voltage":
                return _scaled(house.voltages[of - 1], 1000, register.ten)
            case "current":
                return _scaled(abs(loads[0]) * 1000, house.voltages[of - 1], register.ten)
            case _:
                return register.base


def _scaled(amount: int, parts: int, ten: int) -> int:
    """amount/parts in units of 10^ten; the rest is cut off, as a register does."""
    return int(amount * 10**-ten // parts if ten < 0 else amount // (parts * 10**ten))


def _registers(found: Body) -> list[_Register]:
    """What moves: numbers of which the wire or a profile says what they are.

    Where nobody knows the scaler, energy and power are counted in Wh and W, and voltage and current stay.
    """
    profile, _ = recognise(found.push, profiles.load())
    known = meanings(profile, Reading(zone=UTC), found.push.layout)
    registers: list[_Register] = []
    for item, leaves in found.places:
        meaning = known.of[item.position if item.name is None else item.name]
        tag, value = item.data
        if tag not in _INTEGERS or len(leaves) != 1 or not meaning.obis:
            continue
        ten = meaning.scaler_of(value) if item.scaler is None else item.scaler
        a, _, c, d, e, _ = to_groups(meaning.obis)
        if a != 1:
            continue
        if (c, d) in COUNTED:
            registers.append(_Register(COUNTED[c, d], e, leaves[0], value, ten or 0))
        elif d == _INSTANTANEOUS and c in _REACTIVE and e == 0:  # the house is of resistors: currents and powers agree
            registers.append(_Register(None, 0, leaves[0], 0, 0))
        elif (c, d) in MEASURED and e == 0:
            what, of = MEASURED[c, d]
            if what in ("taken", "fed"):
                registers.append(_Register(what, of, leaves[0], value, ten or 0))
            elif value and ten is not None:  # 0 V: a phase that this meter does not have
                registers.append(_Register(what, of, leaves[0], value, ten))
    tariffs = sorted({register.of for register in registers if register.what in ("import", "export")} - {0})
    still = set(tariffs[1:])  # one tariff is in force, and its registers count beside the totals
    return [each for each in registers if each.what not in ("import", "export") or each.of not in still]


def _dates(text: bytes, found: Body) -> Sequence[tuple[int, int]]:
    """Where the meter says what time it is: offset and size."""
    dates = [] if found.date_time is None else [(found.date_time, 12)]
    for item, leaves in found.places:
        if len(leaves) != 1 or leaves[0].tag not in (_OCTET_STRING, _DATE_TIME):
            continue
        octets = content(text, leaves[0])
        clock = item.name is None or item.name[2:5] in (b"\x01\x00\x00", b"\x00\x09\x01", b"\x00\x09\x02")
        if clock and (read_date(octets) is not None or (item.name is None and is_time_of_day(octets))):
            dates.append((leaves[0].value_at, leaves[0].size))
    return dates
