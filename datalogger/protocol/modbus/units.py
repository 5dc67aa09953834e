"""Units as register maps spell them, reduced to the base unit's symbol and a power of ten wherever that is exact.

The spellings are those of the eGauge's physical units (its own Python library's list) with all their prefixes, beside
what data sheets write: kVArh, degC, ohm, l. A unit that no power of ten brings to a base unit (psi, °F, hp) stays as
it is.
"""

from datalogger.units import Scale

_PREFIXES = {
    "y": -24, "z": -21, "a": -18, "f": -15, "p": -12, "n": -9, "µ": -6, "μ": -6, "u": -6, "m": -3, "": 0,
    "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "Z": 21, "Y": 24,
}  # fmt: skip

# Spelling without prefix → base unit and power.
_PREFIXED: dict[str, Scale] = {
    **{unit: (unit, 0) for unit in
       ("W", "VA", "var", "Wh", "VAh", "varh", "V", "A", "Hz", "J", "Pa", "m", "m/s", "Ah", "Ah·s", "K",
        "Vh", "W·s", "VA·s", "var·s", "V·s", "A·s", "Hz·s", "Pa·s", "Ω·s", "W·s/m²", "m·s")},
    "VAr": ("var", 0), "VAR": ("var", 0), "VArh": ("varh", 0), "VARh": ("varh", 0), "VARH": ("varh", 0),
    "WH": ("Wh", 0), "VAH": ("VAh", 0),
    "Ω": ("ohm", 0), "Ohm": ("ohm", 0), "ohm": ("ohm", 0), "ohms": ("ohm", 0),
    "W/m²": ("W/m2", 0), "W/m2": ("W/m2", 0), "W/m^2": ("W/m2", 0),
    "Wh/m²": ("Wh/m2", 0), "Wh/m2": ("Wh/m2", 0), "Wh/m^2": ("Wh/m2", 0),
    "g": ("kg", -3), "g/s": ("kg/s", -3), "g·s": ("kg·s", -3),
    "L": ("m3", -3), "l": ("m3", -3), "L/s": ("m3/s", -3), "l/s": ("m3/s", -3), "L/h": ("m3/h", -3),
    "l/h": ("m3/h", -3), "bar": ("bar", 0), "m/h": ("m/h", 0), "J/h": ("J/h", 0),
}  # fmt: skip

# Tonnes. With a small prefix everybody else means a tesla.
_HEAVY: dict[str, Scale] = {"t": ("kg", 3), "T": ("kg", 3), "T/s": ("kg/s", 3), "T·s": ("kg·s", 3)}

_PLAIN: dict[str, Scale] = {
    **dict.fromkeys(("m³", "m3", "m^3"), ("m3", 0)),
    **{f"{spelling}/{time}": (f"m3/{time}", 0) for spelling in ("m³", "m3", "m^3") for time in ("s", "min", "h", "d")},
    "L/m": ("m3/min", -3), "L/min": ("m3/min", -3), "l/min": ("m3/min", -3),
    "hPa": ("Pa", 2), "inHg": ("inHg", 0), "inHg·s": ("inHg·s", 0), "psi": ("psi", 0), "psi·s": ("psi·s", 0),
    "atm": ("atm", 0),
    "cm": ("m", -2), "yd": ("yd", 0), "ft": ("ft", 0), "ft·s": ("ft·s", 0), "in": ("in", 0), "mi": ("mi", 0),
    "mph": ("mph", 0), "km/h": ("m/h", 3), "rpm": ("1/min", 0), "RPM": ("1/min", 0), "1/min": ("1/min", 0),
    **dict.fromkeys(("°C", "degC", "C°", "℃"), ("°C", 0)),
    **dict.fromkeys(("°F", "degF", "℉"), ("°F", 0)),
    **dict.fromkeys(("°K", "degK"), ("K", 0)),
    "°C·s": ("°C·s", 0), "°C·h": ("°C·h", 0), "°C·d": ("°C·d", 0),
    "°F·s": ("°F·s", 0), "°F·h": ("°F·h", 0), "°F·d": ("°F·d", 0), "K·s": ("K·s", 0),
    "°K·s": ("K·s", 0), "°K·h": ("K·h", 0), "°K·d": ("K·d", 0),
    "°": ("°", 0), "deg": ("°", 0), "°·s": ("°·s", 0), "rad": ("rad", 0),
    "%": ("%", 0), "Pct": ("%", 0), "%·s": ("%·s", 0), "%RH": ("%RH", 0), "%RH·s": ("%RH·s", 0),
    "ppm": ("ppm", 0), "ppm·s": ("ppm·s", 0), "AQI": ("AQI", 0), "AQI·s": ("AQI·s", 0),
    "hp": ("hp", 0), "Btu": ("BTU", 0), "BTU": ("BTU", 0), "Btu/h": ("BTU/h", 0), "BTU/h": ("BTU/h", 0),
    "MBH": ("BTU/h", 3),
    "therm": ("thm(US)", 0), "therm/h": ("thm(US)/h", 0), "dm³": ("m3", -3), "dm3": ("m3", -3),
    "lb": ("lb", 0), "lbs": ("lb", 0), "lbs/s": ("lb/s", 0), "lbs·s": ("lb·s", 0),
    "gal": ("gal(US)", 0), "gal/s": ("gal(US)/s", 0), "gpm": ("gal(US)/min", 0), "gph": ("gal(US)/h", 0),
    "ft³": ("ft3", 0), "ft3": ("ft3", 0), "ft^3": ("ft3", 0), "ft³/h": ("ft3/h", 0), "ft3/h": ("ft3/h", 0),
    "ccf": ("ft3", 2), "ccf/h": ("ft3/h", 2),
    "ms": ("s", -3), "s": ("s", 0), "min": ("min", 0), "h": ("h", 0), "d": ("d", 0),
    "$": ("currency", 0), "$/s": ("currency/s", 0), "${currency}": ("currency", 0), "${currency}/s": ("currency/s", 0),
    "kvar": ("var", 3), "kVAr": ("var", 3),
    "dB": ("dB", 0), "dBm": ("dBm", 0), "S": ("S", 0), "F": ("F", 0), "H": ("H", 0), "N": ("N", 0), "Nm": ("Nm", 0),
    "cosφ": ("", 0), "PF": ("", 0), "discrete": ("", 0), "#": ("", 0), "": ("", 0),
}  # fmt: skip

SPELLINGS: dict[str, Scale] = {
    **{prefix + unit: (base, power + more)
       for unit, (base, more) in _PREFIXED.items() for prefix, power in _PREFIXES.items()},
    **{prefix + unit: (base, power + more)
       for unit, (base, more) in _HEAVY.items() for prefix, power in _PREFIXES.items() if power >= 0},
    **_PLAIN,
}  # fmt: skip
"""Spelling → symbol ("" where there is none) and power of ten: one written unit is 10^power of the symbol."""


def parse(text: str) -> Scale | None:
    """What `text` scales to; None where it is no unit we know. Letter case counts: mW and MW are both units."""
    return SPELLINGS.get(text.strip())
