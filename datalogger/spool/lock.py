"""`PATH.lock`: held by whoever has the spool open, the daemon or a command line without one."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from datalogger.spool import private


class Lock:
    """The kernel lets go of it when its holder ends, however that ends. The file holds the holder's pid."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._path = spool.with_name(spool.name + ".lock")
        self._file: int | None = None

    def acquire(self) -> bool:
        """False where another process has it. OSError where it cannot be made."""
        if self._file is None:
            private.make(self._path, owner_of=self._spool if self._spool.exists() else self._spool.parent)
            file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            self._file = file
            with suppress(OSError):  # on a full disk it goes without
                _sign(file)
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def held(self) -> bool:
        """Whether some process has it; changes nothing. Also False where this user may not know."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def holder(self) -> int | None:
        """The pid of whoever took it last."""
        try:
            return int(self._path.read_bytes()[:20])
        except (OSError, ValueError):
            return None


def _sign(file: int) -> None:
    """Only over another pid: somebody may have a file of this name."""
    written = os.pread(file, 20, 0)
    if not written or written.strip().isdigit():
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
