"""A process to be killed: appends reports at full speed and prints what the spool calls durable.

python -m tests.faults.child PATH MODE. Sink `a` takes some of its reports, sink `b` takes nothing.
"""

import asyncio
import sys
from pathlib import Path

from datalogger.clock import SystemClock
from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.metrics import Metrics
from datalogger.spool.spool import Spool
from datalogger.words import Duration
from tests.spool.reports import report


async def main(path: Path, mode: str) -> None:
    options = SpoolOptions(path=path, durability=mode, window=Duration(0.02))  # type: ignore[arg-type]  # strict, grouped
    sinks = {"a": SinkOptions(kind="test"), "b": SinkOptions(kind="test")}
    spool = Spool(options, sinks, clock=SystemClock(), metrics=Metrics())
    await spool.open()
    keeping = asyncio.ensure_future(spool.keep())
    number, told = 0, 0
    while not keeping.done():
        sequence = spool.append(report(number), sinks)
        print("appended", sequence, number, flush=True)
        number += 1
        if number % 7 == 0:
            taken = [delivery.sequence for delivery in await spool.take("a", 3)]
            print("accepted", *taken, flush=True)  # before: a report accepted and not said so is no loss
            spool.accept("a", taken)
        if spool.durable_through() > told:
            told = spool.durable_through()
            print("durable", told, flush=True)
        await asyncio.sleep(0.001)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
