"""From the words of a block to records: exact for integers, and what the meter itself sent for floats."""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from datalogger import obis as names
from datalogger.model import Record
from datalogger.obis import Obis
from datalogger.protocol.modbus import register_types, units
from datalogger.protocol.modbus.read_plan import Block
from datalogger.protocol.modbus.register_map import BITS, Register
from datalogger.protocol.modbus.register_types import TYPES

MOST_FACTOR = 10  # of SunSpec's scale factors, of either sign; 0x8000 says that there is none

WIDEST = range(-(2**63), 2**64)  # what the spool's and everybody's JSON can hold

Factors = Mapping[int, int | None]
"""Address of a scale factor → power of ten; None where the meter says that there is none."""


class Meaning(NamedTuple):
    """A raw integer r means (r × multiplier + addend) × 10^scaler in `unit`."""

    multiplier: int
    addend: int
    scaler: int
    unit: str | None


def meaning(register: Register) -> Meaning:
    """Of offset, scale and unit. ValueError for a unit that nobody knows."""
    scale_sign, scale_digits, scale_power = register.scale.normalize().as_tuple()
    offset_sign, offset_digits, offset_power = register.offset.normalize().as_tuple()
    if not isinstance(scale_power, int) or not isinstance(offset_power, int):
        raise ValueError("a scale and an offset are numbers")
    scale = _number(scale_sign, scale_digits)
    offset = _number(offset_sign, offset_digits)
    down = min(offset_power, 0)  # both sides of the sum in units of 10^down
    base = units.parse(register.unit)
    if base is None:
        raise ValueError(f'unknown unit "{register.unit}"')
    symbol, power = base
    return Meaning(
        scale * 10**-down, offset * 10 ** (offset_power - down) * scale, scale_power + down + power, symbol or None
    )


def _number(sign: int, digits: Iterable[int]) -> int:
    number = int("".join(map(str, digits)))
    return -number if sign else number


class BlockDecoder:
    """What the words of one block mean."""

    def __init__(self, block: Block) -> None:
        self._bits = block.function in BITS
        self._address = block.address
        shown = [register for register in block.registers if register.kind != "factor"]
        self._columns = [(_column(register), _halves(register)) for register in shown]
        self._offsets = [register.addr - block.address for register in shown]
        self._factors = [register.addr for register in block.registers if register.kind == "factor"]
        self._layout = _layout(shown, block)
        self._swapped = [
            (at, TYPES[register.type]) for at, register in enumerate(shown) if TYPES[register.type].swapped
        ]
        self._one_bit = [at for at, register in enumerate(shown) if register.type == "bit"]

    def factors(self, words: Sequence[int]) -> dict[int, int | None]:
        """The scale factors that stand in this block."""
        return {address: _factor(words[address - self._address]) for address in self._factors}

    def records(self, words: Sequence[int], factors: Factors) -> list[Record]:
        """words: one for each address of the block; of a block of bits, 0 or 1."""
        if self._bits:
            values: list[Any] = [words[offset] for offset in self._offsets]
        else:
            values = list(self._layout.unpack(struct.pack(f">{len(words)}H", *words)))
            for at, kind in self._swapped:
                (values[at],) = struct.unpack(f">{kind.code}", register_types.in_order(values[at], kind))
            for at in self._one_bit:
                values[at] &= 1
        records: list[Record] = []
        for raw, (record_of, halves) in zip(values, self._columns, strict=True):
            record = record_of(raw, factors)
            records.append(record)
            if halves is not None:
                records += halves(record)
        return records


def decoded(answers: Iterable[tuple[BlockDecoder, Sequence[int]]]) -> list[Record]:
    """The records of one poll: of every block that was answered, in this order."""
    answers = list(answers)
    factors: dict[int, int | None] = {}
    for decoder, words in answers:
        factors |= decoder.factors(words)
    return [record for decoder, words in answers for record in decoder.records(words, factors)]


def _layout(registers: Sequence[Register], block: Block) -> struct.Struct:
    """One struct for the whole block: what is read along is skipped, what is swapped stays octets for now."""
    if block.function in BITS:
        return struct.Struct(">")
    form, at = [">"], block.address
    for register in registers:
        kind = TYPES[register.type]
        form.append(f"{2 * (register.addr - at)}x")
        form.append(f"{2 * kind.words}s" if kind.swapped else kind.code)
        at = register.end
    form.append(f"{2 * (block.address + block.count - at)}x")
    return struct.Struct("".join(form))


