"""Bounds on disk: what is given up when the file is too large or a report too old. Blocking, in small steps."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from datalogger.spool import cursors
from datalogger.spool.database import TRUSTED, numbers, to_us
from datalogger.spool.log import CHUNK, Log
from datalogger.spool.thinning import GRIDS, Grid

BATCH = 500  # rows given up before looking again whether that is enough


class Loss(NamedTuple):
    """What one sink lost in one step."""

    sink: str
    reason: str
    reports: int
    octets: int


Step = Callable[[Log], tuple[list[Loss], bool]]
"""Inside a transaction: what was lost, and whether there is more of the same to look at."""


def steps(oldest: Collection[str], thin: Collection[str]) -> Iterator[Step]:
    """What to try in turn until enough is free; each is called until it says that it is through.

    oldest: sinks that drop the oldest, and sinks configured no more; thin: those that thin.
    A row is free only when no sink wants it, so those that drop the oldest give up what they alone want;
    a sink with drop-newest keeps all it has.
    """
    if oldest:
        yield Oldest(oldest)
    for seconds in GRIDS if thin else ():
        for sink in thin:
            yield Thin(sink, seconds)
        if oldest:
            yield Oldest(oldest)
    if thin:
        yield Oldest([*oldest, *thin])


class Oldest:
    """Give up the oldest rows that only these sinks want."""

    def __init__(self, sinks: Collection[str]) -> None:
        self._sinks = sinks
        self._after = 0

    def __call__(self, log: Log) -> tuple[list[Loss], bool]:
        rows = numbers(
            log.connection.execute(
                "SELECT seq, wanted, size FROM log WHERE seq > ? ORDER BY seq LIMIT ?", (self._after, CHUNK)
            ).fetchall()
        )
        tally, removed = _Tally(log), []
        may_go = log.mask(self._sinks)
        for sequence, wanted, size in rows:
            self._after = sequence
            still = tally.still(sequence, wanted)
            if still & ~may_go == 0:
                tally.lose(still, size)
                removed.append(sequence)
                if len(removed) == BATCH:
                    break
        log.remove(removed)
        return tally.losses("full"), bool(rows)


class Thin:
    """Keep one row in so many seconds of this sink's backlog."""

    def __init__(self, sink: str, seconds: int) -> None:
        self._sink = sink
        self._grid = Grid(seconds)
        self._after = 0

    def __call__(self, log: Log) -> tuple[list[Loss], bool]:
        if self._sink not in log.sinks:
            return [], False
        after = max(self._after, log.position(self._sink))
        rows = numbers(
            log.connection.execute(
                "SELECT seq, source, received, size FROM log WHERE seq > ? AND wanted >> ? & 1 ORDER BY seq LIMIT ?",
                (after, log.sinks[self._sink], CHUNK),
            ).fetchall()
        )
        if not rows:
            return [], False
        given_up = [(seq, size) for seq, source, received, size in rows if not self._grid.keeps(source, received)]
        self._after = rows[-1][0]
        log.clear_many(self._sink, [sequence for sequence, _ in given_up])
        loss = Loss(self._sink, "thinned", len(given_up), sum(size for _, size in given_up))
        return [loss] if given_up else [], True


class Aged:
    """Give up what came in before a moment. Only what a trusted clock stamped has an age."""

    def __init__(self) -> None:
        self._after = 0

    def find(self, log: Log, before: datetime) -> bool:
        """Whether there is something to give up; reads only."""
        return bool(self._rows(log, before, 1))

    def __call__(self, log: Log, before: datetime) -> tuple[list[Loss], bool]:
        rows = self._rows(log, before, CHUNK)
        tally = _Tally(log)
        for sequence, wanted, size in rows:
            tally.lose(tally.still(sequence, wanted), size)
        log.remove([row[0] for row in rows])
        return tally.losses("age"), len(rows) == CHUNK

    def _rows(self, log: Log, before: datetime, limit: int) -> list[tuple[int, int, int]]:
        """From the oldest on, up to the first that is young; those of unknown age are passed once."""
        found: list[tuple[int, int, int]] = []
        young = to_us(before)
        rows = log.connection.execute(
            "SELECT seq, received, flags, wanted, size FROM log WHERE seq > ? ORDER BY seq LIMIT ?",
            (self._after, CHUNK),
        ).fetchall()
        for sequence, received, flags, wanted, size in numbers(rows):
            if not flags & TRUSTED:
                if not found:
                    self._after = sequence
            elif received >= young or len(found) == limit:
                break
            else:
                found.append((sequence, wanted, size))
        return found


class _Tally:
    """Who loses how much."""

    def __init__(self, log: Log) -> None:
        self._positions = cursors.positions(log.connection)
        self._lost: dict[int, list[int]] = defaultdict(lambda: [0, 0])

    def still(self, sequence: int, wanted: int) -> int:
        """The mask of who has it still to get."""
        return sum(1 << id for id, _, position in self._positions if wanted >> id & 1 and position < sequence)

    def lose(self, still: int, size: int) -> None:
        for id, _, _ in self._positions:
            if still >> id & 1:
                lost = self._lost[id]
                lost[0] += 1
                lost[1] += size

    def losses(self, reason: str) -> list[Loss]:
        names = {id: name for id, name, _ in self._positions}
        return [Loss(names[id], reason, count, octets) for id, (count, octets) in self._lost.items()]
