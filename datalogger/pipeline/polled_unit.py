"""One address on a line: which meters answer there, and when they are asked next."""

from collections.abc import Callable, Coroutine, Mapping, Sequence

from datalogger.config.polling import UnitOptions
from datalogger.pipeline.polled_meter import PolledMeter
from datalogger.protocol.modbus import register_types, sunspec
from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.register_map import RegisterMap, Where
from datalogger.protocol.modbus.sunspec import Model

Ask = Callable[[Request, Sequence[Request]], Coroutine[None, None, Sequence[int] | None]]
"""Asks a request (after one of the marks); the words, or None where the unit refuses. Raises what the conversation
raises."""

# Registers that no part of a chain of SunSpec models has which is read in one piece.
_SUNSPEC_MARKS = range(4, 36, 2)


# A meter may be swapped between two polls. Seconds.
LOOK_AGAIN = 600.0


class NotKnown(Exception):
    """The unit answers, and is nothing that could be read with what the configuration says."""


class PolledUnit:
    """found: its register map; None: it is a SunSpec device, and `models` are those that are read

    interval: seconds · due: on the monotonic clock
    """

    def __init__(
        self,
        address: int,
        options: UnitOptions,
        interval: float,
        *,
        found: RegisterMap | None,
        models: Mapping[int, Model] | None = None,
    ) -> None:
        self.address = address
        self.interval = interval
        self.due = 0.0
        self.failures = 0
        self.meters: list[PolledMeter] = []
        self.doubts: str = ""
        """What a person should know since the last `identify`: the map may be the wrong one."""
        self.lost = False
        """Whether the log knows that it does not answer."""
        self._sure_until = 0.0
        self._options = options
        self._map = found
        self._models = models or {}

    @property
    def map_name(self) -> str:
        return self._options.map

    def is_identified(self, now: float) -> bool:
        return bool(self.meters) and now < self._sure_until

    def doubt(self) -> None:
        """Another meter may be behind this address by the time it answers again: it has to say who it is."""
        self._sure_until = 0.0

    async def identify(self, ask: Ask, now: float) -> None:
        """Find out which meters these are. NotKnown where there is none that could be read.

        Those that it has been all the while stay as they are, with all that is known of them.
        """
        self.doubts = ""
        found = await (self._chain(ask) if self._map is None else self._single(self._map, ask))
        if [(one.identifier, one.map) for one in found] != [(one.identifier, one.map) for one in self.meters]:
            self.meters = found
        self._sure_until = now + LOOK_AGAIN

    async def _single(self, found: RegisterMap, ask: Ask) -> list[PolledMeter]:
        wheres = [where for where in (found.identity.serial, found.identity.model) if where is not None]
        requests = {where: self._where(where) for where in wheres}
        meter = PolledMeter(self.address, found, self._options, "", also=requests.values())
        said: dict[Where, int | str | None] = {}
        for where, request in requests.items():
            words = await ask(request, meter.marks)
            said[where] = None if words is None else read(where, words)
        serial, model = found.identity.serial, found.identity.model
        if model is not None and model.values and said[model] is not None and said[model] not in model.values:
            self.doubts = (
                f"it says model {said[model]}, and {found.id} is for {', '.join(map(str, model.values))}: "
                "is the map right? (datalogger probe modbus tells)"
            )
        known = said[serial] if serial is not None else None
        meter.identifier = self._options.meter or str(known or "") or f"{found.id}-{self.address}"
        return [meter]

    def _where(self, where: Where) -> Request:
        return Request(self.address, where.function, where.addr, where.count)

    async def _chain(self, ask: Ask) -> list[PolledMeter]:
        devices = await self._discover(ask)
        if not devices:
            known = ", ".join(map(str, self._models))
            raise NotKnown(
                f"unit {self.address} is no SunSpec device, or has none of the models {known}: "
                "is SunSpec switched on in it, and is the unit right?"
            )
        meters: list[PolledMeter] = []
        for number, device in enumerate(devices):
            suffix = "" if number == 0 else f"-{device.model}"
            serial = f"{self._options.meter}{suffix}" if self._options.meter else device.serial
            identifier = serial or f"sunspec-{self.address}{suffix}"
            if any(meter.identifier == identifier for meter in meters):
                identifier += f"-{device.model}"
            found = sunspec.register_map(device, self._models)
            meters.append(PolledMeter(self.address, found, self._options, identifier))
        return meters

    async def _discover(self, ask: Ask) -> list[sunspec.Device]:
        reading = sunspec.discover(self.address, self._models)
        words: Sequence[int] | None = None
        try:
            request = next(reading)
            while True:
                marks = [Request(self.address, request.function, request.address, count) for count in _SUNSPEC_MARKS]
                words = await ask(request, marks)
                request = reading.send(words)
        except StopIteration as ended:
            devices: list[sunspec.Device] = ended.value
            return devices


def read(where: Where, words: Sequence[int]) -> int | str | None:
    """What the meter says there of itself; None for nothing."""
    if where.type == "text":
        return sunspec.text(words) or None
    octets = b"".join(word.to_bytes(2, "big") for word in words)
    raw = register_types.decode(where.type, octets)
    return int(raw) if raw == raw and abs(raw) != float("inf") else None
