"""Finds HDLC frames (IEC 62056-46, frame format type 3) in a byte stream: 7E, payload, 7E.

Nothing is stuffed: 7E may stand inside. The length decides where the frame ends, once the header's own
check sum vouches for it. A closing flag may be the opening flag of the next frame: it belongs to the
octets of the frame that it closes.
"""

import re

from datalogger.errors import DecodeError
from datalogger.protocol.checksum import crc16_x25
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.hdlc.header import CHECK, MAX_LENGTH, MIN_LENGTH, SOUND, extent
from datalogger.protocol.hunting import MAX_NOISE, MAX_SLICE, Broken, HuntingFramer, Sound, Wait

FLAG = 0x7E
TYPE_3 = 0xA0  # in the upper half of the first octet behind a flag
MAX_FRAME = MAX_LENGTH + 2  # octets with both flags
# Held back at most: damage as long as it claims to be, a start inside it that waits for its end, and one slice.
MAX_BUFFER = 2 * MAX_FRAME + MAX_NOISE + MAX_SLICE


def enclose(payload: bytes) -> bytes:
    """The payload (see `header.build`) between flags."""
    return b"\x7e" + payload + b"\x7e"


class HdlcFramer(HuntingFramer):
    """A `Framer` for HDLC frames of format type 3."""

    FRAMING = "hdlc"
    START = re.compile(rb"\x7e(?:[\xa0-\xaf]|\Z)")
    END = FLAG
    SHARED = 1

    def _whole_ones(self, data: bytes, events: list[Frame | Rejected]) -> int:
        at, total = 0, len(data)
        while at < total and (payload := _whole(data, at)):
            end = at + len(payload) + 2
            events.append(Frame(payload, data[at:end], True, "hdlc"))
            at = end
        if at:
            self._buffer[:] = b"\x7e"  # the last flag may be the first of the next frame
            self._given, self._scanned, self._needed = self.SHARED, 0, 0
        return at

    def _filler(self, octets: bytes) -> int:
        return 0 if octets.strip(b"\x7e") else len(octets)

    def _judge(self, buffer: bytearray, begin: int) -> Sound | Broken | Wait | None:
        there = len(buffer) - begin
        if there < 3:
            return Wait(3, Broken(Reason.TRUNCATED, there, "quiet behind a format field") if there == 2 else None)
        length = (buffer[begin + 1] & 0x07) << 8 | buffer[begin + 2]
        size = length + 2
        if length < MIN_LENGTH:
            return Broken(Reason.LENGTH, size, f"length {length}: at least {MIN_LENGTH}")
        try:
            header = extent(buffer, begin + 1)
        except DecodeError as error:
            return Broken(Reason.MALFORMED, size, error.detail)
        if header is None or there < 1 + header + CHECK:
            return Wait(there + 1, Broken(Reason.TRUNCATED, there, "quiet inside the header"))
        if length != header + CHECK:  # there is information
            if length < header + 2 * CHECK:
                return Broken(Reason.LENGTH, size, f"length {length} behind a header of {header} octets")
            if crc16_x25(buffer[begin + 1 : begin + 1 + header + CHECK]) != SOUND:
                return Broken(Reason.HCS, size, "the check sum of the header is wrong")
        if there < size:
            return Wait(size, Broken(Reason.TRUNCATED, there, f"quiet after {there} octets of {size}", certain=True))
        if buffer[begin + size - 1] != FLAG:
            return Broken(Reason.LENGTH, size, f"no flag behind {length} octets", certain=True, endless=True)
        payload = bytes(buffer[begin + 1 : begin + size - 1])
        if crc16_x25(payload) != SOUND:
            return Broken(Reason.FCS, size, "the check sum of the frame is wrong", certain=True)
        return Sound(payload, size)


def _whole(data: bytes, begin: int) -> bytes:
    """The payload of the sound frame, with information, that begins at `begin`; else empty, and `_judge` says why."""
    try:
        if data[begin] != FLAG or data[begin + 1] & 0xF0 != TYPE_3:
            return b""
        length = (data[begin + 1] & 0x07) << 8 | data[begin + 2]
        end = begin + 1 + length
        if data[end] != FLAG:
            return b""
        header = extent(data, begin + 1)
    except (IndexError, DecodeError):
        return b""
    if header is None or length < header + 2 * CHECK:
        return b""
    payload = data[begin + 1 : end]
    return payload if crc16_x25(payload[: header + CHECK]) == SOUND == crc16_x25(payload) else b""
