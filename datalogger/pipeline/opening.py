"""Opening a line, which may take long, without looking stuck."""

import asyncio
from collections.abc import Callable, Coroutine

LOOK = 10.0  # seconds between two beats


async def opened(opening: Coroutine[None, None, None], beat: Callable[[], None]) -> None:
    """Opening has its own limits: a host that does not answer is no stuck task. Raises what `opening` raises."""
    task = asyncio.ensure_future(opening)
    try:
        while not task.done():
            beat()
            await asyncio.wait([task], timeout=LOOK)
        task.result()
    finally:
        task.cancel()
