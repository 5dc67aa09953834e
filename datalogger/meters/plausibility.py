"""A scaler that cannot be right shows: mains voltage is known, and U·I and P + jQ are near to each other.

It warns and never changes anything. Only numbers whose scaler was not on the wire are asked.
"""

from math import hypot
from operator import mul

from datalogger.meters.profile import groups

VOLTAGES = ("32.7.0", "52.7.0", "72.7.0")
CURRENTS = ("31.7.0", "51.7.0", "71.7.0")
POWERS = ("1.7.0", "2.7.0", "3.7.0", "4.7.0")  # active and reactive, import and export
EXPORTS = ("2.7.0", "2.8.0")  # where something stands that is not 0, the meter delivers power at times
GAUGES = {groups(name): name for name in (*VOLTAGES, *CURRENTS, *POWERS, *EXPORTS)}
"""C D E of what is looked at → its name."""

LEAST_V, MOST_V = 80, 500
LEAST_VA = 300  # below, small loads and rounding make any ratio possible
LEAST_RATIO, MOST_RATIO = 0.2, 1.1  # the lowest seen on sound meters: 0.46, on one that feeds in; 0.61 on an IT net


def doubt(gauges: dict[str, float], *, exporting: bool) -> str:
    """What cannot be, in one line; "" where nothing is odd. Volts, amperes, watts and var, by name.

    exporting: the meter delivers power at times. Phases then work against each other, and P says little.
    """
    voltages = [gauges.get(name, 0.0) for name in VOLTAGES]
    volts = max(voltages)  # a phase that is not connected may show a few volts
    if volts and not LEAST_V <= volts <= MOST_V:
        return f"{volts:g} V of mains: the scaler of the voltages is not this meter's"
    apparent = sum(map(mul, voltages, [gauges.get(name, 0.0) for name in CURRENTS]))
    if apparent <= LEAST_VA or not (gauges.get("1.7.0") or gauges.get("2.7.0")):
        return ""
    p, minus_p, q, minus_q = [gauges.get(name, 0.0) for name in POWERS]
    power = hypot(p - minus_p, q - minus_q)
    if power > MOST_RATIO * apparent or (power < LEAST_RATIO * apparent and not exporting):
        return (
            f"voltages times currents make {apparent:.0f} VA, the powers {power:.0f} VA: "
            "the scaler of the currents or of the powers is not this meter's"
        )
    return ""
