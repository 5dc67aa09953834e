"""A telegram as a form: which of its octets move, and how each is written. Every other octet stays."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple

from datalogger.protocol.checksum import crc16_arc

What = Literal["clock", "import", "export", "taken", "fed", "voltage", "current", "captured", "volume"]

_START = re.compile(rb"^/", re.MULTILINE)
_END = re.compile(rb"^!([0-9A-Fa-f]{1,4})?", re.MULTILINE)
_OBJECT = re.compile(rb"^(\d+)-(\d+):(\d+)[.:](\d+)\.(\d+)(?:[*.]\d+)?(?=\()", re.MULTILINE)
_VALUE = re.compile(rb"\(([0-9]+(?:\.[0-9]+)?)\*?([a-zA-Z][\w\xb3]*)?\)")
_TIME = re.compile(rb"\((\d{12})([SWsw]?)\)")
_TARIFF = re.compile(rb"^0-0:96\.14\.0\((\d+)\)", re.MULTILINE)
# DSMR 2.2 and 3: the value of an M-Bus channel stands on the line below its object.
_VALUE_BELOW = re.compile(rb"[^\r\n]*\r?\n\(([0-9]+(?:\.[0-9]+)?)\)")

# C.D → what it shows, and of which phase (0: all).
MEASURED: dict[tuple[int, int], tuple[What, int]] = {
    (1, 7): ("taken", 0),
    (2, 7): ("fed", 0),
    **{(20 * phase + 1, 7): ("taken", phase) for phase in (1, 2, 3)},
    **{(20 * phase + 2, 7): ("fed", phase) for phase in (1, 2, 3)},
    **{(20 * phase + 11, 7): ("current", phase) for phase in (1, 2, 3)},
    **{(20 * phase + 12, 7): ("voltage", phase) for phase in (1, 2, 3)},
}
COUNTED: dict[tuple[int, int], What] = {(1, 8): "import", (2, 8): "export"}


class Field(NamedTuple):
    """One place that moves.

    of:   the phase (0: all), the tariff (0: all) or the M-Bus channel
    kilo: whether the value is written in thousands: kWh, kW, kV
    """

    what: What
    of: int
    start: int
    end: int
    text: bytes
    kilo: bool = False

    @property
    def decimals(self) -> int:
        return len(self.text.partition(b".")[2])

    @property
    def number(self) -> int:
        """The value in units of its last digit."""
        return int(self.text.replace(b".", b""))

    def written(self, number: int) -> bytes:
        """`number`, in units of the last digit, as wide as the meter writes it; a full register begins again."""
        digits = len(self.text) - (b"." in self.text)
        text = str(number % 10**digits).zfill(digits)
        return (f"{text[: -self.decimals]}.{text[-self.decimals :]}" if self.decimals else text).encode()


class Template:
    """ValueError where `octets` hold no telegram. Of several telegrams it is the first."""

    def __init__(self, octets: bytes) -> None:
        start = _START.search(octets)
        if start is None:
            raise ValueError("no telegram: no line begins with /")
        follower = _START.search(octets, start.end())
        self._octets = octets[start.start() : follower.start() if follower else len(octets)]
        if not self._octets.endswith(b"\n"):
            self._octets += b"\r\n"  # or the next telegram would not begin a line
        end = _END.search(self._octets)
        # The check sum goes from / through !; None where the meter sends none.
        self._check = None if end is None or end[1] is None else (end.start(1), end[1])
        self._body = len(self._octets) if end is None else end.start()
        self.fields = sorted(self._find_fields(), key=lambda field: field.start)

    def written(self, write: Callable[[Field], bytes]) -> bytes:
        """The telegram with every field as `write` gives it, and a check sum that is right."""
        parts, at = [], 0
        for field in self.fields:
            parts += [self._octets[at : field.start], write(field)]
            at = field.end
        if self._check is None:
            return b"".join([*parts, self._octets[at:]])
        where, sent = self._check
        head = b"".join([*parts, self._octets[at:where]])
        return head + _like(sent, crc16_arc(head)) + self._octets[where + len(sent) :]

    def _find_fields(self) -> list[Field]:
        found: list[Field] = []
        registers: list[Field] = []
        for match in _OBJECT.finditer(self._octets, 0, self._body):
            a, b, c, d, e = map(int, match.groups())
            if (a, c, d, e) == (0, 1, 0, 0):
                found += self._time("clock", 0, match.end())
            elif a == 0 and b > 0 and (c, d) in ((24, 2), (24, 3)):
                found += self._channel(b, match.end(), below=d == 3)
            elif a == 1 and (c, d) in COUNTED:
                registers += self._value(COUNTED[c, d], e, match.end(), "k")
            elif a == 1 and (c, d) in MEASURED and e == 0:
                what, phase = MEASURED[c, d]
                found += self._value(what, phase, match.end(), "k" if what in ("taken", "fed") else "")
        return found + self._counting(registers)

    def _counting(self, registers: list[Field]) -> list[Field]:
        """The totals, and of the tariffs the one in force."""
        indicator = _TARIFF.search(self._octets)
        tariffs = sorted({field.of for field in registers} - {0})
        tariff = int(indicator[1]) if indicator else 0
        if tariff not in tariffs:
            tariff = tariffs[0] if tariffs else 0
        return [field for field in registers if field.of in (0, tariff)]

    def _value(self, what: What, of: int, at: int, usual: str) -> list[Field]:
        """usual: the prefix of a value without a unit."""
        value = _VALUE.match(self._octets, at)
        if value is None:
            return []
        unit = (value[2] or usual.encode()).lower()
        return [Field(what, of, *value.span(1), value[1], unit.startswith(b"k"))]

    def _time(self, what: What, of: int, at: int) -> list[Field]:
        time = _TIME.match(self._octets, at)
        # An impossible date means that there is none: a channel without a meter.
        if time is None or not _is_date(time[1]):
            return []
        return [Field(what, of, time.start(1), time.end(2), time[1] + time[2])]

    def _channel(self, channel: int, at: int, *, below: bool) -> list[Field]:
        """Capture time and value of an M-Bus meter; nothing of a channel that is dead."""
        time = self._time("captured", channel, at)
        if not time:
            return []
        value = (_VALUE_BELOW if below else _VALUE).match(self._octets, at if below else time[0].end + 1)
        return [] if value is None else [*time, Field("volume", channel, *value.span(1), value[1])]


def _is_date(text: bytes) -> bool:
    try:
        return datetime.strptime(text.decode(), "%y%m%d%H%M%S").year != 1970  # noqa: DTZ007 only whether it is one
    except ValueError:
        return False


def _like(sent: bytes, check: int) -> bytes:
    """In the form the meter writes its own: upper or lower case, with or without the leading zero."""
    text = f"{check:04X}" if len(sent) == 4 else f"{check:X}"
    return (text.lower() if sent != sent.upper() else text).encode()
