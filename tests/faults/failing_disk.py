"""A disk that fails on demand, under a real SQLite file."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datalogger.spool import database

FULL = ("database or disk is full", sqlite3.SQLITE_FULL)
IO_ERROR = ("disk I/O error", 1034)  # SQLITE_IOERR_FSYNC


class FailingDisk:
    """SQLite on a disk that can be told to fail: on the commit, where it hurts most, or to open."""

    def __init__(self) -> None:
        self.error: tuple[str, int] | None = None
        self.fails_at = "COMMIT"

    def connect(self, path: Path) -> database.Connection:
        if self.error is not None:
            raise self._raised()
        return _Failing(database.connect(path), self)

    def _raised(self) -> sqlite3.OperationalError:
        assert self.error is not None
        error = sqlite3.OperationalError(self.error[0])
        error.sqlite_errorcode = self.error[1]
        return error

    def check(self, sql: str) -> None:
        if self.error is not None and sql == self.fails_at:
            raise self._raised()


class _Failing:
    def __init__(self, connection: database.Connection, disk: FailingDisk) -> None:
        self._connection = connection
        self._disk = disk
        self.executemany = connection.executemany
        self.executescript = connection.executescript
        self.close = connection.close

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        self._disk.check(sql)
        return self._connection.execute(sql, parameters)
