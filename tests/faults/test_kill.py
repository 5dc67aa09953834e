"""kill -9 at any moment: every report that was said to be durable is there afterwards."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datalogger.clock import SystemClock
from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.metrics import Metrics
from datalogger.spool.spool import Spool
from tests.spool.reports import report

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SINKS = {"a": SinkOptions(kind="test"), "b": SinkOptions(kind="test")}


class Told:
    """What the child said, line by line, before it died."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}  # sequence → number of the report
        self.accepted: set[int] = set()
        self.durable = 0

    def read(self, lines: list[str]) -> None:
        for line in lines:
            word, *numbers = line.split()
            if word == "appended":
                self.numbers[int(numbers[0])] = int(numbers[1])
            elif word == "accepted":
                self.accepted |= {int(number) for number in numbers}
            elif word == "durable":
                self.durable = int(numbers[0])


def run_and_kill(path: Path, mode: str, after_lines: int) -> Told:
    """The child lives until it has said so many lines, and not a moment longer."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.child", str(path), mode],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout is not None
    try:
        lines = [child.stdout.readline() for _ in range(after_lines)]
    finally:
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
    told = Told()
    told.read([line for line in [*lines, *rest.splitlines(keepends=True)] if line.endswith("\n")])
    return told


async def still_there(path: Path) -> dict[str, dict[int, int]]:
    """Sink → sequence → what the report is."""
    spool = Spool(SpoolOptions(path=path), SINKS, clock=SystemClock(), metrics=Metrics())
    await spool.open()
    assert spool.state == "durable"
    found: dict[str, dict[int, int]] = {}
    for name in SINKS:
        found[name] = {}
        while deliveries := await spool.take(name, 100):
            if not found[name]:
                assert deliveries[0].doubtful, "what may have gone out before the crash is doubtful"
            found[name] |= {delivery.sequence: hash(delivery.report.frame) for delivery in deliveries}
            spool.accept(name, [delivery.sequence for delivery in deliveries])
    await spool.close()
    return found


@pytest.mark.parametrize("mode", ["strict", "grouped"])
def test_kill_nine_costs_no_durable_report(tmp_path: Path, mode: str) -> None:
    rng = random.Random(mode)
    durable = 0
    for round in range(6):
        path = tmp_path / f"{round}" / "spool.db"
        told = run_and_kill(path, mode, rng.randrange(2, 400))
        found = asyncio.run(still_there(path))
        expected = {sequence for sequence in told.numbers if sequence <= told.durable}
        assert expected - told.accepted <= found["a"].keys()
        assert expected <= found["b"].keys()
        for sequence in expected:
            assert found["b"][sequence] == hash(report(told.numbers[sequence]).frame)
        durable += len(expected)
    assert durable > 100, "the test must have had something to lose"


def test_the_same_file_survives_one_kill_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    expected: dict[int, int] = {}
    for lines in (60, 3, 150, 90):
        told = run_and_kill(path, "grouped", lines)
        assert not told.numbers.keys() & expected.keys(), "a sequence was given twice"
        expected |= {s: number for s, number in told.numbers.items() if s <= told.durable}
    assert expected.keys() <= asyncio.run(still_there(path))["b"].keys()
