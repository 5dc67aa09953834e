"""Asks one question at a time on a line, and takes no answer for that of another.

Nothing in an RTU answer says which request it answers, and gateways that speak Modbus TCP hand on what comes late from
their serial side under the number of the present request. So whenever a unit has left a request unanswered, and when a
line was opened, it is asked a *mark* first: for a number of registers that no other request of this unit asks for.
Units answer in order, so once the mark is answered nothing older can come any more. Of marks there are several, used in
turn: the late answer to one is not taken for that to the next.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from datalogger.clock import Clock
from datalogger.errors import SourceError
from datalogger.protocol.framing import Reason, Rejected
from datalogger.protocol.modbus.answers import Answer, Listening, Refusal, Request
from datalogger.sources.modbus.wire import Wire

# An answer in RTU that has begun and goes on no more after so long was cut off. Longer than any adapter, or any server
# between a serial line and the network, holds octets back. Seconds.
GAP = 0.25

# Longer than this nothing is waited for that is not an answer: a line that is never quiet, octets without end. Seconds.
MOST_WAIT = 10.0

# A unit that refuses so many marks one behind the other refuses all of them.
MOST_MARKS = 3

EXCEPTIONS = {code: Reason(f"exception_{code}") for code in range(1, 12)}

# Exceptions of a gateway for a unit that it hears nothing of; what that unit says later may still come.
NOT_THERE = frozenset((10, 11))


class Line(Protocol):
    """What a conversation is held over."""

    async def open(self) -> None: ...

    async def read(self) -> bytes: ...

    def pending(self) -> bytes: ...

    @property
    def ended(self) -> bool: ...

    def write(self, octets: bytes) -> None: ...

    async def close(self) -> None: ...


class Pace:
    """How long things take on this line, in seconds; all 0 where that is nobody's business (TCP).

    octet:   one octet
    silence: before a frame begins; on a serial line 3.5 octets, from 19200 baud on 1.75 ms
    """

    def __init__(self, octet: float = 0.0, silence: float = 0.0) -> None:
        self.octet = octet
        self.silence = max(3.5 * octet, 0.00175) if octet else silence


class Refused(Exception):
    """The unit has answered that it cannot: an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class NoAnswer(Exception):
    """None came, or none that could be read.

    request: which, where one was made
    damaged: something came, so the unit is there
    told:    the log knows why
    there:   the unit has answered something, if only a mark before it
    """

    def __init__(self, request: Request | None, *, damaged: bool, told: bool = False) -> None:
        super().__init__(f"no answer ({request})")
        self.request = request
        self.damaged = damaged
        self.told = told
        self.there = damaged


