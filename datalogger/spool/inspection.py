"""Looking into a spool from another process: read-only, also while a daemon writes. Blocking.

What the daemon holds in RAM for less than a window, and what it settled less than a window ago, is not seen.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from datalogger.errors import DecodeError, SpoolError
from datalogger.model import Report
from datalogger.spool import cursors, database, quarantine, salvage
from datalogger.spool.bodies import Body, Dictionaries
from datalogger.spool.database import connect_read_only, from_us
from datalogger.spool.lock import Lock
from datalogger.spool.quarantine import Aside

PAGE = 200  # rows read at a time: a reader that stays would keep the daemon's write-ahead log from being reused


class SinkStatus(Struct, frozen=True):
    """orphaned: since when the sink is configured no more. quarantined: reason → count."""

    name: str
    depth: int
    octets: int
    oldest: datetime | None
    orphaned: datetime | None
    quarantined: dict[str, int]


class Status(Struct, frozen=True):
    path: Path
    octets: int
    daemon: bool
    sinks: list[SinkStatus]
    set_aside: list[Path]
    """Files set aside, kept for a person to look at."""


class Waiting(Struct, frozen=True):
    """One record a sink has still to get. report is None where it is damaged."""

    sink: str
    sequence: int
    received: datetime
    source: str
    forced: bool
    report: Report | None


class Inspection:
    """An open look at one spool; a context manager. SpoolError where there is none, or it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection = connect_read_only(path)
        self._dictionaries = Dictionaries(self._connection)

    def __enter__(self) -> "Inspection":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._connection.close()
        if isinstance(error, sqlite3.Error):
            message = f"{self.path}: cannot be read ({error})"
            if database.is_damage(error):
                message += "; a daemon sets it aside and saves what it can"
            raise SpoolError(message) from error

    def status(self) -> Status:
        counts: dict[str, dict[str, int]] = {}
        for sink, reason, count in self._connection.execute("SELECT sink, reason, count(*) FROM aside GROUP BY 1, 2"):
            counts.setdefault(sink, {})[reason] = count
        sinks = [
            SinkStatus(s.name, s.depth, s.octets, s.oldest, s.orphaned, counts.get(s.name, {}))
            for s in cursors.standings(self._connection)
        ]
        files = [self.path, self.path.with_name(self.path.name + "-wal")]
        aside = salvage.files_set_aside(self.path)
        return Status(
            self.path, sum(file.stat().st_size for file in files if file.exists()), Lock(self.path).held(),
            sinks, aside,
        )  # fmt: skip

    def sinks(self) -> list[str]:
        return [name for _, name, _ in cursors.positions(self._connection)]

    def count(self, what: str, sink: str | None) -> int:
        """How many records `pending` or `quarantined` would give: for a progress bar."""
        if what == "quarantined":
            sql = "SELECT count(*) FROM aside WHERE ? IS NULL OR sink = ?"
            return int(self._connection.execute(sql, (sink, sink)).fetchone()[0])
        return sum(s.depth for s in cursors.standings(self._connection) if sink in (None, s.name))

    def present(self, what: str, sink: str, sequences: Iterable[int]) -> set[int]:
        """Which of these `pending` or `quarantined` would give."""
        if what == "quarantined":
            sql = "SELECT 1 FROM aside WHERE seq = ? AND sink = ?"
        else:
            sql = (
                "SELECT 1 FROM log JOIN sink ON sink.position < log.seq AND log.wanted >> sink.id & 1"
                " WHERE log.seq = ? AND sink.name = ?"
            )
        return {one for one in sequences if self._connection.execute(sql, (one, sink)).fetchone() is not None}

    def pending(self, sink: str) -> Iterator[Waiting]:
        """What this sink has still to get, oldest first, a page at a time."""
        row = self._connection.execute("SELECT id, position FROM sink WHERE name = ?", (sink,)).fetchone()
        id, after = row if row is not None else (0, 2**62)
        while rows := self._connection.execute(
            "SELECT log.seq, received, flags, source.name, crc, dictionary, octets FROM log"
            " JOIN source ON source.id = log.source LEFT JOIN body ON body.seq = log.seq"
            " WHERE log.seq > ? AND wanted >> ? & 1 ORDER BY log.seq LIMIT ?",
            (after, id, PAGE),
        ).fetchall():
            for sequence, received, flags, source, *body in rows:
                yield Waiting(sink, sequence, from_us(received), source, bool(flags & 2), self._report(body))
            after = rows[-1][0]

    def quarantined(self, sink: str | None = None) -> Iterator[Aside]:
        """What was set aside, with the server's answer, oldest first, a page at a time."""
        return quarantine.iterate(self._connection, sink)

    def _report(self, body: list[object]) -> Report | None:
        try:
            return self._dictionaries.unpack(Body(*body))  # type: ignore[arg-type]  # columns of one schema
        except (DecodeError, TypeError):  # TypeError: no body at all
            return None
