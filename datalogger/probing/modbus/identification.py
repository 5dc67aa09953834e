"""Which meter answers at one address: asked as a generator, which knows no line.

What a meter says of itself makes sure: the number of its model, or the chain of SunSpec. Where it says nothing, mains
voltage and frequency that can be right make a map one that fits: perhaps, and the person compares with the display.
"""

from collections.abc import Generator, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from datalogger import obis as names
from datalogger.config.polling import UnitOptions
from datalogger.meters.register_maps import SUNSPEC, RegisterMaps
from datalogger.model import Record
from datalogger.pipeline.polled_meter import MARKS, PolledMeter
from datalogger.pipeline.polled_unit import read
from datalogger.protocol.modbus import sunspec, units
from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.register_map import HOLDING_REGISTERS, INPUT_REGISTERS, Register, RegisterMap, Where
from datalogger.protocol.modbus.sunspec import Model

# What can be mains. A phase that is not connected shows 0, and says nothing.
VOLTS = (Decimal(80), Decimal(500))
HERTZ = (Decimal(45), Decimal(65))

MOST_VOLTAGES = 3

# What a person is shown of a meter, so that they can compare it with its display: C D E.
WANTED = ((32, 7, 0), (14, 7, 0), (16, 7, 0), (1, 8, 0), (2, 8, 0))
MOST_VALUES = 5

# Every meter that reads words has one of these functions; the first is what most meters have, the second what SunSpec
# is read with. Where an address holds nothing, a meter refuses: that is an answer too.
FUNCTIONS = (INPUT_REGISTERS, HOLDING_REGISTERS)
FIRST_WORDS = 2

OURS = "own"
"""Certainty of a map that a person wrote: it stands before a built-in one that fits as well."""


class Candidate(Struct, frozen=True):
    """map: its id, or "sunspec"; why: what speaks for it, in a few words"""

    map: str
    title: str
    sure: bool
    why: str


