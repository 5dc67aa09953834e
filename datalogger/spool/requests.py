"""What a person asks of the spool: replay what is in quarantine, drop what is pending or in quarantine.

While a daemon has the spool open, a request is a row in its file: the daemon notices it within a second and
carries it out. Without a daemon the command line takes the lock and does the same steps itself.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from datalogger.clock import Clock
from datalogger.config.checks import nearest
from datalogger.errors import DecodeError, SpoolError
from datalogger.spool import bodies, database, faults
from datalogger.spool.bodies import Body
from datalogger.spool.database import Connection, from_us, to_us
from datalogger.spool.eviction import Loss
from datalogger.spool.keeper import Outcome
from datalogger.spool.lock import Lock
from datalogger.spool.log import CHUNK, Changes, Log
from datalogger.spool.pending import Held

BATCH = 200  # records replayed in one transaction
POLL_S = 0.1
PATIENCE_S = 30.0  # without progress: five rounds of a daemon on a slow card
KEPT_S = 86400  # how long an answered request stays in the file

Told = Callable[[int], None]
"""Called with how many records are done so far."""


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


def carry_out(
    path: Path, verb: str, sink: str, selector: Selector, *, clock: Clock, told: Told = lambda _: None
) -> int:
    """Do it, or have the daemon do it; how many records that were. Blocking. SpoolError says what is wrong."""
    with _opened(path) as log:
        if sink not in log.sinks and not _has_quarantine(log.connection, sink):
            raise SpoolError(no_sink(path, sink, log.sinks))
        if verb == "replay" and sink not in log.sinks:
            raise SpoolError(f"{path}: sink {sink!r} is configured no more; configure it again, then replay")
        lock = Lock(path)
        try:
            try:
                alone = lock.acquire()
            except OSError as error:
                raise SpoolError(faults.explain(error, path, 0)) from error
            if alone:
                return _carry_out_here(log, verb, sink, selector, told)
        finally:
            lock.release()
        return _ask_daemon(log.connection, path, verb, sink, selector, clock, told)


def _carry_out_here(log: Log, verb: str, sink: str, selector: Selector, told: Told) -> int:
    request = Request(0, msgspec.convert(verb, Literal["replay", "drop"]), sink, selector)
    progress, more = Progress(), True
    while more:
        first, log.next = log.next, log.next + BATCH
        with database.transaction(log.connection):
            log.apply(Changes(high=log.next))
            more = request.step(log, first, progress).result
        told(progress.done)
    return progress.done


def _ask_daemon(
    connection: Connection, path: Path, verb: str, sink: str, selector: Selector, clock: Clock, told: Told
) -> int:
    now = to_us(clock.now())
    connection.execute("DELETE FROM request WHERE finished IS NOT NULL AND asked < ?", (now - KEPT_S * 1_000_000,))
    number = connection.execute(
        "INSERT INTO request(verb, sink, selector, asked) VALUES (?, ?, ?, ?) RETURNING id",
        (verb, sink, msgspec.json.encode(selector).decode(), now),
    ).fetchall()[0][0]
    done, since = 0, clock.monotonic()
    while clock.monotonic() - since < PATIENCE_S:
        before = done
        done, finished, answer = connection.execute(
            "SELECT done, finished, answer FROM request WHERE id = ?", (number,)
        ).fetchone()
        if done != before:
            since = clock.monotonic()
            told(done)
        if answer is not None:
            raise SpoolError(f"{path}: the daemon could not do it: {answer}")
        if finished is not None:
            return int(done)
        time.sleep(POLL_S)
    connection.execute("UPDATE request SET finished = 1 WHERE id = ?", (number,))
    raise SpoolError(
        f"{path}: the daemon that has this spool open did not answer within {PATIENCE_S:.0f} s"
        " (is its disk full? see its log); nothing more will be done"
    )


@contextmanager
def _opened(path: Path) -> Iterator[Log]:
    database.check_there(path, os.R_OK | os.W_OK)
    database.connect_read_only(path).close()  # an empty file must not become a spool
    log = None
    try:
        log = Log(path)
        yield log
    except sqlite3.Error as error:
        raise SpoolError(f"{path}: cannot be worked on ({error}); may this user write there?") from error
    finally:
        if log is not None:
            log.close()


def no_sink(path: Path, sink: str, known: Collection[str]) -> str:
    """What to say of a sink that this spool does not know."""
    near, names = nearest(sink, known), ", ".join(known) or "none"
    return f"{path}: no sink {sink!r} in this spool{f'{near} It' if near else '; it'} knows: {names}"


def _has_quarantine(connection: Connection, sink: str) -> bool:
    return connection.execute("SELECT 1 FROM aside WHERE sink = ? LIMIT 1", (sink,)).fetchone() is not None