class Conversation:
    """What is asked and heard on one line.

    reject: called with everything that came and was no answer
    advice: what a person should look at where nobody answers
    """

    def __init__(
        self,
        line: Line,
        wire: Wire,
        clock: Clock,
        *,
        pace: Pace,
        reject: Callable[[Rejected], None],
        advice: str = "is it on, and is this its address?",
    ) -> None:
        self.advice = advice
        self._line = line
        self._wire = wire
        self._clock = clock
        self._pace = pace
        self._reject = reject
        self._behind: dict[int, bool] = {}  # whether a unit may still answer what it was asked before
        self._marks: Counter[int] = Counter()  # how many each unit was asked
        self._last = 0.0  # when the line was last heard or spoken on, on the monotonic clock
        self.heard_at = clock.monotonic()

    async def open(self) -> None:
        """SourceError where the line cannot be opened."""
        self._behind.clear()
        await self._line.open()
        self.heard_at = self._last = self._clock.monotonic()

    async def close(self) -> None:
        await self._line.close()

    @property
    def ended(self) -> bool:
        """The line is over, and nobody was asked anything: meters and gateways close connections that are idle."""
        return self._line.ended

    async def ask(self, request: Request, marks: Sequence[Request], *, timeout: float, pause: float = 0.0) -> list[int]:
        """The words (or bits) that stand there; Refused, NoAnswer; SourceError when the line fails.

        marks:   of the same unit, for numbers of registers that no other request of it asks for; each another
        timeout: seconds that the unit may take, beside those that the line takes
        pause:   seconds of silence before it
        """
        caught_up = self._is_behind(request.unit)
        if caught_up:
            await self._catch_up(request.unit, marks, timeout, pause)
        try:
            answer = await self._exchange(request, timeout, pause)
        except NoAnswer as error:
            error.there = error.damaged or caught_up
            raise
        if isinstance(answer, Refusal):
            raise Refused(answer.code)
        try:
            words = self._wire.words(answer, request)
        except ValueError as error:
            self._reject(Rejected(Reason.MALFORMED, answer.octets, str(error)))
            raise NoAnswer(request, damaged=True) from error
        return words

    def _is_behind(self, unit: int) -> bool:
        """Nothing that has a number is on its way on a new connection; on a serial line, something may be."""
        return self._behind.get(unit, not self._wire.numbers)

    async def _catch_up(self, unit: int, marks: Sequence[Request], timeout: float, pause: float) -> None:
        """Until the unit has answered all that it was asked before."""
        for _ in range(MOST_MARKS):
            mark = marks[self._marks[unit] % len(marks)]
            self._marks[unit] += 1
            answer = await self._exchange(mark, timeout, pause)
            if isinstance(answer, Answer):
                return
            # A refusal may be that of an earlier request: it tells nothing.
            self._behind[unit] = True
            if answer.code in NOT_THERE:
                raise Refused(answer.code)
        await self._listen_until_quiet(timeout)
        self._behind[unit] = False

    async def _listen_until_quiet(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + max(MOST_WAIT, seconds)
        try:
            while True:
                async with asyncio.timeout_at(min(loop.time() + seconds, end)):
                    octets = await self._read()
                self._reject(Rejected(Reason.LATE, octets, "octets behind an answer to an earlier request"))
        except TimeoutError:
            return

    async def _exchange(self, request: Request, timeout: float, pause: float) -> Answer | Refusal:
        await self._keep_silence(max(pause, self._pace.silence))
        octets, listening = self._wire.ask(request)
        self._line.write(octets)
        on_the_way = self._pace.octet * (len(octets) + request.data_octets + 5)
        self._last = self._clock.monotonic() + self._pace.octet * len(octets)
        try:
            return await self._hear(request, listening, timeout + on_the_way)
        except SourceError:
            for event in listening.end():
                assert isinstance(event, Rejected)  # an answer would have been one before
                self._reject(event)
            if self._line.ended:
                self._reject(Rejected(Reason.CLOSED, b"", f"the line ended before the answer ({request})"))
            raise

    async def _keep_silence(self, seconds: float) -> None:
        """Until the line has been quiet for so long. What comes meanwhile was asked for by nobody."""
        began = self._clock.monotonic()
        stray = b""
        try:
            while True:
                if octets := self._line.pending():
                    stray += octets
                    self._last = self._clock.monotonic()
                wait = self._last + seconds - self._clock.monotonic()
                if wait <= 0:
                    return
                if self._clock.monotonic() - began >= MOST_WAIT + seconds:
                    raise SourceError("the line is never quiet: does a meter push on it, or another master ask?")
                await asyncio.sleep(wait)
        finally:
            if stray:
                self._reject(Rejected(Reason.NOISE, stray, f"{len(stray)} octets that nobody asked for"))

    async def _hear(self, request: Request, listening: Listening, patience: float) -> Answer | Refusal:
        nothing_older = not self._is_behind(request.unit)
        self._behind[request.unit] = True  # until it has answered; also if this is cancelled
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        answer: Answer | Refusal | None = None
        try:
            async with asyncio.timeout_at(end) as limit:
                while not listening.damaged:
                    octets = await self._read()
                    for event in listening.feed(octets):
                        if isinstance(event, Rejected):
                            self._reject(event)
                        else:
                            answer = event
                    if answer is not None:
                        self._done(request, answer)
                        return answer
                    if listening.broken:
                        raise SourceError(f"what answers is no Modbus as it is configured here ({request})")
                    limit.reschedule(min(end, loop.time() + GAP) if listening.begun else end)
        except TimeoutError:
            pass
        begun = listening.begun
        if begun and nothing_older:  # it was this very answer, though nobody can read it
            self._behind[request.unit] = False
        torn = listening.torn
        left = listening.end()
        for event in left:
            assert isinstance(event, Rejected)
            self._reject(event)
        if not left:
            self._reject(Rejected(Reason.NO_ANSWER, b"", f"nothing within {patience:.1f} s ({request})"))
        if torn:
            raise SourceError(f"half an answer came, and nothing behind it can be read ({request})")
        raise NoAnswer(request, damaged=begun)

    def _done(self, request: Request, event: Answer | Refusal) -> None:
        if not (isinstance(event, Refusal) and event.code in NOT_THERE):
            self._behind[request.unit] = False
        if isinstance(event, Refusal):
            reason = EXCEPTIONS.get(event.code, Reason.EXCEPTION_OTHER)
            self._reject(Rejected(reason, event.octets, f"exception {event.code} for {request}"))

    async def _read(self) -> bytes:
        octets = await self._line.read()
        self.heard_at = self._last = self._clock.monotonic()
        return octets
