"""Keeps the tasks of the pipeline alive."""

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from datalogger.pipeline.backoff import Backoff

log = structlog.get_logger()


class Supervisor:
    """Starts named tasks and starts one again that died of a bug: no defect in one sink stops its neighbours."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run `work()` until it returns; run it again, after a backoff, when it raises."""
        self._tasks[name] = asyncio.create_task(self._run(name, work), name=name)

    async def stop(self, *names: str) -> None:
        """Cancel these tasks and wait until they are gone."""
        tasks = [task for name in names if (task := self._tasks.pop(name, None)) is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def finished(self, *names: str, timeout: float) -> bool:
        """Wait until these tasks have returned by themselves; False where some have not in time."""
        tasks = [self._tasks[name] for name in names if name in self._tasks]
        if not tasks:
            return True
        _, pending = await asyncio.wait(tasks, timeout=timeout)
        return not pending

    @property
    def running(self) -> frozenset[str]:
        return frozenset(name for name, task in self._tasks.items() if not task.done())

    async def _run(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        backoff = Backoff()
        while True:
            try:
                return await work()
            except Exception:
                # A bug in one task must not stop the others; it is logged whole.
                log.exception("task failed; it is started again", task=name, repeats=f"task:{name}")
                await asyncio.sleep(backoff.next())
