import asyncio
import threading
from functools import partial

import pytest

from datalogger.sinks.own_thread import OwnThread


def _fail() -> None:
    raise LookupError("no such piece")


async def test_pieces_run_one_after_the_other_in_one_thread() -> None:
    thread = OwnThread()
    go, done = threading.Event(), list[int]()

    def piece(number: int) -> int:
        go.wait(30)
        done.append(number)
        return threading.get_ident()

    started = [thread.start(partial(piece, number)) for number in range(5)]
    assert thread.busy
    go.set()
    assert len(set(await asyncio.gather(*started)) - {threading.get_ident()}) == 1
    assert done == list(range(5))
    assert not thread.busy
    thread.end()


async def test_an_error_is_raised_where_the_outcome_is_awaited_and_ends_nothing() -> None:
    thread = OwnThread()
    with pytest.raises(LookupError, match="no such piece"):
        await thread.start(_fail)
    assert await thread.start(lambda: 7) == 7
    thread.end()


async def test_a_piece_goes_on_when_nobody_waits_any_more() -> None:
    thread = OwnThread()
    go = threading.Event()
    outcome = thread.start(lambda: go.wait(30))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(outcome), 0.005)
    thread.end()
    assert thread.busy
    go.set()
    assert await outcome
    assert not thread.busy


async def test_the_thread_ends_when_it_is_told_to_and_another_is_begun_on_demand() -> None:
    thread = OwnThread()
    first = await thread.start(threading.current_thread)
    thread.end()
    thread.end()
    await asyncio.to_thread(first.join, 30)
    assert not first.is_alive()
    second = await thread.start(threading.current_thread)
    assert second is not first
    assert second.daemon
    thread.end()
