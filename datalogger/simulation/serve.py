"""Puts a meter's telegrams on its lines, one an interval."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from datalogger.simulation.faults import Disconnect, Fault, Faults, Quiet, Send, Step
from datalogger.simulation.lines import Line

# A reader that has just opened a port still throws away what it finds in it.
SETTLE = 0.2

LOOK = 0.02  # seconds between two looks whether somebody listens


async def serve(
    lines: Sequence[Line],
    telegrams: Iterable[bytes],
    *,
    interval: float,
    faults: Faults,
    announce: Callable[[Line], None],
    tell: Callable[[bytes, Sequence[Fault]], None],
    wait: bool = False,
) -> None:
    """Until `telegrams` end, or it is cancelled; the lines are closed then.

    interval: seconds from one telegram to the next
    announce: called for a line whenever it is open, and may be open under another address than before
    tell:     called for each telegram that was sent, with what befell it
    wait:     send nothing before somebody listens on every line
    """
    try:
        await _open(lines, announce)
        if wait:
            while not all(line.heard for line in lines):  # noqa: ASYNC110 a terminal tells nobody that it was opened
                await asyncio.sleep(LOOK)
            await asyncio.sleep(SETTLE)
        clock = asyncio.get_running_loop().time
        due = clock()
        for telegram in telegrams:
            # Also when it is due already: a Ctrl-C must get in, and octets must get out.
            await asyncio.sleep(max(0.0, due - clock()))
            steps, struck = faults.apply(telegram)
            for step in steps:
                await _take(step, lines, announce)
            tell(telegram, struck)
            due = max(due + interval, clock())  # what a silence has eaten does not come in a burst
    finally:
        for line in lines:
            await line.close()


async def _open(lines: Sequence[Line], announce: Callable[[Line], None]) -> None:
    for line in lines:
        await line.open()
        announce(line)


async def _take(step: Step, lines: Sequence[Line], announce: Callable[[Line], None]) -> None:
    match step:
        case Send(octets, begins):
            for line in lines:
                line.send(octets, begins=begins)
        case Quiet(seconds):
            await asyncio.sleep(seconds)
        case Disconnect(seconds):
            for line in lines:
                await line.disconnect()
            await asyncio.sleep(seconds)
            await _open(lines, announce)
