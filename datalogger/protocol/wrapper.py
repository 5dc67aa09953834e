"""The DLMS wrapper: pushes over TCP and UDP.

    version u16 = 1 | source port u16 | destination port u16 | length u16 | APDU

The transport below keeps octets whole and in order, so there is nothing to search for: a header that is
none means that something else speaks here, or that the count is lost for good.
"""

import struct

from datalogger.protocol.framing import Frame, Reason, Rejected

VERSION = 1
MAX_APDU = 0xFFFF  # octets: the length field holds no more
MAX_SLICE = 4 * 1024  # octets taken in at once, so that the buffer is bounded however much `feed` is given
MAX_REJECTED = 4 * 1024  # octets in one event behind a wrong header: they are not worth keeping whole

_HEADER = struct.Struct(">HHHH")
HEADER_SIZE = _HEADER.size
MAX_BUFFER = HEADER_SIZE + MAX_APDU + MAX_SLICE  # octets held back at most
_VERSION = VERSION.to_bytes(2, "big")
_WRONG_VERSION = f"no wrapper header of version {VERSION}, so nothing from here on can be read"


class WrapperFramer:
    """A `Framer` for the wrapper. Its frames have no check sum of their own: TCP and UDP have."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._broken = False

    @property
    def broken(self) -> bool:
        """A header is not of version 1: nothing behind it can be read until `idle`. Drop the connection."""
        return self._broken

    def feed(self, data: bytes) -> list[Frame | Rejected]:
        events: list[Frame | Rejected] = []
        for begin in range(0, len(data), MAX_SLICE):
            self._buffer += data[begin : begin + MAX_SLICE]
            while self._step(events):
                pass
        return events

    def idle(self) -> list[Frame | Rejected]:
        events: list[Frame | Rejected] = []
        if self._buffer:
            size = len(self._buffer)
            if self._broken:
                self._reject(Reason.VERSION, size, _WRONG_VERSION, events)
            else:
                self._reject(Reason.TRUNCATED, size, f"the line went quiet {size} octets into a wrapper PDU", events)
        self._broken = False
        return events

    def _step(self, events: list[Frame | Rejected]) -> bool:
        """Take one PDU off the buffer. Whether there was a whole one."""
        self._broken = self._broken or not _VERSION.startswith(bytes(self._buffer[:2]))
        if self._broken:
            if len(self._buffer) < MAX_REJECTED:
                return False
            self._reject(Reason.VERSION, MAX_REJECTED, _WRONG_VERSION, events)
            return True
        if len(self._buffer) < HEADER_SIZE:
            return False
        length = _HEADER.unpack_from(self._buffer)[3]
        if len(self._buffer) < HEADER_SIZE + length:
            return False
        if not length:
            self._reject(Reason.LENGTH, HEADER_SIZE, "a wrapper PDU of length 0", events)
            return True
        octets = self._take(HEADER_SIZE + length)
        events.append(Frame(octets[HEADER_SIZE:], octets, check=False, framing="wrapper"))
        return True

    def _reject(self, reason: Reason, size: int, detail: str, events: list[Frame | Rejected]) -> None:
        octets = self._take(size)
        events.append(Rejected(reason, octets, f"{detail}: {octets[:8].hex().upper()}"))

    def _take(self, size: int) -> bytes:
        octets = bytes(self._buffer[:size])
        del self._buffer[:size]
        return octets


def enclose(apdu: bytes, source: int = 1, destination: int = 16) -> bytes:
    """The APDU in a wrapper PDU, from one wrapper port to the other. Raises ValueError if it is too long."""
    if len(apdu) > MAX_APDU:
        raise ValueError(f"an APDU of {len(apdu)} octets: a wrapper PDU holds {MAX_APDU}")
    return _HEADER.pack(VERSION, source, destination, len(apdu)) + apdu
