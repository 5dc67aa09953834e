"""Where to look: addresses and line settings, the likeliest first."""

import re
from collections.abc import Iterable, Sequence

from datalogger.line_settings import LineSettings
from datalogger.meters.register_map_lint import serial_settings
from datalogger.protocol.modbus.register_map import RegisterMap

# A unit that is not there costs a timeout, and people number from 1 on.
NEAR = tuple(range(1, 33))

# Beside those, over the network: Kostal's inverters, SMA's, Fronius's meters (two), and devices that have no address.
ON_NETWORK = (*NEAR, 71, 126, 200, 240, 255)

MOST_UNIT = 247
LAST_UNIT = 255  # 248 to 255 are no meters on a serial line, and devices with a network port use them

# By how many meters are set so. What the maps name besides comes behind. Modbus RTU has 8 data bits.
LIKELY = tuple(
    LineSettings.parse(text)
    for text in (
        "9600 8N1",  # most that leave the works
        "9600 8E1",
        "19200 8E1",  # what the standard wants
        "19200 8N1",
        "2400 8N1",  # small Eastrons
        "38400 8N1",
        "115200 8N1",
        "4800 8N1",
    )
)

_PART = re.compile(r"(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.ASCII)


def parse_units(text: str) -> tuple[int, ...]:
    """Of "1-10,31": each once, in the order written. ValueError with the mend."""
    units: dict[int, None] = {}
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        first, last = (0, 0) if found is None else (int(found[1]), int(found[2] or found[1]))
        if not 1 <= first <= last <= LAST_UNIT:
            raise ValueError(f'"{part.strip()}": expected addresses from 1 to {LAST_UNIT} such as "1-10,31"')
        units |= dict.fromkeys(range(first, last + 1))
    return tuple(units)


def shown(units: Iterable[int]) -> str:
    """ "1-10, 31": as `parse_units` reads it."""
    runs: list[list[int]] = []
    for unit in sorted(units):
        if runs and unit == runs[-1][-1] + 1:
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def rtu_settings(text: str) -> LineSettings:
    """ValueError with the mend."""
    settings = LineSettings.parse(text)
    if settings.bytesize != 8:
        raise ValueError(f'{text!r}: Modbus RTU has 8 data bits: "{settings._replace(bytesize=8)}"')
    return settings


def settings(maps: Iterable[RegisterMap]) -> Sequence[LineSettings]:
    """Each once."""
    named = [serial_settings(found.option.serial) for found in maps if found.option.serial is not None]
    return tuple(dict.fromkeys((*LIKELY, *(one for one in named if one.bytesize == 8))))
