"""A SunSpec device: a chain of models, the common one before, behind which it says what it has."""

from collections.abc import Mapping, Sequence

from datalogger.meters.register_maps import sunspec_models
from datalogger.protocol.modbus import sunspec
from datalogger.protocol.modbus.register_map import HOLDING_REGISTERS, Limits
from datalogger.protocol.modbus.sunspec import BASES, COMMON, END, MARKER
from datalogger.simulation.modbus.device import Device, Image, supply_of, text_words
from datalogger.simulation.modbus.registers import Registers

BASE = BASES[0]
MAKER, NAME = "datalogger", "simulated"

_HEAD = 2
_COMMON = ((MAKER, 16), (NAME, 16), ("", 8), ("1", 8))  # maker, model, options, version: texts and their registers
_SERIAL = 16
_COMMON_LENGTH = 66  # with the address of the device, and one register to make it even

_INVERTER = "inverter"
_PHASES = {1: 1, 2: 2}  # by the last digit of a model's number: single, split; else three


class SunSpecDevice(Device):
    """At 40000: SunS, the common model, these models, and the end.

    numbers: of the models, in their order; KeyError for one that is not among `known_models`
    seed:    of the houses; each model has its own
    """

    def __init__(self, unit: int, numbers: Sequence[int], seed: int = 0) -> None:
        models = sunspec_models()
        self.number = unit + 1000 * seed
        self.serial = f"SIM{self.number:05}"
        self._fixed = dict(enumerate(self._head(unit), BASE))
        parts = []
        for place, number in enumerate(numbers):
            model = models[number]
            address = BASE + len(self._fixed)
            body = [number, model.length, *[0] * model.length]
            self._fixed.update(enumerate(body, address))
            described = sunspec.Device(maker=MAKER, name=NAME, serial=self.serial, model=number, address=address)
            supply = supply_of(
                seed,
                phases=_PHASES.get(number % 10, 3),
                seed=100 * place + unit,
                generates=model.role == _INVERTER,
            )
            parts.append(Registers(sunspec.register_map(described, models), supply))
        self._fixed.update(enumerate((END, 0), BASE + len(self._fixed)))
        self._set_up(unit, parts, Limits())

    def _head(self, unit: int) -> list[int]:
        texts = [word for text, count in (*_COMMON, (self.serial, _SERIAL)) for word in text_words(text, count)]
        return [*MARKER, COMMON, _COMMON_LENGTH, *texts, unit, 0x8000]

    def _built(self) -> Image:
        image = super()._built()
        image[HOLDING_REGISTERS] = {**self._fixed, **image[HOLDING_REGISTERS]}
        return image


def known_models() -> Mapping[int, str]:
    """Number → title."""
    return {number: model.title for number, model in sunspec_models().items()}
