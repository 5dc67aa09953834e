"""A meter on a line in memory, heard bit by bit, in a time that passes only when somebody listens."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from datalogger.line_settings import LineSettings
from datalogger.probing.lines import Marks, Reading
from datalogger.simulation.uart import as_heard, as_marked

PIECES = 20  # in which a push comes, on a line that takes its time


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

    paced:   it takes its time, as on a real line; else a push is there at once, as on a pseudo-terminal
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
        paced: bool = False,
        marks: bool = True,
        cannot: Sequence[LineSettings] = (),
    ) -> None:
        self._clock = clock
        self._pushes = pushes
        self._sent = LineSettings.parse(settings)
        self._interval = interval
        self._inverted = inverted
        self._marks = marks
        self._paced = paced
        self._coming: list[tuple[float, Reading]] = []  # when it is there
        self._cannot = cannot
        self._flow: Iterator[bytes] = iter(())
        self._due = clock.monotonic() + interval
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
        now = self._clock.monotonic()
        if not self._coming and self._due <= now + seconds:
            self._speak()
        if not self._coming or self._coming[0][0] > now + seconds:
            self._clock.pass_on(seconds)
            return Reading(b"")
        at, reading = self._coming.pop(0)
        self._clock.pass_on(max(0.0, at - now))
        return reading

    def _speak(self) -> None:
        push = next(self._flow, None)
        if push is None:
            self._flow = iter(self._pushes)
            push = next(self._flow)
        begin, self._due = self._due, self._due + self._interval
        if self._marks:
            octets, faults = Marks().taken_out(as_marked(push, self._sent, self._heard, inverted=self._inverted))
        else:
            octets, faults = as_heard(push, self._sent, self._heard, inverted=self._inverted), 0
        pieces = PIECES if self._paced else 1
        lasting = len(push) * 10 / self._sent.baud_rate if self._paced else 0.0
        for piece in range(1, pieces + 1):
            edges = len(octets) * (piece - 1) // pieces, len(octets) * piece // pieces
            share = faults * piece // pieces - faults * (piece - 1) // pieces
            self._coming.append((begin + lasting * piece / pieces, Reading(octets[slice(*edges)], share)))


class SilentLine(MeterLine):
    def __init__(self, clock: Time) -> None:
        super().__init__(clock, [], "2400 8E1", interval=float("inf"))
