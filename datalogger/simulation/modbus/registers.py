"""What stands in the registers of one meter: each says what the house has, as its map wants it written."""

from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from datalogger.protocol.modbus import register_types, units
from datalogger.protocol.modbus.register_map import BITS, Register, RegisterMap
from datalogger.protocol.modbus.register_types import TYPES
from datalogger.simulation.modbus import quantity
from datalogger.simulation.modbus.quantity import UNITS, Quantity
from datalogger.simulation.modbus.supply import MICRO, Supply

Value = Decimal | float | int

# Of the scale factors that a meter says itself (SunSpec), by unit: five digits are all that its registers have.
_FACTORS = {"V": -1, "A": -2, "Hz": -2, "%": -2, "°C": -1}

# Of what is nothing that is known of a house, by base unit: around which value it goes up and down, and how far.
_ORDINARY = {
    "V": (230, 4), "A": (4, 2), "Hz": (50, 1), "W": (400, 200), "VA": (450, 200), "var": (90, 60), "": (1, 1),
    "%": (3, 1), "°C": (35, 5), "K": (300, 5), "°": (15, 10), "s": (3600, 100), "h": (100, 1),
}  # fmt: skip
_USUAL = (20, 5)
# What is counted: it begins so, and rises by a thousandth of it in an hour.
_COUNTS = {"Wh": 2_000_000, "varh": 500_000, "VAh": 2_100_000, "m3": 900, "J": 10**9, "Ah": 5_000}

_RUNS = 4  # of a SunSpec inverter's status: it feeds in what the panels give

_EXACT = Context(prec=100)
_MOST_REAL = {"float16": 65504, "float16l": 65504, "float": 3 * 10**38, "floatl": 3 * 10**38}


class Written(NamedTuple):
    """value: what the register says, in its own unit; None where it says that it has none."""

    register: Register
    words: tuple[int, ...]
    value: Value | None


class Registers:
    """Of the registers of one map, what `supply` has; ready to be asked for after each of its steps."""

    def __init__(self, found: RegisterMap, supply: Supply) -> None:
        self.map = found
        self.supply = supply
        self._quantities = {register.name: quantity.of(register) for register in found.reg}
        self._tariffs = max((one.tariff for one in self._quantities.values() if one is not None), default=0)
        self.factors: Mapping[tuple[int, int], int] = {
            (register.reads, register.scale_register): _factor(register)
            for register in reversed(found.reg)  # where several share one, the first decides
            if register.scale_register is not None
        }
        """Function and address of a scale factor → power of ten."""

    def written(self) -> list[Written]:
        return [self._written(register) for register in self.map.reg if register.kind != "factor"]

    def _written(self, register: Register) -> Written:
        if register.kind != "analog":
            raw = _unlike(register, _RUNS if register.name == "status" else 0)
            return Written(register, _words(register, raw), raw)
        value = self._value(register)
        address = register.scale_register
        power = 0 if address is None else self.factors[register.reads, address]
        if value is None:
            return _absent(register, power)
        return _real(register, value) if TYPES[register.type].real else _integer(register, value, power)

    def _value(self, register: Register) -> Fraction | None:
        """In the unit of the register."""
        symbol, power = units.parse(register.unit) or ("", 0)
        known = self._quantities[register.name]
        if known is None or not _is_unit(symbol, known):
            return self._ordinary(register.name, symbol) / Fraction(10) ** power
        value = self.supply.value(known, self._tariffs)
        if value is None:
            return None
        if register.inverted:
            value = -value
        return value * 100 if symbol == "%" else value / Fraction(10) ** power

    def _ordinary(self, name: str, symbol: str) -> Fraction:
        if begun := _COUNTS.get(symbol):
            return begun + Fraction(begun * int(self.supply.elapsed.total_seconds()), 3_600_000)
        middle, swing = _ORDINARY.get(symbol, _USUAL)
        return Fraction(self.supply.wave(name, middle * MICRO, swing * MICRO), MICRO)


def in_words(octets: bytes) -> tuple[int, ...]:
    return tuple(register_types.words(octets))


def _is_unit(symbol: str, known: Quantity) -> bool:
    return symbol == UNITS[known.kind] or (symbol == "%" and known.kind == "power_factor")


def _factor(register: Register) -> int:
    symbol, power = units.parse(register.unit) or ("", 0)
    return _FACTORS.get(symbol, 0) - power


def _integer(register: Register, value: Fraction, power: int) -> Written:
    """The nearest that the type can say, and that is no marker of absence."""
    scale = Fraction(register.scale) * Fraction(10) ** power
    span = _span(register)
    if register.absolute and span.start < 0:
        value = -value  # as those do that made the map say so
    raw = _unlike(register, min(max(round(value / scale - Fraction(register.offset)), span.start), span.stop - 1))
    with_offset = _EXACT.add(Decimal(raw), register.offset)
    said = _EXACT.scaleb(_EXACT.multiply(with_offset, register.scale), power)
    return Written(register, _words(register, raw), abs(said) if register.absolute else said)


def _real(register: Register, value: Fraction) -> Written:
    scale, offset = Fraction(register.scale), Fraction(register.offset)
    if register.absolute:
        value = -value
    most = Fraction(_MOST_REAL.get(register.type, 10**300))
    octets = register_types.encode(register.type, float(min(max(value / scale - offset, -most), most)))
    said = float((Fraction(register_types.decode(register.type, octets)) + offset) * scale)
    return Written(register, in_words(octets), abs(said) if register.absolute else said)


def _absent(register: Register, power: int) -> Written:
    """As the map says it, else as its type can, else 0: a phase that nothing is connected to."""
    kind = TYPES[register.type]
    if register.absent:
        octets = register.absent[0].to_bytes(2 * kind.words, "big")
        return Written(register, in_words(register_types.in_order(octets, kind)), None)
    if kind.real:
        return Written(register, in_words(register_types.encode(register.type, float("nan"))), None)
    return _integer(register, Fraction(0), power)


def _unlike(register: Register, raw: int) -> int:
    """`raw`, or what is next to it where that would say that there is nothing."""
    span, wrap = _span(register), 1 << 16 * TYPES[register.type].words
    taken = {marker - wrap if marker >= span.stop else marker for marker in register.absent}
    step = -1 if raw + 1 >= span.stop else 1
    while raw in taken and raw + step in span:
        raw += step
    return raw


def _span(register: Register) -> range:
    if register.type == "bit":
        return range(2)
    kind = TYPES[register.type]
    half = 1 << 16 * kind.words - 1
    return range(-half, half) if kind.signed else range(2 * half)


def _words(register: Register, raw: int) -> tuple[int, ...]:
    """One word for each address; of a bit, 0 or 1."""
    if register.reads in BITS:
        return (raw,)
    return in_words(register_types.encode(register.type, raw))