class Finding(Struct, frozen=True, kw_only=True):
    """What answers at one address.

    candidates: likeliest first; none: it answers, and nobody knows it
    serial:     "" where it does not say
    values:     a few of the first candidate, to be compared with the display
    notes:      sentences
    """

    unit: int
    candidates: tuple[Candidate, ...] = ()
    serial: str = ""
    values: tuple[Record, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sure(self) -> bool:
        return bool(self.candidates) and self.candidates[0].sure


class Question(Struct, frozen=True):
    """marks: as `Conversation.ask` wants them"""

    request: Request
    marks: tuple[Request, ...]


Words = Sequence[int] | None
Asking = Generator[Question, Words, Finding]
"""Gives what is to be asked, is sent the words (None where the unit refuses or does not answer), returns a finding."""


class Identification:
    """Of one unit."""

    def __init__(self, unit: int, maps: RegisterMaps, models: Mapping[int, Model], function: int) -> None:
        """function: with which it was found to answer"""
        self._unit = unit
        self._maps = maps
        self._models = models
        self._marks = first_marks(unit, function, maps)
        self._answers: dict[Request, Words] = {}
        self._notes: list[str] = []
        self._said: dict[Where, int | str] = {}

    def run(self) -> Asking:
        candidates = yield from self._by_model()
        if not any(candidate.sure for candidate in candidates):
            devices = yield from self._chain()
            if devices:
                return (yield from self._sunspec(devices))
            candidates += yield from self._by_values(besides={candidate.map for candidate in candidates})
        if not any(candidate.sure for candidate in candidates):
            self._note_what_it_says()
        if not candidates:
            return Finding(unit=self._unit, notes=tuple(self._notes))
        found = self._maps[candidates[0].map]
        where = found.identity.serial
        serial = None if where is None else (yield from self._read(where))
        values = yield from self._values(found)
        return Finding(
            unit=self._unit,
            candidates=tuple(candidates),
            serial=str(serial or ""),
            values=values,
            notes=tuple(self._notes),
        )

    def _by_model(self) -> Generator[Question, Words, list[Candidate]]:
        """Those whose number of the model stands there, and nothing speaks against."""
        sure: list[tuple[bool, Candidate]] = []
        doubtful: list[Candidate] = []
        for found in self._maps.values():
            where = found.identity.model
            if where is None or not where.values:
                continue
            said = yield from self._read(where)
            if said is None:
                continue
            self._said[where] = said
            if said not in where.values:
                continue
            why = f"it says model {_number(said)}"
            right, wrong = yield from self._mains(found)
            if wrong and not right:
                against = "but what this map calls mains voltage or frequency is none"
                doubtful.append(Candidate(found.id, found.title, sure=False, why=f"{why}, {against}"))
            else:
                candidate = Candidate(found.id, found.title, sure=True, why=why)
                sure.append((found.certainty != OURS, candidate))
        return [candidate for _, candidate in sorted(sure, key=lambda one: one[0])] + doubtful

    def _by_values(self, besides: set[str]) -> Generator[Question, Words, list[Candidate]]:
        """Those of meters that do not say what they are."""
        fitting: list[tuple[tuple[float, int, bool, bool, bool], Candidate]] = []
        for found in self._maps.values():
            if found.id in besides or found.identity.model in self._said:
                continue
            right, wrong = yield from self._mains(found)
            if right and not wrong:
                count = len(_mains_registers(found))
                says = found.identity.model is not None  # this meter would have said what it is
                rank = (-right / count, -right, found.certainty != OURS, says, found.certainty != "sure")
                why = "mains voltage and frequency can be right"
                fitting.append((rank, Candidate(found.id, found.title, sure=False, why=why)))
        return [candidate for _, candidate in sorted(fitting, key=lambda one: one[0])]

    def _mains(self, found: RegisterMap) -> Generator[Question, Words, tuple[int, int]]:
        """How many voltages and frequencies can be right as this map has them, and how many cannot."""
        right = wrong = 0
        for register, (least, most) in _mains_registers(found):
            records = yield from self._records(found, [register], ())
            value = next((record.physical for record in records if record.name == register.name), None)
            if not records or (value is not None and value and not least <= value <= most):
                wrong += 1
                break  # one is enough, and each more would be a request
            right += bool(value)
        return right, wrong

    def _chain(self) -> Generator[Question, Words, list[sunspec.Device]]:
        reading = sunspec.discover(self._unit, self._models)
        chain = False
        words: Words = None
        try:
            request = next(reading)
            while True:
                words = yield from self._ask(request)
                chain = chain or (words is not None and list(words) == sunspec.MARKER)
                request = reading.send(words)
        except StopIteration as ended:
            devices: list[sunspec.Device] = ended.value
        if chain and not devices:
            known = ", ".join(map(str, self._models))
            self._notes.append(f"it speaks SunSpec, and has none of the models {known}")
        return devices

    def _sunspec(self, devices: Sequence[sunspec.Device]) -> Asking:
        first = devices[0]
        title = " ".join(filter(None, (first.maker, first.name))) or "SunSpec device"
        models = "; ".join(
            f"{self._models[device.model].title} (model {device.model} at {device.address})" for device in devices
        )
        values = yield from self._values(sunspec.register_map(first, self._models))
        return Finding(
            unit=self._unit,
            candidates=(Candidate(SUNSPEC, title, sure=True, why=models),),
            serial=first.serial,
            values=values,
            notes=tuple(self._notes),
        )

    def _read(self, where: Where) -> Generator[Question, Words, int | str | None]:
        words = yield from self._ask(Request(self._unit, where.function, where.addr, where.count))
        return None if words is None else read(where, words)

    def _values(self, found: RegisterMap) -> Generator[Question, Words, tuple[Record, ...]]:
        by_name = {names.to_groups(name)[2:5]: one for one in found.reg if (name := names.parse(one.obis)) is not None}
        wanted = [by_name[name] for name in WANTED if name in by_name] or list(found.reg[:MOST_VALUES])
        records = yield from self._records(found, wanted, self._answers)
        shown = {register.name: None for register in wanted}  # without the halves of a signed power
        return tuple(record for record in records if record.name in shown and not record.not_measured)

    def _records(
        self, found: RegisterMap, registers: Sequence[Register], also: Sequence[Request] | Mapping[Request, Words]
    ) -> Generator[Question, Words, tuple[Record, ...]]:
        """also: what this unit was asked before that may still be answered; () where the usual marks will do"""
        options = UnitOptions(map=found.id, registers=tuple(register.name for register in registers))
        meter = PolledMeter(self._unit, found, options, "", also=tuple(also))
        answers = []
        for asked in meter.due(0.0):
            words = yield from self._ask(meter.request(asked.block), meter.marks if also else ())
            if words is not None:
                answers.append((asked, words))
        return meter.records(answers, 0.0)

    def _ask(self, request: Request, marks: Sequence[Request] = ()) -> Generator[Question, Words, Words]:
        """Once; maps have much in common."""
        if request not in self._answers:
            self._answers[request] = yield Question(request, tuple(marks) or self._marks)
        return self._answers[request]

    def _note_what_it_says(self) -> None:
        said = dict.fromkeys(f"{_number(value)} at {where.addr:#06x}" for where, value in self._said.items())
        if said:
            self._notes.append(f"where meters say their model it has {', '.join(said)}")


def first_request(unit: int, function: int) -> Request:
    """To hear whether somebody is there."""
    return Request(unit, function, 0, FIRST_WORDS)


def first_marks(unit: int, function: int, maps: RegisterMaps) -> tuple[Request, ...]:
    """Of lengths that nothing has which `Identification` asks, but for the values at its end."""
    taken = {FIRST_WORDS, len(sunspec.MARKER)}
    for found in maps.values():
        taken |= {where.count for where in (found.identity.serial, found.identity.model) if where is not None}
        taken |= {register.words for register, _ in _mains_registers(found)}
    free = [count for count in range(2, 126, 2) if count not in taken]
    return tuple(Request(unit, function, 0, count) for count in free[:MARKS])


def _mains_registers(found: RegisterMap) -> list[tuple[Register, tuple[Decimal, Decimal]]]:
    """The voltages of the phases (of a map without logical names, the first that there are) and the frequency."""
    voltages, hertz = [], []
    for register in found.reg:
        symbol = (units.parse(register.unit) or ("", 0))[0]
        if register.kind == "analog" and symbol == "V":
            voltages.append(register)
        elif register.kind == "analog" and symbol == "Hz":
            hertz.append(register)
    named = [register for register in voltages if register.obis]
    return [(one, VOLTS) for one in (named or voltages)[:MOST_VOLTAGES]] + [(one, HERTZ) for one in hertz[:1]]


def _number(said: int | str) -> str:
    return f'"{said}"' if isinstance(said, str) else f"{said} ({said:#06x})"
