"""What a person asks of the spool: replay what is in quarantine, drop what is pending or in quarantine.

While a daemon has the spool open, a request is a row in its file: the daemon notices it within a second and
carries it out. Without a daemon the command line takes the lock and does the same steps itself.
"""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from datalogger.errors import DecodeError
from datalogger.spool import bodies
from datalogger.spool.bodies import Body
from datalogger.spool.database import Connection, from_us, to_us
from datalogger.spool.eviction import Loss
from datalogger.spool.keeper import Outcome
from datalogger.spool.log import CHUNK, Log
from datalogger.spool.pending import Held

BATCH = 200  # records replayed in one transaction


class Selector(Struct, frozen=True, omit_defaults=True):
    """Which records. sequences None: all; before: only those that came in earlier than that."""

    what: Literal["quarantined", "pending"]
    sequences: tuple[int, ...] | None = None
    before: datetime | None = None


class Progress(Struct):
    done: int = 0
    after: int = 0
    through: int | None = None  # what is set aside, or comes in, after the request began is not meant


class Request(Struct, frozen=True):
    id: int
    verb: Literal["replay", "drop"]
    sink: str
    selector: Selector

    def step(self, log: Log, first: int, progress: Progress) -> Outcome[bool]:
        """Inside a transaction: the next part. first: sequences the replayed records may have, BATCH of them.

        The result is whether there is more to do.
        """
        if self.selector.what == "pending":
            losses, more = self._drop_pending(log, progress)
        else:
            losses, more = self._from_quarantine(log, first, progress)
        log.connection.execute(
            "UPDATE request SET done = ?, finished = ? WHERE id = ?", (progress.done, None if more else 1, self.id)
        )
        return Outcome(losses, more)

    def _from_quarantine(self, log: Log, first: int, progress: Progress) -> tuple[list[Loss], bool]:
        if self.verb == "replay" and self.sink not in log.sinks:
            return [], False
        if progress.through is None:
            progress.through = log.connection.execute("SELECT ifnull(max(id), 0) FROM aside").fetchone()[0]
        rows = log.connection.execute(
            f"SELECT id, seq, flags, received, crc, octets FROM aside"
            f" WHERE sink = ? AND id > ? AND id <= ? {_also(self.selector)} ORDER BY id LIMIT ?",
            (self.sink, progress.after, progress.through, BATCH),
        ).fetchall()
        entries: list[tuple[Held, tuple[str, ...], tuple[str, ...]]] = []
        gone = []
        for number, _, flags, received, crc, octets in rows:
            progress.after = number
            if self.verb == "replay":
                try:
                    report = bodies.unpack(Body(crc, 0, octets))
                except DecodeError:
                    continue  # damaged: it stays, for a person to export or drop
                held = Held(first + len(entries), report, from_us(received), bool(flags & 1), 0, 0.0, set())
                held.forced = True
                entries.append((held, (self.sink,), ()))
            gone.append((number,))
        sizes = log.write(entries)
        log.connection.executemany("DELETE FROM aside WHERE id = ?", gone)
        progress.done += len(gone)
        losses = [Loss(self.sink, "", -len(sizes), -sum(sizes.values()))] if sizes else []
        return losses, len(rows) == BATCH

    def _drop_pending(self, log: Log, progress: Progress) -> tuple[list[Loss], bool]:
        if progress.through is None:
            progress.through = log.connection.execute("SELECT ifnull(max(seq), 0) FROM log").fetchone()[0]
        if self.sink not in log.sinks:
            return [], False
        after = max(progress.after, log.position(self.sink))
        last = log.connection.execute(
            "SELECT max(seq) FROM (SELECT seq FROM log WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?)",
            (after, progress.through, CHUNK),
        ).fetchone()[0]
        if last is None:
            return [], False
        rows = log.connection.execute(
            f"SELECT seq, size FROM log WHERE seq > ? AND seq <= ? AND wanted >> ? & 1 {_also(self.selector)}"
            " ORDER BY seq",
            (after, last, log.sinks[self.sink]),
        ).fetchall()
        log.clear_many(self.sink, [sequence for sequence, _ in rows])
        progress.after = last
        progress.done += len(rows)
        losses = [Loss(self.sink, "request", len(rows), sum(size for _, size in rows))] if rows else []
        return losses, last < progress.through


def _also(selector: Selector) -> str:
    """Only numbers go into it."""
    parts = []
    if selector.sequences is not None:
        parts.append(f"AND seq IN ({', '.join(str(int(sequence)) for sequence in selector.sequences)})")
    if selector.before is not None:
        parts.append(f"AND received < {to_us(selector.before)}")
    return " ".join(parts)


def waiting(connection: Connection) -> list[Request]:
    """Requests not yet carried out; one that cannot be understood is answered so."""
    found = []
    for id, verb, sink, selector in connection.execute(
        "SELECT id, verb, sink, selector FROM request WHERE finished IS NULL ORDER BY id"
    ).fetchall():
        try:
            found.append(Request(id, msgspec.convert(verb, Literal["replay", "drop"]), sink, _selector(selector)))
        except msgspec.ValidationError as error:
            connection.execute("UPDATE request SET finished = 1, answer = ? WHERE id = ?", (str(error), id))
    return found


def _selector(text: str) -> Selector:
    return msgspec.json.decode(text, type=Selector)
