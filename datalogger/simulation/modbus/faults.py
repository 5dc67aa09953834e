"""What a bad line, or a bad unit, makes of an answer. Pure: it says what is to be sent and when, and sends nothing."""

import random
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple


class AnswerFault(StrEnum):
    EXCEPTION = "exception"  # answers that it cannot: 2, 4 or 6
    SILENCE = "silence"  # no answer
    UNIT = "unit"  # the answer is another unit's
    FUNCTION = "function"  # the answer is to another function
    LATE = "late"  # after a pause; the next ones come behind it
    CRC = "crc"  # a bit of the frame is wrong
    SHORT = "short"  # the end is missing
    LONG = "long"  # octets behind it
    NOISE = "noise"  # octets before it
    CLOSE = "close"  # the connection ends in the middle of it


_EXCEPTIONS = (2, 4, 6)  # illegal address, device failure, busy
_READS = (1, 2, 3, 4)
_MOST_MORE = 8  # octets of noise, or behind an answer

NEEDS_CHECKSUM = (AnswerFault.CRC,)
NEEDS_CONNECTION = (AnswerFault.CLOSE,)


class Reply(NamedTuple):
    """octets: empty for none · after: seconds · closes: the connection ends behind them · struck: what befell it"""

    octets: bytes
    after: float = 0.0
    closes: bool = False
    struck: tuple[AnswerFault, ...] = ()


class AnswerFaults:
    """rates: how often each fault strikes, 0 to 1. The same seed gives the same faults.

    pause: how late a late answer is, seconds
    """

    def __init__(self, rates: Mapping[AnswerFault, float], *, seed: int = 0, pause: float = 1.5) -> None:
        self._rates = dict(rates)
        self._pause = pause
        # One each: the rate of one fault does not move the others.
        self._random = {fault: random.Random(f"{seed}:{fault}") for fault in AnswerFault}

    def apply(self, unit: int, pdu: bytes, frame: Callable[[int, bytes], bytes]) -> Reply:
        """What comes in the place of the answer `pdu` of `unit`. frame: makes octets of both."""
        struck = tuple(fault for fault in AnswerFault if self._random[fault].random() < self._rates.get(fault, 0))
        if AnswerFault.SILENCE in struck:
            return Reply(b"", struck=struck)
        for fault in struck:
            dice = self._random[fault]
            match fault:
                case AnswerFault.EXCEPTION:
                    pdu = bytes((pdu[0] | 0x80, dice.choice(_EXCEPTIONS)))
                case AnswerFault.UNIT:
                    unit = dice.choice([other for other in range(1, 248) if other != unit])
                case AnswerFault.FUNCTION:
                    others = [function for function in _READS if function != pdu[0] & 0x7F]
                    pdu = bytes((pdu[0] & 0x80 | dice.choice(others),)) + pdu[1:]
        octets = frame(unit, pdu)
        for fault in struck:
            octets = self._damaged(octets, fault)
        after = self._pause if AnswerFault.LATE in struck else 0.0
        return Reply(octets, after, AnswerFault.CLOSE in struck, struck)

    def _damaged(self, octets: bytes, fault: AnswerFault) -> bytes:
        dice = self._random[fault]
        match fault:
            case AnswerFault.CRC:
                at = dice.randrange(len(octets))
                return octets[:at] + bytes((octets[at] ^ 1 << dice.randrange(8),)) + octets[at + 1 :]
            case AnswerFault.SHORT | AnswerFault.CLOSE:
                return octets[: dice.randrange(1, len(octets))]
            case AnswerFault.LONG:
                return octets + dice.randbytes(dice.randint(1, _MOST_MORE))
            case AnswerFault.NOISE:
                return dice.randbytes(dice.randint(1, _MOST_MORE)) + octets
        return octets
