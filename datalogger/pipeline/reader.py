"""Reads one source for as long as the daemon runs: octets in, reports out."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec
import structlog

from datalogger.clock import Clock
from datalogger.errors import SourceError
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.pipeline.backoff import Backoff
from datalogger.pipeline.hints import HINTS
from datalogger.pipeline.hub import Hub
from datalogger.pipeline.opening import opened, used_again_and_again
from datalogger.protocol.decoder import Decoder, Notice
from datalogger.protocol.framing import Frame, Framer, Reason, Rejected
from datalogger.protocol.wrapper import WrapperFramer
from datalogger.sources.base import Heard, Listener, Source

log = structlog.get_logger()

# A line that says nothing for so long is between frames: what is half-read will not be completed. Longer than any gap
# inside a telegram (a network dongle may hold one back for a second), shorter than the shortest slow interval, 10 s.
QUIET = 2.0

# A port that is gone is looked for often: the meter cannot be asked again for what it says meanwhile.
LONGEST_WAIT = 10.0

# Lines remembered at once, of a source that has many; beyond, the one silent for longest is forgotten: as many as the
# clients that a listener can be told to take, and senders of datagrams, which never say that they are gone.
MAX_LINES = 1024

# What is said of frames that came in whole: the line is right, and something else is wrong.
_OF_WHOLE_FRAMES = frozenset(
    (Reason.NO_KEY, Reason.WRONG_KEY, Reason.TAG, Reason.REPLAY, Reason.POLICY, Reason.APDU_TAG, Reason.AXDR)
)

# Meters of one source that are said to be read; there may be made-up ones among them.
MAX_METERS = 1000

# Different notices remembered as said; a meter has a handful of them.
MAX_NOTICES = 1000


class _Line:
    """One line of a source, as far as it was heard."""

    __slots__ = ("decoder", "framer", "fresh", "heard", "heard_at", "name", "refused")

    def __init__(self, name: str, decoder: Decoder) -> None:
        self.name = name
        self.decoder = decoder
        self.framer: Framer | None = None
        self.fresh = True  # no good frame yet since the line was opened
        self.refused = False  # something was refused since then
        self.heard = 0.0  # on the monotonic clock; 0 once it was found quiet
        self.heard_at: datetime | None = None


class Reader:
    """One source; for each of its lines one framer and one decoder.

    framer, decoder: make a new one
    silence: seconds without an octet after which the line is closed and opened again.
    beat:    called at every turn, for the watchdog.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        framer: Callable[[], Framer],
        decoder: Callable[[], Decoder],
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
        self._new_decoder = decoder
        self._hub = hub
        self._silence = silence
        self._clock = clock
        self._metrics = metrics
        self._beat = beat
        self._log = log.bind(source=name)
        self._backoff = Backoff(first=0.5, cap=LONGEST_WAIT)
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._told: set[tuple[str, str]] = set()
        self._meters: set[str] = set()  # said to be read, since the source was opened

    async def run(self) -> None:
        """Until it is cancelled, or the source has ended."""
        await used_again_and_again(
            self.name,
            self._read_until_it_fails,
            self._source.close,
            backoff=self._backoff,
            metrics=self._metrics,
            beat=self._beat,
        )

    async def _read_until_it_fails(self) -> None:
        await opened(self._source.open(), self._beat)
        self._metrics.set("datalogger_source_up", self.name, value=1)
        # A new line, a new framer: half a telegram from before the cable was pulled belongs to no telegram after it.
        self._lines.clear()
        self._meters.clear()
        loop = asyncio.get_running_loop()
        try:
            heard = looked = self._clock.monotonic()
            while True:
                try:
                    # One for many reads, moved at each: a telegram of a real line comes in a dozen pieces.
                    async with asyncio.timeout(QUIET) as quiet:
                        while True:
                            self._beat()
                            octets = await self._source.read()
                            quiet.reschedule(loop.time() + QUIET)
                            heard = self._clock.monotonic()
                            self._take(octets if isinstance(octets, Heard) else Heard("", octets), heard)
                            if heard - looked >= QUIET:  # one line of many may be quiet while others speak
                                looked = heard
                                self._quieten(heard - QUIET)
                except TimeoutError:
                    self._beat()
                    looked = self._clock.monotonic()
                    self._quieten(looked)
                    if looked - heard >= self._silence:
                        message = (
                            f"no octet for {looked - heard:.0f} s; opening the line again "
                            "(is the cable in, and does the meter still send?)"
                        )
                        raise SourceError(message) from None
        finally:
            self._quieten(self._clock.monotonic())

    def _take(self, heard: Heard, now: float) -> None:
        line = self._line(heard.line)
        line.heard = now
        if heard.octets:
            line.heard_at = self._clock.now()
            self._metrics.add("datalogger_octets_total", self.name, amount=len(heard.octets))
        framer = line.framer = line.framer or self._new_framer()
        self._frames(line, framer.feed(heard.octets))
        broken = isinstance(framer, WrapperFramer) and framer.broken
        if broken or heard.last:
            self._frames(line, framer.idle())
            line.framer = None
        if heard.gone:
            self._give_up(self._lines.pop(heard.line))
        if broken:
            self._drop(line)

    def _line(self, name: str) -> _Line:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = _Line(name, self._new_decoder())
            if len(self._lines) > MAX_LINES:
                _, oldest = self._lines.popitem(last=False)
                self._give_up(oldest)
        self._lines.move_to_end(name)
        return line

    def _quieten(self, since: float) -> None:
        """What is half-read on a line that was not heard since then will not be completed."""
        for line in list(self._lines.values()):
            if 0 < line.heard <= since:
                line.heard = 0.0
                self._give_up(line)

    def _give_up(self, line: _Line) -> None:
        if line.framer is not None:
            self._frames(line, line.framer.idle())
        self._events(line, line.decoder.idle())

    def _frames(self, line: _Line, events: Iterable[Frame | Rejected]) -> None:
        for event in events:
            if isinstance(event, Frame):
                self._events(line, line.decoder.take(event))
            else:
                self._events(line, (*line.decoder.damaged(event), event))

    def _drop(self, line: _Line) -> None:
        """Nothing that follows on this line can be read."""
        if isinstance(self._source, Listener):
            self._source.drop(line.name)
        else:
            raise SourceError("a DLMS wrapper of another version than 1 speaks here; opening the line again")

    def _events(self, line: _Line, events: Iterable[Report | Rejected | Notice]) -> None:
        for event in events:
            if isinstance(event, Report):
                self._publish(line, event)
            elif isinstance(event, Notice):
                self._tell(event)
            elif event.reason is not Reason.PADDING:
                self._reject(line, event)

    def _publish(self, line: _Line, report: Report) -> None:
        self._backoff.reset()
        if line.fresh:
            line.fresh = False
            # Most meters connect anew for each push: that is said of each meter once.
            if not line.name or (report.meter not in self._meters and len(self._meters) < MAX_METERS):
                self._meters.add(report.meter)
                peer = {"line": line.name} if line.name else {}
                self._log.info("reading", meter=report.meter, **peer, resolved=True, repeats=f"source:{self.name}")
        # What a quiet line completes came in when it was last heard, not now.
        received_at = line.heard_at or self._clock.now()
        self._hub.publish(msgspec.structs.replace(report, source=self.name, received_at=received_at))

    def _tell(self, notice: Notice) -> None:
        """Once: it is as true of the next push."""
        self._metrics.add("datalogger_notices_total", self.name, notice.reason)
        known = (notice.reason, notice.detail)
        if known not in self._told and len(self._told) < MAX_NOTICES:
            self._told.add(known)
            self._log.warning("notice", reason=notice.reason, detail=notice.detail)

    def _reject(self, line: _Line, rejected: Rejected) -> None:
        self._metrics.add("datalogger_frames_rejected_total", self.name, rejected.reason)
        # Whoever opens a port opens it inside a telegram: that half is no news. A client begins at a beginning.
        perhaps_inside = line.fresh and not line.name and rejected.reason not in _OF_WHOLE_FRAMES
        before, line.refused = line.refused, True
        if perhaps_inside and not before:
            return
        peer = {"line": line.name} if line.name else {}
        mend = {"mend": HINTS[rejected.reason]} if rejected.reason in HINTS else {}
        if perhaps_inside:
            mend = {
                "mend": "no telegram so far: is the speed right, the parity, the cable? (datalogger probe finds out)"
            }
        self._log.warning(
            "rejected",
            reason=str(rejected.reason),
            detail=rejected.detail,
            octets=len(rejected.octets),
            **peer,
            **mend,
            repeats=f"rejected:{self.name}:{rejected.reason}",
        )
