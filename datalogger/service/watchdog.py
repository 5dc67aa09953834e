"""Whether every part of the pipeline still takes its turns: the watchdog and /healthz judge by this alone."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import structlog
from msgspec import Struct

from datalogger.clock import Clock
from datalogger.service.notify import Notifier

log = structlog.get_logger()

# How often the heartbeats are judged where no service manager asks: often enough to say soon what is stuck. Seconds.
LOOK = 10.0


class Stuck(Struct, frozen=True):
    """A task that took no turn for `silent` seconds; `gap` is the longest it may take."""

    silent: float
    gap: float

    def __str__(self) -> str:
        return f"no turn for {self.silent:.0f} s, {self.gap:.0f} s at most expected"


class Heartbeats:
    """The last turn of every task that lives long, and the longest time it may take to the next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._gaps: dict[str, float] = {}
        self._turns: dict[str, float] = {}

    def register(self, name: str, gap: float) -> Callable[[], None]:
        """Watch `name`: at most `gap` seconds between two turns. Returns what the task calls at each turn."""
        self._gaps[name] = gap
        self._turns[name] = self._clock.monotonic()
        return partial(self.beat, name)

    def beat(self, name: str) -> None:
        """`name` took a turn. A task already forgotten may still say so while it ends."""
        if name in self._gaps:
            self._turns[name] = self._clock.monotonic()

    def forget(self, name: str) -> None:
        """`name` is meant to end."""
        self._gaps.pop(name, None)
        self._turns.pop(name, None)

    def stuck(self) -> dict[str, Stuck]:
        """Every task beyond its gap; empty means all is well."""
        now = self._clock.monotonic()
        return {
            name: Stuck(now - self._turns[name], gap)
            for name, gap in self._gaps.items()
            if now - self._turns[name] > gap
        }


async def feed(notifier: Notifier, heartbeats: Heartbeats, summary: Callable[[], str] = str) -> NoReturn:
    """Give the service manager its sign of life, but only while every task takes its turns; and how it goes.

    summary: one line for `systemctl status`, sent when it has changed.

    Withheld, the service manager ends this process and starts it again: the spool makes that safe. The feeding itself
    needs the event loop, so a loop that is blocked says nothing either.
    """
    interval = notifier.watchdog / 3 if notifier.watchdog else LOOK
    known: set[str] = set()
    said = ""
    while True:
        stuck = heartbeats.stuck()
        for name in stuck.keys() - known:
            log.error("stuck", task=name, why=str(stuck[name]), restart=notifier.watchdog is not None)
        for name in known - stuck.keys():
            log.info("no longer stuck", task=name)
        known = set(stuck)
        if not stuck:
            notifier.alive()
        if (line := summary()) != said:
            said = line
            notifier.status(line)
        await asyncio.sleep(interval)
