"""What the real daemon asks of the kernel, held against what the systemd unit allows it."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sandbox")]  # one trace for all

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "systemd" / "datalogger.service").read_text()

CONFIGURATION = """
[source.capture]
kind = "replay"
path = "{telegram}"
every = "100ms"
repeat = true

[source.dongle]
kind = "tcp"
host = "localhost"
port = {nobody}

[sink.attic]
kind = "dsmr-v1"
url = "http://localhost:{nobody}"
key_file = "key"

[sink.archive]
kind = "file"
path = "archive"

[spool]
path = "spool.db"
durability = "strict"

[service]
listen = "127.0.0.1:0"
"""


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Every system call of a daemon that starts, reads, delivers, fails to deliver, reloads and stops."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    if (
        subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, timeout=60, check=False).returncode
        != 0
    ):
        pytest.skip("strace may not trace on this machine")
    folder = tmp_path_factory.mktemp("sandbox")
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        nobody = reserved.getsockname()[1]
    telegram = ROOT / "tests/data/p1/telegrams/nl-dsmr50_iskra-am550t_gas.txt"
    (folder / "datalogger.toml").write_text(CONFIGURATION.format(telegram=telegram, nobody=nobody))
    (folder / "key").write_text("0123456789abcdef")
    (folder / "key").chmod(0o600)
    calls = folder / "calls"
    # -D: the process started here is the daemon itself, and strace watches it from beside.
    command = [strace, "-D", "-f", "-q", "-o", str(calls), sys.executable, "-m", "datalogger", "run", "datalogger.toml"]
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen(command, cwd=folder, stderr=log, stdout=log)
    try:
        until(lambda: "status port open" in (folder / "log").read_text())
        until(lambda: "not delivered" in (folder / "log").read_text())
        until(lambda: any(folder.glob("archive*")))
        daemon.send_signal(signal.SIGHUP)
        until(lambda: "configuration reloaded" in (folder / "log").read_text())
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0, (folder / "log").read_text()
    finally:
        daemon.kill()
        daemon.wait()
    # strace pads a pid to five columns.
    until(lambda: re.search(rf"(?m)^{daemon.pid} +\+\+\+ exited", calls.read_text()))
    return calls.read_text()


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def names(item: str) -> set[str]:
    """The system calls of a group such as @system-service, as this systemd knows them."""
    if not item.startswith("@"):
        return {item}
    lines = subprocess.run(["systemd-analyze", "syscall-filter", item], capture_output=True, text=True, check=True)
    members = [line.strip() for line in lines.stdout.splitlines()[1:]]
    return {name for member in members if member and not member.startswith("#") for name in names(member)}


def allowed() -> set[str]:
    """What the unit's SystemCallFilter= lines come to, in their order; @default is always in."""
    calls = names("@default")
    for line in re.findall(r"(?m)^SystemCallFilter=(.*)$", UNIT):
        listed = {name for item in line.removeprefix("~").split() for name in names(item)}
        calls = calls - listed if line.startswith("~") else calls | listed
    return calls


def test_no_system_call_is_needed_that_the_unit_forbids(trace: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    used = set(re.findall(r"(?m)^\d+ +(\w+)\(", trace))
    assert {"openat", "socket", "fdatasync"} <= used  # the trace shows what it should
    assert used - allowed() == set()


def test_no_memory_is_written_and_executed(trace: str) -> None:
    """MemoryDenyWriteExecute=yes: no mapping with both, and nothing made executable afterwards."""
    assert re.findall(r"mmap\(.*PROT_WRITE\|PROT_EXEC.*", trace) == []
    assert re.findall(r"mprotect\(.*PROT_EXEC.*", trace) == []
    assert "PROT_READ|PROT_EXEC" in trace


def test_no_address_family_is_used_that_the_unit_forbids(trace: str) -> None:
    [line] = re.findall(r"(?m)^RestrictAddressFamilies=(.*)$", UNIT)
    # AF_NETLINK is asked for by getaddrinfo, to learn which families this machine has; refused, it tries them all.
    assert set(re.findall(r"socket\((AF_\w+)", trace)) - {"AF_NETLINK"} <= set(line.split())
