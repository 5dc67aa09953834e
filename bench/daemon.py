"""The whole process: size, start, cost of a telegram, and what a bad neighbour costs a good one.

The servers run in this process, the daemon in its own, as it does in the field.
"""

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.dlms import AIDON, Meter
from bench.figures import Figure
from tests.e2e.harness import Cable, Process, distinct_telegrams, until
from tests.e2e.test_dlms import archived, serial, write
from tests.e2e.test_many_servers import configured
from tests.peers.dsmr_reader import DsmrReader

TELEGRAMS = 60  # at one a second


def _status(pid: int, key: str) -> int:
    """kB"""
    found = re.search(rf"^{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def schedule_seconds(pid: int) -> float:
    """CPU time of all threads, in nanosecond steps: the clock ticks of /proc/PID/stat are 10 ms wide."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


async def figures() -> list[Figure]:
    return [*await _size_and_cost(), *await _by_protocol(), *await _neighbours()]


async def _size_and_cost() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        cable = Cable(Path(folder))
        async with DsmrReader() as one, DsmrReader() as two:
            async with Process(configured(Path(folder), cable, one=one, two=two)) as daemon:
                telegrams = distinct_telegrams(TELEGRAMS + 5)
                for telegram in telegrams[:5]:
                    await cable.send(telegram)
                    await asyncio.sleep(0.2)
                await two.until_rows(5)
                bare = subprocess.Popen(
                    [
                        sys.executable,
                        "-S",
                        "-E",
                        str(Path(__file__).with_name("bare_posts.py")),
                        str(one.port),
                        str(two.port),
                    ]
                )
                await asyncio.sleep(2)
                bare_before = schedule_seconds(bare.pid)
                before, began = schedule_seconds(daemon.pid), time.monotonic()
                for telegram in telegrams[5:]:
                    await cable.send(telegram)
                    await asyncio.sleep(1)
                cost = (schedule_seconds(daemon.pid) - before) / TELEGRAMS * 1000
                bare_cost = (schedule_seconds(bare.pid) - bare_before) / TELEGRAMS * 1000
                bare.terminate()
                bare.wait()
                seconds = time.monotonic() - began
                await one.until_rows(TELEGRAMS + 5)
                await two.until_rows(TELEGRAMS + 5)
                resident = _status(daemon.pid, "VmHWM") / 1024
                share = cost * TELEGRAMS / seconds / 10
        cable.close()
    start = statistics.median([await _start_seconds() for _ in range(5)])
    return [
        Figure(
            "one serial source, two DSMR-reader sinks: most RSS", f"{resident:.1f} MB", "≤ 48, goal 44", resident <= 48
        ),
        Figure("from start to reading", f"{start:.2f} s", "≤ 0.5", start <= 0.5),
        Figure("CPU time per telegram at 1/s", f"{cost:.2f} ms ({share:.2f} % of a core)", "≤ 2", cost <= 2),
        Figure(
            "… as a ratio to two bare POSTs a second",
            f"{cost / bare_cost:.1f} × ({bare_cost:.2f} ms)",
            "(plain sockets)",
        ),
    ]


async def _start_seconds() -> float:
    """From the start of the process until it has opened the serial line with its own settings."""
    with tempfile.TemporaryDirectory() as folder:
        cable = Cable(Path(folder))
        async with DsmrReader() as one, DsmrReader() as two:
            return await _started(configured(Path(folder), cable, one=one, two=two), cable)


async def _started(path: Path, cable: Cable) -> float:
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "datalogger", "run", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not cable.being_read():  # noqa: ASYNC110 a terminal tells nobody that it was opened
            await asyncio.sleep(0.002)
        return time.monotonic() - began
    finally:
        process.terminate()
        process.wait()
        cable.close()


async def _by_protocol() -> list[Figure]:
    """One serial source and a file: telegrams beside pushes."""
    sent = {"P1": ("auto", distinct_telegrams(5)), "DLMS, framing given": ("hdlc", Meter(AIDON).pushes[:5])}
    sizes: dict[str, float] = {}
    starts: dict[str, list[float]] = {name: [] for name in sent}
    for name, (framing, frames) in sent.items():
        with tempfile.TemporaryDirectory() as folder:
            cable = Cable(Path(folder))
            async with Process(write(Path(folder), serial(cable, _options(framing)))) as daemon:
                for frame in frames:
                    await cable.send(frame)
                    await asyncio.sleep(0.2)
                await until(lambda: len(archived(Path(folder))) == len(frames), "all is archived")  # noqa: B023 awaited here
                sizes[name] = _status(daemon.pid, "VmHWM") / 1024
            cable.close()
    for _ in range(5):
        for name, (framing, _) in sent.items():
            with tempfile.TemporaryDirectory() as folder:
                cable = Cable(Path(folder))
                path = write(Path(folder), serial(cable, _options(framing)))
                starts[name].append(await _started(path, cable))
    return [
        Figure(
            f"one serial source, one file, {name}: most RSS · start",
            f"{sizes[name]:.1f} MB · {statistics.median(starts[name]):.2f} s",
        )
        for name in sent
    ]


def _options(framing: str) -> str:
    return f'baud_rate = 115200\nframing = "{framing}"'


async def _neighbours() -> list[Figure]:
    """One server hangs, one refuses: how long do the healthy two wait for a telegram?"""
    count, interval = 300, 0.1
    with tempfile.TemporaryDirectory() as folder:
        cable = Cable(Path(folder))
        async with DsmrReader() as hangs, DsmrReader() as refuses, DsmrReader() as one, DsmrReader() as two:
            hangs.misbehave("hang")
            path = configured(Path(folder), cable, hangs=hangs, refuses=refuses, one=one, two=two)
            await refuses.refuse()
            async with Process(path):
                sent = []
                for telegram in distinct_telegrams(count):
                    await cable.send(telegram)
                    sent.append(time.monotonic())
                    await asyncio.sleep(interval)
                await one.until_rows(count)
                await two.until_rows(count)
        cable.close()
    rows = []
    for server in (one, two):
        waits = sorted((row.at - at) * 1000 for row, at in zip(server.rows, sent, strict=True))
        rows.append((statistics.median(waits), waits[int(len(waits) * 0.99)]))
    p50, p99 = max(row[0] for row in rows), max(row[1] for row in rows)
    what = "one server hangs, one refuses: last octet → request, healthy two"
    return [Figure(what, f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "p99 < 20", p99 < 20)]
