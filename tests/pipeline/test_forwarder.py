"""The forwarder against the real spool (in memory) and a scripted sink, under virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, ClassVar

import pytest

from datalogger.clock import Clock
from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.errors import ReportsRejected, SinkError, SinkMisconfigured, SinkUnavailable
from datalogger.metrics import Metrics
from datalogger.model import Delivery, Report
from datalogger.pipeline.forwarder import PROBE, Forwarder, State
from datalogger.spool.spool import Spool
from datalogger.words import Duration
from tests.virtual_time import VirtualClock, run

Answer = Callable[[Sequence[Delivery]], Awaitable[None]]


class ScriptedSink:
    """Answers as the test says; keeps what it took, with the moment."""

    config_type = SinkOptions
    batch_limit: ClassVar[int] = 1

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.attempts: list[tuple[float, list[Delivery]]] = []
        self.opened = 0
        self.reached = False
        self.looks = 0
        self.answer: Callable[[Delivery], SinkError | float | None] = lambda delivery: None

    async def open(self) -> None:
        self.opened += 1

    async def deliver(self, batch: Sequence[Delivery]) -> None:
        self.attempts.append((asyncio.get_running_loop().time(), list(batch)))
        rejected = {}
        for index, delivery in enumerate(batch):
            answer = self.answer(delivery)
            if isinstance(answer, ReportsRejected):
                rejected[index] = str(answer)
                continue
            if isinstance(answer, SinkError):
                raise answer
            if answer is not None:
                await asyncio.sleep(answer)
            self.taken.append(delivery.report.meter)
        if rejected:
            raise ReportsRejected(rejected)

    async def reachable(self) -> bool:
        self.looks += 1
        return self.reached

    async def close(self) -> None:
        pass


class Bench:
    """One spool and any number of sinks with their forwarders."""

    def __init__(self, sinks: dict[str, ScriptedSink], **options: Any) -> None:
        self.clock: Clock = VirtualClock()
        self.metrics = Metrics()
        self.sinks = sinks
        configured = {name: SinkOptions(kind="scripted", **options) for name in sinks}
        self.spool = Spool(SpoolOptions(durability="memory"), configured, clock=self.clock, metrics=self.metrics)
        self.forwarders = {
            name: Forwarder(
                name,
                sink,  # type: ignore[arg-type]  # scripted: made by the test, not from a configuration
                configured[name],
                self.spool,
                clock=self.clock,
                metrics=self.metrics,
                beat=lambda: None,
            )
            for name, sink in sinks.items()
        }
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Bench":
        await self.spool.open()
        self.tasks = [asyncio.create_task(forwarder.run()) for forwarder in self.forwarders.values()]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.spool.close()

    def state(self, name: str) -> State:
        return self.forwarders[name].state

    def publish(self, *meters: str) -> None:
        for meter in meters:
            self.spool.append(
                Report(protocol="p1", source="house", meter=meter, received_at=self.clock.now()), self.sinks
            )


def scenario(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(work())


def test_every_report_is_delivered_once_and_in_order() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        async with Bench({"attic": sink}) as bench:
            bench.publish("1", "2")
            await asyncio.sleep(1)
            bench.publish("3")
            await asyncio.sleep(1)
            assert sink.taken == ["1", "2", "3"]
            assert bench.spool.backlog("attic").depth == 0
            assert bench.metrics.get("datalogger_sink_delivered_total", "attic") == 3

    scenario(work)


def test_an_outage_keeps_all_and_delivers_all_afterwards_in_order() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("refused")
        async with Bench({"attic": sink}) as bench:
            meters = [str(n) for n in range(300)]
            for meter in meters:
                bench.publish(meter)
                await asyncio.sleep(1)
            assert bench.state("attic") == State.UNAVAILABLE
            assert bench.spool.backlog("attic").depth == 300
            sink.answer = lambda delivery: None
            await asyncio.sleep(61)
            assert sink.taken == meters
            assert bench.state("attic") == State.DELIVERING

    scenario(work)


def test_a_hanging_sink_does_not_touch_its_neighbour() -> None:
    async def work() -> None:
        hanging, healthy = ScriptedSink(), ScriptedSink()
        hanging.answer = lambda delivery: 1e6
        async with Bench({"hanging": hanging, "healthy": healthy}) as bench:
            for n in range(100):
                bench.publish(str(n))
                await asyncio.sleep(0.01)
            assert healthy.taken == [str(n) for n in range(100)]
            assert hanging.taken == []

    scenario(work)


def test_a_timeout_makes_the_resend_doubtful() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: 1e6 if len(sink.attempts) == 1 else None
        async with Bench({"attic": sink}, timeout=Duration(5)) as bench:
            bench.publish("1")
            await asyncio.sleep(20)
            doubts = [batch[0].doubtful for _, batch in sink.attempts]
            assert doubts == [False, True]
            assert sink.taken == ["1"]

    scenario(work)


def test_a_refused_connection_makes_nothing_doubtful() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("refused", unreached=True) if len(sink.attempts) == 1 else None
        async with Bench({"attic": sink}) as bench:
            bench.publish("1")
            await asyncio.sleep(20)
            assert [batch[0].doubtful for _, batch in sink.attempts] == [False, False]
            assert bench.metrics.get("datalogger_sink_retries_total", "attic") == 1

    scenario(work)


def test_a_server_that_can_be_reached_again_ends_a_long_backoff_early() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("refused", unreached=True)
        async with Bench({"attic": sink}) as bench:
            bench.forwarders["attic"]._backoff._rng = lambda: 1.0
            bench.publish("1")
            await asyncio.sleep(64)  # the seventh attempt was at second 63: now it waits 60 s
            attempts = len(sink.attempts)
            sink.answer, sink.reached = lambda delivery: None, True
            await asyncio.sleep(6)
            assert len(sink.attempts) == attempts + 1
            assert sink.taken == ["1"]

    scenario(work)


@pytest.mark.parametrize("asked", [1.0, 30.0, 600.0])
def test_the_server_says_when_to_come_back(asked: float) -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: (
            SinkUnavailable("429", retry_after_s=asked, unreached=True) if len(sink.attempts) == 1 else None
        )
        sink.reached = True
        async with Bench({"attic": sink}) as bench:
            bench.publish("1")
            await asyncio.sleep(asked + 2)
            (first, _), (second, _) = sink.attempts
            assert second - first == pytest.approx(asked, abs=0.01)

    scenario(work)


def test_a_wrong_key_pauses_keeps_all_and_flows_within_a_minute_of_the_mend() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkMisconfigured("attic: Invalid auth key")
        async with Bench({"attic": sink}) as bench:
            for n in range(600):
                bench.publish(str(n))
                await asyncio.sleep(1)
            assert bench.state("attic") == State.MISCONFIGURED
            assert len(sink.attempts) == pytest.approx(600 / PROBE, abs=2)
            assert bench.spool.backlog("attic").depth == 600
            sink.answer = lambda delivery: None
            await asyncio.sleep(60)
            assert sink.taken == [str(n) for n in range(600)]

    scenario(work)


def test_a_rejected_report_is_set_aside_and_the_rest_flows() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: ReportsRejected({0: "bad"}) if delivery.report.meter == "2" else None
        async with Bench({"attic": sink}) as bench:
            bench.publish("1", "2", "3")
            await asyncio.sleep(1)
            assert sink.taken == ["1", "3"]
            assert bench.spool.backlog("attic").depth == 0
            assert bench.metrics.get("datalogger_sink_quarantined_total", "attic", "rejected") == 1

    scenario(work)


def test_of_a_batch_only_the_rejected_are_set_aside() -> None:
    async def work() -> None:
        class Wide(ScriptedSink):
            batch_limit = 10

        sink = Wide()
        sink.answer = lambda delivery: ReportsRejected({0: "bad"}) if delivery.report.meter in "37" else None
        async with Bench({"attic": sink}) as bench:
            bench.publish(*(str(n) for n in range(10)))
            await asyncio.sleep(1)
            assert sink.taken == [str(n) for n in range(10) if n not in (3, 7)]
            assert bench.metrics.get("datalogger_sink_quarantined_total", "attic", "rejected") == 2

    scenario(work)


def test_an_unknown_error_that_keeps_hitting_one_record_sets_that_one_aside() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("500", suspect=True) if delivery.report.meter == "2" else None
        async with Bench({"attic": sink}) as bench:
            bench.publish("1", "2", "3", "4")
            await asyncio.sleep(60)
            assert sink.taken == ["1", "3", "4"]
            assert bench.metrics.get("datalogger_sink_quarantined_total", "attic", "suspect") == 1
            assert bench.state("attic") == State.DELIVERING

    scenario(work)


def test_an_unknown_error_for_every_record_is_an_outage_and_nothing_is_set_aside() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("500", suspect=True)
        async with Bench({"attic": sink}) as bench:
            bench.publish("1", "2", "3")
            await asyncio.sleep(3600)
            assert bench.spool.backlog("attic").depth == 3
            sink.answer = lambda delivery: None
            await asyncio.sleep(61)
            assert sink.taken == ["1", "2", "3"]
            assert bench.metrics.get("datalogger_sink_quarantined_total", "attic", "suspect") == 0

    scenario(work)


def test_a_server_that_recovers_while_it_is_doubted_loses_no_record() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("500", suspect=True) if len(sink.attempts) <= 3 else None
        async with Bench({"attic": sink}) as bench:
            bench.publish("1", "2")
            await asyncio.sleep(60)
            assert sorted(sink.taken) == ["1", "2"]
            assert bench.metrics.get("datalogger_sink_quarantined_total", "attic", "suspect") == 0

    scenario(work)


def test_a_defect_in_a_sink_is_retried_and_loses_nothing() -> None:
    async def work() -> None:
        sink = ScriptedSink()

        def answer(delivery: Delivery) -> None:
            if len(sink.attempts) == 1:
                raise KeyError("a defect")

        sink.answer = answer
        async with Bench({"attic": sink}) as bench:
            bench.publish("1", "2")
            await asyncio.sleep(10)
            assert sink.taken == ["1", "2"]

    scenario(work)


def test_a_receiver_of_the_latest_gets_only_the_newest_after_an_outage() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("refused")
        async with Bench({"attic": sink}, replay="latest") as bench:
            for n in range(100):
                bench.publish(str(n))
                await asyncio.sleep(1)
            sink.answer = lambda delivery: None
            await asyncio.sleep(61)
            assert sink.taken == ["99"]

    scenario(work)


def test_a_receiver_of_no_history_gets_what_comes_from_now_on() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("refused")
        async with Bench({"attic": sink}, replay="none") as bench:
            for n in range(100):
                bench.publish(str(n))
                await asyncio.sleep(1)
            await asyncio.sleep(61)
            sink.answer = lambda delivery: None
            bench.publish("fresh")
            await asyncio.sleep(61)
            assert sink.taken == ["fresh"]

    scenario(work)


def test_live_first_delivers_new_reports_at_once_and_the_backlog_at_its_rate() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("refused")
        async with Bench({"attic": sink}, order="live-first", backlog_rate=2.0) as bench:
            for n in range(100):
                bench.publish(f"old {n}")
            await asyncio.sleep(30)
            sink.answer = lambda delivery: None
            await asyncio.sleep(61)
            bench.publish("new")
            await asyncio.sleep(0.1)
            assert sink.taken[-1] == "new" or "new" in sink.taken[-3:]
            await asyncio.sleep(100)
            assert sorted(sink.taken) == sorted(["new", *(f"old {n}" for n in range(100))])

    scenario(work)


def test_finishing_with_a_drain_delivers_what_can_be_delivered_and_returns() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: 0.1
        async with Bench({"attic": sink}) as bench:
            bench.publish(*(str(n) for n in range(20)))
            await asyncio.sleep(0.15)
            bench.forwarders["attic"].finish(drain=True)
            await asyncio.wait_for(bench.tasks[0], 10)
            assert len(sink.taken) == 20

    scenario(work)


def test_finishing_wakes_a_forwarder_that_has_nothing_to_do() -> None:
    async def work() -> None:
        async with Bench({"attic": ScriptedSink()}) as bench:
            await asyncio.sleep(1)
            bench.forwarders["attic"].finish(drain=False)
            await asyncio.wait_for(bench.tasks[0], 0.1)

    scenario(work)


def test_finishing_during_an_outage_returns_at_once() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: SinkUnavailable("refused")
        async with Bench({"attic": sink}) as bench:
            bench.publish("1")
            await asyncio.sleep(30)
            bench.forwarders["attic"].finish(drain=True)
            await asyncio.wait_for(bench.tasks[0], 1)
            assert bench.spool.backlog("attic").depth == 1

    scenario(work)


def test_a_delivery_cut_off_by_a_reload_is_doubtful_afterwards() -> None:
    async def work() -> None:
        sink = ScriptedSink()
        sink.answer = lambda delivery: 10.0
        async with Bench({"attic": sink}) as bench:
            bench.publish("1")
            await asyncio.sleep(1)
            bench.tasks[0].cancel()
            await asyncio.gather(bench.tasks[0], return_exceptions=True)
            (delivery,) = await bench.spool.take("attic", 1)
            assert delivery.doubtful

    scenario(work)
