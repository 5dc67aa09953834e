"""Finds M-Bus long frames (EN 13757-2) in a byte stream: 68 L L 68, payload of L octets, check sum, 16.

One maker sends payloads of more than 255 octets, and in L what is left of their size in 8 bits: 257
octets say 01. So a frame that does not hold with L may hold with L + 256.
"""

import re

from datalogger.protocol.framing import Reason
from datalogger.protocol.hunting import MAX_NOISE, MAX_SLICE, Broken, HuntingFramer, Sound, Wait

START = 0x68
STOP = 0x16
ENVELOPE = 6  # octets around the payload
OVERFLOW = 256  # what L does not say where the payload is longer than 255 octets
MIN_PAYLOAD = 3  # C, A and CI
MAX_PAYLOAD = 255 + OVERFLOW
MAX_FRAME = MAX_PAYLOAD + ENVELOPE
# Held back at most: damage as long as it claims to be, a start inside it that waits for its end, and one slice.
MAX_BUFFER = 2 * MAX_FRAME + MAX_NOISE + MAX_SLICE

_FILLER = re.compile(rb"\xe5|\x10(..)(.)\x16", re.DOTALL)  # an acknowledgement, or a short frame: 10 C A CS 16


def enclose(payload: bytes) -> bytes:
    """The payload (see `segments.build`) as a long frame. L of more than 255 octets is what that one maker sends.

    ValueError: not 3 to 511 octets.
    """
    if not MIN_PAYLOAD <= len(payload) <= MAX_PAYLOAD:
        raise ValueError(f"a payload of {len(payload)} octets: {MIN_PAYLOAD} to {MAX_PAYLOAD}")
    length = len(payload) % OVERFLOW
    return bytes((START, length, length, START)) + payload + bytes((sum(payload) % 256, STOP))


class MbusFramer(HuntingFramer):
    """A `Framer` for M-Bus long frames. Acknowledgements and short frames between them are padding."""

    FRAMING = "mbus"
    START = re.compile(rb"\x68(?:\Z|.(?:\Z|.(?:\Z|\x68)))", re.DOTALL)
    END = STOP
    SHARED = 0

    def _filler(self, octets: bytes) -> int:
        end = 0
        while (found := _FILLER.match(octets, end)) and (found[0] == b"\xe5" or sum(found[1]) % 256 == found[2][0]):
            end = found.end()
        return end

    def _judge(self, buffer: bytearray, begin: int) -> Sound | Broken | Wait | None:
        there = len(buffer) - begin
        if there < 4:
            return Wait(4)
        length, again = buffer[begin + 1], buffer[begin + 2]
        if length != again:
            size = max(length, again) + ENVELOPE
            return Broken(Reason.LENGTH, size, f"two lengths that differ: {length} and {again}")
        size = length + ENVELOPE
        if there < size:
            return Wait(size, Broken(Reason.TRUNCATED, there, f"quiet after {there} octets of {size}"))
        if length >= MIN_PAYLOAD and (sound := _sound(buffer, begin, size)):
            return sound
        if buffer[begin + size - 1] == STOP:
            broken = Broken(Reason.CHECKSUM, size, "the check sum is wrong")
        else:
            broken = Broken(Reason.LENGTH, size, f"no stop octet behind {length} octets and check sum", endless=True)
        if there < size + OVERFLOW:
            return Wait(size + OVERFLOW, broken)
        return _sound(buffer, begin, size + OVERFLOW) or broken


def _sound(buffer: bytearray, begin: int, size: int) -> Sound | None:
    """The frame of `size` octets at `begin`, if stop octet and check sum agree."""
    if buffer[begin + size - 1] != STOP:
        return None
    payload = bytes(buffer[begin + 4 : begin + size - 2])
    return Sound(payload, size) if sum(payload) % 256 == buffer[begin + size - 2] else None
