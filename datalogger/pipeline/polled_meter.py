"""One meter that is asked: what of it is due, what it refuses, what its answers mean. Knows no line and no clock."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from datalogger.config.polling import UnitOptions
from datalogger.model import Record
from datalogger.protocol.modbus import units
from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.decoding import BlockDecoder, decoded
from datalogger.protocol.modbus.read_plan import Block, plan
from datalogger.protocol.modbus.register_map import BITS, HOLDING_REGISTERS, MOST_REGISTERS, Register, RegisterMap, Span
from datalogger.words import Duration

# A register that was refused may be there after all when the meter has started up, or was set otherwise; and what was
# asked for in pieces because of it is asked for as a whole again. Seconds.
ASK_AGAIN = 600.0

# A value within its deadband is reported all the same after so long: a receiver that came later wants it. Seconds.
SAY_AGAIN = 900.0

# How many marks there are to choose from (see `sources/modbus/conversation.py`): of a unit that has answered none of so
# many, nothing that old is still on its way. And how many are enough, before worse ones are taken.
MARKS = 16
ENOUGH = 3

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 1, 2, 3, 4
_OF_SOME_REGISTER = frozenset((ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE))
REFUSALS = _OF_SOME_REGISTER | {ILLEGAL_FUNCTION}
"""Exceptions that say that something is not there. All others say: not now."""

_EARLY = 0.001  # seconds; the grid is exact but for the rounding of floats


class Asked:
    """A block, and when it is wanted next, on the monotonic clock.

    known:  it has been answered before
    struck: and was refused the last time
    whole:  what it is a piece of; itself where it is none
    """

    __slots__ = ("block", "decoder", "due", "interval", "known", "struck", "whole")

    def __init__(self, block: Block, interval: float, due: float = 0.0, whole: "Asked | None" = None) -> None:
        self.block = block
        self.whole = whole or self
        self.decoder = BlockDecoder(block)
        self.interval = interval
        self.due = due
        self.known = False
        self.struck = False


Answered = tuple[Asked, Sequence[int]]
"""What was asked, and the words that stand there."""


class PolledMeter:
    """identifier: the meter's id in its reports
    also:       what else is asked of this unit, beside the registers of the map
    """

    def __init__(
        self, unit: int, found: RegisterMap, options: UnitOptions, identifier: str, also: Iterable[Request] = ()
    ) -> None:
        self.unit = unit
        self.map = found
        self.identifier = identifier
        self.heard = False
        """Whether it has been read since it last was not."""
        self._whole = _blocks(found, options)
        self._asked = list(self._whole)
        every = (register for one in self._whole for register in one.block.registers)
        self.registers = [register for register in every if register.kind != "factor"]
        """All that are wanted."""
        self._whole_again: float | None = None
        self._deadbands = _deadbands(found, options)
        self._said: dict[str, tuple[Decimal | None, float]] = {}
        self.marks = marks(unit, [one.block for one in self._asked], found.limits.most, found.forbidden, also)
        self.pause = 0.0 if found.limits.pause is None else float(Duration.parse(found.limits.pause))

    def due(self, now: float) -> list[Asked]:
        """What is to be asked in the poll that begins now."""
        if self._whole_again is not None and now >= self._whole_again:
            self._whole_again = None
            self._asked = [self._made_whole(one) for one in self._whole]
            self._whole = list(self._asked)
        return [one for one in self._asked if one.due <= now + _EARLY]

    @property
    def has_values(self) -> bool:
        """Not, where it has refused all that is wanted."""
        return any(one.known for one in self._asked)

    def request(self, block: Block) -> Request:
        return Request(self.unit, block.function, block.address, block.count)

    def _made_whole(self, whole: Asked) -> Asked:
        """Itself where nothing of it was refused; else in one piece again, due when the first of its pieces is."""
        pieces = [one for one in self._asked if one.whole is whole]
        if pieces == [whole] and whole.known:
            return whole
        return Asked(whole.block, whole.interval, min((one.due for one in pieces if one.known), default=0.0))

    def answered(self, asked: Asked, now: float) -> None:
        asked.due = now + asked.interval
        asked.known, asked.struck = True, False

    def refused(self, asked: Asked, code: int, now: float) -> tuple[list[Asked], tuple[Register, ...]]:
        """An exception answer: what is to be asked in the place of this, in the same poll; and which registers are not
        asked for until `ASK_AGAIN`.

        One register may be at fault for all of its block: so the block is halved, and halved again, until it is found.
        An exception that says "not now" changes nothing, nor does the first one for what was answered before.
        """
        if code not in REFUSALS:
            return [], ()
        if asked.known and not asked.struck:
            asked.struck = True
            return [], ()
        if self._whole_again is None:
            self._whole_again = now + ASK_AGAIN
        halves = asked.block.halves
        if code == ILLEGAL_FUNCTION or halves == (asked.block,):
            asked.due = now + 2 * ASK_AGAIN
            return [], asked.block.registers
        pieces = [Asked(half, asked.interval, asked.due, asked.whole) for half in halves]
        self._asked.remove(asked)
        self._asked += pieces
        return pieces, ()

    def records(self, answers: Sequence[Answered], now: float) -> tuple[Record, ...]:
        """What these answers mean, without what has not changed beyond its deadband; in the order of the addresses."""
        ordered = sorted(answers, key=lambda answer: (answer[0].block.function, answer[0].block.address))
        records = decoded((asked.decoder, words) for asked, words in ordered)
        if not self._deadbands:
            return tuple(records)
        return tuple(record for record in records if self._is_news(record, now))

    def _is_news(self, record: Record, now: float) -> bool:
        deadband = self._deadbands.get(record.name)
        if deadband is None:
            return True
        value = record.physical
        last, at = self._said.get(record.name, (None, -SAY_AGAIN))
        near = value == last if value is None or last is None else abs(value - last) <= deadband
        if near and now - at < SAY_AGAIN:
            return False
        self._said[record.name] = (value, now)
        return True


def _blocks(found: RegisterMap, options: UnitOptions) -> list[Asked]:
    """Registers of one interval share blocks."""
    groups: dict[float, list[Register]] = {}
    for register in found.reg:
        if options.registers and register.name not in options.registers:
            continue
        wanted = options.intervals.get(register.name)
        if wanted is None and register.interval is not None:
            wanted = Duration.parse(register.interval)
        groups.setdefault(0.0 if wanted is None else float(wanted), []).append(register)
    return [
        Asked(block, interval)
        for interval, registers in groups.items()
        for block in plan([*registers, *_factors(registers)], found.limits, found.forbidden)
    ]


def _factors(registers: Iterable[Register]) -> Iterator[Register]:
    """The scale factors of these, which are read with them."""
    there = {register.addr for register in registers if register.kind == "factor"}
    needed = {
        (register.scale_register, register.reads) for register in registers if register.scale_register is not None
    }
    for address, function in sorted(needed):
        assert address is not None
        if address not in there:
            yield Register(name=f"factor {address}", addr=address, type="s16", kind="factor", function=function)


def _deadbands(found: RegisterMap, options: UnitOptions) -> dict[str, Decimal]:
    """By the name of the record, in its base unit."""
    deadbands: dict[str, Decimal] = {}
    for register in found.reg:
        deadband = options.deadbands.get(register.name, register.deadband)
        if deadband is not None:
            _, power = units.parse(register.unit) or ("", 0)
            names = [register.name]
            if register.split is not None:
                names += [f"{register.name}_import", f"{register.name}_export"]
            deadbands |= dict.fromkeys(names, deadband.scaleb(power))
    return deadbands


def marks(
    unit: int, blocks: Sequence[Block], most: int, forbidden: Sequence[Span], also: Iterable[Request] = ()
) -> tuple[Request, ...]:
    """Requests whose answers have other lengths than those of every other request that this unit may be sent.

    Also than those of the blocks that refusals make of these. Within a block wherever that is possible, and of an even
    number of registers: some meters refuse half a value, and what they do not have.

    most: registers that the unit gives at once
    """
    taken = {request.data_octets for request in also}
    for block in blocks:
        taken |= _lengths(unit, block)
    words = sorted((block for block in blocks if block.function not in BITS), key=lambda block: -block.count)
    home = words[0] if words else Block(HOLDING_REGISTERS, 0, 1)
    room = min(most, 0x10000 - home.address)
    within, behind = range(1, home.count + 1), range(home.count + 1, room + 1)
    found: list[int] = []
    for counts in (
        [count for count in within if count % 2 == 0],
        [count for count in within if count % 2 == 1],
        [count for count in behind if not _touches(forbidden, home.address, count)],
    ):
        if len(found) < ENOUGH:
            found += [count for count in counts if 2 * count not in taken]
    # More than it gives at once a unit refuses, which is an answer, too; where all lengths are taken any is as good.
    found = found or [count for count in range(room + 1, MOST_REGISTERS + 1) if 2 * count not in taken] or [1]
    return tuple(Request(unit, home.function, min(home.address, 0x10000 - count), count) for count in found[:MARKS])


def _touches(forbidden: Sequence[Span], address: int, count: int) -> bool:
    return any(span.first < address + count and address <= span.last for span in forbidden)


def _lengths(unit: int, block: Block) -> set[int]:
    """Octets of the answers to this block, and to all that it may be halved to."""
    lengths = {Request(unit, block.function, block.address, block.count).data_octets}
    halves = block.halves
    if halves != (block,):
        for half in halves:
            lengths |= _lengths(unit, half)
    return lengths
