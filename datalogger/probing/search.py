"""Tries one setting of a line after the other until what comes makes sense.

Whoever hears octets at all learns from them, at whatever setting: so each setting is left once it
has been heard to be wrong, and the next is the one that explains what was heard. Silence is no
fault of the settings; it is waited out.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from datalogger.clock import Clock
from datalogger.errors import SourceError
from datalogger.line_settings import LineSettings
from datalogger.probing.candidates import reordered
from datalogger.probing.ear import Ear, Verdict
from datalogger.probing.lines import Line
from datalogger.probing.symptoms import ENOUGH, NOISY, Kind, Symptom, symptom

LOOK = 0.1  # seconds between two looks at the clock
BURST = 0.3  # seconds of silence that end a burst
QUIET = 1.5  # seconds of silence after which the rest of a message does not come any more
BURSTS = 2  # heard in vain: of the first one, only the end may have been heard
LONGEST_BURST = 3000  # octets; over this the beginning of another telegram has been there
PATIENCE = 12.0  # seconds at one setting: most meters speak every 10
DWELL = 12.0  # seconds to hear the rest of what a meter says, once it is understood
MOST_KEPT = 16 * 1024  # octets at one setting that symptoms are looked for in

# Over a port server nobody here knows the settings: any will do for what is seen relative to them.
ELSEWHERE = LineSettings(115200)


# It is known what is wrong, and to hear more of it tells no more.
CERTAIN = (Kind.ONLY_NULS, Kind.SLOWER, Kind.SEVEN_BITS, Kind.INVERTED)


class Attempt:
    """What was heard at one setting."""

    def __init__(self, settings: LineSettings, ear: Ear, now: float) -> None:
        self.settings = settings
        self.ear = ear
        self.octets = b""
        self.faults = 0
        self.bursts = 0
        self.began = self.last = now
        self.understood: float | None = None  # since when there are sound frames
        self._speaking = False

    def take(self, octets: bytes, faults: int, now: float) -> None:
        self.octets = (self.octets + octets)[:MOST_KEPT]
        self.faults += faults
        self.last, self._speaking = now, True
        self.ear.take(octets)
        self._understand(now)

    def hear_again(self, ear: Ear) -> None:
        """With another ear: it takes the place of the first."""
        ear.take(self.octets)
        ear.idle()
        self.ear = ear

    def silence(self, now: float) -> None:
        if self._speaking and now - self.last >= BURST:
            self.bursts += 1
            self._speaking = False
            self.ear.pause()
            self._understand(now)
        if self.ear.octets and now - self.last >= QUIET:
            self.end(now)

    def end(self, now: float) -> None:
        self.ear.idle()
        self._understand(now)

    def _understand(self, now: float) -> None:
        if self.understood is None and self.ear.verdict >= Verdict.SOUND:
            self.understood = now

    @property
    def faulty(self) -> bool:
        """Whether the receiver saw more faults than a line has that is set right."""
        return self.faults > NOISY * max(1, self.ear.octets)

    @property
    def symptom(self) -> Symptom:
        return symptom(self.octets, self.settings, faults=self.faults)

    @property
    def worth(self) -> tuple[Verdict, bool, int]:
        return self.ear.verdict, not self.faulty, len(self.ear.reports)


class Progress(Struct, frozen=True):
    """settings: None where they are not ours to set; elapsed: of the whole search, in seconds"""

    settings: LineSettings | None
    elapsed: float
    octets: int
    verdict: Verdict


class Search:
    """`run` it; `best` and `attempts` are right at any time, also when it was interrupted."""

    def __init__(
        self,
        line: Line,
        settings: Sequence[LineSettings],
        ear: Callable[[], Ear],
        clock: Clock,
        *,
        seconds: float,
        watch: Callable[[Progress], None],
    ) -> None:
        self._line = line
        self._settings = settings
        self._new_ear = ear
        self._clock = clock
        self._seconds = seconds
        self._watch = watch
        self._began = 0.0
        self.attempts: list[Attempt] = []
        self.refused: list[LineSettings] = []
        """What the port cannot do."""

    @property
    def best(self) -> Attempt | None:
        """The attempt that made most sense; the latest of equals."""
        return max(reversed(self.attempts), key=lambda attempt: attempt.worth, default=None)

    def run(self) -> None:
        """SourceError where the line fails, before anything was understood."""
        self._began = self._clock.monotonic()
        pending = list(self._settings) if self._line.tunable else [ELSEWHERE]
        while self._left() > 0:
            if not pending:  # once more, all of them: it may have been the line that was bad
                pending = [each for each in self._settings if each not in self.refused]
            settings = pending.pop(0)
            if self._line.tunable and not self._line.tune(settings):
                self.refused.append(settings)
                if len(self.refused) == len(self._settings):
                    return
                continue
            attempt = Attempt(settings, self._new_ear(), self._clock.monotonic())
            self.attempts.append(attempt)
            try:
                self._listen(attempt)
            except SourceError:
                if attempt.understood is None:
                    raise
                return
            if not self._line.tunable or attempt.symptom.kind is Kind.INVERTED:
                return  # no setting of ours makes it better
            if attempt.understood is not None:
                siblings = [each for each in pending if each.baud_rate == settings.baud_rate]
                if not attempt.faulty or not siblings:
                    return
                pending = siblings  # the speed is right; one of these makes the faults go away
            elif self.best is not None and self.best.understood is not None and not pending:
                return
            else:
                pending = reordered(pending, settings, attempt.symptom)

    def _left(self) -> float:
        return self._seconds - (self._clock.monotonic() - self._began)

    def _listen(self, attempt: Attempt) -> None:
        while (left := self._left()) > 0:
            reading = self._line.read(min(LOOK, left))
            now = self._clock.monotonic()
            if reading.octets:
                attempt.take(reading.octets, reading.faults, now)
            else:
                attempt.silence(now)
            self._watch(
                Progress(
                    attempt.settings if self._line.tunable else None,
                    now - self._began,
                    attempt.ear.octets,
                    attempt.ear.verdict,
                )
            )
            if self._enough(attempt, now):
                break
        attempt.end(self._clock.monotonic())

    def _enough(self, attempt: Attempt, now: float) -> bool:
        if attempt.understood is not None:
            return attempt.ear.content or now - attempt.understood >= DWELL
        if not self._line.tunable:  # there is nothing else to try
            return attempt.bursts > 2 * BURSTS and attempt.symptom.kind in CERTAIN
        if not attempt.ear.octets:
            return now - attempt.began >= PATIENCE
        if attempt.ear.octets >= LONGEST_BURST and attempt.ear.verdict < Verdict.DAMAGED:
            return True
        if attempt.bursts and attempt.ear.octets >= ENOUGH and attempt.symptom.kind in CERTAIN:
            return True
        return attempt.bursts >= BURSTS or now - attempt.began >= 2 * PATIENCE
