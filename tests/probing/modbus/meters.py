"""Simulated meters for probing: asked directly, or on a line under virtual time."""

import asyncio
import struct
from collections.abc import Callable, Mapping, Sequence

from datalogger.errors import SourceError
from datalogger.line_settings import LineSettings
from datalogger.meters.register_maps import RegisterMaps, load, sunspec_models
from datalogger.probing.modbus.identification import Finding, Identification
from datalogger.protocol.framing import Rejected
from datalogger.protocol.modbus.answers import Request
from datalogger.simulation.modbus.device import Device
from datalogger.simulation.modbus.sunspec import SunSpecDevice
from datalogger.sources.modbus.conversation import Conversation, Pace
from datalogger.sources.modbus.wire import Framing, Wire
from tests.sources.modbus.bus import crc
from tests.virtual_time import VirtualClock

MAPS = load()
MODELS = sunspec_models()

Answers = Callable[[bytes], bytes | None]
"""To the PDU of a request; None: silence."""


def meter(map_id: str, unit: int = 1) -> Answers:
    return Device(unit, MAPS[map_id]).answer


def sunspec_device(unit: int, *models: int) -> Answers:
    return SunSpecDevice(unit, models).answer


def words_of(answers: Answers, request: Request) -> list[int] | None:
    pdu = answers(struct.pack(">BHH", request.function, request.address, request.count))
    if pdu is None or pdu[0] & 0x80:
        return None
    assert pdu[1] == 2 * request.count
    return list(struct.unpack(f">{request.count}H", pdu[2:]))


def identified(answers: Answers, *, unit: int = 1, maps: RegisterMaps = MAPS) -> Finding:
    finding, _ = identified_with(answers, unit=unit, maps=maps)
    return finding


def identified_with(answers: Answers, *, unit: int = 1, maps: RegisterMaps = MAPS) -> tuple[Finding, list[Request]]:
    """And all that was asked."""
    asking = Identification(unit, maps, MODELS, 4).run()
    asked: list[Request] = []
    try:
        question = next(asking)
        while True:
            assert question.request.count not in [mark.count for mark in question.marks]
            asked.append(question.request)
            question = asking.send(words_of(answers, question.request))
    except StopIteration as ended:
        finding: Finding = ended.value
        return finding, asked


class Line:
    """With meters on it, by unit; they answer where the line is set as they are.

    settings: of the meters; None: any will do
    """

    def __init__(
        self,
        meters: Mapping[int, Answers],
        *,
        settings: LineSettings | None = None,
        framing: Framing = "rtu",
        refuses: Sequence[LineSettings] = (),
        hangs_up_on: Sequence[int] = (),
        damages: Sequence[int] = (),
    ) -> None:
        self.meters = meters
        self.settings = settings
        self.framing: Framing = framing
        self.refuses = refuses
        self.hangs_up_on = hangs_up_on
        self.damages = damages
        self.asked: list[tuple[LineSettings | None, int]] = []
        self.functions: set[int] = set()
        self.opened = 0
        self.closed = 0
        self.fails_to_open: list[bool] = []
        """One time after the other."""

    def __call__(self, settings: LineSettings | None, reject: Callable[[Rejected], None]) -> Conversation:
        return Conversation(_End(self, settings), Wire(self.framing), VirtualClock(), pace=Pace(), reject=reject)


class _End:
    def __init__(self, line: Line, settings: LineSettings | None) -> None:
        self._line = line
        self._settings = settings
        self._octets = b""
        self._stirred = asyncio.Event()
        self._over = False

    async def open(self) -> None:
        if self._settings in self._line.refuses:
            raise SourceError(f"cannot do {self._settings}")
        self._line.opened += 1
        if self._line.fails_to_open and self._line.fails_to_open.pop(0):
            raise SourceError("it is gone")
        self._over = False

    async def close(self) -> None:
        self._line.closed += 1

    @property
    def ended(self) -> bool:
        return self._over

    async def read(self) -> bytes:
        while not self._octets:
            if self._over:
                raise SourceError("it hung up")
            self._stirred.clear()
            await self._stirred.wait()
        return self.pending()

    def pending(self) -> bytes:
        taken, self._octets = self._octets, b""
        return taken

    def write(self, octets: bytes) -> None:
        line = self._line
        rtu = line.framing == "rtu"
        unit, pdu = (octets[0], octets[1:-2]) if rtu else (octets[6], octets[7:])
        if line.asked[-1:] != [(self._settings, unit)]:
            line.asked.append((self._settings, unit))
        line.functions.add(pdu[0])
        if unit in line.hangs_up_on:
            self._over = True
            self._stirred.set()
            return
        if line.settings not in (None, self._settings) or unit not in line.meters:
            return
        answer = line.meters[unit](pdu)
        if answer is None:
            return
        frame = bytes((unit,)) + answer
        if rtu:
            frame += crc(frame)
        else:
            frame = octets[:4] + len(frame).to_bytes(2, "big") + frame
        if unit in line.damages:
            frame = frame[:3] + bytes((frame[3] ^ 1,)) + frame[4:]
        self._octets += frame
        self._stirred.set()
