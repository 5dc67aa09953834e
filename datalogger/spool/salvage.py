"""What can be had from a file that was set aside: row by row, around the damage."""

import sqlite3
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from datalogger.errors import DecodeError
from datalogger.model import Report
from datalogger.spool import quarantine
from datalogger.spool.bodies import Body, Dictionaries
from datalogger.spool.database import FORCED, JOURNAL, Damaged
from datalogger.spool.quarantine import Aside, Mark

KEPT = 2
"""Files of ours that were salvaged and stay for a person to look at.

Older ones are deleted, so that a failing card does not fill up. Whatever else was set aside stays for ever.
"""

SUFFIXES = ("", "-wal", "-shm")
DONE = ".salvaged"
_MAGIC = b"SQLite format 3\0"
_SIGN = b"CREATE TABLE body(seq INTEGER PRIMARY KEY, crc INTEGER NOT NULL, dictionary"  # stands in our first page
_PAGE = 4096
_STRIDE = 16  # rows stepped over where one cannot be read: about what a damaged page holds
_GIVE_UP = 4096  # steps without a readable row, after which nothing more is expected


class Known(NamedTuple):
    """What this process knows of a sink in the damaged file: settled up to `position`, and these."""

    position: int
    settled: frozenset[int]


class Saved(NamedTuple):
    """A report from the damaged file. wanted: the sinks that had it still to get; None: nobody knows."""

    report: Report
    wanted: frozenset[str] | None
    forced: bool


class Sinks(NamedTuple):
    """Since when each sink in the damaged file is an orphan, in µs; None: it is none, or not dated yet."""

    orphaned: dict[str, int | None]


def free_name(path: Path, now: datetime) -> Path:
    """A dated name beside `path` that nothing has yet."""
    stem = f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}"
    number, target = 0, path.with_name(stem)
    while target.exists():
        number += 1
        target = path.with_name(f"{stem}-{number}")
    return target


def set_aside(path: Path, now: datetime) -> Path:
    """Rename the file (or what stands in its place) with its write-ahead log; where it is now."""
    target = free_name(path, now)
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{target}{suffix}")
    return target


def is_ours(path: Path) -> bool:
    """Whether our tables are in this file, or in what its write-ahead log adds to it; its header may be rubbish.

    False where it cannot be read: then nothing is proven.
    """
    try:
        with path.open("rb") as file:
            first = file.read(_PAGE)
        if _SIGN in first or not first.startswith(_MAGIC):
            return _SIGN in first
        with Path(f"{path}-wal").open("rb") as journal:
            return _SIGN in journal.read(2 * JOURNAL)
    except OSError:
        return False


def final_name(target: Path) -> Path:
    """What a file of ours is called once it is salvaged."""
    return Path(f"{target}{DONE}")


def mark_done(path: Path, target: Path) -> None:
    """All that could be read of `target`, which is ours, is in the new file: a restart does not salvage it again."""
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            Path(f"{target}{suffix}").rename(f"{final_name(target)}{suffix}")
    for old in [known for known in files_set_aside(path) if known.name.endswith(DONE) and known.is_file()][:-KEPT]:
        for suffix in SUFFIXES:
            Path(f"{old}{suffix}").unlink(missing_ok=True)


def to_salvage(path: Path) -> list[Path]:
    """What an earlier process has set aside and not read to the end, oldest first."""
    left = [known for known in files_set_aside(path) if not known.name.endswith(DONE) and known.is_file()]
    return [known for known in left if is_ours(known)]


def files_set_aside(path: Path) -> list[Path]:
    """Oldest first, without their logs. Those that end in DONE have been salvaged."""
    return sorted(
        (known for known in path.parent.glob(f"{path.name}.damaged-*") if not known.name.endswith(("-wal", "-shm"))),
        key=lambda known: known.stat().st_mtime,
    )


