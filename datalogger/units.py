"""Units: as P1 meters spell them, reduced to the symbol of the DLMS base unit and a power of ten, and as DLMS numbers
them."""

Scale = tuple[str, int]
"""(symbol, power): one written unit is 10^power of the unit `symbol`."""

_UNITS: dict[str, Scale] = {
    **{prefix + unit: (unit, power) for unit in ("Wh", "W", "varh", "var", "VAh", "VA", "J")
       for prefix, power in (("", 0), ("k", 3), ("M", 6), ("G", 9))},
    **{prefix + unit: (unit, power) for unit in ("V", "A", "Hz")
       for prefix, power in (("m", -3), ("", 0), ("k", 3))},
    "m3": ("m3", 0),
    "m³": ("m3", 0),
    "dm3": ("m3", -3),
    "dm³": ("m3", -3),
    "l": ("m3", -3),
    "m3/h": ("m3/h", 0),
    "s": ("s", 0),
    "h": ("h", 0),
    "°C": ("°C", 0),
}  # fmt: skip

# Meters write any letter case. No two units here differ in case alone.
SPELLINGS = {
    spelling: scale
    for unit, scale in _UNITS.items()
    for spelling in (unit.lower(), unit.upper(), unit.replace("var", "VAr"), unit)
}


def parse(text: str) -> Scale | None:
    """What `text` scales to, or None where it is no unit we know."""
    return SPELLINGS.get(text) or SPELLINGS.get(text.lower())


_VOLUMES = ("acre-ft", "gal(imp)", "gal(US)", "BTU")
_RATES = ("s", "min", "h", "d")

# By the number that DLMS gives it.
SYMBOLS: dict[int, str] = {
    1: "a", 2: "mo", 3: "wk", 4: "d", 5: "h", 6: "min", 7: "s", 8: "°", 9: "°C", 10: "currency",
    11: "m", 12: "m/s", 13: "m3", 14: "m3(corr)", 15: "m3/h", 16: "m3/h(corr)", 17: "m3/d", 18: "m3/d(corr)",
    19: "l", 20: "kg", 21: "N", 22: "Nm", 23: "Pa", 24: "bar", 25: "J", 26: "J/h",
    27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 34: "C", 35: "V", 36: "V/m",
    37: "F", 38: "ohm", 39: "ohm m2/m", 40: "Wb", 41: "T", 42: "A/m", 43: "H", 44: "Hz",
    45: "1/Wh", 46: "1/varh", 47: "1/VAh", 48: "V2h", 49: "A2h", 50: "kg/s", 51: "S", 52: "K",
    53: "1/V2h", 54: "1/A2h", 55: "1/m3", 56: "%", 57: "Ah",
    60: "Wh/m3", 61: "J/m3", 62: "mol%", 63: "g/m3", 64: "Pa s", 65: "J/kg", 66: "g/cm2", 67: "atm",
    70: "dBm", 71: "dBuV", 72: "dB",
    128: "in", 129: "ft", 130: "lb", 131: "°F", 132: "°R", 133: "in2", 134: "ft2", 135: "acre", 136: "in3", 137: "ft3",
    138: "acre-ft", 139: "gal(imp)", 140: "gal(US)", 141: "lbf", 142: "psi", 143: "lb/ft3", 144: "lb/(ft s)",
    145: "ft2/s", 146: "BTU", 147: "thm(EC)", 148: "thm(US)", 149: "BTU/lb", 150: "BTU/ft3", 151: "ft3",
    152: "ft/s", 153: "ft3/s", 154: "ft3/min", 155: "ft3/h", 156: "ft3/d",
    **{first + i: f"{volume}/{rate}"
       for first, volume in zip((157, 162, 167, 171), _VOLUMES, strict=True) for i, rate in enumerate(_RATES)},
    161: "gal(imp)", 166: "gal(US)",
    253: "extended", 254: "other", 255: "count",
}  # fmt: skip
