"""What is wrong with a line, from the octets alone: pure, and without a guess where nothing is certain."""

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from datalogger.line_settings import LineSettings, Parity
from datalogger.protocol.framing import Frame
from datalogger.protocol.p1.framer import P1Framer

# Fewer octets prove nothing: so many random ones agree with a rule of one in two by chance once in 65,536 times.
ENOUGH = 16

# So much of what was heard has to agree with an explanation; the rest is the beginning, and noise.
AGREEMENT = 0.95

# Faults that the receiver saw, of all octets: fewer are noise on a line that is set right.
NOISY = 0.02

# One more, and a bit of the line takes up a whole octet of ours: only NULs are heard.
MOST_TIMES = 8


class Kind(StrEnum):
    SILENT = "silent"  # no octet at all
    ONLY_NULS = (
        "only-nuls"  # each start bit is longer than a whole octet of ours: the line is nine times slower, or more
    )
    SLOWER = "slower"  # each bit of the line is several of ours
    SEVEN_BITS = "seven-bits"  # the eighth bit is parity
    PARITY = "parity"  # the receiver sees faults, at the right speed
    INVERTED = "inverted"  # mark and space are exchanged
    UNKNOWN = "unknown"  # octets, and no sense in them


class Symptom(NamedTuple):
    """sent: how the line is set, as far as it shows."""

    kind: Kind
    sent: LineSettings | None = None


def symptom(octets: bytes, heard: LineSettings, *, faults: int = 0) -> Symptom:
    """Of what a line gave that was set to `heard`, and in which no sound frame was.

    faults: how many of the octets the receiver marked as faulty; 0 also where it marks none
    """
    if not octets:
        return Symptom(Kind.SILENT)
    if turned_telegram(octets):
        return Symptom(Kind.INVERTED)
    if len(octets) < ENOUGH:
        return Symptom(Kind.UNKNOWN)
    if heard.bytesize == 8 and (parity := parity_of(octets)) is not None:
        return Symptom(Kind.SEVEN_BITS, LineSettings(heard.baud_rate, 7, parity))
    if octets.count(0) >= AGREEMENT * len(octets):
        return Symptom(Kind.ONLY_NULS)
    if (speed := slower_speed(octets, heard)) is not None:
        return Symptom(Kind.SLOWER, heard._replace(baud_rate=speed))
    return Symptom(Kind.PARITY if faults > NOISY * len(octets) else Kind.UNKNOWN)


def parity_of(octets: bytes) -> Parity | None:
    """Even or odd where the number of ones of each octet is so, and text shows beneath: seven bits and parity."""
    text = sum(octet & 0x7F in b"\r\n" or 0x20 <= octet & 0x7F < 0x7F for octet in octets)
    if text < AGREEMENT * len(octets) or not any(octet & 0x80 for octet in octets):
        return None
    odd = sum(octet.bit_count() & 1 for octet in octets)
    if odd <= (1 - AGREEMENT) * len(octets):
        return "E"
    return "O" if odd >= AGREEMENT * len(octets) else None


def slower_speed(octets: bytes, heard: LineSettings) -> int | None:
    """The speed of the line where it is a whole number of times slower than ours, fewer than nine.

    Each bit of the line is then so many of ours, so the level changes only at multiples of that
    number behind the start bit: few octets are possible at all.
    """
    for times in range(MOST_TIMES, 1, -1):  # what four bits of ours explain, two explain too
        possible = _possible(times, heard.bytesize)
        if not heard.baud_rate % times and sum(octet in possible for octet in octets) >= AGREEMENT * len(octets):
            return heard.baud_rate // times
    return None


@lru_cache(maxsize=16)
def _possible(times: int, bytesize: int) -> frozenset[int]:
    """The octets a receiver can hear that is so many times too fast.

    Bit `place` of octet << 1 ^ octet is a change of level between bits `place` and `place` + 1, the start bit being 0.
    """
    return frozenset(
        octet
        for octet in range(1 << bytesize)
        if not any((octet << 1 ^ octet) >> place & 1 for place in range(bytesize) if (place + 1) % times)
    )


def turned(octets: bytes) -> bytes:
    """What an inverted line said, of seven bits each.

    Its idle level looks like a start bit without end, so the receiver falls into step one bit late: with the
    highest data bit of one octet, which is 0 in text and therefore a mark upside down, before the stop bit. It
    hears the start bit as bit 0, then the complement of the seven lower bits.
    """
    return bytes((~octet & 0xFF) >> 1 for octet in octets)


def turned_telegram(octets: bytes) -> bool:
    """Whether a whole P1 telegram with its check sum comes out of an inverted reading."""
    framer = P1Framer()
    events = framer.feed(turned(octets)) + framer.idle()
    return any(isinstance(event, Frame) and event.check for event in events)
