"""What one sink has still to get: the part of its backlog that the event loop knows.

    settled │ ahead: on disk and in RAM │ stored: on disk only │ fresh: in RAM only
            └ position                  └ read_through

Sequences rise from left to right; nothing on disk comes after anything fresh. Pure: no I/O, no clock.
"""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from datalogger.model import Delivery, Report

AHEAD = 32
"""Reports of a backlog kept in RAM for a sink, some 10 kB each: one page from the disk."""
PAGE_LIMIT = 256
"""The most that one `take` hands out."""
UNPROVEN = 256
"""Settled on disk without the disk knowing it: at this many, no more is handed out before a commit."""
RECENT = 32
"""Reports that went to disk and that a live-first sink is still offered as live ones."""


class Held(Struct):
    """A report in RAM.

    size:     octets it takes up, an estimate until it is on disk
    appended: monotonic seconds; the window counts from here
    wanted:   names of the sinks that have it still to get; meaningful while it is in RAM only
    """

    sequence: int
    report: Report
    received: datetime
    trusted: bool
    size: int
    appended: float
    wanted: set[str]
    doubtful: set[str] = set()
    forced: bool = False


class Backlog(Struct, frozen=True):
    """How much a sink has still to get. `octets`: as stored, for what is in RAM an estimate."""

    depth: int
    octets: int
    oldest: datetime | None


class Pending:
    """One sink's backlog. Everything up to `position` is settled: taken, set aside or given up."""

    def __init__(self, sink: str, *, position: int = 0, stored: int = 0, octets: int = 0) -> None:
        self.sink = sink
        self.fresh: OrderedDict[int, Held] = OrderedDict()
        self.ahead: OrderedDict[int, Held] = OrderedDict()
        self.recent: OrderedDict[int, Held] = OrderedDict()
        self.stored = stored
        self.octets = octets
        self.read_through = position
        self.settled: set[int] = set()  # on disk, and the disk does not know yet that it is settled
        self.late: set[int] = set()  # settled while on disk only: whether it was pending, the disk will say
        self.doubts: set[int] = set()  # on disk, to be marked doubtful there
        self.front: datetime | None = None  # when the oldest stored one came in

    @property
    def depth(self) -> int:
        return len(self.ahead) + self.stored + len(self.fresh)

    @property
    def dirty(self) -> bool:
        """Whether the disk has something to learn."""
        return bool(self.settled or self.late or self.doubts)

    def backlog(self) -> Backlog:
        first = next(iter(self.ahead.values()), None)
        if first is None and not self.stored:
            first = next(iter(self.fresh.values()), None)
        return Backlog(self.depth, self.octets, first.received if first else self.front if self.stored else None)

    def position(self, disk_through: int) -> int:
        """Everything on disk up to here is settled. disk_through: the last sequence on disk."""
        if self.ahead:
            return next(iter(self.ahead)) - 1
        return self.read_through if self.stored else disk_through

    def append(self, held: Held) -> None:
        self.fresh[held.sequence] = held
        self.octets += held.size

    def settle(self, sequence: int, disk_through: int) -> Held | None:
        """This sink is done with it. The entry, where it was in RAM; settling twice does no harm."""
        if (held := self.fresh.pop(sequence, None)) is not None:
            self.octets -= held.size
            held.wanted.discard(self.sink)
            return held
        if (held := self.ahead.pop(sequence, None)) is not None:
            self.octets -= held.size
            self.front = held.received
            self.settled.add(sequence)
            return held
        recent = self.recent.pop(sequence, None)
        if sequence <= disk_through and sequence not in self.settled:
            self.late.add(sequence)
        return recent

    def went_to_disk(self, held: Held, size: int, *, live_first: bool) -> None:
        """The commit that wrote it has returned."""
        if self.fresh.pop(held.sequence, None) is None:  # settled while it was being written
            self.settled.add(held.sequence)
            if not self.stored:
                self.read_through = max(self.read_through, held.sequence)
            return
        self.octets += size - held.size
        if not self.stored and len(self.ahead) < AHEAD:
            self.ahead[held.sequence] = held
            self.read_through = held.sequence
            return
        self.stored += 1
        if self.stored == 1 and not self.ahead:
            self.front = held.received
        if live_first:
            self.recent[held.sequence] = held
            if len(self.recent) > RECENT:
                self.recent.popitem(last=False)

    def was_read(self, rows: Iterable[Held], read_through: int, exhausted: bool) -> None:
        """A page came from the disk: every row wanted here after the last page, up to `read_through`."""
        for held in rows:
            self.recent.pop(held.sequence, None)
            if held.sequence not in self.settled and held.sequence not in self.late:
                self.ahead[held.sequence] = held
                self.stored -= 1
        self.read_through = max(self.read_through, read_through)
        if exhausted and not self.late:
            self.stored = 0

    def is_settled(self, late: Iterable[int], found: Iterable[tuple[int, int]]) -> None:
        """The disk knows of the late ones now. found: sequence, octets of those that were pending there."""
        self.late -= set(late)
        for sequence, size in found:
            if self.ahead.pop(sequence, None) is None:
                self.stored -= 1
            self.octets -= size

    def start_again(self, entries: Iterable[Held]) -> None:
        """The file is lost: these are all that is left, in RAM only."""
        for known in (self.fresh, self.ahead, self.recent, self.settled, self.late, self.doubts):
            known.clear()
        self.stored = self.octets = self.read_through = 0
        self.front = None
        for held in entries:
            self.append(held)

    def unload(self) -> None:
        """Leave it all to the disk, as before a change there that RAM cannot follow."""
        if self.ahead:
            first = next(iter(self.ahead.values()))
            self.stored += len(self.ahead)
            self.read_through, self.front = first.sequence - 1, first.received
            self.ahead.clear()
        self.recent.clear()

    def next(self, limit: int, *, fresh: bool) -> list[Delivery]:
        """The oldest `limit`, oldest first. fresh: also what is in RAM only."""
        found = [held for held, _ in zip(self.ahead.values(), range(limit), strict=False)]
        if fresh:
            found += [held for held, _ in zip(self.fresh.values(), range(limit - len(found)), strict=False)]
        return [self.delivery(held) for held in found]

    def live(self, limit: int, *, fresh: bool) -> list[Delivery]:
        """The oldest `limit` of what came in a moment ago."""
        found = [held for held in self.recent.values() if held.sequence not in self.late][:limit]
        if not self.stored:
            found = [*self.ahead.values(), *found][:limit]
        if fresh:
            found += [held for held, _ in zip(self.fresh.values(), range(limit - len(found)), strict=False)]
        return [self.delivery(held) for held in found]

    def delivery(self, held: Held) -> Delivery:
        return Delivery(held.sequence, held.report, self.sink in held.doubtful, held.forced)
