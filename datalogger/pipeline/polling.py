"""From what a source says of the meters it asks to the units and the line that they are asked on."""

from collections.abc import Callable
from typing import Protocol

from datalogger.config.maps import address_of
from datalogger.config.polling import PollOptions
from datalogger.line_settings import LineSettings
from datalogger.meters.register_map_lint import serial_settings
from datalogger.meters.register_maps import SUNSPEC, RegisterMaps, sunspec_models
from datalogger.pipeline.polled_unit import PolledUnit
from datalogger.protocol.framing import Rejected
from datalogger.sources.modbus.conversation import Conversation


class Asking(Protocol):
    """What a source is that asks: `sources/modbus`."""

    def conversation(
        self, usual: LineSettings | None, port: int | None, reject: Callable[[Rejected], None]
    ) -> Conversation: ...


def units(options: PollOptions, maps: RegisterMaps) -> list[PolledUnit]:
    """In the order of the configuration, which has been judged."""
    return [
        PolledUnit(
            address_of(unit, maps),
            unit,
            float(unit.interval or options.interval),
            found=None if unit.map == SUNSPEC else maps[unit.map],
            models=sunspec_models() if unit.map == SUNSPEC else None,
        )
        for unit in options.meters
    ]


def conversation(
    source: Asking, options: PollOptions, maps: RegisterMaps
) -> Callable[[Callable[[Rejected], None]], Conversation]:
    """What makes the conversation; the line is set as the map of the first meter says, where nothing else is said."""
    first = maps.get(options.meters[0].map)
    serial = None if first is None or first.option.serial is None else serial_settings(first.option.serial)
    port = None if first is None or first.option.port is None else int(first.option.port)

    def new(reject: Callable[[Rejected], None]) -> Conversation:
        return source.conversation(serial, port, reject)

    return new
