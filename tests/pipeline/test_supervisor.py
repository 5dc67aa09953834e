import asyncio

from datalogger.pipeline.supervisor import Supervisor
from tests.virtual_time import run


def test_a_task_that_dies_of_a_bug_is_started_again() -> None:
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise KeyError("a bug")

    async def scenario() -> None:
        tasks = Supervisor()
        tasks.start("work", work)
        assert await tasks.finished("work", timeout=60)

    run(scenario())
    assert attempts == 3


def test_stopping_waits_until_the_task_has_cleaned_up() -> None:
    cleaned = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(1)
            cleaned.set()

    async def scenario() -> None:
        tasks = Supervisor()
        tasks.start("work", work)
        await asyncio.sleep(1)
        assert tasks.running == {"work"}
        await tasks.stop("work", "unknown")
        assert cleaned.is_set()
        assert tasks.running == frozenset()

    run(scenario())


def test_a_task_that_does_not_end_in_time_is_told() -> None:
    async def scenario() -> None:
        tasks = Supervisor()
        tasks.start("slow", lambda: asyncio.sleep(3600))
        assert not await tasks.finished("slow", timeout=5)
        await tasks.stop("slow")

    run(scenario())
