"""A repeated error is said once and then summarised."""

import threading
from collections import OrderedDict

import structlog
from structlog.typing import EventDict, WrappedLogger

from datalogger.clock import Clock

# How long the same is not said again. Seconds.
INTERVAL = 60.0

# Different events held at once; beyond, the one not heard of for longest is forgotten. Every source and sink of a large
# installation, with each thing that can befall it, is far below.
MAX_EVENTS = 512


class _Held:
    __slots__ = ("first", "held", "last", "level", "said", "total")

    def __init__(self, now: float) -> None:
        self.first = self.said = now
        self.total = 1
        self.held = 0  # since it was last said; of these:
        self.level = ""
        self.last: EventDict = {}


class Repeats:
    """A structlog processor that acts on two keywords of an event and removes them.

    repeats="KEY":   the first such event passes. The same event under the same KEY is held for 60 s, and then said
                     once more: by the next that comes or by `due`, with `repeated` (how often since it was last said)
                     and `within` (what time). Another event under the KEY passes: "misconfigured" is news after
                     "unavailable".
    resolved=True:   with the KEY: passes, with `failures` and `lasted` of what it ends, and all begins anew.

    A logger may be used from any thread.
    """

    def __init__(self, clock: Clock, interval: float = INTERVAL) -> None:
        self._clock = clock
        self._interval = interval
        self._events: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        key = event.pop("repeats", None)
        resolved = event.pop("resolved", False)
        if key is None:
            return event
        with self._lock:
            return self._resolved(key, event) if resolved else self._occurred(key, method, event)

    def due(self, *, all: bool = False) -> list[tuple[str, EventDict]]:
        """Level and event of what was held for long enough, or of all that is held, to be said now."""
        now = self._clock.monotonic()
        with self._lock:
            return [
                (held.level, self._say(held, {**held.last}, now, held.held))
                for held in self._events.values()
                if held.held and (all or now - held.said >= self._interval)
            ]

    def _occurred(self, key: str, level: str, event: EventDict) -> EventDict:
        now = self._clock.monotonic()
        what = (key, str(event.get("event")))
        held = self._events.get(what)
        if held is None:
            self._events[what] = _Held(now)
            if len(self._events) > MAX_EVENTS:
                self._events.popitem(last=False)
            return event
        self._events.move_to_end(what)
        held.total += 1
        if now - held.said < self._interval:
            held.held += 1
            held.level = level
            # Without the exception: its frames would keep alive whatever they refer to.
            held.last = {name: value for name, value in event.items() if name != "exc_info"}
            raise structlog.DropEvent
        return self._say(held, event, now, held.held + 1 if held.held else 0)

    def _say(self, held: _Held, event: EventDict, now: float, times: int) -> EventDict:
        if times:
            event.update(repeated=times, within=span(now - held.said))
        held.said, held.held, held.last = now, 0, {}
        return event

    def _resolved(self, key: str, event: EventDict) -> EventDict:
        ended = [self._events.pop(what) for what in list(self._events) if what[0] == key]
        if ended:
            lasted = self._clock.monotonic() - min(held.first for held in ended)
            event.update(failures=sum(held.total for held in ended), lasted=span(lasted))
        return event


def span(seconds: float) -> str:
    """As people say it, in the two largest units: "42s", "5m 12s", "3h 4m", "2d 3h"."""
    whole = round(seconds)
    for unit, length, lesser, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // part
            return f"{whole // length}{unit} {rest}{lesser}" if rest else f"{whole // length}{unit}"
    return f"{whole}s"
