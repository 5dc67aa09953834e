"""Joins M-Bus frames that a meter has cut a message into (EN 13757-2 and its DLMS transport).

payload = C · A · CI · STSAP · DTSAP · data. Of CI 00..1F the low four bits number the segments from 0,
and bit 4 marks the last one: a message in one segment has 10, in three 00, 01 and 12.
"""

from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.joining import Joined

HEADER = 5  # octets before the data
MAX_SEGMENTS = 16  # what four bits can number; so a chain has at most 16 frames of 517 octets

_LAST = 0x10
_NUMBER = 0x0F


def build(
    data: bytes,
    number: int = 0,
    last: bool = True,
    *,
    control: int = 0x53,
    address: int = 0xFF,
    source: int = 0x01,
    destination: int = 0x67,
) -> bytes:
    """The payload of a frame with segment `number`. `framer.enclose` makes a long frame of it.

    ValueError: a number above 15, or another value that does not fit into one octet.
    """
    if not 0 <= number < MAX_SEGMENTS:
        raise ValueError(f"segment {number}: 0 to {MAX_SEGMENTS - 1}")
    return bytes((control, address, number | (_LAST if last else 0), source, destination)) + data


class MbusSegments:
    """A `Joiner` for frames with framing "mbus"."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []  # the open chain: segments 0, 1, 2 … with nothing missing
        self._sender = b""

    def take(self, frame: Frame) -> list[Joined | Rejected]:
        payload = frame.payload
        if len(payload) < HEADER:
            return [Rejected(Reason.MALFORMED, frame.octets, f"{len(payload)} octets are too few for an M-Bus header")]
        information = payload[2]
        if information & ~(_LAST | _NUMBER):
            return [Rejected(Reason.APDU_TAG, frame.octets, f"CI {information:02X} carries no DLMS: 00 to 1F do")]
        number, last = information & _NUMBER, bool(information & _LAST)
        sender = payload[1:2] + payload[3:HEADER]
        events: list[Joined | Rejected] = []
        if self._frames and number == 0:
            events += self._give_up("another message begins before the last segment of this one")
        expected = len(self._frames)
        self._frames.append(frame)
        if number != expected or (number and sender != self._sender):
            events += self._give_up(f"segment {number} of {sender.hex().upper()} where segment {expected} belongs")
            return events
        self._sender = sender
        if last:
            data = b"".join(segment.payload[HEADER:] for segment in self._frames)
            events.append(Joined(data, self._close()))
        elif len(self._frames) == MAX_SEGMENTS:
            events += self._give_up(f"segment {number} is not the last, and none can follow it")
        return events

    def idle(self) -> list[Rejected]:
        return self._give_up("the line went quiet before the last segment")

    def _give_up(self, detail: str) -> list[Rejected]:
        return [Rejected(Reason.SEGMENT_MISSING, self._close(), detail)] if self._frames else []

    def _close(self) -> bytes:
        octets = b"".join(frame.octets for frame in self._frames)
        self._frames = []
        return octets
