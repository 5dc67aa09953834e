"""The unit, as systemd's own tools judge it."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"

# systemd's own figure: 0 is a service that may do nothing, 10 one that may do everything; an ordinary one has 9.6.
EXPOSURE = 2.0


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists: what systemd would be given on a machine where it is installed."""
    text = (SYSTEMD / "datalogger.service").read_text()
    text, count = re.subn(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text)
    assert count == 1
    copy = tmp_path / "datalogger.service"
    copy.write_text(text)
    return copy


def judged(*command: str | Path) -> str:
    """What the tool says; it must not fail."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_systemd_understands_every_line_of_the_unit(unit: Path) -> None:
    assert "datalogger" not in judged(tool("systemd-analyze"), "verify", "--man=no", unit)


def test_a_line_systemd_does_not_understand_would_be_seen(unit: Path) -> None:
    with unit.open("a") as file:
        file.write("\n[Service]\nProtectEverything=yes\n")
    assert "ProtectEverything" in judged(tool("systemd-analyze"), "verify", "--man=no", unit)


def test_the_unit_exposes_little(unit: Path) -> None:
    text = judged(tool("systemd-analyze"), "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)
    assert found is not None, text
    assert float(found[1]) <= EXPOSURE


def test_the_user_is_made_and_may_open_serial_ports(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    judged(tool("systemd-sysusers"), f"--root={tmp_path}", SYSTEMD / "datalogger.sysusers")
    users = (tmp_path / "etc/passwd").read_text()
    assert re.search(r"(?m)^datalogger:.*:/var/lib/datalogger:\S*/nologin$", users)
    assert re.search(r"(?m)^dialout:.*:datalogger$", (tmp_path / "etc/group").read_text())


def test_the_unit_says_what_the_daemon_relies_on() -> None:
    unit = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[method-assign, assignment]  # the documented way to keep the case of keys
    unit.read(SYSTEMD / "datalogger.service")
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["ExecStart"].endswith("/bin/datalogger run /etc/datalogger/datalogger.toml")
    assert service["ExecReload"].split() == ["/bin/kill", "-HUP", "$MAINPID"]
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"] == "78"  # EX_CONFIG
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["StateDirectory"] == "datalogger"
    assert service["SupplementaryGroups"] == "dialout"
    assert "PrivateDevices" not in service  # would take serial ports away
    devices = re.findall(r"(?m)^DeviceAllow=char-(\w+) rw$", (SYSTEMD / "datalogger.service").read_text())
    assert {"ttyUSB", "ttyACM", "ttyAMA", "ttyS"} <= set(devices)
    # Five seconds for the sinks must fit in before systemd loses its patience.
    assert int(service["TimeoutStopSec"]) > 10
