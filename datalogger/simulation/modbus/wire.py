"""The unit's end of the wire, as pymodbus writes and reads it: requests found in whatever comes, and answers framed."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pymodbus.exceptions import NotImplementedException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from datalogger.protocol.checksum import crc16_modbus

Framing = Literal["tcp", "rtu"]

MOST_FRAME = 256  # octets of an RTU frame
_LEAST_FRAME = 4  # unit, function, check sum
_HEAD = 6  # octets of the MBAP header up to and with the length
_EXCEPTION = 0x80


class Asked(NamedTuple):
    """A request: to which unit, under which number (0 where there is none), and what it says."""

    unit: int
    transaction: int
    pdu: bytes

    def __str__(self) -> str:
        if len(self.pdu) != 5:
            return f"unit {self.unit}  {self.pdu.hex().upper()}"
        address, count = int.from_bytes(self.pdu[1:3], "big"), int.from_bytes(self.pdu[3:], "big")
        return f"unit {self.unit}  function {self.pdu[0]}  {address:#06x} +{count}"


class Ear:
    """Hears the requests on one line or connection."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._decoder = DecodePDU(True)
        self._rtu, self._tcp = FramerRTU(self._decoder), FramerSocket(self._decoder)
        self._heard = bytearray()
        self.broken = False
        """Nothing that follows can be read: this is no Modbus TCP."""

    def feed(self, octets: bytes) -> list[Asked]:
        """The requests that these octets complete; what belongs to none is dropped."""
        self._heard += octets
        return list(self._over_rtu() if self._framing == "rtu" else self._over_tcp())

    def forget(self) -> None:
        """Whoever spoke is gone."""
        self._heard.clear()

    def write(self, asked: Asked, unit: int, pdu: bytes) -> bytes:
        """The answer to `asked`, from `unit`."""
        framer = self._rtu if self._framing == "rtu" else self._tcp
        return framer.encode(pdu, unit, asked.transaction)

    def _over_tcp(self) -> Iterator[Asked]:
        while len(self._heard) >= _HEAD and not self.broken:
            protocol, length = int.from_bytes(self._heard[2:4], "big"), int.from_bytes(self._heard[4:6], "big")
            if protocol != 0 or not 2 <= length <= MOST_FRAME:
                self.broken = True
                return
            if len(self._heard) < _HEAD + length:
                return
            frame = self._taken(_HEAD + length)
            _, unit, transaction, pdu = self._tcp.decode(frame)
            yield Asked(unit, transaction, pdu)

    def _over_rtu(self) -> Iterator[Asked]:
        # FramerRTU throws away all that comes with a frame: so it is given each frame by itself.
        at = 0
        while at + _LEAST_FRAME <= len(self._heard):
            size = self._size(at)
            if size == 0:
                at += 1
                continue
            self._taken(at)
            frame = self._taken(size)
            yield Asked(frame[0], 0, frame[1:-2])
            at = 0
        if len(self._heard) > MOST_FRAME:
            self._taken(len(self._heard) - MOST_FRAME)

    def _size(self, at: int) -> int:
        """Octets of the whole, sound request that begins here; 0 where none does (yet)."""
        rest = bytes(self._heard[at:])
        if rest[1] & _EXCEPTION:  # an answer: of another unit on this line
            return 0
        size = self._told(rest)
        if _LEAST_FRAME <= size <= len(rest) and crc16_modbus(rest[:size]) == 0:
            return size
        # Of a function that is not known only the silence behind it says where it ends.
        return len(rest) if at == 0 and crc16_modbus(rest) == 0 else 0

    def _told(self, rest: bytes) -> int:
        try:
            kind = self._decoder.lookupPduClass(rest)
            return kind.calculateRtuFrameSize(rest) if kind is not None else 0
        except (NotImplementedException, LookupError):
            return 0

    def _taken(self, length: int) -> bytes:
        taken = bytes(self._heard[:length])
        del self._heard[:length]
        return taken
