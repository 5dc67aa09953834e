"""Joins HDLC frames that a meter has cut a message into: each but the last has the segmentation bit.

Unnumbered frames carry no sequence number. So a lost beginning and a lost end show here; a segment lost
in between shows only when the message is read.

A line has one chain at a time: meters send the segments of a message back to back.
"""

from datalogger.errors import DecodeError
from datalogger.protocol.dlms import apdu
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.hdlc.header import Header, parse
from datalogger.protocol.joining import Joined

MAX_MESSAGE = 64 * 1024  # octets of all frames of one message; the longest push we hold has 881

LLC = bytes.fromhex("E6E700")


class HdlcSegments:
    """A `Joiner` for frames with framing "hdlc"."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []  # the open chain
        self._information: list[bytes] = []
        self._size = 0  # octets of the chain's frames
        self.addresses = (b"", b"")  # destination and source of the last message, as on the wire

    def take(self, frame: Frame) -> list[Joined | Rejected]:
        try:
            header = parse(frame.payload)
        except DecodeError as error:
            return [Rejected(Reason(error.reason), frame.octets, error.detail)]
        if not header.information:  # link management: no part of any message
            return [Rejected(Reason.PADDING, frame.octets, "a frame without information")]
        events: list[Joined | Rejected] = []
        addresses = (header.destination, header.source)
        if not self._frames and not header.segmented and _begins_message(header):  # whole, as most are
            self.addresses = addresses
            return [Joined(header.information, frame.octets)]
        if self._frames and (header.information.startswith(LLC) or addresses != self.addresses):
            events += self._give_up(
                Reason.SEGMENT_MISSING, "another message begins before the last segment of this one"
            )
        if not self._frames and not _begins_message(header):
            detail = f"a segment without the first one: it begins with {header.information[:3].hex().upper()}"
            return [*events, Rejected(Reason.SEGMENT_MISSING, frame.octets, detail)]
        self.addresses = addresses
        self._frames.append(frame)
        self._information.append(header.information)
        self._size += len(frame.octets)
        if self._size > MAX_MESSAGE:
            events += self._give_up(Reason.TOO_LONG, f"no last segment within {MAX_MESSAGE} octets")
        elif not header.segmented:
            data, octets = b"".join(self._information), self._close()
            events.append(Joined(data, octets))
        return events

    def idle(self) -> list[Rejected]:
        return self._give_up(Reason.SEGMENT_MISSING, "the line went quiet before the last segment")

    def _give_up(self, reason: Reason, detail: str) -> list[Rejected]:
        return [Rejected(reason, self._close(), detail)] if self._frames else []

    def _close(self) -> bytes:
        octets = b"".join(frame.octets for frame in self._frames)
        self._frames, self._information, self._size = [], [], 0
        return octets


def _begins_message(header: Header) -> bool:
    """With an LLC header. The later blocks of a general-block-transfer have none, and other APDUs might come without:
    what begins with no tag of a pushed APDU is the rest of a message."""
    return header.information.startswith(LLC) or header.information[0] in apdu.TAGS
