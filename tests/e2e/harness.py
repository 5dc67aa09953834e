"""The real process, on a real pseudo-terminal that the test is the meter of."""

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
import tty
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType

from datalogger.simulation.p1 import telegrams

# Bounds on what must happen anyway; a busy machine may need most of it, a sound run needs none.
PATIENCE = 60.0


def distinct_telegrams(count: int, *, seed: int = 0) -> list[bytes]:
    """DSMR 5 telegrams of consecutive seconds around now, each with its own time, values and check sum."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    return list(islice(telegrams(start=start, seed=seed), count))


async def until(true: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Poll, for what is waited for happens in another process; the peers of this one live on meanwhile."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, f"not within {patience:g} s: {what}"
        await asyncio.sleep(0.02)


class Cable:
    """A serial port with the test at the meter's end. `port` is a link that stays when the cable is re-plugged."""

    def __init__(self, folder: Path) -> None:
        self.port = folder / "ttyMeter"
        self._meter = -1
        self.plug_in()

    def plug_in(self) -> None:
        """Another terminal behind the same name, as a USB adapter gets another number."""
        self._meter, reader = pty.openpty()
        tty.setraw(reader)
        os.set_blocking(self._meter, False)
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(os.ttyname(reader))
        os.close(reader)

    def pull_out(self) -> None:
        os.close(self._meter)
        self.port.unlink()

    async def send(self, octets: bytes) -> None:
        """Whole, and without blocking the peers that live in this loop."""
        while octets:
            try:
                octets = octets[os.write(self._meter, octets[:1024]) :]
            except BlockingIOError:
                await asyncio.sleep(0.005)

    def being_read(self) -> bool:
        """Whether a reader has set the line to a serial speed: a fresh terminal has the system's 38400."""
        speed: int = termios.tcgetattr(self._meter)[4]
        return speed == termios.B115200

    def close(self) -> None:
        os.close(self._meter)


class Process:
    """`datalogger run CONFIG`, with its log in a file."""

    def __init__(self, configuration: Path, **environment: str) -> None:
        self.configuration = configuration
        self.log = configuration.with_suffix(".log")
        self._environment = os.environ | environment
        self._process: subprocess.Popen[bytes] | None = None
        self._marker = 0
        self.needs_source = True
        """Whether `start` waits until a source is open, too."""

    async def __aenter__(self) -> "Process":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if error is not None:
            error.add_note(f"--- {self.log}\n{self.log.read_text()[-6000:]}")

    async def start(self) -> None:
        """Start it, and return once it says it is ready and every source is read."""
        self._marker = len(self.text)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "datalogger", "run", str(self.configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        await until(lambda: not self.running or (self.port and self._ready()), "the daemon is ready")
        assert self.running

    def kill(self) -> None:
        """kill -9"""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        await until(lambda: not self.running, "the daemon has ended")
        return self._process.wait()

    def hang_up(self) -> None:
        """SIGHUP: read the configuration again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def port(self) -> int:
        """Of its status server; 0 until it listens."""
        found = re.findall(r'status port open.*?port"?[=:] ?(\d+)', self.text[self._marker :])
        return int(found[-1]) if found else 0

    def metric(self, name: str, **labels: str) -> float:
        """One figure of /metrics; 0 where it is not there."""
        body = self._get("/metrics").decode()
        for line in body.splitlines():
            if line.startswith(name) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def _ready(self) -> bool:
        try:
            return bool(self._get("/readyz")) and (not self.needs_source or self.metric("datalogger_source_up") == 1)
        except OSError:
            return False

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            body: bytes = answer.read()
            return body
