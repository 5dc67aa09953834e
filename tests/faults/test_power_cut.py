"""The power goes at any moment: nothing that the spool has called durable is missing afterwards.

kill -9 proves less: the kernel keeps what was written but not synced.
"""

import asyncio
import random
from pathlib import Path
from typing import Literal

import pytest

from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.spool.spool import Spool
from datalogger.words import Duration
from tests.faults.powercut import Disk
from tests.spool.clock import StillClock
from tests.spool.reports import report

pytestmark = pytest.mark.slow

SINKS = {"a": SinkOptions(kind="test"), "b": SinkOptions(kind="test")}
REPORTS = [report(number) for number in range(50)]

Mode = Literal["strict", "grouped"]


async def work_until_the_cut(spool: Spool, clock: StillClock, rng: random.Random) -> dict[str, dict[int, Report]]:
    """Some outage and some delivery; what is pending for whom when the power goes, of what was called durable."""
    pending: dict[str, dict[int, Report]] = {name: {} for name in SINKS}
    for _ in range(rng.randrange(5, 60)):
        for _ in range(rng.randrange(1, 30)):
            sent = rng.choice(REPORTS)
            sequence = spool.append(sent, SINKS)
            for name in SINKS:
                pending[name][sequence] = sent
        clock.advance(rng.random())
        await spool.tick()
        if rng.random() < 0.3:
            name = rng.choice(sorted(SINKS))
            for delivery in await spool.take(name, rng.randrange(1, 100)):
                spool.accept(name, [delivery.sequence])
                del pending[name][delivery.sequence]
    durable = spool.durable_through()
    return {name: {s: sent for s, sent in known.items() if s <= durable} for name, known in pending.items()}


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["strict", "grouped"])
def test_no_durable_report_is_lost(tmp_path: Path, mode: Mode, keep: float) -> None:
    acknowledged = 0
    for seed in range(12):
        rng = random.Random(seed)
        disk = Disk(f"cut-{tmp_path}-{seed}")
        before, after = tmp_path / f"{seed}" / "spool.db", tmp_path / f"{seed}-after"
        acknowledged += asyncio.run(_one(disk, before, after, mode, keep, rng))
    assert acknowledged > 1000, "the test must have had something to lose"


async def _one(disk: Disk, before: Path, after: Path, mode: Mode, keep: float, rng: random.Random) -> int:
    clock = StillClock()
    options = SpoolOptions(path=before, durability=mode, window=Duration(0.5))
    spool = Spool(options, SINKS, clock=clock, metrics=Metrics(), connect=disk.connect)
    await spool.open()
    assert spool.state == "durable"
    expected = await work_until_the_cut(spool, clock, rng)
    assert spool.state == "durable"
    disk.cut(after, keep, rng)
    await spool.close()

    metrics = Metrics()
    again = Spool(SpoolOptions(path=after / "spool.db"), SINKS, clock=clock, metrics=metrics)
    await again.open()
    assert again.state == "durable"
    for name, known in expected.items():
        found: dict[int, Report] = {}
        while batch := await again.take(name, 200):
            found.update({delivery.sequence: delivery.report for delivery in batch})
            again.accept(name, [delivery.sequence for delivery in batch])
        assert known.items() <= found.items(), f"{len(known.keys() - found.keys())} durable reports are missing"
        assert list(found) == sorted(found)
    await again.close()
    assert metrics.get("datalogger_spool_damaged_total", "file") == 0
    assert metrics.get("datalogger_spool_damaged_total", "record") == 0
    return sum(map(len, expected.values()))


def test_this_test_would_notice(tmp_path: Path) -> None:
    """Without fsync the same runs lose reports, or the file: so the shim does cut something."""
    failures = 0
    for seed in range(8):
        rng = random.Random(seed)
        disk = Disk(f"careless-{tmp_path}-{seed}")
        disk.careless = True
        try:
            asyncio.run(_one(disk, tmp_path / f"{seed}" / "spool.db", tmp_path / f"{seed}-after", "grouped", 0.5, rng))
        except AssertionError:
            failures += 1
    assert failures >= 4
