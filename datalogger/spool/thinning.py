"""Thinning: of each stretch of time, keep the first report of each source.

Registers are cumulative, so energy survives.
"""

GRIDS = (10, 60, 900)
"""Seconds; the finer is tried first, the next only where that did not free enough."""


class Grid:
    """One pass over a backlog, oldest first. It needs no memory of earlier passes: what a finer
    grid has kept, a coarser one thins further."""

    def __init__(self, seconds: int) -> None:
        self._us = seconds * 1_000_000
        self._last: dict[object, int] = {}  # source → the stretch whose first report is kept

    def keeps(self, source: object, received_us: int) -> bool:
        stretch = received_us // self._us
        if self._last.get(source) == stretch:
            return False
        self._last[source] = stretch
        return True
