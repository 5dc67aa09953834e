"""Tries one setting of a line after the other until what comes makes sense.

Whoever hears octets at all learns from them, at whatever setting: so each setting is left once it
has been heard to be wrong, and the next is the one that explains what was heard. Silence is no
fault of the settings; it is waited out.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from datalogger.clock import Clock
from datalogger.errors import SourceError
from datalogger.line_settings import LineSettings
from datalogger.probing.candidates import explains
from datalogger.probing.ear import Ear, Verdict
from datalogger.probing.lines import Line
from datalogger.probing.symptoms import ENOUGH, NOISY, Kind, Symptom, symptom

LOOK = 0.1  # seconds between two looks at the clock
BURST = 0.3  # seconds of silence that end a burst
QUIET = 1.5  # seconds of silence after which the rest of a message does not come any more
BURSTS = 2  # heard in vain, where of the first one only the end may have been heard
LONGEST_BURST = 3000  # octets; over this the beginning of another telegram has been there
PATIENCE = 12.0  # seconds of silence at one setting: most meters speak every 10
LONG_PATIENCE = 75.0  # the same, once the line was heard at another: it lives, and some speak once a minute
ENDLESS = 24.0  # seconds without a pause, and without sense: it will make none
DWELL = 12.0  # seconds to hear the rest of what a meter says, once it is understood
MOST_KEPT = 16 * 1024  # octets at one setting that symptoms are looked for in

# Of a line so slow that each start of a low level is heard as a NUL, the speed shows in how fast these come: there
# is one in so many bits on average, in text and in binary pushes. Shorter bursts are timed too badly.
BITS_A_NUL = 3.5
LONG_ENOUGH = 0.1  # seconds

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
        self.whole = False
        """Whether the first burst was heard from its beginning."""
        self.began = self.since = self.first = self.last = now
        self._of_burst = 0  # octets since the burst's first reading
        self.understood: float | None = None  # since when there are sound frames
        self._speaking = False

    def take(self, octets: bytes, faults: int, now: float) -> None:
        if not self.ear.octets:
            self.since = now
            self.whole = now - self.began >= BURST
        if self._speaking:
            self._of_burst += len(octets)
        else:
            self.first, self._of_burst = now, 0
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
        self._understand(self.last)

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
        found = symptom(self.octets, self.settings, faults=self.faults)
        if found.kind is Kind.ONLY_NULS and self.last - self.first >= LONG_ENOUGH:
            speed = BITS_A_NUL * self._of_burst / (self.last - self.first)
            return found._replace(sent=self.settings._replace(baud_rate=round(speed)))
        return found

    @property
    def worth(self) -> tuple[Verdict, float, int]:
        return self.ear.verdict, -self.faults / max(1, self.ear.octets), len(self.ear.reports)


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
        self._evidence: Counter[LineSettings] = Counter()  # for (or against) each
        self._wrong: set[LineSettings] = set()
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
            settings = pending.pop(0)
            if self._line.tunable and not self._line.tune(settings):
                self.refused.append(settings)
                if len(self.refused) == len(self._settings):
                    return
                pending = pending or self._likeliest()
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
            elif self.best is not None and self.best.understood is not None:
                if not pending:
                    return
            elif not attempt.ear.octets:
                pending.append(settings)  # silence says nothing against it
            else:
                self._learn(attempt)
                pending = self._likeliest()

    def _learn(self, attempt: Attempt) -> None:
        self._wrong.add(attempt.settings)
        for settings in self._settings:
            self._evidence[settings] += explains(settings, attempt.settings, attempt.symptom)

    def _likeliest(self) -> list[LineSettings]:
        """What was not heard to be wrong, after all that was heard so far; once more all, where nothing is left."""
        usable = [each for each in self._settings if each not in self.refused]
        if self._wrong.issuperset(usable):
            self._wrong.clear()  # it may have been the line that was bad
        left = [each for each in usable if each not in self._wrong]
        return sorted(left, key=lambda settings: -self._evidence[settings])

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
            return attempt.bursts > 2 * BURSTS and attempt.ear.verdict < Verdict.DAMAGED
        if not attempt.ear.octets:
            return now - attempt.began >= (LONG_PATIENCE if self._wrong else PATIENCE)
        if attempt.ear.promising:
            return now - attempt.since >= ENDLESS
        if attempt.ear.octets >= LONGEST_BURST and attempt.ear.verdict < Verdict.DAMAGED:
            return True
        if attempt.bursts and attempt.ear.octets >= ENOUGH and attempt.symptom.kind in CERTAIN:
            return True
        if attempt.bursts and attempt.whole and attempt.ear.verdict < Verdict.DAMAGED:
            return True
        return attempt.bursts >= BURSTS or now - attempt.since >= ENDLESS
