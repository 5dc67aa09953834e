"""A serial line bit by bit: what a receiver with other settings than the sender's makes of it.

The receiver is the common kind: it waits for mark (1), takes the next fall to space (0) as a start
bit, looks again half a bit later, then samples each bit in its middle and the (first) stop bit. A
stop bit that is 0 is a framing error: the octet is handed on all the same, and no start is looked
for before the line is back at mark. Start, data, parity and stop all 0 is a break.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from datalogger.line_settings import LineSettings

Fault = Literal["parity", "framing", "break"]

# Before and after a burst, in bits of the slower end: more than a whole octet, so that each burst is heard by itself.
IDLE = 24


class Heard(NamedTuple):
    """One octet as the receiver got it."""

    octet: int
    fault: Fault | None = None


def as_heard(octets: bytes, sent: LineSettings, heard: LineSettings, *, gap: int = 0, inverted: bool = False) -> bytes:
    """What a program reads on Linux that looks at no error flags: each octet as it came, a break as NUL.

    gap:      idle bits between two octets, at the sender's speed
    inverted: the signal is upside down between the two, as that of a P1 port without its inverter
    """
    return bytes(each.octet for each in receive(octets, sent, heard, gap=gap, inverted=inverted))


def as_marked(octets: bytes, sent: LineSettings, heard: LineSettings, *, gap: int = 0, inverted: bool = False) -> bytes:
    """The same with INPCK and PARMRK set (termios(3)): FF 00 before a faulty octet, FF 00 00 for a break, FF twice."""
    marked = bytearray()
    for octet, fault in receive(octets, sent, heard, gap=gap, inverted=inverted):
        if fault is not None:
            marked += bytes((0xFF, 0, octet))
        else:
            marked += b"\xff\xff" if octet == 0xFF else bytes((octet,))
    return bytes(marked)


def receive(
    octets: bytes, sent: LineSettings, heard: LineSettings, *, gap: int = 0, inverted: bool = False
) -> list[Heard]:
    """What the receiver gets of one burst, octet by octet."""
    idle = IDLE * -(-max(sent.baud_rate, heard.baud_rate) // heard.baud_rate)
    levels = b"\1" * idle + b"".join(_levels(octet, sent, gap) for octet in octets) + b"\1" * idle
    if inverted:
        levels = levels.translate(bytes((1, 0)) + bytes(254))
    return list(_received(levels, sent, heard))


def _levels(octet: int, sent: LineSettings, gap: int) -> bytes:
    """Start bit, data bits (the lowest first), parity, stop bits, and the rest before the next."""
    data = [octet >> bit & 1 for bit in range(sent.bytesize)]
    parity = [] if sent.parity == "N" else [_parity(data, sent)]
    return bytes((0, *data, *parity, *[1] * (sent.stopbits + gap)))


def _parity(data: Sequence[int], settings: LineSettings) -> int:
    return sum(data) + (settings.parity == "O") & 1


def _received(levels: bytes, sent: LineSettings, heard: LineSettings) -> Iterator[Heard]:
    # In whole numbers: a bit of the sender lasts `theirs`, one of the receiver `ours`; `half` of ours is whole too.
    theirs, ours, half = 2 * heard.baud_rate, 2 * sent.baud_rate, sent.baud_rate
    rest = levels[-1]

    def level(time: int) -> int:
        return levels[time // theirs] if time // theirs < len(levels) else rest

    now = 0
    while True:
        mark = levels.find(1, now // theirs)
        space = levels.find(0, mark) if mark >= 0 else -1
        if space < 0:
            return
        start = max(now, space * theirs) + half
        if level(start):
            now = start  # a spike, no start bit
            continue
        data = [level(start + (bit + 1) * ours) for bit in range(heard.bytesize)]
        now = start + heard.bytesize * ours
        parity = None
        if heard.parity != "N":
            now += ours
            parity = level(now)
        now += ours
        yield Heard(sum(bit << place for place, bit in enumerate(data)), _fault(data, parity, level(now), heard))
        if now // theirs >= len(levels):
            return


def _fault(data: Sequence[int], parity: int | None, stop: int, heard: LineSettings) -> Fault | None:
    if not stop:
        return "framing" if any(data) or parity else "break"
    if parity is not None and parity != _parity(data, heard):
        return "parity"
    return None
