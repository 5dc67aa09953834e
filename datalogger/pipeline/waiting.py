"""Waiting for whichever comes first."""

import asyncio
from collections.abc import Coroutine


async def first(*waits: Coroutine[None, None, object]) -> None:
    """Return when one of `waits` has ended; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
