"""How long to wait before the next attempt."""

import random
from collections.abc import Callable


class Backoff:
    """Full jitter: a random part of a bound that doubles from `first` to `cap` seconds.

    No attempt limit: bounds drop data, attempts do not. Jitter keeps a thousand loggers from
    knocking at one server in step when it comes back.
    """

    def __init__(self, first: float = 1.0, cap: float = 60.0, rng: Callable[[], float] = random.random) -> None:
        self._first = first
        self._cap = cap
        self._rng = rng
        self._bound = first

    def next(self) -> float:
        """Seconds to wait now; the bound doubles for the next time."""
        delay = self._bound * self._rng()
        self._bound = min(self._bound * 2, self._cap)
        return delay

    def reset(self) -> None:
        """It worked: begin again at `first`."""
        self._bound = self._first
