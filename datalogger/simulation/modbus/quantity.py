"""What a register measures, found in its logical name, else in its own name."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from datalogger import obis
from datalogger.protocol.modbus.register_map import Register


class Quantity(NamedTuple):
    """where:  "" of all phases; "1", "2", "3" of one; "12", "23", "31" between two; "n" of the neutral conductor
    side:   import, export; sum and net of the two; q1 to q4 (quadrants). "" of a power: with its sign
    manner: how it is made of what is measured: average, ll_average, sum, demand, demand_max, partial
    tariff: 0 for all of them
    """

    kind: str
    where: str = ""
    side: str = ""
    manner: str = ""
    tariff: int = 0


UNITS: Mapping[str, str] = {
    "voltage": "V", "current": "A", "frequency": "Hz", "power_factor": "", "phase_angle": "°",
    "power": "W", "reactive_power": "var", "apparent_power": "VA",
    "energy": "Wh", "reactive_energy": "varh", "apparent_energy": "VAh",
    "dc_power": "W", "dc_voltage": "V", "dc_current": "A",
}  # fmt: skip
"""Kind → base unit."""

ENERGIES: Mapping[str, str] = {
    "energy": "power",
    "reactive_energy": "reactive_power",
    "apparent_energy": "apparent_power",
}
"""What is counted → what it is counted of."""

_NAME = re.compile(
    r"(?P<kind>voltage|current|frequency|power_factor|phase_angle|(?:apparent_|reactive_|)(?:power|energy)"
    r"|dc_(?:power|voltage|current))"
    r"(?:_(?P<side>import|export|sum|net|q[1-4]))?"
    r"(?:_(?P<manner>partial|demand_max|demand|average|ll_average))?"
    r"(?:_tariff_(?P<tariff>\d))?"
    r"(?:_(?:total|(?P<where>l1_l2|l2_l3|l3_l1|l[123]|n)))?"
)

# Group C of a logical name, of all phases; 20 more for each phase.
_POWERS = {
    1: ("power", "import"), 2: ("power", "export"), 15: ("power", "sum"), 16: ("power", ""),
    3: ("reactive_power", ""), 4: ("reactive_power", "export"),
    5: ("reactive_power", "q1"), 6: ("reactive_power", "q2"), 7: ("reactive_power", "q3"), 8: ("reactive_power", "q4"),
    9: ("apparent_power", ""), 10: ("apparent_power", "export"),
}  # fmt: skip
_OTHERS = {11: "current", 12: "voltage", 13: "power_factor", 14: "frequency"}
_COUNTED = {power: energy for energy, power in ENERGIES.items()}
_UNSIGNED = {(3, ""): "import", (9, ""): "import", (16, ""): "net"}  # of a counter

_NEUTRAL_CURRENT = 91
_PER_PHASE = 20
_INSTANTANEOUS, _COUNTER = 7, 8  # group D
_MANNERS = {_INSTANTANEOUS: "", _COUNTER: "", 4: "demand", 5: "demand", 6: "demand_max"}


def of(register: Register) -> Quantity | None:
    """None where it is nothing that is known of a house."""
    if register.kind != "analog":
        return None
    if found := _of_logical_name(register.obis):
        return found
    if found := _of_name(register.name):
        return found
    if register.split is not None and (found := _of_logical_name(register.split.imported)):
        return found._replace(side="")
    return None


def _of_logical_name(text: str) -> Quantity | None:
    name = obis.parse(text)
    if name is None:
        return None
    _, _, c, d, e, _ = obis.to_groups(name)
    if d not in _MANNERS:
        return None
    if c == _NEUTRAL_CURRENT:
        return Quantity("current", "n", manner=_MANNERS[d])
    phase, c = divmod(c, _PER_PHASE) if c > _PER_PHASE else (0, c)
    if phase > 3:
        return None
    where = str(phase or "")
    if c in _OTHERS:
        return None if d == _COUNTER else Quantity(_OTHERS[c], where, manner=_MANNERS[d])
    if c not in _POWERS:
        return None
    kind, side = _POWERS[c]
    if d != _COUNTER:
        return Quantity(kind, where, side, _MANNERS[d])
    return Quantity(_COUNTED[kind], where, _UNSIGNED.get((c, side), side), tariff=e)


def _of_name(name: str) -> Quantity | None:
    found = _NAME.fullmatch(name.lower())
    if found is None:
        return None
    where = (found["where"] or "").replace("l", "").replace("_", "")
    kind, side, manner = found["kind"], found["side"] or "", found["manner"] or ""
    if kind in ENERGIES and not side:
        side = "sum"
    return Quantity(kind, where, side, manner, int(found["tariff"] or 0))
