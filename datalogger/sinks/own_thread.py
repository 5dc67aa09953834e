"""Blocking work that may never end, where it holds up nobody."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Piece = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class OwnThread:
    """Runs pieces of work one after the other, in a daemon thread.

    In the event loop's own thread pool a few that hang would starve everybody who needs a thread, and hold up
    the end of the process; this one is left behind there.
    """

    def __init__(self) -> None:
        self._pieces: SimpleQueue[_Piece | None] | None = None
        self._last: asyncio.Future[Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether anything that was started has not ended."""
        return self._last is not None and not self._last.done()

    def start(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """What will come of `work`, once all that was started before has ended.

        Shield it where you may be cancelled: the work goes on, and `busy` is to say so.
        """
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        outcome.add_done_callback(_seen)
        if self._pieces is None:
            self._pieces = SimpleQueue()
            threading.Thread(target=_run, args=(self._pieces,), daemon=True).start()
        self._pieces.put((work, outcome))
        self._last = outcome
        return outcome

    def end(self) -> None:
        """The thread ends after what was started. May be called twice; a later `start` begins another thread."""
        if self._pieces is not None:
            self._pieces.put(None)
            self._pieces = None


def _run(pieces: "SimpleQueue[_Piece | None]") -> None:
    while (piece := pieces.get()) is not None:
        work, outcome = piece
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - it is raised where the outcome is awaited
            error = raised
        try:
            outcome.get_loop().call_soon_threadsafe(_hand_over, outcome, result, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more
        del piece, work, outcome, result, error  # what they hold is not to live until the next piece


def _hand_over(outcome: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if outcome.done():
        return  # nobody waits any more
    if error is None:
        outcome.set_result(result)
    else:
        outcome.set_exception(error)


def _seen(outcome: "asyncio.Future[Any]") -> None:
    """Who gave up waiting does not want to hear of an error nobody retrieved."""
    if not outcome.cancelled():
        outcome.exception()
