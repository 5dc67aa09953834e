"""A clock that stands still until it is told otherwise."""

from datetime import datetime, timedelta

from tests.spool.reports import START


class StillClock:
    def __init__(self, *, trusted: bool = True) -> None:
        self.seconds = 1000.0
        self.wall = START
        self.trusted_now = trusted

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    @property
    def trusted(self) -> bool:
        return self.trusted_now

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def witness(self, meter_time: datetime) -> None:
        """What a meter says; this clock has its own idea of whether it is right."""
