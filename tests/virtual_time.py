"""An event loop whose clock jumps to the next timer: hours of backoff pass in milliseconds, in the right order."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

START = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._own_selector = _Selector()
        super().__init__(self._own_selector)

    def time(self) -> float:
        return self._own_selector.now


class VirtualClock:
    """The wall clock and the monotonic clock of the virtual loop."""

    trusted = True

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic() - 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def witness(self, meter_time: datetime) -> None:
        pass


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end under virtual time. Only for code that waits on timers and events, not on threads."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
