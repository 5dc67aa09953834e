"""The only module that tells the time."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rest of the program may know about time; tests bring their own."""

    def now(self) -> datetime:
        """The wall clock, UTC. May jump: a Raspberry Pi has no clock battery."""

    def monotonic(self) -> float:
        """Seconds that only ever go forward; every timer runs on these."""

    @property
    def trusted(self) -> bool:
        """Whether the wall clock is known to be right (see `SystemClock`)."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    @property
    def trusted(self) -> bool:
        return False
