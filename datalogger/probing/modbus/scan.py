"""Asks at every address, at one setting of the line after the other, until somebody answers; then who it is."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from datalogger.clock import Clock
from datalogger.errors import SourceError
from datalogger.line_settings import LineSettings
from datalogger.meters.register_maps import RegisterMaps
from datalogger.probing.modbus.identification import (
    FUNCTIONS,
    Finding,
    Identification,
    Question,
    Words,
    first_marks,
    first_request,
)
from datalogger.protocol.framing import Reason, Rejected
from datalogger.protocol.modbus.sunspec import Model
from datalogger.sources.modbus.conversation import NOT_THERE, Conversation, NoAnswer, Refused

# Of a unit that is known to be there: a line loses an octet now and then.
ATTEMPTS = 2

# A line that was opened so often, and ended each time before anybody was found, is of no use. Some devices hang up on
# whoever asks for a unit or a function that they do not have.
MOST_FAILURES = 8

# One device that answers at every address: after so many it is known.
MOST_SAME = 3

# Some devices take one connection at a time, and need a moment to see that the last one has ended. Seconds.
REST = 1.0

_UNREADABLE = (Reason.NOISE, Reason.CHECKSUM, Reason.TRUNCATED, Reason.TOO_LONG, Reason.MALFORMED)


class Progress(Struct, frozen=True):
    """settings: None where they are not ours to set
    units:    that are asked at these before others are
    done:     of the `total` of questions, as many as the worst case has
    found:    meters, so far
    """

    settings: LineSettings | None
    units: Sequence[int]
    unit: int
    done: int
    total: int
    found: int


class Watch(Protocol):
    """Whoever looks on."""

    def asking(self, progress: Progress) -> None: ...

    def found(self, finding: Finding) -> None: ...


OpenLine = Callable[[LineSettings | None, Callable[[Rejected], None]], Conversation]


class _TimeIsUp(Exception):
    pass


class _OpenedAgain(Exception):
    """The line had ended before the answer."""


class Scan:
    """`run` it; what it has found is right at any time, also when it was interrupted.

    line:    a conversation, not yet open, at these settings (None: they are somebody else's)
    timeout: seconds that a unit may take
    seconds: that all of it may take
    """

    def __init__(
        self,
        line: OpenLine,
        settings: Sequence[LineSettings | None],
        units: Sequence[int],
        maps: RegisterMaps,
        models: Mapping[int, Model],
        clock: Clock,
        *,
        timeout: float,
        seconds: float,
        only_first: bool,
        watch: Watch,
    ) -> None:
        self._line = line
        self._candidates = settings
        self._units = units
        self._maps = maps
        self._models = models
        self._clock = clock
        self._timeout = timeout
        self._seconds = seconds
        self._only_first = only_first
        self._watch = watch
        self._end = 0.0
        self._conversation: Conversation | None = None
        self._failures = 0
        self.asked: defaultdict[LineSettings | None, list[int]] = defaultdict(list)
        """Units."""
        self.findings: list[Finding] = []
        self.settings: LineSettings | None = None
        """At which somebody answered."""
        self.tried: list[LineSettings | None] = []
        self.refused: dict[LineSettings | None, SourceError] = {}
        """What the port cannot do."""
        self.unreadable: set[int] = set()
        """Units of which something came that nobody can read."""
        self.noise: Counter[LineSettings | None] = Counter()
        """Octets that were no answer."""
        self.answering: int | None = None
        """A unit that answers, and it is not known yet which meter it is."""
        self.time_is_up = False

    async def run(self) -> None:
        """SourceError where the line cannot be opened, or fails again and again."""
        self._end = self._clock.monotonic() + self._seconds
        try:
            for settings, units in self._rounds():
                await self._ask_units(settings, units)
                if self.findings:
                    rest = [unit for unit in self._units if unit not in self.asked[settings]]
                    if rest and not self._enough:
                        await self._ask_units(settings, rest)
                    return
        except _TimeIsUp:
            self.time_is_up = True
        if self.refused and not self.tried:
            raise next(iter(self.refused.values()))

    @property
    def _enough(self) -> bool:
        return (self._only_first and any(finding.candidates for finding in self.findings)) or self.has_no_address

    @property
    def has_no_address(self) -> bool:
        """One device with a network port, which answers at every address."""
        first = self.findings[:MOST_SAME]
        known = {(finding.candidates[0].map, finding.serial) for finding in first if finding.candidates}
        return self.settings is None and len(first) == MOST_SAME and len(known) == 1 and "" not in next(iter(known))

    @property
    def meters(self) -> list[Finding]:
        """Each once."""
        return self.findings[:1] if self.has_no_address else self.findings

    def _rounds(self) -> list[tuple[LineSettings | None, Sequence[int]]]:
        """The likeliest unit at every setting, before all others at each: most meters are where they left the works."""
        if len(self._candidates) < 2:
            return [(settings, self._units) for settings in self._candidates]
        first, rest = self._units[:1], self._units[1:]
        return [(settings, units) for units in (first, rest) if units for settings in self._candidates]

    async def _ask_units(self, settings: LineSettings | None, units: Sequence[int]) -> None:
        def reject(rejected: Rejected) -> None:
            if rejected.reason in _UNREADABLE:
                self.noise[settings] += len(rejected.octets)

        if settings in self.refused:
            return
        conversation = self._conversation = self._line(settings, reject)
        try:
            try:
                await conversation.open()
            except SourceError as error:
                self.refused[settings] = error
                return
            if settings not in self.tried:
                self.tried.append(settings)
            for number, unit in enumerate(units):
                done = sum(map(len, self.asked.values()))
                total = done + len(units) - number if self.findings else len(self._candidates) * len(self._units)
                self._watch.asking(Progress(settings, units, unit, done, total, len(self.findings)))
                finding = await self._ask_unit(unit)
                self.asked[settings].append(unit)
                if finding is not None:
                    self.settings = settings
                    self.findings.append(finding)
                    self._watch.found(finding)
                    if self._enough:
                        return
        finally:
            self._conversation = None
            await conversation.close()

    async def _ask_unit(self, unit: int) -> Finding | None:
        for function in FUNCTIONS:
            there = await self._is_there(unit, function)
            if there is None:
                return None
            if there:
                return await self._identify(unit, function)
        return None

    async def _is_there(self, unit: int, function: int) -> bool | None:
        """Whether anything sound comes; None where nothing ever will."""
        request = first_request(unit, function)
        try:
            await self._ask(Question(request, first_marks(unit, function, self._maps)))
        except Refused as refused:
            return None if refused.code in NOT_THERE else True
        except NoAnswer as error:
            if error.damaged:
                self.unreadable.add(unit)
            return error.there and unit not in self.unreadable  # a mark was answered, then
        except _OpenedAgain:
            return False
        return True

    async def _identify(self, unit: int, function: int) -> Finding:
        asking = Identification(unit, self._maps, self._models, function).run()
        self.unreadable.discard(unit)
        self.answering = unit
        try:
            question = next(asking)
            while True:
                question = asking.send(await self._answer(question))
        except StopIteration as ended:
            finding: Finding = ended.value
            self.answering = None
            return finding

    async def _answer(self, question: Question) -> Words:
        for _ in range(ATTEMPTS):
            try:
                return await self._ask(question)
            except Refused as refused:
                if refused.code not in NOT_THERE:
                    return None
            except (NoAnswer, _OpenedAgain):
                continue
        return None

    async def _ask(self, question: Question) -> list[int]:
        """Refused, NoAnswer, _OpenedAgain; SourceError where the line fails time and again."""
        conversation = self._conversation
        assert conversation is not None
        if self._clock.monotonic() >= self._end:
            raise _TimeIsUp
        if conversation.ended:  # meters close connections that are idle
            await self._open_again(conversation)
        try:
            words = await conversation.ask(question.request, question.marks, timeout=self._timeout)
        except SourceError:
            self._failures += 1
            if self._failures >= MOST_FAILURES and not self.findings:
                raise
            await self._open_again(conversation)
            raise _OpenedAgain from None
        except (Refused, NoAnswer):
            self._failures = 0
            raise
        self._failures = 0
        return words

    async def _open_again(self, conversation: Conversation) -> None:
        await conversation.close()
        try:
            await conversation.open()
        except SourceError:
            await asyncio.sleep(REST)
            await conversation.open()
