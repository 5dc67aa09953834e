"""Reads one source for as long as the daemon runs: octets in, reports out."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from datalogger.clock import Clock
from datalogger.errors import DecodeError, SourceEnded, SourceError
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.pipeline.backoff import Backoff
from datalogger.pipeline.hub import Hub
from datalogger.protocol.framing import Frame, Framer, Reason, Rejected
from datalogger.sources.base import Source

log = structlog.get_logger()

# A line that says nothing for so long is between frames: what is half-read will not be completed. Longer than any gap
# inside a telegram (a network dongle may hold one back for a second), shorter than the shortest slow interval, 10 s.
QUIET = 2.0

# A port that is gone is looked for often: the meter cannot be asked again for what it says meanwhile.
LONGEST_WAIT = 10.0


class Reader:
    """One source, one framer, one decoder.

    silence: seconds without an octet after which the line is closed and opened again.
    beat:    called at every turn, for the watchdog.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        framer: Callable[[], Framer],
        decode: Callable[[Frame], Report],
        hub: Hub,
        *,
        silence: float,
        clock: Clock,
        metrics: Metrics,
        beat: Callable[[], None],
    ) -> None:
        self.name = name
        self._source = source
        self._new_framer = framer
        self._decode = decode
        self._hub = hub
        self._silence = silence
        self._clock = clock
        self._metrics = metrics
        self._beat = beat
        self._log = log.bind(source=name)
        self._backoff = Backoff(first=0.5, cap=LONGEST_WAIT)
        self._fresh = True  # no good frame yet since the line was opened
        self._rejected = False  # something was refused since then

    async def run(self) -> None:
        """Until it is cancelled, or the source has ended."""
        try:
            while True:
                try:
                    await self._read_until_it_fails()
                except SourceEnded:
                    self._log.info("the source has ended")
                    return
                except SourceError as error:
                    self._metrics.set("datalogger_source_up", self.name, value=0)
                    self._log.error("cannot read", error=str(error), repeats=f"source:{self.name}")
                await self._source.close()
                self._beat()
                await asyncio.sleep(self._backoff.next())
                self._metrics.add("datalogger_source_reconnects_total", self.name)
        finally:
            self._metrics.set("datalogger_source_up", self.name, value=0)
            await self._source.close()

    async def _read_until_it_fails(self) -> None:
        await self._open()
        self._metrics.set("datalogger_source_up", self.name, value=1)
        # A new line, a new framer: half a telegram from before the cable was pulled belongs to no telegram after it.
        framer = self._new_framer()
        self._fresh, self._rejected = True, False
        try:
            heard = self._clock.monotonic()
            while True:
                self._beat()
                try:
                    async with asyncio.timeout(QUIET):
                        octets = await self._source.read()
                except TimeoutError:
                    self._handle(framer.idle())
                    silent = self._clock.monotonic() - heard
                    if silent >= self._silence:
                        message = (
                            f"no octet for {silent:.0f} s; opening the line again "
                            "(is the cable in, and does the meter still send?)"
                        )
                        raise SourceError(message) from None
                    continue
                heard = self._clock.monotonic()
                self._metrics.add("datalogger_octets_total", self.name, amount=len(octets))
                self._handle(framer.feed(octets))
        finally:
            self._handle(framer.idle())

    async def _open(self) -> None:
        """Opening has its own limits, which may be long: a host that does not answer is no stuck task."""
        opening = asyncio.ensure_future(self._source.open())
        try:
            while not opening.done():
                self._beat()
                await asyncio.wait([opening], timeout=LONGEST_WAIT)
            opening.result()
        finally:
            opening.cancel()

    def _handle(self, events: list[Frame | Rejected]) -> None:
        for event in events:
            if isinstance(event, Rejected):
                if event.reason is not Reason.PADDING:
                    self._reject(event.reason, event.detail, event.octets)
                continue
            try:
                report = self._decode(event)
            except DecodeError as error:
                self._reject(error.reason, error.detail, event.octets)
                continue
            self._backoff.reset()
            if self._fresh:
                self._fresh = False
                self._log.info("reading", meter=report.meter, resolved=True, repeats=f"source:{self.name}")
            self._hub.publish(msgspec.structs.replace(report, source=self.name, received_at=self._clock.now()))

    def _reject(self, reason: str, detail: str, octets: bytes) -> None:
        self._metrics.add("datalogger_frames_rejected_total", self.name, reason)
        if self._fresh and not self._rejected:
            # Whoever opens a port opens it inside a telegram: that half is no news.
            self._rejected = True
            return
        never = {"mend": "no telegram so far: is the speed right, the parity, the cable?"} if self._fresh else {}
        self._log.warning(
            "rejected",
            reason=str(reason),
            detail=detail,
            octets=len(octets),
            **never,
            repeats=f"rejected:{self.name}:{reason}",
        )
