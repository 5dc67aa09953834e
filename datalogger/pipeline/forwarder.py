"""The one loop that delivers, retries, backs off and quarantines: one task per sink."""

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum

import structlog

from datalogger.clock import Clock
from datalogger.config.schema import SinkOptions
from datalogger.errors import ReportsRejected, SinkError, SinkMisconfigured, SinkUnavailable
from datalogger.metrics import Metrics
from datalogger.model import Delivery
from datalogger.pipeline.backoff import Backoff
from datalogger.pipeline.waiting import first
from datalogger.sinks.base import Sink
from datalogger.spool.spool import Spool

log = structlog.get_logger()

# A forwarder that waits also looks this often: a lost wake-up must not strand a record, and a server that can be
# reached again is not left waiting for the rest of a long backoff. Seconds.
LOOK = 5.0

# A wrong key or a disabled API is mended by a person; so often is it tried again: within a minute it flows. Seconds.
PROBE = 30.0

# So often must an unknown error hit the same record before the next one is tried in its place.
SUSPICIOUS = 3


class State(StrEnum):
    """What a sink is in, as metrics and status say it."""

    DELIVERING = "delivering"
    UNAVAILABLE = "unavailable"
    MISCONFIGURED = "misconfigured"


class Forwarder:
    """Delivers what the spool holds for one sink, in order, and acts on what the sink says of each answer.

    beat: called at every turn, for the watchdog; the longest gap is `options.timeout` and a little.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        options: SinkOptions,
        spool: Spool,
        *,
        clock: Clock,
        metrics: Metrics,
        beat: Callable[[], None],
    ) -> None:
        self.name = name
        self.state = State.DELIVERING
        self._sink = sink
        self._options = options
        self._spool = spool
        self._clock = clock
        self._metrics = metrics
        self._beat = beat
        self._log = log.bind(sink=name)
        self._backoff = Backoff()
        self._open = False
        self._failed = False  # the last attempt did not pass
        self._suspect: tuple[int, int] = (-1, 0)  # the record an unknown error keeps hitting, and how often it did
        self._stopping: asyncio.Event = asyncio.Event()
        self._draining = False
        self._allowance = 0.0  # backlog reports that may go now (live-first)
        self._allowed_at = clock.monotonic()
        self._enter(State.DELIVERING)

    def finish(self, *, drain: bool) -> None:
        """Return from `run` after the delivery under way; with `drain`, after all that can be delivered is."""
        self._draining = drain
        self._stopping.set()
        self._spool.rouse(self.name)

    async def run(self) -> None:
        """Until it is cancelled, or told to finish."""
        if self._options.replay != "all":
            await self._forgo_backlog()
        try:
            while not (self._stopping.is_set() and not self._draining):
                self._beat()
                batch = await self._next_batch()
                if batch:
                    await self._offer(batch)
                    if self._stopping.is_set() and self._failed:
                        return
                elif self._stopping.is_set():
                    return
                else:
                    await self._spool.arrival(self.name, LOOK)
        finally:
            await self._sink.close()

    async def _next_batch(self) -> Sequence[Delivery]:
        limit = self._sink.batch_limit
        if self._options.order == "fifo":
            return await self._spool.take(self.name, limit)
        live = await self._spool.take_live(self.name, limit)
        if live:
            return live
        now = self._clock.monotonic()
        earned = (now - self._allowed_at) * self._options.backlog_rate
        self._allowance = min(self._allowance + earned, max(self._options.backlog_rate, 1.0))
        self._allowed_at = now
        if self._allowance < 1 and not self._stopping.is_set():
            # Nothing live, and the backlog has had its share: wait for either.
            await self._spool.arrival(self.name, min(LOOK, (1 - self._allowance) / self._options.backlog_rate))
            return ()
        # With a drain the backlog goes as fast as it can: there are five seconds.
        backlog = await self._spool.take(self.name, min(limit, max(1, int(self._allowance))))
        self._allowance -= len(backlog)
        return backlog

    async def _offer(self, batch: Sequence[Delivery]) -> None:
        """One attempt with this batch, and what follows from it."""
        error = await self._attempt(batch)
        if error is None:
            return self._passed()
        self._failed = True
        if isinstance(error, SinkMisconfigured):
            self._enter(State.MISCONFIGURED)
            self._log.error(
                "paused until somebody mends it; every report is kept",
                error=str(error),
                waiting=self._spool.backlog(self.name).depth,
                repeats=f"sink:{self.name}",
            )
            return await self._pause(PROBE)
        assert isinstance(error, SinkUnavailable)
        if error.suspect and await self._blame(batch):
            return None
        self._metrics.add("datalogger_sink_retries_total", self.name)
        self._enter(State.UNAVAILABLE)
        self._log.warning(
            "not delivered; kept, and tried again",
            error=str(error),
            waiting=self._spool.backlog(self.name).depth,
            repeats=f"sink:{self.name}",
        )
        # A server that says when to come back is taken at its word; the jitter keeps loggers out of step.
        delay = self._backoff.next() if error.retry_after_s is None else error.retry_after_s
        return await self._pause(delay, until_reached=error.unreached and error.retry_after_s is None)

    async def _attempt(self, batch: Sequence[Delivery]) -> SinkError | None:
        """Deliver `batch`; tell the spool what was taken or set aside. None where nothing is left to do."""
        self._beat()
        sequences = [delivery.sequence for delivery in batch]
        try:
            try:
                async with asyncio.timeout(self._options.timeout):
                    if not self._open:
                        await self._sink.open()
                        self._open = True
                    await self._sink.deliver(batch)
            except TimeoutError:
                raise SinkUnavailable(f"no answer within {self._options.timeout:g} s", ambiguous=True) from None
            except SinkError:
                raise
            except Exception as error:
                # Rule 3: a defect in one sink must not end its forwarder, let alone its neighbours.
                self._log.exception("defect in this sink", repeats=f"defect:{self.name}")
                raise SinkUnavailable(f"defect in the sink: {error!r}", suspect=True) from error
        except asyncio.CancelledError:
            # The request may have gone out: whoever delivers this next has to ask.
            self._spool.doubt(self.name, sequences)
            raise
        except ReportsRejected as error:
            answers = {sequences[index]: answer for index, answer in error.rejected.items()}
            await self._set_aside(answers, error.reason)
            self._accept([delivery for delivery in batch if delivery.sequence not in answers])
            return None
        except SinkUnavailable as error:
            if error.ambiguous:
                self._spool.doubt(self.name, sequences)
            await self._close_sink()
            return error
        except SinkError as error:
            await self._close_sink()
            return error
        self._accept(batch)
        return None

    def _accept(self, batch: Sequence[Delivery]) -> None:
        if not batch:
            return
        now = self._clock.now()
        self._spool.accept(self.name, [delivery.sequence for delivery in batch])
        self._metrics.add("datalogger_sink_delivered_total", self.name, amount=len(batch))
        self._metrics.set("datalogger_sink_last_success_timestamp_seconds", self.name, value=now.timestamp())
        for delivery in batch:
            if delivery.report.received_at is not None:
                taken = max(0.0, (now - delivery.report.received_at).total_seconds())
                self._metrics.observe("datalogger_sink_latency_seconds", self.name, value=taken)

    async def _set_aside(self, answers: dict[int, str], reason: str) -> None:
        await self._spool.set_aside(self.name, answers, reason)
        self._log.warning(
            "set aside; see: datalogger spool list",
            reason=reason,
            answer=next(iter(answers.values())),
            reports=len(answers),
            repeats=f"aside:{self.name}:{reason}",
        )

    async def _blame(self, batch: Sequence[Delivery]) -> bool:
        """An unknown error that keeps hitting one record: is it the record, or an outage?

        The next record is tried in its place. If that passes and the first still does not, the first
        is set aside (True). If nothing else passes it is an outage, and all is kept (False).
        """
        first = batch[0]
        hits = self._suspect[1] + 1 if self._suspect[0] == first.sequence else 1
        self._suspect = (first.sequence, hits)
        if hits < SUSPICIOUS:
            return False
        following = [d for d in await self._spool.take(self.name, 2) if d.sequence != first.sequence][:1]
        if not following or await self._attempt(following) is not None:
            return False
        # The server may have come back in this very moment: the first gets one more chance before it is blamed.
        again = await self._attempt([first])
        if isinstance(again, SinkUnavailable) and again.suspect:
            await self._set_aside({first.sequence: str(again)}, "suspect")
        elif again is not None:
            return False
        self._passed()
        return True

    def _passed(self) -> None:
        self._backoff.reset()
        if self._failed or self.state is not State.DELIVERING:
            self._failed = False
            self._enter(State.DELIVERING)
            self._log.info(
                "delivering again",
                waiting=self._spool.backlog(self.name).depth,
                resolved=True,
                repeats=f"sink:{self.name}",
            )

    async def _pause(self, delay: float, *, until_reached: bool = False) -> None:
        """Wait `delay` seconds; less where the receiver can be reached again before that."""
        end = self._clock.monotonic() + delay
        while (remaining := end - self._clock.monotonic()) > 0 and not self._stopping.is_set():
            self._beat()
            await first(asyncio.sleep(min(remaining, LOOK)), self._stopping.wait())
            if until_reached and remaining > LOOK and await self._sink.reachable():
                break
        if self._options.replay != "all":
            await self._forgo_backlog()

    async def _forgo_backlog(self) -> None:
        """A receiver that wants no history gets the newest report only, or what comes from now on."""
        await self._spool.skip_backlog(self.name, keep=1 if self._options.replay == "latest" else 0)

    async def _close_sink(self) -> None:
        """After a failure the next attempt starts from nothing: no half-dead connection outlives its error."""
        self._open = False
        await self._sink.close()

    def _enter(self, state: State) -> None:
        self.state = state
        self._metrics.state("datalogger_sink_state", self.name, state=state)
