"""How a serial line is set: speed, data bits, parity, stop bits."""

import re
from typing import Literal, NamedTuple, cast

Parity = Literal["N", "E", "O"]

_WRITTEN = re.compile(r"(\d+)\s*[ /,]\s*([78])\s*([NEO])\s*([12])", re.IGNORECASE)


class LineSettings(NamedTuple):
    baud_rate: int
    bytesize: int = 8
    parity: Parity = "N"
    stopbits: int = 1

    @classmethod
    def parse(cls, text: str) -> "LineSettings":
        """ "2400 8E1", also "2400/8E1"; ValueError says what was expected."""
        found = _WRITTEN.fullmatch(text.strip())
        if found is None or not 50 <= int(found[1]) <= 4_000_000:
            raise ValueError(f'{text!r}: expected baud rate, data bits, parity, stop bits, such as "2400 8E1"')
        return cls(int(found[1]), int(found[2]), cast(Parity, found[3].upper()), int(found[4]))

    @property
    def form(self) -> str:
        """Without the speed: "8E1"."""
        return f"{self.bytesize}{self.parity}{self.stopbits}"

    def __str__(self) -> str:
        return f"{self.baud_rate} {self.form}"
