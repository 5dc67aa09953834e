"""Cursors: one row a sink. Everything up to its position is settled for it.

The bit of a sink in the rows of the log is its number here; a row is wanted by a sink whose bit is set
and whose position is before the row.
"""

import json
from collections.abc import Collection
from datetime import datetime

from msgspec import Struct

from datalogger.spool.database import Connection, Damaged, from_us, to_us
from datalogger.spool.pending import PAGE_LIMIT, RECENT, UNPROVEN

SINKS = 63  # one bit each in a signed 64-bit column
DOUBT = UNPROVEN + PAGE_LIMIT


class Standing(Struct):
    """Where one sink stands in the file."""

    name: str
    position: int
    depth: int
    octets: int
    oldest: datetime | None
    orphaned: datetime | None


def begin(connection: Connection, name: str, orphaned: int | None = None) -> int:
    """A new sink, at the head: what came before it was configured is not for it. Its number."""
    taken = {id for (id,) in connection.execute("SELECT id FROM sink").fetchall()}
    number = next(id for id in range(SINKS) if id not in taken)
    connection.execute(
        "INSERT INTO sink(id, name, position, orphaned) VALUES (?, ?, ifnull((SELECT max(seq) FROM log), 0), ?)",
        (number, name, orphaned),
    )
    return number


def date_orphans(connection: Connection, names: Collection[str], now: datetime | None) -> None:
    """Those configured are no orphans; who became one is dated, once the clock is trusted (now not None)."""
    configured = json.dumps(list(names))
    connection.execute(
        "UPDATE sink SET orphaned = NULL WHERE name IN (SELECT value FROM json_each(?)) AND orphaned IS NOT NULL",
        (configured,),
    )
    if now is not None:
        connection.execute(
            "UPDATE sink SET orphaned = ? WHERE name NOT IN (SELECT value FROM json_each(?)) AND orphaned IS NULL",
            (to_us(now), configured),
        )


def longest_gone(connection: Connection, names: Collection[str]) -> str:
    """The orphan that is one longest."""
    row = connection.execute(
        "SELECT name FROM sink WHERE name NOT IN (SELECT value FROM json_each(?))"
        " ORDER BY ifnull(orphaned, 9e18) LIMIT 1",
        (json.dumps(list(names)),),
    ).fetchone()
    return str(row[0])


def positions(connection: Connection) -> list[tuple[int, str, int]]:
    """(number, name, position) of every sink, orphans too."""
    return list(connection.execute("SELECT id, name, position FROM sink ORDER BY id").fetchall())


def standings(connection: Connection) -> list[Standing]:
    """Every sink's backlog, counted from the rows themselves. Damaged where one of them is garbled."""
    known = connection.execute("SELECT id, name, position, orphaned FROM sink ORDER BY id").fetchall()
    if not known:
        return []
    first = connection.execute("SELECT min(seq) FROM log").fetchone()[0]
    sums = []
    for id, _, position, _ in known:
        wants = (
            f"(wanted >> {id} & 1)"
            if first is None or position < first
            else f"(seq > {position} AND wanted >> {id} & 1)"
        )
        sums += [f"sum({wants})", f"sum({wants} * size)"]
    garbled = "sum(typeof(wanted) != 'integer' OR typeof(size) != 'integer')"  # no sink would ever ask for it
    *figures, damaged = connection.execute(f"SELECT {', '.join(sums)}, {garbled} FROM log").fetchone()
    if damaged:
        raise Damaged(f"{damaged} rows of the log are garbled")
    return [
        Standing(
            name, position, figures[2 * i] or 0, figures[2 * i + 1] or 0,
            oldest(connection, name) if figures[2 * i] else None, None if orphaned is None else from_us(orphaned),
        )
        for i, (_, name, position, orphaned) in enumerate(known)
    ]  # fmt: skip


def oldest(connection: Connection, sink: str) -> datetime | None:
    """When the oldest report still pending for it came in."""
    row = connection.execute(
        "SELECT log.received FROM log, sink WHERE sink.name = ? AND log.seq > sink.position"
        " AND log.wanted >> sink.id & 1 ORDER BY log.seq LIMIT 1",
        (sink,),
    ).fetchone()
    return None if row is None else from_us(row[0])


def doubt_what_may_have_gone_out(connection: Connection) -> None:
    """The end was not clean: the first DOUBT of each backlog, and its last RECENT, may have been taken.

    The spool lets no more than that be taken before the disk knows (see `Spool.take`).
    """
    for id, _, position in positions(connection):
        pending = "SELECT seq FROM log WHERE seq > ? AND wanted >> ? & 1 ORDER BY seq"
        first = connection.execute(f"{pending} LIMIT 1 OFFSET {DOUBT - 1}", (position, id)).fetchone()
        last = connection.execute(f"{pending} DESC LIMIT 1 OFFSET {RECENT - 1}", (position, id)).fetchone()
        through = connection.execute("SELECT ifnull(max(seq), 0) FROM log").fetchone()[0]
        connection.execute(
            "UPDATE sink SET doubt_through = ?, doubt_from = ?, doubt_to = ? WHERE id = ?",
            (through if first is None else first[0], 0 if last is None else last[0], through, id),
        )
