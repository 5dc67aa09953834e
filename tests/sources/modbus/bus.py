"""A line with units on it, under virtual time, that misbehaves as it is told.

Every answer carries the number of the request that it answers in all its words, so that one taken for another shows.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from datalogger.errors import SourceError
from datalogger.protocol.framing import Rejected
from datalogger.protocol.modbus.answers import Request
from datalogger.sources.modbus.conversation import Conversation, Pace
from datalogger.sources.modbus.wire import Framing, Wire
from tests.virtual_time import VirtualClock


def crc(octets: bytes) -> bytes:
    """Bit by bit, as the specification of Modbus over serial line has it."""
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return register.to_bytes(2, "little")


class Deed(NamedTuple):
    """What a unit does with one request.

    after: seconds until it answers; None: it never does
    form:  "sound"; or "exception", "crc", "short", "long", "noise", "unit", "function", "twice", "echo", "pieces"
    code:  of the exception
    """

    after: float | None = 0.01
    form: str = "sound"
    code: int = 2


SOUND = Deed()


def word(number: int, address: int) -> int:
    """What stands at `address` when request `number` is answered."""
    return (number * 4099 + address) & 0xFFFF


class Bus:
    """deeds: what becomes of each request, in order; sound answers after them."""

    def __init__(self, deeds: Sequence[Deed] = (), *, framing: Framing = "rtu", stamps_late: bool = False) -> None:
        self.deeds = deque(deeds)
        self.framing: Framing = framing
        self.stamps_late = stamps_late
        """As a bad gateway: what comes late is given the number of the request that is waiting now."""
        self.holes: set[int] = set()
        """Addresses that every unit refuses."""
        self.values: dict[int, int] = {}
        """Words that are not `word`."""
        self.units: set[int] | None = None
        """Those that are there; None: all."""
        self.times: list[float] = []
        """When each request came, on the virtual clock."""
        self.opened = 0
        self.requests: list[Request] = []
        self.rejected: list[Rejected] = []
        self.fails: str | None = None
        self._octets = bytearray()
        self._stirred = asyncio.Event()
        self._busy: dict[int, float] = defaultdict(float)
        self._transaction = 0

    def conversation(self, pace: Pace | None = None, heard: Callable[[Rejected], None] | None = None) -> Conversation:
        return Conversation(
            self, Wire(self.framing), VirtualClock(), pace=pace or Pace(), reject=heard or self.rejected.append
        )

    async def open(self) -> None:
        self.opened += 1
        self._octets.clear()

    async def read(self) -> bytes:
        while not self._octets:
            if self.fails is not None:
                raise SourceError(self.fails)
            self._stirred.clear()
            await self._stirred.wait()
        return self.pending()

    def pending(self) -> bytes:
        taken = bytes(self._octets)
        self._octets.clear()
        return taken

    @property
    def ended(self) -> bool:
        return self.fails is not None

    async def close(self) -> None:
        self.fails = None

    def write(self, octets: bytes) -> None:
        if self.framing == "rtu":
            assert octets[-2:] == crc(octets[:-2])
            unit, pdu = octets[0], octets[1:-2]
        else:
            assert octets[2:4] == b"\0\0" and int.from_bytes(octets[4:6], "big") == len(octets) - 6
            self._transaction = int.from_bytes(octets[:2], "big")
            unit, pdu = octets[6], octets[7:]
        function, address, count = pdu[0], int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        request = Request(unit, function, address, count)
        loop = asyncio.get_running_loop()
        self.requests.append(request)
        self.times.append(loop.time())
        if self.units is not None and unit not in self.units:
            return
        deed = self.deeds.popleft() if self.deeds else SOUND
        if deed.after is None:
            return
        if self.holes.intersection(range(address, address + count)):
            deed = Deed(form="exception")
        # A unit does one thing after the other.
        at = self._busy[unit] = max(self._busy[unit], loop.time()) + (deed.after or 0.0)
        for piece, later in self._pieces(request, deed, octets):
            loop.call_at(at + later, self._say, piece, unit, self._transaction)

    def _pieces(self, request: Request, deed: Deed, asked: bytes) -> list[tuple[bytes, float]]:
        """PDUs, or octets as they are where they begin with b"raw"."""
        number = len(self.requests)
        addresses = range(request.address, request.address + request.count)
        data = b"".join(self.values.get(at, word(number, at)).to_bytes(2, "big") for at in addresses)
        sound = bytes((request.function, len(data))) + data
        match deed.form:
            case "exception":
                return [(bytes((request.function | 0x80, deed.code)), 0)]
            case "function":
                return [(bytes((7 - request.function,)) + sound[1:], 0)]
            case "twice":
                return [(sound, 0), (sound, 0.0005)]
            case _ if self.framing == "tcp":
                return [(sound, 0)]
        frame = bytes((request.unit,)) + sound
        frame += crc(frame)
        match deed.form:
            case "crc":
                return [(b"raw" + frame[:5] + bytes((frame[5] ^ 4,)) + frame[6:], 0)]
            case "short":
                return [(b"raw" + frame[:-3], 0)]
            case "long":
                return [(b"raw" + frame + b"\x11\x22", 0)]
            case "noise":
                return [(b"raw\x00\xff\x00", 0), (b"raw" + frame, 0.005)]
            case "unit":
                other = bytes((request.unit + 1,)) + sound
                return [(b"raw" + other + crc(other), 0), (b"raw" + frame, 0.005)]
            case "echo":
                return [(b"raw" + asked, 0), (b"raw" + frame, 0.005)]
            case "pieces":
                return [(b"raw" + frame[at : at + 1], at * 0.01) for at in range(len(frame))]
        return [(sound, 0)]

    def _say(self, pdu: bytes, unit: int, transaction: int) -> None:
        if pdu.startswith(b"raw"):
            octets = pdu[3:]
        elif self.framing == "rtu":
            octets = bytes((unit,)) + pdu
            octets += crc(octets)
        else:
            number = self._transaction if self.stamps_late else transaction
            octets = number.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes((unit,)) + pdu
        self._octets += octets
        self._stirred.set()

    def fail(self, why: str) -> None:
        self.fails = why
        self._stirred.set()

    @property
    def reasons(self) -> list[str]:
        return [str(rejected.reason) for rejected in self.rejected]
