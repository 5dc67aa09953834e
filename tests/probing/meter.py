"""A meter on a line in memory, heard bit by bit, in a time that passes only when somebody listens."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from datalogger.line_settings import LineSettings
from datalogger.probing.lines import Marks, Reading
from datalogger.simulation.uart import as_heard, as_marked


class Time:
    """A `Clock` that stands still but for `pass_on`."""

    trusted = True

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def witness(self, meter_time: datetime) -> None: ...

    def pass_on(self, seconds: float) -> None:
        self.seconds += seconds


class MeterLine:
    """A `Line`: the meter says one of `pushes` in each `interval`, whole.

    marks:   whether the receiver's driver reports faulty octets
    cannot:  settings that the port refuses
    """

    tunable = True
    shows_form = True

    def __init__(
        self,
        clock: Time,
        pushes: Sequence[bytes],
        settings: str,
        *,
        interval: float = 10,
        inverted: bool = False,
        marks: bool = True,
        cannot: Sequence[LineSettings] = (),
    ) -> None:
        self._clock = clock
        self._pushes = pushes
        self._sent = LineSettings.parse(settings)
        self._interval = interval
        self._inverted = inverted
        self._marks = marks
        self._cannot = cannot
        self._flow: Iterator[bytes] = iter(())
        self._due = clock.monotonic() + interval / 3
        self._heard = LineSettings(9600)
        self.tuned: list[LineSettings] = []

    def open(self) -> None: ...

    def close(self) -> None: ...

    def tune(self, settings: LineSettings) -> bool:
        if settings in self._cannot:
            return False
        self._heard = settings
        self.tuned.append(settings)
        return True

    def read(self, seconds: float) -> Reading:
        if self._due > self._clock.monotonic() + seconds:
            self._clock.pass_on(seconds)
            return Reading(b"")
        self._clock.pass_on(max(0.0, self._due - self._clock.monotonic()))
        self._due += self._interval
        push = next(self._flow, None)
        if push is None:
            self._flow = iter(self._pushes)
            push = next(self._flow)
        if self._marks:
            return Marks().taken_out(as_marked(push, self._sent, self._heard, inverted=self._inverted))
        return Reading(as_heard(push, self._sent, self._heard, inverted=self._inverted))


class SilentLine(MeterLine):
    def __init__(self, clock: Time) -> None:
        super().__init__(clock, [], "2400 8E1", interval=float("inf"))
