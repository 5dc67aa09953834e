"""From what a source says of its meter to the framer and decoder that read it; and the counters they share."""

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from datalogger.clock import Clock
from datalogger.config.metering import MeterOptions
from datalogger.meters.counters import CounterFile
from datalogger.meters.decoder import MeterDecoder
from datalogger.meters.meaning import Reading
from datalogger.meters.profiles import Profiles, load
from datalogger.protocol.bare import ApduFramer
from datalogger.protocol.detect import AutoFramer
from datalogger.protocol.dlms.security import Counters, MemoryCounters, Security
from datalogger.protocol.framing import Framer
from datalogger.protocol.hdlc.framer import HdlcFramer
from datalogger.protocol.mbus.framer import MbusFramer
from datalogger.protocol.p1.framer import P1Framer
from datalogger.protocol.wrapper import WrapperFramer

log = structlog.get_logger()

FRAMERS: dict[str, Callable[[], Framer]] = {
    "auto": AutoFramer,
    "p1": P1Framer,
    "hdlc": HdlcFramer,
    "mbus": MbusFramer,
    "wrapper": WrapperFramer,
    "apdu": ApduFramer,
}

# How often it is looked whether the counters are due, and the longest that writing them may hold up the end. Seconds.
LOOK = 5.0
GRACE = 2.0


def framer(options: MeterOptions) -> Callable[[], Framer]:
    """What makes the framer of each line of this source."""
    return FRAMERS[options.framing]


def decoder(options: MeterOptions, counters: Counters, profiles: Path | None) -> Callable[[], MeterDecoder]:
    """What makes the decoder of each line of this source."""
    security = Security(
        options.keys,
        options.demanded,
        system_title=bytes.fromhex(options.system_title or ""),
        counters=counters,
        replay=options.replay_check,
    )

    def new() -> MeterDecoder:
        reading = Reading(
            zone=ZoneInfo(options.zone),
            clock=options.clock,
            scalers={scaling.name: (scaling.scaler, scaling.unit) for scaling in options.scalers},
            meter=options.meter,
            factor=options.factor,
        )
        return MeterDecoder(reading, security, lambda: _profiles(profiles), options.profile)

    return new


@cache
def _profiles(directory: Path | None) -> Profiles:
    return load(directory)


class CounterKeeper:
    """The invocation counters of all sources: in a file beside the spool; in RAM only where nothing may be written."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._file = None if path is None else CounterFile(path, clock)
        self.counters: Counters = self._file or MemoryCounters()

    def load(self) -> None:
        if self._file is not None:
            _say(self._file.load())

    async def keep(self, beat: Callable[[], None]) -> None:
        """Write them when they are due, until cancelled."""
        while True:
            beat()
            await asyncio.sleep(LOOK)
            if self._file is not None and self._file.due():
                await self.write()

    async def write(self) -> None:
        """Write them now; a disk that hangs is not waited for."""
        if self._file is not None:
            flushing = asyncio.to_thread(self._file.flush)
            try:
                async with asyncio.timeout(GRACE):
                    _say(await flushing)
            except TimeoutError:
                _say("the disk does not answer")


def _say(trouble: str) -> None:
    if trouble:
        log.warning("invocation counters", detail=trouble, repeats="counters")
