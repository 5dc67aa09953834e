"""Which sink wants which report."""

from collections.abc import Iterable
from datetime import datetime

import structlog
from msgspec import Struct

from datalogger.model import Report

log = structlog.get_logger()

# Meters are not quartz-exact and neither is their way here: a report that comes a little early is still the next one.
EARLY = 0.05

# Times held: 63 sinks of a thousand meters with a few lists each.
MAX_PASSED = 200_000


class Route(Struct, frozen=True):
    """What one sink is fed: from `sources` (None: all), one per meter and list in `every` seconds (None: all), and
    only what came over one of the protocols that it `accepts` (None: all)."""

    sink: str
    sources: frozenset[str] | None = None
    every: float | None = None
    accepts: frozenset[str] | None = None


class Router:
    """Holds, per sink, source, meter and list, when it last let a report pass.

    A meter may push a short list every few seconds and a long one every hour: neither holds back the other.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._passed: dict[tuple[str, ...], datetime] = {}
        self._refused: set[tuple[str, str, str]] = set()  # sink, source and protocol, of which the log knows

    def replace(self, routes: Iterable[Route]) -> None:
        """Other routes from now on; the grid of a sink that stays is kept."""
        self.routes = tuple(routes)
        self._refused.clear()

    def wanted(self, report: Report, received_at: datetime) -> list[str]:
        """The sinks that want the report that came in at `received_at`."""
        # A P1 telegram has all the meter knows, with a line more or less; a push has the objects of one list.
        listed = str(len(report.records)) if report.protocol == "dlms" else ""
        line = (report.source, report.meter, listed)
        return [
            route.sink
            for route in self.routes
            if self._accepts(route, report) and self._wants(route, line, received_at)
        ]

    def _accepts(self, route: Route, report: Report) -> bool:
        if route.accepts is None or report.protocol in route.accepts:
            return True
        if route.sources is None or report.source in route.sources:
            told = (route.sink, report.source, report.protocol)
            if told not in self._refused:
                self._refused.add(told)
                log.warning(
                    "not sent to this sink, which cannot take it",
                    sink=route.sink,
                    source=report.source,
                    protocol=report.protocol,
                    takes=", ".join(sorted(route.accepts)),
                )
        return False

    def _wants(self, route: Route, line: tuple[str, str, str], received_at: datetime) -> bool:
        if route.sources is not None and line[0] not in route.sources:
            return False
        if route.every is None:
            return True
        last = self._passed.get((route.sink, *line))
        # A wall clock that was set back must not silence a sink: a negative time is time enough.
        if last is not None and 0 <= (received_at - last).total_seconds() < route.every * (1 - EARLY):
            return False
        if len(self._passed) >= MAX_PASSED:
            self._passed.clear()  # costs one report more of each, and is not met by any real set of meters
        self._passed[route.sink, *line] = received_at
        return True
