"""How it is installed, as the unit, the program file for supervisor and README say it: in one and the same way."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("systemd/datalogger.service", "supervisor/datalogger.conf", "README.md")


def commands(page: str) -> list[str]:
    """The lines of a page that are to be typed, without comment signs, sudo and remarks."""
    lines = re.split(r"\n|&&", (ROOT / page).read_text())
    bare = [re.sub(r"\s+#.*", "", line.strip().lstrip("#;").strip()).removeprefix("sudo ") for line in lines]
    return [line for line in bare if re.match(r"(?:install|useradd|python3|/opt/datalogger/bin/pip) ", line)]


def modes(page: str) -> dict[str, tuple[str, str]]:
    """Path of what is installed → its mode and owner."""
    found = {}
    for line in commands(page):
        words = line.split()
        if words[0] == "install" and "-m" in words:
            owner = words[words.index("-o") + 1] if "-o" in words else "root"
            target = words[-1] + Path(words[-2]).name if words[-1].endswith("/") else words[-1]
            found[target] = (words[words.index("-m") + 1], owner)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_it_is_installed_from_the_checkout_with_the_locked_versions(page: str) -> None:
    """On the package index its name belongs to another project."""
    assert "python3 -m venv /opt/datalogger" in commands(page)
    pip = [line for line in commands(page) if "/pip " in line]
    assert pip == ["/opt/datalogger/bin/pip install -c requirements.lock ."]
    assert "pip install datalogger" not in (ROOT / page).read_text()


@pytest.mark.parametrize("page", PAGES)
def test_everybody_may_read_the_configuration_and_only_the_daemon_its_key(page: str) -> None:
    installed = modes(page)
    assert installed["/etc/datalogger/datalogger.toml"] == ("644", "root")
    keys = {target: mode for target, mode in installed.items() if target.endswith(".key")}
    if keys or page != "README.md":  # README may leave the key to the comments of the configuration
        assert keys == {"/etc/datalogger/attic.key": ("600", "datalogger")}
