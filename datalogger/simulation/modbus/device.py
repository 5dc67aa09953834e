"""One Modbus unit: what stands at its addresses, and what it answers. Pure: it knows no line and no clock."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsResponse, ReadDiscreteInputsResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

from datalogger.protocol.modbus import register_types
from datalogger.protocol.modbus.register_map import BITS, MOST_BITS, Limits, Register, RegisterMap, Span, Where
from datalogger.simulation.house import House
from datalogger.simulation.modbus import quantity
from datalogger.simulation.modbus.registers import Registers, Value, in_words
from datalogger.simulation.modbus.supply import Supply

Image = dict[int, dict[int, int]]
"""Function → address → word; of functions 1 and 2, 0 or 1."""

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
EXCEPTION = 0x80

_FUNCTIONS = (1, 2, 3, 4)
_REQUEST = 5  # octets: function, address, count
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_PHASES = 3  # where a map names none


class Device:
    """The meter of one register map, on one house. Of another seed, or unit, it is another meter: see `number`.

    house: which lives by this device alone; or the seed of one
    """

    def __init__(self, unit: int, found: RegisterMap, house: House | int = 0) -> None:
        generates = any(register.inverted for register in found.reg)
        self.number = unit + (1000 * house if isinstance(house, int) else 0)
        supply = supply_of(house, phases=_phases(found.reg), seed=unit, generates=generates)
        self._set_up(unit, [Registers(found, supply)], found.limits, found.forbidden)

    def _set_up(self, unit: int, parts: Sequence[Registers], limits: Limits, forbidden: Sequence[Span] = ()) -> None:
        self.unit = unit
        self.parts = tuple(parts)
        """One; of a SunSpec device, one for each model of readings."""
        self._limits = limits
        self._forbidden = tuple(forbidden)
        self._decoder = DecodePDU(True)
        self._image: Image | None = None

    def live(self, time: timedelta) -> None:
        """Let `time` pass in the house."""
        for part in self.parts:
            part.supply.live(time)
        self._image = None

    def image(self) -> Image:
        """All that can be read now."""
        if self._image is None:
            self._image = self._built()
        return self._image

    def expected(self, part: int = 0) -> dict[str, Value]:
        """What each register says now, by its name, in its own unit; without those that say that they have nothing.

        An integer register: Decimal, exact. A float: the float that it can hold. An enum or a bitset: int.
        """
        return {one.register.name: one.value for one in self.parts[part].written() if one.value is not None}

    def answer(self, pdu: bytes) -> bytes:
        """To a request, without unit, number or check sum: function code and data."""
        answer = self._answer(pdu)
        return bytes((answer.function_code,)) + answer.encode()

    def _answer(self, pdu: bytes) -> ModbusPDU:
        function = pdu[0] if pdu else 0
        if function not in _FUNCTIONS:
            return ExceptionResponse(function & ~EXCEPTION, ILLEGAL_FUNCTION)
        most = MOST_BITS if function in BITS else self._limits.most
        if len(pdu) != _REQUEST or not 1 <= int.from_bytes(pdu[3:], "big") <= most:
            return ExceptionResponse(function, ILLEGAL_VALUE)
        request = self._decoder.decode(pdu)
        assert request is not None
        words = self._read(function, request.address, request.count)
        if words is None:
            return ExceptionResponse(function, ILLEGAL_ADDRESS)
        match function:
            case 1:
                return ReadCoilsResponse(bits=list(map(bool, words)))
            case 2:
                return ReadDiscreteInputsResponse(bits=list(map(bool, words)))
            case 3:
                return ReadHoldingRegistersResponse(registers=words)
        return ReadInputRegistersResponse(registers=words)

    def _read(self, function: int, address: int, count: int) -> list[int] | None:
        """None where one of the addresses holds nothing."""
        for where, words in self._identity():
            # Some meters say here what they are to him alone who asks for just that, and to others something else.
            if (where.function, where.addr, where.count) == (function, address, count):
                return list(words)
        there = self.image().get(function, {})
        if any(place not in there for place in range(address, address + count)):
            return None
        return [there[place] for place in range(address, address + count)]

    def _built(self) -> Image:
        image: Image = {}
        for where, words in self._identity():
            image.setdefault(where.function, {}).update(enumerate(words, where.addr))
        for part in self.parts:
            for place in self._gaps(part.map.reg):
                image.setdefault(place[0], {})[place[1]] = 0
            for (function, address), power in part.factors.items():
                image.setdefault(function, {})[address] = power % 0x10000
            for register, words, _ in part.written():
                image.setdefault(register.reads, {}).update(enumerate(words, register.addr))
        return image

    def _gaps(self, registers: Iterable[Register]) -> Iterator[tuple[int, int]]:
        """Function and address of what may be read along, and says 0."""
        ordered = sorted(registers, key=lambda register: (register.reads, register.addr))
        for register, following in pairwise(ordered):
            gap = range(register.end, following.addr)
            if register.reads != following.reads or len(gap) > self._limits.gap:
                continue
            if not any(span.first < gap.stop and span.last >= gap.start for span in self._forbidden):
                yield from ((register.reads, address) for address in gap)

    def _identity(self) -> list[tuple[Where, tuple[int, ...]]]:
        identity = self.parts[0].map.identity
        found = []
        if (serial := identity.serial) is not None:
            text = f"{self.number:07}" if serial.type == "text" else 26_000_000 + self.number
            found.append((serial, _said(serial, text)))
        if (model := identity.model) is not None:
            named: int | str = "SIM" if model.type == "text" else 1
            found.append((model, _said(model, model.values[0] if model.values else named)))
        return found


def supply_of(house: House | int, *, phases: int, seed: int, generates: bool) -> Supply:
    """seed: makes two devices of one seed differ"""
    if isinstance(house, House):
        return Supply(house, seed, generates=generates)
    seed += 1000 * house
    return Supply(House(start=_BEGIN, seed=seed, phases=phases, feeds_in=True, channels=0), seed, generates=generates)


def text_words(text: str, count: int) -> tuple[int, ...]:
    """Two characters a register, filled up with NUL."""
    return in_words(text.encode("ascii", "replace")[: 2 * count].ljust(2 * count, b"\0"))


def _said(where: Where, what: int | str) -> tuple[int, ...]:
    if where.type == "text":
        return text_words(str(what), where.count)
    try:
        return in_words(register_types.encode(where.type, int(what)))
    except ValueError:  # a type that is too narrow for it
        return in_words(register_types.encode(where.type, 1))


def _phases(registers: Iterable[Register]) -> int:
    """The last that a register is of."""
    known = [one for one in map(quantity.of, registers) if one is not None]
    return max((int(phase) for one in known for phase in one.where if phase.isdecimal()), default=_PHASES)
