"""What a meter measures between the grid and a house. Pure, and in integers: a meter counts, it does not estimate."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction

from datalogger.simulation.house import House
from datalogger.simulation.modbus.quantity import ENERGIES, Quantity

# All that is measured is an integer in millionths of its base unit; what is counted, in those times µs.
MICRO = 10**6
HOUR = 3600 * MICRO

DEMAND = timedelta(minutes=15)  # over so long a demand is averaged
_MICROSECOND = timedelta(microseconds=1)

_LEAST_SHIFT, _MOST_SHIFT = -200, 500  # of the phase, in thousandths of its power: reactive for active power
_WAVE = 600  # s: period of what goes up and down without a reason in the house
_INVERTER_TAKES = Fraction(103, 100)  # of what it gives

_QUADRANTS = {(True, True): "q1", (False, True): "q2", (False, False): "q3", (True, False): "q4"}  # import, inductive
_IMPORTED = frozenset(("q1", "q2"))  # of reactive energy
_COUNTERS = (
    ("energy", "import", 1_000),
    ("energy", "export", 300),
    *(("reactive_energy", quadrant, 100) for quadrant in _QUADRANTS.values()),
)  # least, in thousands
_POWERS = tuple(ENERGIES.values())
_DEMANDED = (
    *(Quantity(kind, side=side) for kind in _POWERS for side in ("", "import", "export")),
    *(Quantity("current", where) for where in ("", "1", "2", "3", "n")),
)


class Supply:
    """Between the phases it is so: power² + reactive² = apparent², of each phase and of all; volts × amperes is the
    apparent power, and the power factor the power's share of it. Counters count what their powers were.

    house:     lives from here on by `live` alone
    generates: what the house would use or feed in is all fed in: an inverter
    """

    def __init__(self, house: House, seed: int, *, generates: bool = False) -> None:
        self.house = house
        self.phases = len(house.loads)
        self.elapsed = timedelta()
        self._generates = generates
        self._seed = seed
        self._random = random.Random(f"{seed}:supply")
        self._shifts = [self._random.randint(0, 300) for _ in range(self.phases)]
        self._where = ["", *(str(phase + 1) for phase in range(self.phases))]
        self._begun: dict[tuple[str, str, str], int] = {}  # counters of the day it was put there
        self._counted: dict[tuple[str, str, str], int] = {}  # kind, where, side
        self._begin()
        self._demands = dict.fromkeys(_DEMANDED, 0)
        self._most = dict.fromkeys(_DEMANDED, 0)
        self._average(DEMAND)

    def _begin(self) -> None:
        """It was there before: no counter is 0, and those of all phases are the sums of the phases'."""
        for kind, side, least in _COUNTERS:
            scale = least * 1_000 * MICRO * HOUR
            per_phase = [self._random.randint(scale, 4 * scale) for _ in range(self.phases)]
            self._put(kind, side, per_phase)
            if kind == "energy":
                self._put("apparent_energy", side, [amount + amount // 20 for amount in per_phase])

    def _put(self, kind: str, side: str, per_phase: Sequence[int]) -> None:
        for where, amount in zip(self._where, [sum(per_phase), *per_phase], strict=True):
            self._begun[kind, where, side] = amount
            self._counted[kind, where, side] = 0

    def live(self, time: timedelta) -> None:
        """Let `time` pass at the present load."""
        for where in self._where:
            for kind, side, amount in self._flows(where):
                self._counted[kind, where, side] += amount * (time // _MICROSECOND)
        self.house.live(time)
        self.elapsed += time
        self._shifts = [
            min(max(shift + self._random.randint(-20, 20), _LEAST_SHIFT), _MOST_SHIFT) for shift in self._shifts
        ]
        self._average(time)

    def _flows(self, where: str) -> Iterator[tuple[str, str, int]]:
        power, reactive = self._power(where), self._reactive(where)
        side = "import" if power >= 0 else "export"
        yield "energy", side, abs(power)
        yield "apparent_energy", side, self._apparent(where)
        yield "reactive_energy", _QUADRANTS[power >= 0, reactive >= 0], abs(reactive)

    def _average(self, time: timedelta) -> None:
        for quantity in _DEMANDED:
            now = self._now(quantity)
            if now is not None:
                before = self._demands[quantity]
                demand = before + (now - before) * (min(time, DEMAND) // _MICROSECOND) // (DEMAND // _MICROSECOND)
                self._demands[quantity] = demand
                self._most[quantity] = max(self._most[quantity], demand)

    def value(self, quantity: Quantity, tariffs: int = 0) -> Fraction | None:
        """In its base unit; None where this supply has no such thing: a phase that is not there.

        tariffs: how many there are
        """
        if quantity.kind in ENERGIES:
            counted = self._energy(quantity)
            if counted is None or not quantity.tariff:
                return counted
            share = Fraction(2 * quantity.tariff, tariffs * (tariffs + 1))  # all of them are the whole
            return counted * share
        if quantity.manner in ("demand", "demand_max"):
            kept: Mapping[Quantity, int] = self._most if quantity.manner == "demand_max" else self._demands
            plain = quantity._replace(manner="")
            now = self._now(plain)
            return None if now is None else Fraction(kept.get(plain, now), MICRO)
        now = self._now(quantity)
        return None if now is None else Fraction(now, MICRO)

    def wave(self, name: str, middle: int, swing: int) -> int:
        """What goes slowly up and down around `middle`, for each name at its own time."""
        start = random.Random(f"{self._seed}:{name}").randrange(_WAVE)
        at = (start + self.elapsed // timedelta(seconds=1)) % _WAVE
        return middle + swing * (abs(at - _WAVE // 2) - _WAVE // 4) // (_WAVE // 4)

    def _energy(self, quantity: Quantity) -> Fraction | None:
        kind, where, side, manner, _ = quantity
        if where not in self._where:
            return None

        def count(side: str) -> int:
            key = kind, where, side
            return self._counted[key] + (0 if manner == "partial" else self._begun[key])

        if kind == "reactive_energy" and side in _QUADRANTS.values():
            return Fraction(count(side), MICRO * HOUR)
        if kind == "reactive_energy":
            imported = sum(count(side) for side in _QUADRANTS.values() if side in _IMPORTED)
            exported = sum(count(side) for side in _QUADRANTS.values() if side not in _IMPORTED)
        else:
            imported, exported = count("import"), count("export")
        sides = {"import": imported, "export": exported, "net": imported - exported}
        return Fraction(sides.get(side, imported + exported), MICRO * HOUR)

    def _now(self, quantity: Quantity) -> int | None:
        """In millionths."""
        kind, where, side, manner, _ = quantity
        if kind == "frequency":
            return self.wave(kind, 50 * MICRO, 40_000)
        if kind.startswith("dc_"):
            return self._direct(kind)
        if kind == "voltage":
            return self._voltage(where, manner)
        if kind == "current":
            return self._current(where, manner)
        if where not in self._where:
            return None
        power, reactive, apparent = self._power(where), self._reactive(where), self._apparent(where)
        match kind:
            case "power":
                return _sided(power, side)
            case "reactive_power":
                if side in _QUADRANTS.values():
                    return abs(reactive) if side == _QUADRANTS[power >= 0, reactive >= 0] else 0
                return _sided(reactive, side)
            case "apparent_power":
                exported = power < 0
                return 0 if (side == "export" and not exported) or (side == "import" and exported) else apparent
            case "power_factor":
                return power * MICRO // apparent if apparent else MICRO
            case "phase_angle":
                return round(math.degrees(math.atan2(reactive, power)) * MICRO)
        return None

    def _power(self, where: str) -> int:
        loads = [-abs(load) for load in self.house.loads] if self._generates else self.house.loads
        return MICRO * (loads[int(where) - 1] if where else sum(loads))

    def _reactive(self, where: str) -> int:
        if not where:
            return sum(self._reactive(phase) for phase in self._where[1:])
        return abs(self._power(where)) // 1000 * self._shifts[int(where) - 1]

    def _apparent(self, where: str) -> int:
        return math.isqrt(self._power(where) ** 2 + self._reactive(where) ** 2)

    def _voltage(self, where: str, manner: str) -> int | None:
        phases = [1000 * voltage for voltage in self.house.voltages]
        if manner == "ll_average":
            between = [self._voltage(pair, "") for pair in ("12", "23", "31")]
            there = [voltage for voltage in between if voltage is not None]
            return sum(there) // len(there) if there else None
        if not where:
            return sum(phases) // len(phases)
        if not where.isdecimal() or any(int(phase) > self.phases for phase in where):
            return None
        if len(where) == 1:
            return phases[int(where) - 1]
        one, other = (phases[int(phase) - 1] for phase in where)
        return math.isqrt(one * one + other * other + one * other)  # 120° apart

    def _current(self, where: str, manner: str) -> int | None:
        phases = [
            self._apparent(phase) * 1000 // voltage
            for phase, voltage in zip(self._where[1:], self.house.voltages, strict=True)
        ]
        if where == "n":
            one, two, three = (*phases, 0, 0)[:3]
            return math.isqrt(max(one * one + two * two + three * three - one * two - two * three - three * one, 0))
        if not where:
            return sum(phases) // len(phases) if manner == "average" else sum(phases)
        return phases[int(where) - 1] if where in self._where else None

    def _direct(self, kind: str) -> int:
        """Of the solar panels behind an inverter."""
        power = int(abs(self._power("")) * _INVERTER_TAKES)
        voltage = self.wave("dc_voltage", 640 * MICRO, 20 * MICRO)
        return {"dc_power": power, "dc_voltage": voltage}.get(kind, power * MICRO // voltage)


def _sided(amount: int, side: str) -> int:
    match side:
        case "import":
            return max(amount, 0)
        case "export":
            return max(-amount, 0)
        case "sum":
            return abs(amount)
    return amount
