"""The program file for supervisor, under a real supervisord."""

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from supervisor.xmlrpc import SupervisorTransport

pytestmark = pytest.mark.slow

PROGRAM_FILE = Path(__file__).parents[2] / "supervisor" / "datalogger.conf"

SUPERVISORD = """
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}

[unix_http_server]
file={folder}/s

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files={folder}/datalogger.conf
"""

# A meter that is not there: nothing listens on the port it names. The daemon must start all the same.
DATALOGGER = """
[source.house]
kind = "tcp"
host = "127.0.0.1"
port = {nobody}

[sink.archive]
kind = "file"
path = "archive"

[spool]
path = "spool.db"

[service]
listen = "127.0.0.1:0"
"""


class Supervised:
    """A supervisord in `folder`, with the shipped program file: only its paths, its user and `startsecs` are ours."""

    def __init__(self, folder: Path, startsecs: int) -> None:
        self.folder = folder
        text = PROGRAM_FILE.read_text()
        for shipped, ours in (
            ("/opt/datalogger/bin/datalogger run", f"{sys.executable} -m datalogger run"),
            ("/etc/datalogger/datalogger.toml\n", f"{folder}/datalogger.toml\n"),
            ("user=datalogger\n", f"user={getpass.getuser()}\n"),
            ("directory=/var/lib/datalogger\n", f"directory={folder}\n"),
            ("=/var/log/supervisor/", f"={folder}/"),
            ("startsecs=5\n", f"startsecs={startsecs}\n"),
        ):
            assert shipped in text
            text = text.replace(shipped, ours)
        (folder / "datalogger.conf").write_text(text)
        (folder / "supervisord.conf").write_text(SUPERVISORD.format(folder=folder))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(folder / "supervisord.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._proxy = xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{folder}/s")
        )

    def call(self, method: str, *arguments: object) -> Any:
        return getattr(self._proxy, f"supervisor.{method}")(*arguments)

    def state(self) -> dict[str, Any]:
        information: dict[str, Any] = self.call("getProcessInfo", "datalogger")
        return information

    def logged(self) -> list[dict[str, Any]]:
        log = self.folder / "datalogger.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def times(self, event: str) -> int:
        return sum(line["event"] == event for line in self.logged())

    def until(self, what: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not what():
            said = (self.folder / "datalogger.log", self.folder / "supervisord.log")
            assert time.monotonic() < end, "\n".join(path.read_text() for path in said if path.exists())
            assert self.process.poll() is None
            time.sleep(0.05)

    def end(self) -> None:
        self.process.terminate()  # stops the program too
        try:
            self.process.wait(40)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Supervised]]:
    folder = tmp_path_factory.mktemp("s")  # short: a socket's path has at most 107 characters
    running: list[Supervised] = []

    def start(configuration: str, startsecs: int = 5) -> Supervised:
        (folder / "datalogger.toml").write_text(configuration)
        running.append(Supervised(folder, startsecs))
        running[0].until((folder / "s").exists)
        return running[0]

    yield start
    for each in running:
        each.end()


def test_it_is_kept_running_through_a_kill_and_stopped_in_good_order(
    supervised: Callable[..., Supervised],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        nobody = reserved.getsockname()[1]
    it = supervised(DATALOGGER.format(nobody=nobody), startsecs=1)
    it.until(lambda: it.state()["statename"] == "RUNNING")
    it.until(lambda: it.times("status port open") == 1)
    first = it.state()["pid"]

    os.kill(first, signal.SIGKILL)
    it.until(lambda: it.times("status port open") == 2)
    second = it.state()["pid"]
    assert second not in (0, first)

    it.call("signalProcess", "datalogger", "HUP")
    it.until(lambda: it.times("configuration reloaded") == 1)
    assert it.state()["pid"] == second

    assert it.call("stopProcess", "datalogger")
    assert it.state()["statename"] == "STOPPED"
    assert it.state()["exitstatus"] == 0
    assert it.logged()[-1]["event"] == "stopped"
    assert "stopped: datalogger (exit status 0)" in (it.folder / "supervisord.log").read_text()


def test_a_configuration_that_cannot_be_used_is_not_tried_for_ever(supervised: Callable[..., Supervised]) -> None:
    it = supervised("[source.house]\nkind = 'carrier pigeon'\n")
    it.until(lambda: it.state()["statename"] == "BACKOFF")
    assert "exit status 78" in (it.folder / "supervisord.log").read_text()
    assert "carrier pigeon" in (it.folder / "datalogger.log").read_text()
