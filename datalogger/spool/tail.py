"""The RAM tail: what some sink still wants and the disk does not hold, oldest first, within a bound."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator

from datalogger.spool.database import to_us
from datalogger.spool.pending import Held
from datalogger.spool.thinning import GRIDS, Grid


class Tail:
    """Sequences rise. An entry leaves when no sink wants it, or when it is on disk."""

    def __init__(self) -> None:
        self._held: OrderedDict[int, Held] = OrderedDict()
        self.octets = 0

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held.values())

    @property
    def first(self) -> Held | None:
        return next(iter(self._held.values()), None)

    def get(self, sequence: int) -> Held | None:
        return self._held.get(sequence)

    def append(self, held: Held) -> None:
        self._held[held.sequence] = held
        self.octets += held.size

    def prepend(self, entries: Iterable[Held]) -> None:
        """Entries older than all that is here, or some of these again."""
        for held in entries:
            self._held[held.sequence] = held
        self._held = OrderedDict(sorted(self._held.items()))
        self.octets = sum(held.size for held in self._held.values())

    def remove(self, sequence: int) -> None:
        if (held := self._held.pop(sequence, None)) is not None:
            self.octets -= held.size

    def through(self, appended: float) -> list[Held]:
        """From the oldest to the last one appended at that monotonic second or before."""
        found = 0
        for place, held in enumerate(self._held.values(), 1):
            if held.appended <= appended:
                found = place
        return [held for held, _ in zip(self._held.values(), range(found), strict=False)]

    def surplus(self, octets: int, *, oldest: Collection[str], thin: Collection[str]) -> Iterator[tuple[str, str, int]]:
        """(sink, reason, sequence) to give up, in turn, while more than `octets` are held.

        The caller removes each before it asks for the next. The order is that of `eviction.steps`.
        """
        may_go = set(oldest)
        yield from self._oldest(octets, may_go)
        for seconds in GRIDS if thin else ():
            for sink in thin:
                grid = Grid(seconds)
                for held in list(self._held.values()):
                    if self.octets <= octets:
                        return
                    if sink in held.wanted and not grid.keeps(held.report.source, to_us(held.received)):
                        yield sink, "thinned", held.sequence
            yield from self._oldest(octets, may_go)
        yield from self._oldest(octets, may_go | set(thin))

    def _oldest(self, octets: int, may_go: set[str]) -> Iterator[tuple[str, str, int]]:
        if not may_go:
            return
        for held in list(self._held.values()):
            if self.octets <= octets:
                return
            if held.wanted <= may_go:
                for sink in list(held.wanted):
                    yield sink, "full", held.sequence
