"""A disk that loses power: SQLite over a VFS shim that remembers what had been synced.

`Disk.connect` is a connection factory for the spool. `Disk.cut` writes what could be on the disk after a power cut:
all that was synced, and of what was written since, some 512-octet sectors, in any order, and others not.
"""

import random
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512


class Disk:
    """One machine's disk; each has a name of its own, so that tests can run beside one another."""

    def __init__(self, name: str) -> None:
        self.durable: dict[str, bytearray] = {}
        self.unsynced: dict[str, list[tuple[int, bytes | None]]] = {}  # (offset, octets), or (length, None)
        self.careless = False
        """Never sync: what the power-cut test is there to find."""
        self._vfs = _Vfs(name, self)
        self._name = name

    def connect(self, path: Path) -> "Connection":
        return Connection(apsw.Connection(str(path), vfs=self._name))

    def cut(self, target: Path, keep: float, rng: random.Random) -> None:
        """keep: the chance of each unsynced sector to be on the disk all the same."""
        target.mkdir()
        for name, durable in self.durable.items():
            image = bytearray(durable)
            for offset, octets in self.unsynced[name]:
                if octets is None:
                    if rng.random() < 0.5:
                        write(image, offset, None)
                    continue
                for start in range(0, len(octets), SECTOR):
                    if rng.random() < keep:
                        write(image, offset + start, octets[start : start + SECTOR])
            (target / Path(name).name).write_bytes(image)


def write(image: bytearray, offset: int, octets: bytes | None) -> None:
    if octets is None:
        del image[offset:]
        return
    if len(image) < offset + len(octets):
        image.extend(bytes(offset + len(octets) - len(image)))
    image[offset : offset + len(octets)] = octets


class _Vfs(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        self._disk = disk
        super().__init__(name, "unix")

    def xOpen(self, name: Any, flags: list[int]) -> "_File":
        return _File(name, flags, self._disk)

    def xDelete(self, name: str, sync: bool) -> None:
        super().xDelete(name, sync)
        self._disk.durable.pop(name, None)
        self._disk.unsynced.pop(name, None)


class _File(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], disk: Disk) -> None:
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk = disk
        super().__init__("unix", name, flags)
        if self._path:
            disk.durable.setdefault(self._path, bytearray())
            disk.unsynced.setdefault(self._path, [])

    def xWrite(self, octets: bytes, offset: int) -> None:
        super().xWrite(octets, offset)
        if self._path:
            self._disk.unsynced[self._path].append((offset, bytes(octets)))

    def xTruncate(self, length: int) -> None:
        super().xTruncate(length)
        if self._path:
            self._disk.unsynced[self._path].append((length, None))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        if self._path and not self._disk.careless:
            for offset, octets in self._disk.unsynced[self._path]:
                write(self._disk.durable[self._path], offset, octets)
            self._disk.unsynced[self._path] = []


class Connection:
    """What the spool uses of `sqlite3.Connection`, over apsw."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> "_Rows":
        return _Rows(self._translated(lambda: list(self._connection.execute(sql, tuple(parameters)))))

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> "_Rows":
        rows = [tuple(row) for row in parameters]
        return _Rows(self._translated(lambda: list(self._connection.executemany(sql, rows))))

    def executescript(self, sql: str, /) -> "_Rows":
        return self.execute(sql)

    def close(self) -> None:
        self._connection.close()

    def _translated(self, work: Any) -> list[Any]:
        try:
            found: list[Any] = work()
        except apsw.Error as error:
            raise _as_sqlite3(error) from error
        return found


def _as_sqlite3(error: apsw.Error) -> sqlite3.DatabaseError:
    translated = sqlite3.DatabaseError(str(error))
    translated.sqlite_errorcode = getattr(error, "extendedresult", 1)
    return translated


class _Rows(list[Any]):
    def fetchone(self) -> Any:
        return self[0] if self else None

    def fetchall(self) -> list[Any]:
        return list(self)
