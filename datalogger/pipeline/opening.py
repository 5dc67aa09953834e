"""A line that is opened, used until it fails, and opened again, for as long as the daemon runs."""

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from datalogger.errors import SourceEnded, SourceError
from datalogger.metrics import Metrics
from datalogger.pipeline.backoff import Backoff

LOOK = 10.0  # seconds between two beats

Work = Callable[[], Coroutine[None, None, None]]


async def opened(opening: Coroutine[None, None, None], beat: Callable[[], None]) -> None:
    """Opening has its own limits, which may be long: a host that does not answer is no stuck task. Raises what
    `opening` raises."""
    task = asyncio.ensure_future(opening)
    try:
        while not task.done():
            beat()
            await asyncio.wait([task], timeout=LOOK)
        task.result()
    finally:
        task.cancel()


async def used_again_and_again(
    name: str, use: Work, close: Work, *, backoff: Backoff, metrics: Metrics, beat: Callable[[], None]
) -> None:
    """Until it is cancelled, or the source has ended.

    name: of the source
    use:  opens the line and uses it; raises SourceError when it fails
    """
    log = structlog.get_logger().bind(source=name)
    try:
        while True:
            try:
                await use()
            except SourceEnded:
                log.info("the source has ended")
                return
            except SourceError as error:
                metrics.set("datalogger_source_up", name, value=0)
                log.error("cannot read", error=str(error), repeats=f"source:{name}")
            await close()
            beat()
            await asyncio.sleep(backoff.next())
            metrics.add("datalogger_source_reconnects_total", name)
    finally:
        metrics.set("datalogger_source_up", name, value=0)
        await close()
