"""A repeated error is said once and then summarised."""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable

import structlog
from structlog.typing import EventDict, WrappedLogger

from datalogger.clock import Clock

# How long the same is not said again. Seconds.
INTERVAL = 60.0

# Different events held at once; beyond, the one not heard of for longest is forgotten. Every source and sink of a large
# installation, with each thing that can befall it, is far below.
MAX_EVENTS = 512

# Different causes of one event that pass; beyond, it is held whatever the cause is. A server that puts a word of chance
# into its error pages must not fill the log.
MAX_CAUSES = 8

# Ports, counts, times, numbers of requests: no other cause.
_FIGURE = re.compile(r"\w*\d[\w.-]*")


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
                     and `within` (what time). Another event under the KEY passes, and the same event with another
                     `error` too: "the API is disabled" is news after "the key is refused". Figures in the error do
                     not count.
    resolved=True:   with the KEY: passes, with `failures` and `lasted` of what it ends, and all begins anew.

    A logger may be used from any thread.
    """

    def __init__(self, clock: Clock, interval: float = INTERVAL) -> None:
        self._clock = clock
        self._interval = interval
        self._events: OrderedDict[tuple[str, str, str], _Held] = OrderedDict()  # by key, event and cause
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
            held = [held for held in self._events.values() if all or now - held.said >= self._interval]
            return self._summaries(held, now)

    def forget(self, key: str) -> list[tuple[str, EventDict]]:
        """Who used `key`, or one that begins with it and a colon, is gone: whoever uses it next begins anew.

        Level and event of what was held, to be said now.
        """
        with self._lock:
            gone = [what for what in self._events if what[0] == key or what[0].startswith(f"{key}:")]
            return self._summaries([self._events.pop(what) for what in gone], self._clock.monotonic())

    def _summaries(self, entries: Iterable[_Held], now: float) -> list[tuple[str, EventDict]]:
        return [(held.level, self._say(held, {**held.last}, now, held.held)) for held in entries if held.held]

    def _occurred(self, key: str, level: str, event: EventDict) -> EventDict:
        now = self._clock.monotonic()
        what = self._what(key, event)
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

    def _what(self, key: str, event: EventDict) -> tuple[str, str, str]:
        name = str(event.get("event"))
        what = (key, name, _FIGURE.sub("#", str(event.get("error", ""))))
        if what not in self._events and sum(known[:2] == what[:2] for known in self._events) >= MAX_CAUSES:
            return (key, name, "")
        return what

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
