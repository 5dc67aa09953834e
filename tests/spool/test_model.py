"""Any sequence of events, against a simple model: per sink, the reports it has still to get."""

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.metrics import Metrics
from datalogger.model import Delivery, Report
from datalogger.spool.spool import Spool
from datalogger.words import ByteSize, Duration
from tests.faults.failing_disk import FULL, IO_ERROR, FailingDisk
from tests.spool.clock import StillClock
from tests.spool.reports import report

FIFO, LIVE = SinkOptions(kind="test"), SinkOptions(kind="test", order="live-first")
SINKS = {"a": FIFO, "b": FIFO, "live": LIVE}
REPORTS = [report(number) for number in range(100)]

names = st.sampled_from(sorted(SINKS))


class SpoolModel(RuleBasedStateMachine):
    durability: str = "grouped"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.home = Path(tempfile.mkdtemp(prefix="spool-"))
        self.generation = 0
        self.clock = StillClock()
        self.disk = FailingDisk()
        self.failed = False  # since the last start
        self.sinks = dict(SINKS)
        self.pending: dict[str, dict[int, Report]] = {name: {} for name in SINKS}
        self.doubted: dict[str, set[int]] = {name: set() for name in SINKS}
        self.settled: dict[str, set[int]] = {name: set() for name in SINKS}  # since when, the disk may not know yet
        self.last = 0
        self.count = 0

    @initialize()
    def begin(self) -> None:
        self.spool = self.opened()

    def opened(self) -> Spool:
        options = SpoolOptions(
            path=self.home / str(self.generation) / "spool.db",
            window=Duration(1),
            memory_bytes=ByteSize(10**9),
            durability=self.durability,  # type: ignore[arg-type]  # one of the three, see the subclasses
        )
        spool = Spool(options, self.sinks, clock=self.clock, metrics=Metrics(), connect=self.disk.connect)
        self.runner.run(spool.open())
        assert spool.state == "durable"
        return spool

    def take(self, sink: str, limit: int) -> list[Delivery]:
        return self.runner.run(self.spool.take(sink, limit))

    @rule(wanted=st.sets(names), many=st.integers(1, 60))
    def append(self, wanted: set[str], many: int) -> None:
        for _ in range(many):
            sent = REPORTS[self.count % len(REPORTS)]
            self.count += 1
            sequence = self.spool.append(sent, wanted)
            assert sequence > self.last
            self.last = sequence
            for name in wanted & self.sinks.keys():
                self.pending[name][sequence] = sent

    @rule(seconds=st.sampled_from([0.1, 1.1]))
    def round(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.runner.run(self.spool.tick())
        self.runner.run(self.spool.tick())

    @rule(sink=names, limit=st.integers(1, 80))
    def take_is_the_oldest_in_order(self, sink: str, limit: int) -> None:
        if sink not in self.sinks:
            return
        found = self.take(sink, limit)
        for delivery in found:
            assert delivery.report == self.pending[sink][delivery.sequence]
        if self.spool.state == "degraded":  # what RAM has: nothing invented, nothing twice, still in order
            sequences = [delivery.sequence for delivery in found]
            assert sequences == sorted(set(sequences))
            return
        expected = [
            sequence for sequence in sorted(self.pending[sink])
            if self.durability != "strict" or sequence <= self.spool.durable_through()
        ]  # fmt: skip
        assert [d.sequence for d in found] == expected[:limit]
        for delivery in found:
            if delivery.sequence in self.doubted[sink]:
                assert delivery.doubtful

    def settle(self, sink: str, sequence: int) -> None:
        if self.pending[sink].pop(sequence, None) is not None:
            self.settled[sink].add(sequence)

    @rule(sink=names, limit=st.integers(1, 80), data=st.data())
    def accept_some(self, sink: str, limit: int, data: st.DataObject) -> None:
        if sink in self.sinks:
            taken = [d.sequence for d in self.take(sink, limit)]
            chosen = data.draw(st.one_of(st.just(taken), st.lists(st.sampled_from(taken))) if taken else st.just([]))
            self.spool.accept(sink, chosen)
            for sequence in chosen:
                self.settle(sink, sequence)

    @rule(limit=st.integers(1, 40), pause=st.booleans())
    def accept_live_ones(self, limit: int, pause: bool) -> None:
        if "live" in self.sinks:
            live = [d.sequence for d in self.runner.run(self.spool.take_live("live", limit))]
            assert set(live) <= self.pending["live"].keys()
            assert live == sorted(live)
            if pause:  # they go to disk while they are on their way
                self.round(1.1)
            self.spool.accept("live", live)
            for sequence in live:
                self.settle("live", sequence)

    @rule(sink=names, sequence=st.integers(0, 2000))
    def accept_anything(self, sink: str, sequence: int) -> None:
        """A late answer, twice the same, or nonsense: settles what is pending, else does nothing."""
        if sequence <= self.last:
            self.spool.accept(sink, [sequence])
            if sink in self.sinks:
                self.settle(sink, sequence)

    @rule(sink=names, limit=st.integers(1, 10))
    def doubt(self, sink: str, limit: int) -> None:
        if sink in self.sinks:
            sequences = [d.sequence for d in self.take(sink, limit)]
            self.spool.doubt(sink, sequences)
            self.doubted[sink] |= set(sequences)

    @rule(sink=names)
    def set_aside(self, sink: str) -> None:
        if sink in self.sinks and (taken := self.take(sink, 1)):
            self.runner.run(self.spool.set_aside(sink, {taken[0].sequence: "500 no"}, "rejected"))
            self.settle(sink, taken[0].sequence)

    @rule(sink=names, keep=st.integers(0, 1))
    def skip_backlog(self, sink: str, keep: int) -> None:
        if sink in self.sinks and self.disk_is_well:
            given_up = sorted(self.pending[sink])[: max(0, len(self.pending[sink]) - keep)]
            assert self.runner.run(self.spool.skip_backlog(sink, keep)) == len(given_up)
            for sequence in given_up:
                self.settle(sink, sequence)

    @rule(sink=names)
    def reload(self, sink: str) -> None:
        """Take a sink out of the configuration, or put it in again: its backlog is there again."""
        if not self.disk_is_well:
            return
        if sink in self.sinks:
            del self.sinks[sink]
        else:
            self.sinks[sink] = SINKS[sink]
        self.runner.run(self.spool.reconfigure(self.sinks))
        for known in self.settled.values():  # everything was committed
            known.clear()

    @rule()
    def restart(self) -> None:
        self.disk_works()
        self.runner.run(self.spool.close())
        for known in self.settled.values():
            known.clear()
        self.spool = self.opened()

    @rule()
    def crash(self) -> None:
        """The process is gone, the files are as they are."""
        durable, failed = self.spool.durable_through(), self.failed
        before, after = self.home / str(self.generation), self.home / str(self.generation + 1)
        after.mkdir()
        for suffix in ("", "-wal"):
            if (file := before / f"spool.db{suffix}").exists():
                shutil.copy(file, after)
        self.disk.error, self.failed = None, False
        self.runner.run(self.spool.close())
        self.generation += 1
        self.spool = self.opened()
        for name in SINKS:
            if name not in self.sinks:
                continue
            found: dict[int, Delivery] = {}
            for delivery in self.everything(name):
                found[delivery.sequence] = delivery
            assert list(found) == sorted(found)
            expected = {sequence for sequence in self.pending[name] if sequence <= durable}
            assert expected <= found.keys(), "a durable report is missing"
            again = found.keys() - self.pending[name].keys()
            assert again <= self.settled[name], "a report that was settled, and that the disk knew to be, came again"
            if not failed:  # on a failing disk delivery goes on, and how far it went is not on record
                assert all(found[sequence].doubtful for sequence in again)
            reports = {**self.pending[name]}
            self.pending[name] = {s: reports.get(s, d.report) for s, d in found.items()}
            self.settled[name].clear()

    def everything(self, sink: str) -> list[Delivery]:
        """All that is pending, by settling it in a copy that is thrown away."""
        here = self.home / str(self.generation)
        copy = Path(tempfile.mkdtemp(dir=self.home))
        for suffix in ("", "-wal"):
            if (file := here / f"spool.db{suffix}").exists():
                shutil.copy(file, copy)

        async def drain() -> list[Delivery]:
            options = SpoolOptions(path=copy / "spool.db")
            spool = Spool(options, self.sinks, clock=self.clock, metrics=Metrics())
            await spool.open()
            found: list[Delivery] = []
            while batch := await spool.take(sink, 50):
                found += batch
                spool.accept(sink, [delivery.sequence for delivery in batch])
            await spool.close()
            return found

        return self.runner.run(drain())

    @invariant()
    def depths_agree(self) -> None:
        if not hasattr(self, "spool"):
            return
        for name in self.sinks:
            backlog = self.spool.backlog(name)
            late = self.spool._keeper.pending[name].late  # counted when the disk has answered
            assert len(self.pending[name]) <= backlog.depth <= len(self.pending[name]) + len(late)
            assert (backlog.octets > 0) == (backlog.depth > 0)

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.runner.run(self.spool.close())
        self.runner.close()
        shutil.rmtree(self.home)

    @property
    def disk_is_well(self) -> bool:
        """And will be found so: a fault that nobody has met yet counts too."""
        return self.spool.state == "durable" and self.disk.error is None

    def disk_works(self) -> None:
        self.disk.error = None
        if self.spool.state == "degraded":
            self.clock.advance(31)
            self.runner.run(self.spool.tick())
        assert self.spool.state == "durable"


class StrictModel(SpoolModel):
    durability = "strict"


class FailingModel(SpoolModel):
    """The same, on a disk that is full now and then."""

    @rule(error=st.sampled_from([FULL, IO_ERROR]), where=st.sampled_from(["COMMIT", "BEGIN IMMEDIATE"]))
    def disk_fails(self, error: tuple[str, int], where: str) -> None:
        self.disk.error, self.disk.fails_at, self.failed = error, where, True

    @rule()
    def disk_is_mended(self) -> None:
        self.disk_works()


_settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=False
)
TestGrouped = pytest.mark.slow(SpoolModel.TestCase)
TestGrouped.settings = _settings
TestStrict = pytest.mark.slow(StrictModel.TestCase)
TestStrict.settings = _settings
TestFailing = pytest.mark.slow(FailingModel.TestCase)
TestFailing.settings = _settings
