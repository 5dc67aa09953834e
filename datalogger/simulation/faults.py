"""What a bad line does to telegrams. Pure: it says what is to be sent, and sends nothing."""

import random
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

_CHECK = re.compile(rb"^!([0-9A-Fa-f]{1,4})", re.MULTILINE)

# Pause between two pieces of a telegram that dribbles in, seconds; some chunks of a slow adapter.
DRIBBLE = 0.005


class Fault(StrEnum):
    FLIP = "flip"  # one bit is wrong
    DROP = "drop"  # one octet is missing
    CUT = "cut"  # the end of the telegram is missing
    NOISE = "noise"  # octets of no telegram before it
    CRC = "crc"  # the check sum is wrong, and nothing else; a meter that sends none cannot
    DUPLICATE = "duplicate"  # sent twice
    SILENCE = "silence"  # not sent, and nothing else for a while
    DISCONNECT = "disconnect"  # broken off inside the telegram; back after a while
    DRIBBLE = "dribble"  # in small pieces


class Send(NamedTuple):
    """Octets to put on the line; begins: they are the start of something new, not the rest of what went before."""

    octets: bytes
    begins: bool = True


class Quiet(NamedTuple):
    seconds: float


class Disconnect(NamedTuple):
    """Break the connection off; connect again after so many seconds."""

    seconds: float


Step = Send | Quiet | Disconnect


class Faults:
    """rates: how often each fault strikes, 0 to 1. The same seed gives the same faults.

    pause: how long a silence or a broken connection lasts, seconds.
    """

    def __init__(self, rates: Mapping[Fault, float], *, seed: int = 0, pause: float = 5) -> None:
        self._rates = dict(rates)
        self._pause = pause
        # One each: the rate of one fault does not move the others.
        self._random = {fault: random.Random(f"{seed}:{fault}") for fault in Fault}

    def apply(self, telegram: bytes) -> tuple[list[Step], list[Fault]]:
        """What happens on the line instead of `telegram`, and which faults that is."""
        struck = [fault for fault in Fault if self._random[fault].random() < self._rates.get(fault, 0)]
        for fault in (Fault.CRC, Fault.FLIP, Fault.DROP, Fault.CUT):
            if fault in struck:
                telegram = self._damaged(telegram, fault)
        if Fault.SILENCE in struck:
            return [Quiet(self._pause)], struck
        steps: list[Step] = []
        if Fault.NOISE in struck:
            steps.append(Send(self._noise()))
        if Fault.DISCONNECT in struck:
            broken_off = telegram[: self._random[Fault.DISCONNECT].randrange(1, len(telegram))]
            return [*steps, Send(broken_off), Disconnect(self._pause)], struck
        for _ in range(2 if Fault.DUPLICATE in struck else 1):
            steps += self._dribbled(telegram) if Fault.DRIBBLE in struck else [Send(telegram)]
        return steps, struck

    def _damaged(self, telegram: bytes, fault: Fault) -> bytes:
        dice = self._random[fault]
        if fault is Fault.CRC:
            return _CHECK.sub(lambda found: _another(found, dice), telegram)
        # At least two octets stay: a `/` and one more.
        at = dice.randrange(2, max(3, len(telegram)))
        match fault:
            case Fault.FLIP:
                flipped = telegram[at - 1] ^ 1 << dice.randrange(8)
                return telegram[: at - 1] + bytes([flipped]) + telegram[at:]
            case Fault.DROP:
                return telegram[: at - 1] + telegram[at:]
            case _:
                return telegram[:at]

    def _noise(self) -> bytes:
        """Any octets but those that begin and end a telegram; a line of their own, so that they cost no telegram."""
        dice = self._random[Fault.NOISE]
        octets = bytes(dice.randrange(256) for _ in range(dice.randint(1, 40)))
        return octets.translate(None, b"/!") + b"\r\n"

    def _dribbled(self, telegram: bytes) -> list[Step]:
        dice = self._random[Fault.DRIBBLE]
        steps: list[Step] = []
        at = 0
        while at < len(telegram):
            size = dice.randint(1, 64)
            if at:
                steps.append(Quiet(DRIBBLE))
            steps.append(Send(telegram[at : at + size], begins=at == 0))
            at += size
        return steps


def _another(found: re.Match[bytes], dice: random.Random) -> bytes:
    """The same width, another number."""
    digits = len(found[1])
    wrong = int(found[1], 16) ^ dice.randrange(1, 16**digits)
    return f"!{wrong:0{digits}X}".encode()
