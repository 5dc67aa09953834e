"""Lines to standard error or standard output, where a reader that stands still stops nobody."""

import os
import select
import stat
import threading
from typing import TextIO


class LinesOut:
    """Where the stream is a pipe or a socket that is full, a line is dropped and counted, instead of waited for.

    Such a write would block for as long as whoever should read does not: a stopped `tee`, a log shipper that hangs.
    """

    def __init__(self) -> None:
        self._dropped = 0
        self._torn = False  # the last line went out in part
        self._lock = threading.RLock()  # or two threads would find the same room

    def write(self, stream: TextIO, line: str) -> bool:
        """Whether it went out, with a line end. What the stream raises: AttributeError, OSError, ValueError."""
        with self._lock:
            file = _pipe_or_socket(stream)
            if file is None:
                stream.write(line + "\n")
                stream.flush()
                return True
            text = ("\n" if self._torn else "") + line + "\n"
            rest = memoryview(text.encode(stream.encoding, stream.errors or "strict"))
            whole = len(rest)
            while rest:
                if not _has_room(file):
                    self._torn = self._torn or len(rest) < whole
                    self._dropped += 1
                    return False
                # So much fits wherever there is any room, and goes at once.
                rest = rest[os.write(file, rest[: select.PIPE_BUF]) :]
            self._torn = False
            return True

    def dropped(self, stream: TextIO) -> int:
        """How many lines were dropped, to be said now that there is room again: every one is counted once."""
        with self._lock:
            file = _pipe_or_socket(stream)
            if not self._dropped or (file is not None and not _has_room(file)):
                return 0
            count, self._dropped = self._dropped, 0
            return count


def _pipe_or_socket(stream: TextIO) -> int | None:
    """Its file descriptor; None where it is something else, or nothing."""
    try:
        file = stream.fileno()
        mode = os.fstat(file).st_mode
    except (AttributeError, OSError, ValueError):
        return None
    return file if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def _has_room(file: int) -> bool:
    """Or has an error to tell, which the write will."""
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    return bool(poll.poll(0))
