"""What is wrong with the file or the disk under it, in one line for a person, with the mend."""

import errno
import os
import pwd
import shutil
import sqlite3
from pathlib import Path

from datalogger.errors import SpoolError
from datalogger.words import ByteSize

CHOOSE = "choose another [spool] path"

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM}
# The primary result codes of SQLite, https://www.sqlite.org/rescode.html
_SQLITE_FORBIDDEN = {3, 8, 14}  # PERM, READONLY, CANTOPEN
_SQLITE_IO_ERROR, _SQLITE_FULL = 10, 13


def is_full(error: Exception) -> bool:
    """Whether the disk is full, or this user's share of it."""
    return _sqlite_code(error) == _SQLITE_FULL or (isinstance(error, OSError) and error.errno in _FULL)


def explain(error: Exception, path: Path, min_free: int) -> str:
    """path: of the spool; min_free: octets that should be free beside it."""
    if isinstance(error, SpoolError):
        return str(error)
    folder = path.parent
    if is_full(error):
        return (
            f"{folder} has no room for the spool: {_free(folder)} free, [spool] min_free = {ByteSize(min_free)}:"
            " delete something there, or choose a [spool] path on another disk"
        )
    code = _sqlite_code(error)
    if code == _SQLITE_IO_ERROR or (isinstance(error, OSError) and error.errno == errno.EIO):
        return f"{path}: the disk fails (I/O error): see `dmesg`; replace it, or {CHOOSE}"
    if isinstance(error, OSError):
        return _of_the_system(error, path)
    if code in _SQLITE_FORBIDDEN and (culprit := _not_writable(path)) is not None:
        return f"{culprit} cannot be written by user {user()}: chown it, or {CHOOSE}"
    return f"{path}: {error}"


def _of_the_system(error: OSError, path: Path) -> str:
    file = Path(error.filename) if isinstance(error.filename, str) else path
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        for above in path.parents:
            if above.is_file():
                return f"{above} is a file, no directory: {CHOOSE}"
    if error.errno == errno.EROFS:
        return f'{path.parent} is on a read-only file system: {CHOOSE}, or set [spool] durability = "memory"'
    if error.errno in _FORBIDDEN:
        if not _there(path.parent) and file in (path.parent, *path.parent.parents):
            missing = f"directory {path.parent} is missing, and user {user()} cannot make it"
            return f"{missing}: make it and chown it, or {CHOOSE}"
        return f"{file if _there(file) else path.parent} cannot be written by user {user()}: chown it, or {CHOOSE}"
    return f"{file}: {error.strerror or error}"


def _not_writable(path: Path) -> Path | None:
    """Of all SQLite has to write, what this user may not."""
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), path.parent):
        if _there(file) and not os.access(file, os.R_OK | os.W_OK):
            return file
    return None


def _there(file: Path) -> bool:
    """Where this user may not even look: False."""
    return os.path.exists(file)  # noqa: PTH110  # Path.exists raises then, until Python 3.12


def _free(folder: Path) -> str:
    try:
        free = free_octets(folder)
    except OSError:
        return "an unknown amount"
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if free >= size:
            return f"{free / size:.1f} {unit}"
    return f"{free} B"


def free_octets(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def user() -> str:
    """Who this process runs as; the number where nobody gave it a name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _sqlite_code(error: Exception) -> int | None:
    code = getattr(error, "sqlite_errorcode", None) if isinstance(error, sqlite3.Error) else None
    return None if code is None else code & 0xFF
