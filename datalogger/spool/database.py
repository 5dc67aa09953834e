"""The SQLite file: how it is opened, what stands in it, what its errors mean."""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from datalogger.errors import SpoolError
from datalogger.spool import private

APPLICATION = 0x64_6C_6F_67  # "dlog": PRAGMA application_id
SCHEMA_VERSION = 1
TRUSTED, FORCED = 1, 2  # flags of a row: received under a trusted clock; sent again on a person's word
JOURNAL = 4_096_000  # octets of write-ahead log after which it is put into the file
BUSY_S = 5  # a command line that writes a request holds the file for milliseconds

# `log` is apart from `body` so that counting, thinning and clearing a bit never touch the bodies.
SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE sink(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, position INTEGER NOT NULL,
                  doubt_through INTEGER NOT NULL DEFAULT 0, doubt_from INTEGER NOT NULL DEFAULT 0,
                  doubt_to INTEGER NOT NULL DEFAULT -1, orphaned INTEGER);
CREATE TABLE source(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE log(seq INTEGER PRIMARY KEY, received INTEGER NOT NULL, flags INTEGER NOT NULL, source INTEGER NOT NULL,
                 wanted INTEGER NOT NULL, doubtful INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE TABLE body(seq INTEGER PRIMARY KEY, crc INTEGER NOT NULL, dictionary INTEGER NOT NULL, octets BLOB NOT NULL);
CREATE TABLE dictionary(id INTEGER PRIMARY KEY, source INTEGER NOT NULL, first INTEGER NOT NULL,
                        crc INTEGER NOT NULL, octets BLOB NOT NULL);
CREATE TABLE aside(id INTEGER PRIMARY KEY, sink TEXT NOT NULL, seq INTEGER NOT NULL, source TEXT NOT NULL,
                   received INTEGER NOT NULL, flags INTEGER NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL,
                   answer TEXT NOT NULL, crc INTEGER NOT NULL, octets BLOB NOT NULL);
CREATE INDEX aside_by_sink ON aside(sink, id);
CREATE UNIQUE INDEX aside_once ON aside(sink, seq);
CREATE TABLE request(id INTEGER PRIMARY KEY, verb TEXT NOT NULL, sink TEXT NOT NULL, selector TEXT NOT NULL,
                     asked INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, finished INTEGER, answer TEXT);
"""


class Connection(Protocol):
    """The part of `sqlite3.Connection` the spool uses; the power-cut test brings its own."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...
    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any: ...
    def executescript(self, sql: str, /) -> Any: ...
    def close(self) -> None: ...


class Damaged(SpoolError):
    """The file is no database, is malformed, or was written by a newer program."""


class NotOurs(SpoolError):
    """Something stands at the path that is no spool and no damaged one: it is left alone."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Damaged where that is no moment at all."""
    try:
        return _EPOCH + timedelta(microseconds=us)
    except (TypeError, OverflowError):
        raise Damaged(f"a moment of {us!r} µs stands in the file") from None


def numbers(rows: list[Any]) -> list[Any]:
    """These rows, if they hold integers only, as they were written; else Damaged."""
    for row in rows:
        for value in row:
            if type(value) is not int:
                raise Damaged(f"{value!r} stands in the file where a number was written")
    return rows


Connect = Callable[[Path], Connection]


def connect(path: Path) -> Connection:
    """In autocommit: every transaction is written out below."""
    private.make(path)  # its journal gets the same mode, and the same owner, from SQLite
    return sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)


def connect_read_only(path: Path) -> sqlite3.Connection:
    """For a process that only looks. SpoolError where there is nothing to look at."""
    check_there(path, os.R_OK)
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_S
        )
    except sqlite3.Error as error:
        raise SpoolError(f"{path}: cannot be read ({error})") from error
    try:
        if check_version(connection, path):
            raise NotOurs(f"{path} is no spool of datalogger: it is empty")
    except NotOurs:
        connection.close()
        raise
    except sqlite3.Error as error:
        connection.close()
        if is_damage(error):
            raise SpoolError(
                f"{path} is no spool of datalogger, or its first page is damaged ({error});"
                " a daemon that is given it renames it and begins a new one"
            ) from error
        raise SpoolError(f"{path}: cannot be read ({error})") from error
    return connection


def check_there(path: Path, access: int) -> None:
    """SpoolError where there is no file for a command line to open, or this user may not. access: as of os.access."""
    if not os.path.exists(path):  # noqa: PTH110  # Path.exists raises where it may not look, until Python 3.12
        raise SpoolError(f"{path}: no spool there (path of [spool] in the configuration, or --spool)")
    if not path.is_file():
        raise NotOurs(f"{path} is no spool of datalogger: it is no regular file")
    if not os.access(path, access):
        raise SpoolError(f"{path}: this user may not; ask as its owner: sudo -u {path.owner()} datalogger spool …")


def check_kind(path: Path) -> None:
    """NotOurs where something stands at the path that cannot be a spool, whatever is in it."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise NotOurs(f"[spool] path {path} is a directory: name a file in it, such as {path / 'spool.db'}")
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFBLK: "device", stat.S_IFCHR: "device"}
        kind = kinds.get(stat.S_IFMT(mode), "special file")
        raise NotOurs(f"[spool] path {path} is a {kind}: name a file that datalogger may make, or has made")


def check_version(connection: Connection, path: Path) -> bool:
    """Whether it is new and empty. NotOurs where it is another program's, Damaged where a newer datalogger wrote it."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master").fetchall()}
    if not tables and application in (0, APPLICATION):
        return True
    if application != APPLICATION:
        if {"log", "body", "sink"} <= tables:
            raise Damaged(f"{path}: a spool of datalogger whose mark is damaged (application id {application})")
        raise NotOurs(
            f"{path} is no spool of datalogger but another program's database (application id {application}):"
            " it is left alone; name another file in [spool] path"
        )
    if version > SCHEMA_VERSION:
        raise Damaged(f"{path}: written by a newer datalogger (schema {version}, this one knows {SCHEMA_VERSION})")
    return False


def prepare(connection: Connection, path: Path) -> None:
    """Settings of the connection, and the schema where the file is new."""
    if check_version(connection, path):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before anything is written, or never
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # fsync at every commit: a committed report outlives a power cut
        "cache_size = -2000",
        f"wal_autocheckpoint = {JOURNAL // 4096}",
        f"journal_size_limit = {JOURNAL}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    if check_version(connection, path):
        with transaction(connection):
            for statement in SCHEMA.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All of it, on disk, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself; the error that made it is on its way
            connection.execute("ROLLBACK")
        raise


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, rather than the disk under it full or failing."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, Damaged) or (code is not None and code & 0xFF in (11, 26))  # CORRUPT, NOTADB