def salvage(
    path: Path, known: Mapping[str, Known], again: Collection[Mark] = ()
) -> Generator[Sinks | Saved | Aside | None, None, None]:
    """Its sinks, every report that can still be read and that some sink wants, all its quarantine.

    None for each record that cannot be read. Blocking, one row at a time.
    known: for sinks of this process; for others the file itself is asked.
    again: what of its quarantine need not be given, because an earlier salvage of it has done so.
    """
    _mend_header(path)
    connection = sqlite3.connect(path, isolation_level=None, timeout=1)
    try:
        connection.execute("PRAGMA cell_size_check = ON")
        sinks = _sinks(connection)
        yield Sinks({name: orphaned for _, name, _, orphaned in sinks or ()})
        dictionaries = Dictionaries(connection)
        for sequence, *columns in _rows(connection, "SELECT seq, crc, dictionary, octets FROM body WHERE seq > ?"):
            body = Body(*columns)
            if list(map(type, body)) != [int, int, bytes]:
                yield None
                continue
            wanted, forced = _wanted(connection, sequence, sinks, known)
            if wanted is not None and not wanted:
                continue
            try:
                yield Saved(dictionaries.unpack(body), wanted, forced)
            except (DecodeError, sqlite3.Error):
                yield None
        for aside in _quarantine(connection, sinks):
            if aside is None or aside.mark not in again:
                yield aside
    finally:
        connection.close()


def _quarantine(
    connection: sqlite3.Connection, sinks: list[tuple[int, str, int, int | None]] | None
) -> Iterator[Aside | None]:
    connection.text_factory = lambda octets: octets.decode(errors="replace")  # an answer is for people
    for _, *columns in _rows(connection, f"SELECT {quarantine.COLUMNS} FROM aside WHERE id > ?"):
        sound = list(map(type, columns)) == [str, int, str, int, int, int, str, str, int, bytes]
        if not sound or (sinks is not None and columns[0] not in {name for _, name, _, _ in sinks}):
            yield None
            continue
        try:
            aside = quarantine.from_row(*columns)
        except Damaged:
            yield None
        else:
            yield aside if aside.report is not None else None


def _sinks(connection: sqlite3.Connection) -> list[tuple[int, str, int, int | None]] | None:
    with suppress(sqlite3.Error):
        found = list(connection.execute("SELECT id, name, position, orphaned FROM sink"))
        sound = ([int, str, int, int], [int, str, int, type(None)])
        if found and all(list(map(type, row)) in sound for row in found):
            return found
    return None


def _rows(connection: sqlite3.Connection, select: str) -> Iterator[tuple[Any, ...]]:
    """select: ends in a comparison of its first column, the key, with the last one read."""
    after = misses = 0
    while misses < _GIVE_UP:
        try:
            row = connection.execute(f"{select} ORDER BY 1 LIMIT 1", (after,)).fetchone()
        except sqlite3.DatabaseError:
            after, misses = after + _STRIDE, misses + 1
            continue
        if row is None:
            return
        after, misses = row[0], 0
        yield row


def _wanted(
    connection: sqlite3.Connection,
    sequence: int,
    sinks: list[tuple[int, str, int, int | None]] | None,
    known: Mapping[str, Known],
) -> tuple[frozenset[str] | None, bool]:
    """(who wants it, forced); None where the row cannot tell."""
    try:
        row = connection.execute("SELECT wanted, flags FROM log WHERE seq = ?", (sequence,)).fetchone()
    except sqlite3.DatabaseError:
        row = None
    if row is None or sinks is None or not all(type(value) is int for value in row):
        return None, False
    found = set()
    for id, name, position, _ in sinks:
        settled = known.get(name, Known(position, frozenset()))
        if row[0] >> id & 1 and sequence > max(position, settled.position) and sequence not in settled.settled:
            found.add(name)
    return frozenset(found), bool(row[1] & FORCED)


def _mend_header(path: Path) -> None:
    """Write the first 100 octets anew where they are rubbish: all else in the file may be sound."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        first = file.read(_PAGE)
        if first.startswith(_MAGIC) or _SIGN not in first:
            return
        file.seek(0)
        file.write(
            _MAGIC
            + _PAGE.to_bytes(2, "big")
            + bytes((2, 2, 0, 64, 32, 32))  # write-ahead log; the fractions the format prescribes
            + (1).to_bytes(4, "big")
            + (size // _PAGE).to_bytes(4, "big")
            + bytes(8)  # no list of free pages
            + (1).to_bytes(4, "big")  # schema cookie
            + (4).to_bytes(4, "big")  # schema format
            + bytes(4)
            + (1).to_bytes(4, "big")  # auto-vacuum: there are pointer-map pages
            + (1).to_bytes(4, "big")  # UTF-8
            + bytes(4)
            + (1).to_bytes(4, "big")  # incremental
            + bytes(24)
            + (1).to_bytes(4, "big")
            + (3040001).to_bytes(4, "big")
        )
