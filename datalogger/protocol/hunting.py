"""Hunting for binary frames that say their own length: what HDLC and M-Bus framers have in common.

Each place that looks like a start is judged, in order, by octets that are already there, so it falls
the same way however the stream is cut. A sound frame is taken out; a start that failed leaves
*damage*, and the hunt goes on one octet behind it, inside what the broken frame claimed to be. Damage
ends where that claim ends, or where another frame certainly begins, and is one rejection.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from datalogger.protocol.framing import Frame, Framing, Reason, Rejected

MAX_NOISE = 4 * 1024  # octets in one noise event: what is between frames need not be kept whole
MAX_SLICE = 4 * 1024  # octets taken in at once, so that the buffer is bounded however much `feed` is given


class Sound(NamedTuple):
    """A whole frame of `size` octets."""

    payload: bytes
    size: int


class Broken(NamedTuple):
    """No sound frame, though it began like one and claims `size` octets."""

    reason: Reason
    size: int
    detail: str
    certain: bool = False  # the header left no doubt that a frame begins here
    endless: bool = False  # all of `size` is there, but not its end: torn, if another frame begins inside


class Wait(NamedTuple):
    """Not to be judged before there are `size` octets; if the line goes quiet, it is `otherwise`."""

    size: int
    otherwise: Sound | Broken | None = None


class HuntingFramer(ABC):
    """A `Framer`; the subclass knows the format. `None` as a verdict: nothing begins here."""

    FRAMING: ClassVar[Framing]
    START: ClassVar[re.Pattern[bytes]]  # finds a possible start; also an unfinished one at the end
    END: ClassVar[int]  # the last octet of a frame
    CHECKED: ClassVar[bool] = True  # a check sum holds
    SHARED: ClassVar[int]  # last octets of a frame that may also be the first of the next one

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._given = 0  # first octets of the buffer that were given out already: they end the frame before
        self._scanned = 0  # no start that is still to be judged begins before this
        self._needed = 0  # octets of buffer without which nothing can be decided
        self._damage: Broken | None = None  # what the buffer begins with, if that is a broken frame

    @abstractmethod
    def _judge(self, buffer: bytearray, begin: int) -> Sound | Broken | Wait | None:
        """What begins at `begin`, as far as the buffer can tell."""

    @abstractmethod
    def _filler(self, octets: bytes) -> int:
        """Of octets between two frames, how many of the first are nothing wrong."""

    def _whole_ones(self, data: bytes, events: list[Frame | Rejected]) -> int:
        """Take the sound frames that `data` begins with, as nearly all reads do, without a hunt; octets of them all.

        Asked where all that came before was given out. It may leave any frame to the hunt, which finds the same.
        """
        return 0

    def feed(self, data: bytes) -> list[Frame | Rejected]:
        events: list[Frame | Rejected] = []
        done = self._whole_ones(data, events) if len(self._buffer) == self._given else 0
        for begin in range(done, len(data), MAX_SLICE):
            self._buffer += data[begin : begin + MAX_SLICE]
            if len(self._buffer) >= self._needed:
                self._hunt(events)
        return events

    def idle(self) -> list[Frame | Rejected]:
        events: list[Frame | Rejected] = []
        self._hunt(events, quiet=True)
        self._settle(len(self._buffer), events)
        self._given = self._scanned = self._needed = 0
        return events

    def _hunt(self, events: list[Frame | Rejected], *, quiet: bool = False) -> None:
        while found := self.START.search(self._buffer, self._scanned):
            begin = found.start()
            verdict = self._judge(self._buffer, begin)
            if isinstance(verdict, Wait):
                if not quiet:
                    self._scanned = begin
                    self._release(events)
                    self._needed = self._scanned + verdict.size
                    return
                verdict = verdict.otherwise
            self._scanned = begin + 1
            if isinstance(verdict, Sound):
                self._settle(begin, events)
                self._accept(verdict, events)
            elif verdict is not None and (verdict.certain or not self._is_damaged(begin)):
                self._settle(begin, events)
                self._damage, self._scanned = verdict, 1
        self._scanned = len(self._buffer)
        self._release(events)
        self._needed = 0

    def _release(self, events: list[Frame | Rejected]) -> None:
        """Give out what is scanned and can change no more: damage to its end, noise by the piece."""
        if self._damage is not None and self._damage.size <= self._scanned:
            self._settle(self._damage.size, events)
        if self._damage is None:
            self._noise(self._scanned - self._scanned % MAX_NOISE, events)

    def _is_damaged(self, place: int) -> bool:
        return self._damage is not None and place < self._damage.size - self.SHARED

    def _settle(self, begin: int, events: list[Frame | Rejected]) -> None:
        """Before `begin` are only damage and noise: give them out."""
        if self._damage is None and begin <= self._given:
            self._take(begin)
            return
        if self._damage is not None:
            damage, self._damage = self._damage, None
            size = min(begin, damage.size)
            reason, detail = damage.reason, damage.detail
            if damage.endless and size < damage.size - self.SHARED and self._buffer[size - 1] != self.END:
                reason, detail = Reason.TRUNCATED, f"another frame begins after {size} octets of {damage.size}"
            if octets := self._take(size):
                events.append(Rejected(reason, octets, detail))
            begin -= size
        self._noise(begin, events)

    def _noise(self, size: int, events: list[Frame | Rejected]) -> None:
        """The first `size` octets belong to no frame."""
        for begin in range(0, size, MAX_NOISE):
            octets = self._take(min(MAX_NOISE, size - begin))
            events += self._sorted_out(octets)

    def _sorted_out(self, octets: bytes) -> Iterator[Rejected]:
        filler = self._filler(octets)
        if filler:
            yield Rejected(Reason.PADDING, octets[:filler])
        if rest := octets[filler:]:
            start = rest[:16].hex().upper() + ("…" if len(rest) > 16 else "")
            yield Rejected(Reason.NOISE, rest, f"{len(rest)} octets between frames: {start}")

    def _accept(self, frame: Sound, events: list[Frame | Rejected]) -> None:
        """The buffer begins with this frame."""
        octets = bytes(self._buffer[self._given : frame.size])
        events.append(Frame(frame.payload, octets, self.CHECKED, self.FRAMING))
        del self._buffer[: frame.size - self.SHARED]
        self._given, self._scanned = self.SHARED, 0

    def _take(self, size: int) -> bytes:
        """Remove the first `size` octets; those of them that were not given out yet."""
        octets = bytes(self._buffer[self._given : size])
        del self._buffer[:size]
        self._given = max(0, self._given - size)
        self._scanned = max(0, self._scanned - size)
        return octets
