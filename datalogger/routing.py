"""Which sink wants which report."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

# Meters are not quartz-exact and neither is their way here: a report that comes a little early is still the next one.
EARLY = 0.05


class Route(Struct, frozen=True):
    """What one sink is fed: from `sources` (None: all), at most one per source in `every` seconds (None: all)."""

    sink: str
    sources: frozenset[str] | None = None
    every: float | None = None


class Router:
    """Holds, per sink and source, when it last let a report pass."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._passed: dict[tuple[str, str], datetime] = {}

    def replace(self, routes: Iterable[Route]) -> None:
        """Other routes from now on; the grid of a sink that stays is kept."""
        self.routes = tuple(routes)

    def wanted(self, source: str, received_at: datetime) -> list[str]:
        """The sinks that want the report that `source` gave at `received_at`."""
        return [route.sink for route in self.routes if self._wants(route, source, received_at)]

    def _wants(self, route: Route, source: str, received_at: datetime) -> bool:
        if route.sources is not None and source not in route.sources:
            return False
        if route.every is None:
            return True
        last = self._passed.get((route.sink, source))
        # A wall clock that was set back must not silence a sink: a negative time is time enough.
        if last is not None and 0 <= (received_at - last).total_seconds() < route.every * (1 - EARLY):
            return False
        self._passed[route.sink, source] = received_at
        return True