def _factor(word: int) -> int | None:
    power = word - 0x10000 if word & 0x8000 else word
    return power if abs(power) <= MOST_FACTOR else None


_RecordOf = Callable[[int | float, Factors], Record]


def _column(register: Register) -> _RecordOf:
    name, obis = register.name, _name(register.obis)
    if register.kind != "analog":
        absent = _signed(register)

        def state(raw: int | float, factors: Factors) -> Record:
            if raw in absent:
                return Record(obis, not_measured=True, name=name)
            return Record(obis, raw, name=name)  # type: ignore[arg-type] # the lint wants an integer type

        return state
    return _real(register, obis) if TYPES[register.type].real else _integer(register, obis)


def _integer(register: Register, obis: Obis) -> _RecordOf:
    name, absent, where = register.name, _signed(register), register.scale_register
    multiplier, addend, scaler, unit = meaning(register)
    absolute = register.absolute

    def number(raw: int | float, factors: Factors) -> Record:
        if raw in absent:
            return Record(obis, unit=unit, not_measured=True, name=name)
        power = 0 if where is None else factors.get(where)
        value = raw * multiplier + addend
        if absolute:
            value = abs(value)
        if power is None or value not in WIDEST:
            # The raw number, said to be one: nobody knows what it is worth, or no reader could hold what it is.
            return Record(obis, raw, unit=unit, unscaled=True, name=name)  # type: ignore[arg-type]
        return Record(obis, value, scaler + power, unit, name=name)  # type: ignore[arg-type]

    return number


def _real(register: Register, obis: Obis) -> _RecordOf:
    """As the meter sent it, where a power of ten is all that is between; else the nearest float."""
    name, absent, absolute = register.name, _patterns(register), register.absolute
    code = f">{TYPES[register.type].code}"
    multiplier, addend, scaler, unit = meaning(register)
    plain = multiplier == 1 and addend == 0
    offset, scale = Fraction(register.offset), Fraction(register.scale)
    if not plain:
        _, scaler = units.parse(register.unit) or ("", 0)

    def real(raw: int | float, factors: Factors) -> Record:
        # NaN and the infinities: minus themselves they are NaN. The markers are bits: -0.0 is not 0.0.
        if raw - raw != 0 or (absent and struct.pack(code, raw) in absent):
            return Record(obis, unit=unit, not_measured=True, name=name)
        try:
            number = raw if plain else float((Fraction(raw) + offset) * scale)
        except OverflowError:  # no float could hold it
            return Record(obis, None, unit=unit, real=raw, unscaled=True, name=name)
        if absolute:
            number = abs(number)
        return Record(obis, None, scaler, unit, real=number, name=name)

    return real


def _signed(register: Register) -> frozenset[int]:
    """The absent markers, which are written unsigned, as numbers of the type."""
    kind = TYPES[register.type]
    half = 1 << 16 * kind.words - 1
    return frozenset(raw - 2 * half if kind.signed and raw >= half else raw for raw in register.absent)


def _patterns(register: Register) -> frozenset[bytes]:
    """The absent markers of a float, high word first."""
    return frozenset(raw.to_bytes(2 * TYPES[register.type].words, "big") for raw in register.absent)


def _name(text: str) -> Obis:
    """ "" where there is none. The lint has seen that it is one."""
    return names.parse(text) or Obis("")


def _halves(register: Register) -> Callable[[Record], Iterator[Record]] | None:
    """Makes of a signed power what is imported and what is exported, neither below 0."""
    split = register.split
    if split is None:
        return None
    sides = [
        (f"{register.name}_import", _name(split.imported), -1 if register.inverted else 1),
        (f"{register.name}_export", _name(split.exported), 1 if register.inverted else -1),
    ]

    def halves(whole: Record) -> Iterator[Record]:
        for name, obis, sign in sides:
            if whole.value is not None:
                yield Record(
                    obis, max(sign * whole.value, 0), whole.scaler, whole.unit, unscaled=whole.unscaled, name=name
                )
            elif whole.real is not None:
                real = sign * whole.real if sign * whole.real > 0 else 0.0
                yield Record(obis, None, whole.scaler, whole.unit, real=real, unscaled=whole.unscaled, name=name)
            else:
                yield Record(obis, unit=whole.unit, not_measured=True, name=name)

    return halves
