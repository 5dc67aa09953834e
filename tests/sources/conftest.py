import os
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Cable:
    """A pseudo-terminal: `port` is where a source opens it, `send` is the meter's side."""

    def __init__(self) -> None:
        self._meter, self.reader = os.openpty()
        tty.setraw(self.reader)
        self.port = os.ttyname(self.reader)

    def send(self, octets: bytes) -> None:
        while octets:
            octets = octets[os.write(self._meter, octets) :]

    def unplug(self) -> None:
        for end in (self._meter, self.reader):
            if end >= 0:
                os.close(end)
        self._meter = self.reader = -1


@contextmanager
def opened_elsewhere(port: str) -> Iterator[int]:
    """Another program has `port` open, without any lock, as `cat` does; its process id."""
    code = f"import os, sys; os.open({port!r}, os.O_RDONLY | os.O_NOCTTY); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None and other.stdout is not None
        other.stdout.readline()
        yield other.pid
        other.stdin.close()


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    yield cable
    cable.unplug()
