"""The real daemon, as a service manager and a monitoring system meet it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TELEGRAM = Path(__file__).parents[1] / "data/p1/telegrams/nl-dsmr50_iskra-am550t_gas.txt"

CONFIGURATION = f"""
[source.capture]
kind = "replay"
path = "{TELEGRAM}"
every = "100ms"
repeat = true

[sink.archive]
kind = "file"
path = "archive"

[spool]
path = "spool.db"

[service]
listen = "127.0.0.1:0"
"""


class Managed:
    """A daemon started as systemd starts it, and systemd's end of its socket."""

    def __init__(self, folder: Path, configuration: str) -> None:
        (folder / "datalogger.toml").write_text(configuration)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.settimeout(60)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "datalogger", "run", "datalogger.toml"],
            cwd=folder,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "600000"},
            stderr=subprocess.PIPE,
            text=True,
        )

    def hears(self) -> str:
        """The next message that is no sign of life, and no word of how it goes."""
        while (message := self.manager.recv(4096)) == b"WATCHDOG=1" or message.startswith(b"STATUS="):
            pass
        return message.decode()

    def lives(self, times: int) -> None:
        """It gives so many signs of life."""
        while times:
            message = self.manager.recv(4096)
            assert message == b"WATCHDOG=1" or message.startswith(b"STATUS=")
            times -= message == b"WATCHDOG=1"

    def port(self) -> int:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            said = json.loads(line)
            if said["event"] == "status port open":
                return int(said["port"])
        raise AssertionError("the daemon ended")

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.manager.close()


@pytest.fixture
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    it = Managed(tmp_path_factory.mktemp("m"), CONFIGURATION)
    yield it
    it.end()


def test_systemd_hears_of_its_start_its_life_its_reload_and_its_end(managed: Managed) -> None:
    assert managed.hears().splitlines()[0] == "READY=1"
    managed.lives(3)
    managed.process.send_signal(signal.SIGHUP)
    reloading = managed.hears().splitlines()
    assert reloading[0] == "RELOADING=1"
    assert reloading[1].removeprefix("MONOTONIC_USEC=").isdigit()
    assert managed.hears().splitlines()[0] == "READY=1"
    managed.process.send_signal(signal.SIGTERM)
    assert managed.hears().splitlines()[0] == "STOPPING=1"
    assert managed.process.wait(60) == 0


def test_a_monitoring_system_finds_it_well_and_ready_and_reads_its_figures(managed: Managed) -> None:
    port = managed.port()
    assert managed.hears().splitlines()[0] == "READY=1"

    def page(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    assert json.loads(page("/healthz")) == {"status": "ok"}
    assert json.loads(page("/readyz")) == {"status": "ready"}
    managed.lives(10)  # five a second: telegrams have come in by then
    figures = page("/metrics")
    assert 'datalogger_source_up{source="capture"} 1\n' in figures
    assert 'datalogger_frames_good_total{source="capture"} ' in figures
    assert 'datalogger_sink_state{sink="archive",state="delivering"} 1\n' in figures
