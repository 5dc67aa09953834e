"""The log: the SQLite file as the spool's own thread sees it. Blocking; every call is one transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from datalogger.errors import DecodeError
from datalogger.spool import cursors, database, quarantine
from datalogger.spool.bodies import Body, Dictionaries
from datalogger.spool.cursors import SINKS, Standing
from datalogger.spool.database import FORCED, TRUSTED, Connection, from_us, numbers, to_us
from datalogger.spool.pending import Held
from datalogger.spool.quarantine import Aside

ROW_OVERHEAD = 48  # octets of a row beside its body: head, keys, cell pointers
KEPT_FREE = 256  # free pages (1 MB) not worth giving back
RESERVE = 1 << 20  # sequences reserved at a time, so that a number is never given twice and seldom written
CHUNK = 5000  # rows one transaction may touch on the way through a long backlog; some 50 ms

# A row is wanted by a sink whose bit is set and whose position is before it.
_UNWANTED = "NOT EXISTS (SELECT 1 FROM sink WHERE sink.position < log.seq AND log.wanted >> sink.id & 1)"


class Changes(Struct):
    """What RAM knows and the disk does not; one transaction, or as much again after a failure."""

    entries: list[tuple[Held, tuple[str, ...], tuple[str, ...]]] = []  # with who wants it, who doubts it
    positions: dict[str, int] = {}
    cleared: dict[str, list[int]] = {}  # settled behind the position
    late: dict[str, list[int]] = {}  # settled, and only the disk knows whether they were pending
    doubts: dict[str, list[int]] = {}
    asides: list[Aside] = []
    high: int = 0  # the next sequence
    settled: dict[str, frozenset[int]] = {}  # what positions and cleared stand for
    orphans: dict[str, int | None] = {}  # sinks configured no more that some entries may be for, as Keeper.orphans

    def __bool__(self) -> bool:
        return bool(self.entries or self.positions or self.cleared or self.late or self.doubts or self.asides)


class Space(NamedTuple):
    """Octets: of pages that hold something, of free pages in the file, of the write-ahead log."""

    used: int
    free: int
    journal: int


class Written(Struct):
    """What a commit did.

    late:    sink → sequence, octets of those that were pending
    dropped: sink → how many left its quarantine because that was full
    """

    sizes: dict[int, int]
    late: dict[str, list[tuple[int, int]]]
    dropped: dict[str, int]
    space: Space


class Page(NamedTuple):
    """The next rows of a sink; `damaged` are (count, octets) of those that had to be put aside."""

    rows: list[Held]
    read_through: int
    exhausted: bool
    damaged: tuple[int, int]


class Log:
    """One open file. After an exception from any method: close it and open it again."""

    def __init__(self, path: Path, connect: database.Connect = database.connect) -> None:
        """Open, or begin, the file. Damaged, OSError or sqlite3.Error where that cannot be done."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection: Connection = connect(path)
        try:
            database.prepare(self.connection, path)
            self.dictionaries = Dictionaries(self.connection)
            self._sources: dict[str, int] = dict(self.connection.execute("SELECT name, id FROM source").fetchall())
            self.sinks: dict[str, int] = dict(self.connection.execute("SELECT name, id FROM sink").fetchall())
            last = self.connection.execute("SELECT max(seq) FROM log").fetchone()[0] or 0
            self._reserved: int = max(last + 1, int(self._meta("high", 1)))
            self.was_clean = bool(self._meta("clean", 1))
        except BaseException:
            self.connection.close()
            raise
        self.next = self._reserved
        """The first sequence that was never given, as far as this file knows."""

    def close(self) -> None:
        self.connection.close()

    def begin(self, names: Collection[str], now: datetime | None) -> list[Standing]:
        """Take up work for these sinks: mark the file in use, and recount every backlog.

        now: None while the clock is not trusted; who became an orphan then is dated later.
        """
        with database.transaction(self.connection):
            if not self.was_clean:
                cursors.doubt_what_may_have_gone_out(self.connection)
            self._set_meta("clean", 0)
            self._reserve(self.next)
            self._register(names, now)
        self.was_clean = True
        return cursors.standings(self.connection)

    def register(self, names: Collection[str], now: datetime | None) -> list[Standing]:
        """The configuration changed."""
        with database.transaction(self.connection):
            self._register(names, now)
        return cursors.standings(self.connection)

    def finish(self, high: int) -> None:
        """The last transaction of a clean end."""
        with database.transaction(self.connection):
            self._set_meta("clean", 1)
            self._set_meta("high", high)

    def orphans(self, names: Collection[str], now: datetime, before: datetime) -> list[str]:
        """Sinks configured no more since before then; who is not dated yet is dated now."""
        known = self.connection.execute("SELECT name, orphaned FROM sink").fetchall()
        undated = [name for name, orphaned in known if name not in names and orphaned is None]
        if undated:
            with database.transaction(self.connection):
                self._register(names, now)
        return [name for name, orphaned in known if orphaned is not None and orphaned < to_us(before)]

    def commit(self, changes: Changes) -> Written:
        """All of it on disk and fsynced when this returns."""
        with database.transaction(self.connection):
            return self.apply(changes)

    def apply(self, changes: Changes) -> Written:
        """Inside a transaction."""
        dropped = quarantine.insert(self.connection, [self._whole(aside) for aside in changes.asides])
        late = {sink: self.clear(sink, sequences) for sink, sequences in changes.late.items()}
        for sink, sequences in changes.cleared.items():
            self.clear(sink, sequences)
        for sink, sequences in changes.doubts.items():
            bit = 1 << self.sinks[sink]
            self.connection.executemany(
                "UPDATE log SET doubtful = doubtful | ? WHERE seq = ?", [(bit, sequence) for sequence in sequences]
            )
        self.advance(changes.positions)
        for name, since in changes.orphans.items():
            if name not in self.sinks and len(self.sinks) < SINKS:
                self.sinks[name] = cursors.begin(self.connection, name, since)
        sizes = self.write(changes.entries)
        if changes.high > self._reserved:
            self._reserve(changes.high)
        return Written(sizes, late, dropped, self.space())

    def page(self, sink: str, after: int, limit: int, at: datetime) -> Page:
        """The next rows for this sink. A damaged one is put aside, counted, and costs only itself."""
        rows = self.connection.execute(
            "SELECT log.seq, received, flags, doubtful, size, source.name, crc, dictionary, octets"
            " FROM log JOIN source ON source.id = log.source LEFT JOIN body ON body.seq = log.seq"
            " WHERE log.seq > ? AND wanted & ? ORDER BY log.seq LIMIT ?",
            (max(after, self.position(sink)), 1 << self.sinks[sink], limit),
        ).fetchall()
        numbers([row[:5] for row in rows])
        through, since, to = self.connection.execute(
            "SELECT doubt_through, doubt_from, doubt_to FROM sink WHERE name = ?", (sink,)
        ).fetchone()
        held, damaged = [], []
        for sequence, received, flags, doubtful, size, source, crc, dictionary, octets in rows:
            body = Body(crc or 0, dictionary or 0, octets or b"")
            try:
                report = self.dictionaries.unpack(body)
            except DecodeError as error:
                damaged.append(
                    Aside(sink, sequence, source, from_us(received), flags, at, "damaged", str(error), None, body)
                )
                continue
            doubt = doubtful >> self.sinks[sink] & 1 or sequence <= through or since <= sequence <= to
            held.append(
                Held(
                    sequence, report, from_us(received), bool(flags & TRUSTED), size, 0.0, set(),
                    {sink} if doubt else set(), bool(flags & FORCED),
                )
            )  # fmt: skip
        octets_lost = 0
        if damaged:
            with database.transaction(self.connection):
                quarantine.insert(self.connection, damaged)
                octets_lost = sum(size for _, size in self.clear(sink, [aside.sequence for aside in damaged]))
        read_through = rows[-1][0] if rows else after
        return Page(held, read_through, len(rows) < limit, (len(damaged), octets_lost))

    def skip(self, sink: str, keep: int) -> tuple[int, int, bool]:
        """Give up at most CHUNK rows of a backlog of which only the newest `keep` are wanted.

        Count and octets given up, and whether there is more to give up.
        """
        id = self.sinks[sink]
        position = self.position(sink)
        end = self.connection.execute(
            "SELECT seq FROM log WHERE seq > ? AND wanted >> ? & 1 ORDER BY seq DESC LIMIT 1 OFFSET ?",
            (position, id, keep),
        ).fetchone()
        if end is None:
            return 0, 0, False
        last = self.connection.execute(
            "SELECT seq FROM log WHERE seq > ? AND seq < ? ORDER BY seq LIMIT 1 OFFSET ?", (position, end[0], CHUNK)
        ).fetchone()
        target = end[0] if last is None else last[0]
        count, octets = self.connection.execute(
            "SELECT count(*), ifnull(sum(size), 0) FROM log WHERE seq > ? AND seq <= ? AND wanted >> ? & 1",
            (position, target, id),
        ).fetchone()
        self.advance({sink: target})
        return count, octets, last is not None

    def position(self, sink: str) -> int:
        row = self.connection.execute("SELECT position FROM sink WHERE name = ?", (sink,)).fetchone()
        return int(row[0])

    def remove(self, sequences: Sequence[int]) -> None:
        """Inside a transaction: rows no sink wants any more."""
        rows = [(sequence,) for sequence in sequences]
        self.connection.executemany("DELETE FROM log WHERE seq = ?", rows)
        self.connection.executemany("DELETE FROM body WHERE seq = ?", rows)

    def space(self) -> Space:
        pages, free, size = (
            self.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        try:
            journal = self.path.with_name(self.path.name + "-wal").stat().st_size
        except OSError:
            journal = 0
        return Space((pages - free) * size, free * size, journal)

    def give_back(self, pages: int) -> bool:
        """Return up to so many free pages to the file system; whether there were any."""
        if self.connection.execute("PRAGMA freelist_count").fetchone()[0] <= KEPT_FREE:
            return False
        # As a script: it gives back a page a step, and `execute` takes a single step where no row comes.
        self.connection.executescript(f"PRAGMA incremental_vacuum({pages})")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return True

    def data_version(self) -> int:
        """Changes whenever another process has written into the file; reads nothing from the disk."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def write(self, entries: Sequence[tuple[Held, tuple[str, ...], tuple[str, ...]]]) -> dict[int, int]:
        """Inside a transaction. Sequence → octets on disk.

        OR REPLACE: a commit that failed may be found done when the file is opened again.
        """
        heads, packed, sizes = [], [], {}
        for held, wanted, doubtful in entries:
            source = self._source(held.report.source)
            body = self.dictionaries.pack(held.sequence, source, held.report)
            flags = TRUSTED * held.trusted | FORCED * held.forced
            size = sizes[held.sequence] = len(body.octets) + ROW_OVERHEAD
            heads.append(
                (held.sequence, to_us(held.received), flags, source, self.mask(wanted), self.mask(doubtful), size)
            )
            packed.append((held.sequence, *body))
        self.connection.executemany("INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", heads)
        self.connection.executemany("INSERT OR REPLACE INTO body VALUES (?, ?, ?, ?)", packed)
        self.dictionaries.prune()
        return sizes

    def mask(self, names: Collection[str]) -> int:
        return sum(1 << self.sinks[name] for name in names if name in self.sinks)

    def clear(self, sink: str, sequences: Collection[int]) -> list[tuple[int, int]]:
        """Take the sink's bit off these rows: (sequence, octets) of those that were pending for it."""
        id = self.sinks[sink]
        found = []
        for sequence in sequences:
            row = self.connection.execute(
                "UPDATE log SET wanted = wanted & ~(1 << ?) WHERE seq = ? AND wanted >> ? & 1"
                " AND seq > (SELECT position FROM sink WHERE id = ?) RETURNING size",
                (id, sequence, id, id),
            ).fetchall()
            found += [(sequence, size) for (size,) in row]
            if self.connection.execute(f"SELECT 1 FROM log WHERE seq = ? AND {_UNWANTED}", (sequence,)).fetchone():
                self.remove([sequence])
        return found

    def clear_many(self, sink: str, sequences: Sequence[int]) -> None:
        """Inside a transaction: take the sink's bit off rows known to be pending for it; sequences rise."""
        if not sequences:
            return
        bit = 1 << self.sinks[sink]
        self.connection.executemany(
            "UPDATE log SET wanted = wanted & ~? WHERE seq = ?", [(bit, sequence) for sequence in sequences]
        )
        self._sweep(sequences[0] - 1, sequences[-1])

    def advance(self, positions: Mapping[str, int]) -> None:
        """Move cursors, and delete in the same transaction what nobody wants any more."""
        if not positions:
            return
        start = min(self.position(sink) for sink in positions)
        end = max(positions.values())
        self.connection.executemany(
            "UPDATE sink SET position = max(position, ?) WHERE name = ?",
            [(position, sink) for sink, position in positions.items()],
        )
        self._sweep(start, end)

    def _sweep(self, start: int, end: int) -> None:
        self.connection.execute(f"DELETE FROM log WHERE seq > ? AND seq <= ? AND {_UNWANTED}", (start, end))
        self.connection.execute(
            "DELETE FROM body WHERE seq > ? AND seq <= ? AND NOT EXISTS (SELECT 1 FROM log WHERE log.seq = body.seq)",
            (start, end),
        )

    def _source(self, name: str) -> int:
        if name not in self._sources:
            row = self.connection.execute("INSERT INTO source(name) VALUES (?) RETURNING id", (name,)).fetchall()
            self._sources[name] = row[0][0]
        return self._sources[name]

    def _register(self, names: Collection[str], now: datetime | None) -> None:
        cursors.date_orphans(self.connection, names, now)
        for name in names:
            if name not in self.sinks:
                if len(self.sinks) == SINKS:  # orphans hold the last bits: the one longest gone makes room
                    self.forget(cursors.longest_gone(self.connection, names))
                self.sinks[name] = cursors.begin(self.connection, name)

    def forget(self, sink: str) -> None:
        """Inside a transaction: a sink that is configured no more, and all its backlog."""
        end = self.connection.execute("SELECT ifnull(max(seq), 0) FROM log").fetchone()[0]
        self.advance({sink: end})
        self.connection.execute("DELETE FROM sink WHERE name = ?", (sink,))
        self.connection.execute("DELETE FROM aside WHERE sink = ?", (sink,))
        del self.sinks[sink]

    def _whole(self, aside: Aside) -> Aside:
        """With its report, where RAM did not hold it any more and the log still does."""
        if aside.report is not None or aside.body is not None:
            return aside
        row = self.connection.execute(
            "SELECT source.name, received, flags, crc, dictionary, octets FROM log"
            " JOIN source ON source.id = log.source JOIN body ON body.seq = log.seq WHERE log.seq = ?",
            (aside.sequence,),
        ).fetchone()
        if row is None:
            return aside
        source, received, flags, *body = row
        try:
            report = self.dictionaries.unpack(Body(*body))
        except DecodeError:
            return replace(aside, source=source, received=from_us(received), flags=flags, body=Body(*body))
        return replace(aside, source=source, received=from_us(received), flags=flags, report=report)

    def _reserve(self, following: int) -> None:
        """Sequences are given in RAM: after a crash, go on behind all that may have been given."""
        self._reserved = following + RESERVE
        self._set_meta("high", self._reserved)

    def _meta(self, key: str, default: int) -> int:
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else int(row[0])

    def _set_meta(self, key: str, value: int) -> None:
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
