"""Every simulated family on a port of which nobody says how it is set: found, and read with the block as printed."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from datalogger.line_settings import LineSettings
from datalogger.simulation.meters import built_in, names
from tests.e2e.harness import PATIENCE, Process, until

pytestmark = pytest.mark.slow

EVERY = "700ms"  # between two pushes: more than what ends a burst
REST = """
[sink.archive]
kind = "file"
path = "archive"

[service]
listen = "127.0.0.1:0"

[spool]
path = "spool.db"
"""
_KEY = re.compile(r"^# (auth-)?key: ([0-9A-F]+)$", re.MULTILINE)


def datalogger(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "datalogger", *map(str, arguments)]


@contextmanager
def simulated(arguments: Sequence[object], link: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A meter on `link`; `log` gets what it says on standard error, its keys among them."""
    command = datalogger("simulate", *arguments, "--pty", link)
    with log.open("wb") as said, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as meter:
        try:
            assert meter.stdout is not None
            assert meter.stdout.readline().decode().strip() == str(link)
            yield meter
        finally:
            meter.kill()


def probe(port: Path, *options: object) -> subprocess.CompletedProcess[str]:
    command = datalogger("probe", port, "--time", f"{PATIENCE:g}s", *options)
    return subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)


def key_options(log: Path, folder: Path) -> list[object]:
    """The keys that the simulated meter published, as files."""
    options: list[object] = []
    for found in _KEY.finditer(log.read_text()):
        name = f"{found[1] or ''}key"
        (folder / name).write_text(found[2])
        (folder / name).chmod(0o600)
        options += [f"--{name}-file", folder / name]
    return options


def reports(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_bytes().splitlines()]


async def read_with(block: str, folder: Path) -> dict[str, object]:
    """The first report that the daemon forwards with this block in its configuration."""
    configuration = folder / "datalogger.toml"
    configuration.write_text(block + REST)
    async with Process(configuration) as process:
        await until(lambda: reports(folder / "archive"), "a report in the archive")
        assert await process.stop() == 0
    return reports(folder / "archive")[0]


ON_A_PORT = [name for name in names() if built_in(name).line]


@pytest.mark.parametrize("name", ON_A_PORT)
async def test_a_simulated_meter_is_found_and_read_with_the_block_as_printed(name: str, tmp_path: Path) -> None:
    link, log = tmp_path / "meter", tmp_path / "meter.log"
    with simulated(["dlms", name, "--settings", "--every", EVERY, "--step", "10s"], link, log):
        model = built_in(name)
        ciphered = model.keys.encryption is not None
        if ciphered:
            await until(lambda: _KEY.search(log.read_text()), "the meter publishes its keys")
        result = await asyncio.to_thread(probe, link, *key_options(log, tmp_path))
        assert result.returncode == 0, result.stderr
        assert f"baud_rate = {LineSettings.parse(model.line).baud_rate}\n" in result.stdout
        report = await read_with(result.stdout, tmp_path)
    assert report["records"], result.stderr
    assert ("security" in report) is ciphered


@pytest.mark.parametrize("settings", ["115200 8N1"])
async def test_a_simulated_p1_meter_is_found_and_read(settings: str, tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulated(["p1", "--interval", EVERY], link, tmp_path / "meter.log"):
        result = await asyncio.to_thread(probe, link)
        assert result.returncode == 0, result.stderr
        report = await read_with(result.stdout, tmp_path)
    assert report["protocol"] == "p1"


async def test_ctrl_c_shows_what_is_known_so_far(tmp_path: Path) -> None:
    link, log = tmp_path / "meter", tmp_path / "meter.log"
    with simulated(["dlms", "kaifa-no", "--settings", "300 7E1", "--every", EVERY], link, log):
        with subprocess.Popen(
            datalogger("probe", link), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None and process.stdout is not None
            while "listening at 2400" not in (line := process.stderr.readline()):
                assert line
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 1
            assert process.stdout.read() == ""
            assert "interrupted: " in process.stderr.read()


async def test_a_port_that_another_program_reads_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulated(["p1", "--interval", EVERY], link, tmp_path / "meter.log"):
        with subprocess.Popen(["cat", str(link)], stdout=subprocess.PIPE) as reader:
            try:
                assert reader.stdout is not None
                assert reader.stdout.read(1)
                result = await asyncio.to_thread(probe, link)
            finally:
                reader.kill()
    assert result.returncode == 1
    assert f"is already open in another program (pid {reader.pid}, cat): stop it" in result.stderr
