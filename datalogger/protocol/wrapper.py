"""The DLMS wrapper: pushes over TCP and UDP, or over a modem line that knows no other frame.

    version u16 = 1 | source port u16 | destination port u16 | length u16 | APDU

There is no check sum, so soundness is structure: a PDU is believed when a header or nothing stands behind it. One
that was torn takes its missing octets from the next, and is found out by what follows; then the hunt goes on inside.
"""

import re
import struct

from datalogger.errors import DecodeError
from datalogger.protocol.dlms import apdu
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.hunting import MAX_SLICE, Broken, HuntingFramer, Sound, Wait

VERSION = 1
MAX_APDU = 0xFFFF  # octets: the length field holds no more
MAX_REJECTED = 4 * 1024  # octets in one event of a stranger: they are not worth keeping whole

_HEADER = struct.Struct(">HHHH")
HEADER_SIZE = _HEADER.size
KNOWN_BY = HEADER_SIZE + 1  # octets that tell a header: with the tag of the APDU behind it
# Held back at most: damage as long as it claims to be, a start inside it that waits for its end, and one slice.
MAX_BUFFER = 2 * (HEADER_SIZE + MAX_APDU) + MAX_REJECTED + MAX_SLICE
_VERSION = VERSION.to_bytes(2, "big")
_PORTS = 6  # octets of a header before its length


class WrapperFramer(HuntingFramer):
    """A `Framer` for the wrapper. Its frames have no check sum of their own: TCP and UDP have."""

    FRAMING = "wrapper"
    START = re.compile(rb"\x00(?:\Z|\x01)", re.DOTALL)
    END = -1
    CHECKED = False
    SHARED = 0

    def __init__(self) -> None:
        super().__init__()
        self._first = bytearray()  # of the stream, while they may be the header of another version
        self._begun = False  # they are not
        self._broken = False

    @property
    def broken(self) -> bool:
        """A wrapper of another version speaks: nothing can be read until `idle`. Drop the connection."""
        return self._broken

    def feed(self, data: bytes) -> list[Frame | Rejected]:
        if self._begun:
            return super().feed(data)
        if not self._broken:
            self._first += data
            if (foreign := _is_foreign(self._first)) is None:
                return []
            data = bytes(self._first)
            self._first.clear()
            self._begun, self._broken = not foreign, foreign
            if self._begun:
                return super().feed(data)
        self._buffer += data
        return self._refused(len(self._buffer) // MAX_REJECTED * MAX_REJECTED)

    def idle(self) -> list[Frame | Rejected]:
        behind = self._refused(len(self._buffer)) if self._broken else []
        events = behind + super().feed(bytes(self._first)) + super().idle()
        self._first.clear()
        self._begun = self._broken = False
        return events

    def _refused(self, size: int) -> list[Frame | Rejected]:
        events: list[Frame | Rejected] = []
        for _ in range(0, size, MAX_REJECTED):
            octets = bytes(self._buffer[:MAX_REJECTED])
            del self._buffer[:MAX_REJECTED]
            detail = f"a wrapper of another version than {VERSION}, so nothing can be read: {octets[:8].hex().upper()}"
            events.append(Rejected(Reason.VERSION, octets, detail))
        return events

    def _filler(self, octets: bytes) -> int:
        return 0

    def _judge(self, buffer: bytearray, begin: int) -> Sound | Broken | Wait | None:
        there = len(buffer) - begin
        torn = Broken(Reason.TRUNCATED, there, f"the line went quiet {there} octets into a wrapper PDU")
        if there < HEADER_SIZE:
            return Wait(HEADER_SIZE, torn)
        length = _HEADER.unpack_from(buffer, begin)[3]
        if not length:
            shown = buffer[begin : begin + HEADER_SIZE].hex().upper()
            return Broken(Reason.LENGTH, HEADER_SIZE, f"a wrapper PDU of length 0: {shown}")
        if there < KNOWN_BY:
            return Wait(KNOWN_BY, torn)
        if buffer[begin + HEADER_SIZE] not in apdu.TAGS:
            return None
        size = HEADER_SIZE + length
        if there < size:
            return Wait(size, torn)
        follows = _follows(buffer, begin, begin + size)
        if follows is False or _holds_another(buffer, begin, begin + size):
            return Broken(Reason.TRUNCATED, size, "octets of this PDU were lost: what follows is in its place")
        sound = Sound(bytes(buffer[begin + HEADER_SIZE : begin + size]), size)
        return sound if follows else Wait(there + 1, sound)


def _follows(buffer: bytearray, begin: int, at: int) -> bool | None:
    """Whether a PDU stands at `at`, behind the one at `begin`; None where that cannot be told yet.

    A header that was torn itself may stand before it: that is no fault of the PDU at `begin`.
    """
    for torn in range(HEADER_SIZE + 1):
        if buffer[at : at + torn][:_PORTS] != buffer[begin : begin + min(torn, _PORTS)]:
            return False
        if (found := _is_header(buffer, begin, at + torn)) is not False:
            return found
    return False


def _holds_another(buffer: bytearray, begin: int, end: int) -> bool:
    """Whether the PDU has swallowed the next one, and is no APDU therefore."""
    header = buffer[begin : begin + _PORTS]
    at = buffer.find(header, begin + HEADER_SIZE, end)
    while at > 0:
        if _is_header(buffer, begin, at):
            try:
                return apdu.end_of(bytes(buffer[begin + HEADER_SIZE : end]), 0) != end - begin - HEADER_SIZE
            except DecodeError:
                return True
        at = buffer.find(header, at + 1, end)
    return False


def _is_header(buffer: bytearray, begin: int, at: int) -> bool | None:
    there = bytes(buffer[at : at + KNOWN_BY])
    if there[:2] != _VERSION[: len(there)]:
        return False
    if len(there) < KNOWN_BY:
        return None
    if not any(there[_PORTS:HEADER_SIZE]):  # an empty one: 00 is everywhere in bodies
        return there[:_PORTS] == buffer[begin : begin + _PORTS]
    return there[HEADER_SIZE] in apdu.TAGS


def _is_foreign(first: bytearray) -> bool | None:
    """Whether a stream that begins so is a wrapper of another version; None where that cannot be told yet."""
    if not first or first == b"\0":
        return None
    if first[0] != 0 or first[1] in (0, VERSION):
        return False
    return None if len(first) < KNOWN_BY else first[HEADER_SIZE] in apdu.TAGS


def enclose(message: bytes, source: int = 1, destination: int = 16) -> bytes:
    """The APDU in a wrapper PDU, from one wrapper port to the other. Raises ValueError if it is too long."""
    if len(message) > MAX_APDU:
        raise ValueError(f"an APDU of {len(message)} octets: a wrapper PDU holds {MAX_APDU}")
    return _HEADER.pack(VERSION, source, destination, len(message)) + message
