"""Units as meters spell them, reduced to the symbol of the DLMS base unit and a power of ten."""

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
