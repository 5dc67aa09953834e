"""Asks the meters of one line for as long as the daemon runs: answers in, reports out."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from datalogger.clock import Clock
from datalogger.errors import SourceError
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.pipeline.backoff import Backoff
from datalogger.pipeline.hints import OF_POLLS
from datalogger.pipeline.hub import Hub
from datalogger.pipeline.opening import opened, used_again_and_again
from datalogger.pipeline.polled_meter import ASK_AGAIN, REFUSALS, Answered, PolledMeter
from datalogger.pipeline.polled_unit import NotKnown, PolledUnit
from datalogger.protocol.framing import Reason, Rejected
from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.register_map import Register
from datalogger.sources.modbus.conversation import NOT_THERE, Conversation, NoAnswer, Refused

log = structlog.get_logger()

# A line that cannot be opened is tried this often at least.
LONGEST_WAIT = 10.0

# A beat for the watchdog at least this often.
LOOK = 5.0

# How often a block is asked for in one poll before the poll goes on without it: a line loses an octet now and then.
ATTEMPTS = 2

# A unit that is not there holds up its neighbours on the line by a timeout each time it is asked. After this many
# polls without an answer it is asked less and less often, at least every so many seconds.
PATIENCE = 3
LONGEST_REST = 30.0
MOST_DOUBLINGS = 12


# Names of registers in one line of the log.
MOST_NAMES = 10

# Of what is told by its consequence: a unit that is gone, registers that are not there. Counted all the same.
_TOLD_OTHERWISE = frozenset(
    (Reason.NO_ANSWER, Reason.EXCEPTION_1, Reason.EXCEPTION_2, Reason.EXCEPTION_3, Reason.EXCEPTION_4)
)


class Poller:
    """One line with its units, asked in turn; each unit once an interval, on an even grid.

    timeout: seconds that a unit may take to answer
    silence: seconds without an octet, while units are asked, after which the line is closed and opened again
    beat:    called at every turn, for the watchdog
    """

    def __init__(
        self,
        name: str,
        conversation: Callable[[Callable[[Rejected], None]], Conversation],
        units: Sequence[PolledUnit],
        hub: Hub,
        *,
        timeout: float,
        silence: float,
        clock: Clock,
        metrics: Metrics,
        beat: Callable[[], None],
    ) -> None:
        self.name = name
        self._conversation = conversation(self._reject)
        self._units = units
        self._hub = hub
        self._timeout = timeout
        self._silence = silence
        self._clock = clock
        self._metrics = metrics
        self._beat = beat
        self._log = log.bind(source=name)
        self._backoff = Backoff(first=0.5, cap=LONGEST_WAIT)
        self._grid = 0.0
        self._refused: set[tuple[int, str]] = set()  # unit and register, of which the log knows

    async def run(self) -> None:
        """Until it is cancelled."""
        self._grid = self._whole_seconds()
        await used_again_and_again(
            self.name,
            self._use,
            self._conversation.close,
            backoff=self._backoff,
            metrics=self._metrics,
            beat=self._beat,
        )

    def _whole_seconds(self) -> float:
        """On the monotonic clock, a moment of the wall clock's year 1970: so polls of ten seconds are at :00, :10, :20,
        those of all sources together. A wall clock that is set later moves no grid."""
        return self._clock.monotonic() - self._clock.now().timestamp()

    async def _use(self) -> None:
        await opened(self._conversation.open(), self._beat)
        self._metrics.set("datalogger_source_up", self.name, value=1)
        try:
            await self._poll_until_it_fails()
        finally:
            for unit in self._units:
                self._show_up(unit, up=False)

    async def _poll_until_it_fails(self) -> None:
        unanswered_since: float | None = None
        for unit in self._units:
            unit.doubt()
            # What passed while the line was closed was not the line's slowness, and who was missed is asked at once.
            if unit.due < self._clock.monotonic() or unit.failures:
                unit.due = 0.0
        while True:
            unit = min(self._units, key=lambda unit: unit.due)
            await self._sleep_until(unit.due)
            await self._open_if_ended()
            began = self._clock.monotonic()
            if unit.due:
                self._metrics.observe("datalogger_poll_lateness_seconds", self.name, value=max(0.0, began - unit.due))
            heard_before = self._conversation.heard_at
            there = await self._poll(unit, unit.due or began)
            self._plan_next(unit, there)
            if there or self._conversation.heard_at > heard_before:
                unanswered_since = None
            elif self._clock.monotonic() - (unanswered_since := unanswered_since or began) >= self._silence:
                raise SourceError(
                    f"no octet for {self._silence:.0f} s, though units are asked; opening the line again "
                    f"({self._conversation.advice})"
                )

    async def _open_if_ended(self) -> None:
        """Meters and gateways close connections that are idle, and some do so after each answer."""
        if self._conversation.ended:
            await self._conversation.close()
            await opened(self._conversation.open(), self._beat)
            self._metrics.add("datalogger_source_reconnects_total", self.name)
            for unit in self._units:
                unit.doubt()

    async def _sleep_until(self, due: float) -> None:
        while True:
            self._beat()
            wait = due - self._clock.monotonic()
            # Also where it is due already: others want a turn, and a line that answers at once would give none.
            await asyncio.sleep(min(max(wait, 0.0), LOOK))
            if wait <= LOOK:
                return

    def _plan_next(self, unit: PolledUnit, there: bool) -> None:
        """The next moment of the grid that has not passed. What has passed is left out, not made up for."""
        before, now = unit.due, self._clock.monotonic()
        unit.failures = 0 if there else unit.failures + 1
        rest = 0.0
        if unit.failures >= PATIENCE and len(self._units) > 1:
            doublings = min(unit.failures - PATIENCE, MOST_DOUBLINGS)
            rest = min(unit.interval * 2**doublings, max(LONGEST_REST, unit.interval))
        passed = (max(now, before + rest) - self._grid) // unit.interval
        unit.due = self._grid + (passed + 1) * unit.interval
        if unit.failures:  # of a long interval a whole one would be lost
            unit.due = min(unit.due, now + LONGEST_REST)
        missed = round((unit.due - before) / unit.interval) - 1 if before and there else 0
        if missed > 0:
            self._metrics.add("datalogger_polls_missed_total", self.name, amount=missed)
            self._log.warning(
                "polls left out",
                unit=unit.address,
                missed=missed,
                mend=f"the line does not get round in {unit.interval:g} s: longer interval, fewer registers, more baud",
                repeats=f"missed:{self.name}",
            )

    async def _poll(self, unit: PolledUnit, moment: float) -> bool:
        """Whether the unit is there. moment: at which this poll is due"""
        self._metrics.add("datalogger_polls_total", self.name, str(unit.address))
        heard = False
        try:
            if not unit.is_identified(moment):
                await self._identify(unit, moment)
            for meter in unit.meters:
                heard = await self._poll_meter(meter, moment) or heard
        except NoAnswer as error:
            if not heard:
                self._lost(unit, error)
        if heard:
            unit.lost = False
        self._show_up(unit, up=heard and any(meter.has_values for meter in unit.meters))
        return heard

    def _show_up(self, unit: PolledUnit, *, up: bool) -> None:
        self._metrics.set("datalogger_unit_up", self.name, str(unit.address), value=int(up))

    async def _identify(self, unit: PolledUnit, moment: float) -> None:
        async def ask(request: Request, marks: Sequence[Request]) -> Sequence[int] | None:
            try:
                return await self._ask(request, marks, 0.0)
            except Refused as refused:
                if refused.code in NOT_THERE:
                    raise NoAnswer(request, damaged=False, told=True) from None
                # Who is busy may say later who it is; who never does is read under another name.
                if refused.code not in REFUSALS and unit.failures < PATIENCE:
                    raise NoAnswer(request, damaged=True, told=True) from None
                return None

        try:
            await unit.identify(ask, moment)
        except NotKnown as error:  # its neighbours on the line are read on
            self._log.error("cannot read", error=str(error), repeats=f"unit:{self.name}:{unit.address}")
            raise NoAnswer(None, damaged=False, told=True) from None
        if unit.doubts:
            self._log.warning("notice", detail=unit.doubts, repeats=f"doubts:{self.name}:{unit.address}")

    async def _poll_meter(self, meter: PolledMeter, moment: float) -> bool:
        """Ask for all that is due, and publish what came, as one report. NoAnswer only where nothing came at all."""
        answers: list[Answered] = []
        left_out: list[Register] = []
        lost: NoAnswer | None = None
        broken: SourceError | None = None
        due = deque(meter.due(moment))
        while due:
            asked = due.popleft()
            try:
                answers.append((asked, await self._ask(meter.request(asked.block), meter.marks, meter.pause)))
                meter.answered(asked, moment)
            except Refused as refused:
                if refused.code in NOT_THERE:
                    lost = NoAnswer(meter.request(asked.block), damaged=False, told=True)
                    break
                in_its_place, missing = meter.refused(asked, refused.code, moment)
                due.extendleft(reversed(in_its_place))
                left_out += missing
            except NoAnswer as error:
                lost = error
                if not error.damaged:
                    break
            except SourceError as error:  # what came before it is kept
                broken = error
                break
        self._note_missing(meter, left_out)
        if answers:
            self._publish(meter, answers, moment)
        if broken is not None:
            raise broken
        if lost is not None and not answers:
            raise lost
        return True

    async def _ask(self, request: Request, marks: Sequence[Request], pause: float) -> list[int]:
        for attempt in range(1, ATTEMPTS + 1):
            self._beat()
            try:
                await self._open_if_ended()
                return await self._conversation.ask(request, marks, timeout=self._timeout, pause=pause)
            except NoAnswer as error:
                if attempt == ATTEMPTS or error.request != request:
                    raise
            except SourceError:
                if attempt == ATTEMPTS or not self._conversation.ended:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _publish(self, meter: PolledMeter, answers: list[Answered], moment: float) -> None:
        self._backoff.reset()
        records = meter.records(answers, moment)
        if not records:  # all as it was, within its deadband
            return
        if not meter.heard:
            meter.heard = True
            about = {"meter": meter.identifier, "unit": meter.unit, "map": meter.map.id}
            self._log.info("reading", **about, resolved=True, repeats=f"unit:{self.name}:{meter.unit}")
        report = Report(
            protocol="modbus",
            source=self.name,
            meter=meter.identifier,
            profile=meter.map.id,
            received_at=self._clock.now(),
            records=records,
        )
        self._hub.publish(report)

    def _note_missing(self, meter: PolledMeter, left_out: Sequence[Register]) -> None:
        """Once for each register; all of one poll in one line."""
        news = [register.name for register in left_out if (meter.unit, register.name) not in self._refused]
        if not news:
            return
        self._refused.update((meter.unit, name) for name in news)
        total = len(meter.registers)
        many = len(left_out) > total / 2
        told = self._log.error if many else self._log.warning
        told(
            "registers that this meter does not have",
            unit=meter.unit,
            map=meter.map.id,
            count=f"{len(left_out)} of {total}",
            registers=", ".join(news if len(news) <= MOST_NAMES else [*news[:MOST_NAMES], "…"]),
            mend="is this the map of this very model? (datalogger probe modbus tells, while the daemon is stopped)"
            if many
            else f"they are left out, and asked for again every {ASK_AGAIN / 60:.0f} min; the others are read",
        )

    def _lost(self, unit: PolledUnit, error: NoAnswer) -> None:
        """Nothing of this unit could be read in this poll."""
        unit.doubt()
        for meter in unit.meters:
            meter.heard = False
        # What is damaged is told as that; for a while it may be the weather.
        if unit.lost or error.told or (error.damaged and unit.failures + 1 < PATIENCE):
            return
        unit.lost = True
        self._log.error(
            "no answer that could be read" if error.damaged else "no answer",
            unit=unit.address,
            map=unit.map_name,
            mend=f"{self._conversation.advice} (datalogger probe modbus finds out, while the daemon is stopped)",
            repeats=f"unit:{self.name}:{unit.address}",
        )

    def _reject(self, rejected: Rejected) -> None:
        if rejected.reason is Reason.PADDING:
            return
        self._metrics.add("datalogger_frames_rejected_total", self.name, rejected.reason)
        if rejected.reason in _TOLD_OTHERWISE:
            return
        mend = {"mend": OF_POLLS[rejected.reason]} if rejected.reason in OF_POLLS else {}
        self._log.warning(
            "rejected",
            reason=str(rejected.reason),
            detail=rejected.detail,
            octets=len(rejected.octets),
            **mend,
            repeats=f"rejected:{self.name}:{rejected.reason}",
        )
