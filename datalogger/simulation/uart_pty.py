"""A pseudo-terminal that is as particular about its speed as a serial port.

A pseudo-terminal hands on whole octets, and nobody's speed matters. This one looks, before each
write, at the speed that the reader has set at its end, and gives what a UART set so would have made
of the octets. Speed is all that can be seen: Linux refuses parity and seven data bits on a
pseudo-terminal (its line discipline keeps neither), so a reader at the right speed is taken to have
set the meter's parity too.

To be a `Line` of `serve`: `UartPtyLine(link, LineSettings.parse("2400 8E1"))` in the place of `PtyLine(link)`.
"""

import termios
from pathlib import Path

from datalogger.line_settings import LineSettings
from datalogger.simulation.lines import PtyLine
from datalogger.simulation.uart import as_heard

# termios has a number of its own for each speed.
SPEEDS = {
    getattr(termios, name): int(name[1:])
    for name in vars(termios)
    if name.startswith("B") and name[1:].isdecimal() and name != "B0"
}


class UartPtyLine(PtyLine):
    """settings: those of the meter; inverted: as a P1 port whose signal nobody turns round."""

    def __init__(self, link: Path | None, settings: LineSettings, *, inverted: bool = False) -> None:
        super().__init__(link)
        self._settings = settings
        self._inverted = inverted

    def send(self, octets: bytes, *, begins: bool) -> None:
        super().send(heard_by(self._meter, octets, self._settings, inverted=self._inverted), begins=begins)


def heard_by(terminal: int, octets: bytes, sent: LineSettings, *, inverted: bool = False) -> bytes:
    """What a reader of this terminal (either end's descriptor) would hear of a meter with the settings `sent`.

    A speed for which termios has no number of its own cannot be told, and passes for the meter's.
    """
    speed = SPEEDS.get(termios.tcgetattr(terminal)[5], sent.baud_rate)
    return as_heard(octets, sent, sent._replace(baud_rate=speed), inverted=inverted)
