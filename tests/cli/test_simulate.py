"""The real process: what `run --demo` and the end-to-end tests build on."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import zoneinfo
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner

from datalogger.cli.simulate import simulate
from datalogger.clock import SystemClock
from datalogger.errors import SourceError
from datalogger.protocol.framing import Frame
from datalogger.protocol.p1.framer import P1Framer
from datalogger.simulation.faults import Fault, Faults
from datalogger.simulation.p1 import DSMR5, telegrams
from datalogger.sources.serial_port import SerialPort, SerialPortConfig
from datalogger.sources.tcp_client import TcpClient, TcpClientConfig

pytestmark = pytest.mark.slow

SOON = 30  # seconds; a failure bound, never waited for

START = "2026-03-29T01:59:50+0100"


@contextlib.contextmanager
def meter(*options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "datalogger", "simulate", "p1", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def serial_port(port: str) -> SerialPort:
    return SerialPort("house", SerialPortConfig(kind="serial", port=port), SystemClock())


def tcp_client(address: str) -> TcpClient:
    host, _, port = address.rpartition(":")
    return TcpClient("dongle", TcpClientConfig(kind="tcp", host=host, port=int(port)), SystemClock())


async def everything(source: SerialPort | TcpClient) -> bytes:
    """All that comes until the meter goes away."""
    got = b""
    await source.open()
    async with asyncio.timeout(SOON):
        with contextlib.suppress(SourceError):
            while True:
                got += await source.read()
    await source.close()
    return got


def each(count: int, template: bytes = DSMR5, seed: int = 0) -> list[bytes]:
    start = datetime.strptime(START, "%Y-%m-%dT%H:%M:%S%z")
    return list(islice(telegrams(template, start=start, interval=timedelta(seconds=1), seed=seed), count))


def test_every_telegram_reaches_a_serial_port_byte_for_byte(tmp_path: Path) -> None:
    link = tmp_path / "ttyMeter"
    options = ["--pty", str(link), "--interval", "10ms", "--step", "1s", "--start", START, "--count", "50"]
    with meter(*options, "--seed", "7", "--wait") as process:
        assert address(process) == str(link)
        assert asyncio.run(everything(serial_port(str(link)))) == b"".join(each(50, seed=7))
        assert process.wait(SOON) == 0
        assert process.communicate() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_every_telegram_reaches_a_tcp_client_byte_for_byte(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(DSMR5.replace(b"SIM5", b"OWN5").replace(b"!0000", b"!"))
    options = ["--tcp", "127.0.0.1:0", "--interval", "10ms", "--step", "1s", "--start", START, "--count", "20"]
    with meter(*options, "--telegram", str(mine), "--wait") as process:
        assert asyncio.run(everything(tcp_client(address(process)))) == b"".join(each(20, mine.read_bytes()))
        assert process.wait(SOON) == 0


def test_on_a_bad_line_every_telegram_that_was_not_struck_is_found(tmp_path: Path) -> None:
    link = tmp_path / "ttyMeter"
    rates = dict.fromkeys((Fault.FLIP, Fault.DROP, Fault.CUT, Fault.NOISE, Fault.CRC, Fault.DRIBBLE), 0.1)
    options = ["--pty", str(link), "--interval", "5ms", "--step", "1s", "--start", START, "--count", "100", "--wait"]
    with meter(*options, *(f"--fault={fault}={rate}" for fault, rate in rates.items())) as process:
        address(process)
        octets = asyncio.run(everything(serial_port(str(link))))
    framer, faults = P1Framer(), Faults(rates)
    found = [event.octets for event in framer.feed(octets) + framer.idle() if isinstance(event, Frame)]
    sound = [telegram for telegram in each(100) if not set(faults.apply(telegram)[1]) - {Fault.NOISE, Fault.DRIBBLE}]
    assert 50 < len(sound) < 80
    assert found == sound


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_clean_end(stop: signal.Signals, tmp_path: Path) -> None:
    link = tmp_path / "ttyMeter"
    with meter("--pty", str(link), "--tcp", "127.0.0.1:0") as process:
        assert address(process) == str(link)
        assert address(process).startswith("127.0.0.1:")
        process.send_signal(stop)
        assert process.wait(SOON) == 0
        assert process.communicate() == ("", "")
    assert not link.is_symlink()


def test_who_read_the_address_need_not_stay(tmp_path: Path) -> None:
    options = ["--pty", str(tmp_path / "m"), "--interval", "1ms", "--count", "3", "--fault", "disconnect=1"]
    with meter(*options, "--pause", "10ms") as process:
        assert process.stdout is not None
        address(process)
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(SOON) == 0


def test_verbose_is_a_readable_line_a_telegram() -> None:
    with meter(
        "-v", "--interval", "1ms", "--step", "1s", "--start", START, "--count", "2", "--fault", "crc=1"
    ) as process:
        out, err = process.communicate(timeout=SOON)
    assert out.startswith("/dev/pts/")
    first, second = err.splitlines()
    assert first.startswith("260329015950W  001234.567*kWh")
    assert first.endswith("913 octets  crc")
    assert second.startswith("260329015951W")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--interval", "5"], "'5': a number without a unit, write \"5s\": expected a duration"),
        (["--tcp", "nowhere"], "'nowhere': expected HOST:PORT"),
        (["--tcp", ""], "'': expected HOST:PORT"),
        (["--fault", "flood=1"], "'flood=1': expected KIND=RATE such as flip=0.01 or drop=5%, KIND one of flip, drop,"),
        (["--fault", "flip"], "'flip': expected KIND=RATE"),
        (["--fault", "flip=101%"], "'flip=101%': expected KIND=RATE"),
        (["--start", "2026-03-29T01:59:50"], "'2026-03-29T01:59:50' does not match the format"),
        (["--count", "0"], "0 is not in the range"),
        (["--telegram", "/dev/null/none"], "does not exist"),
    ],
)
def test_a_wrong_option_is_refused_with_the_mend(options: list[str], told: str) -> None:
    result = CliRunner().invoke(simulate, ["p1", *options])
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())


def test_a_file_without_a_telegram_is_refused_by_name(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("nothing of a meter")
    result = CliRunner().invoke(simulate, ["p1", "--telegram", str(other)])
    assert (result.exit_code, result.output) == (1, f"Error: {other}: no telegram: no line begins with /\n")


def test_a_link_in_no_directory_is_refused_by_name(tmp_path: Path) -> None:
    link = tmp_path / "none" / "ttyMeter"
    result = CliRunner().invoke(simulate, ["p1", "--pty", str(link)])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {link} cannot be made (No such file or directory): choose a path in")


def test_a_taken_port_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(simulate, ["p1", "--tcp", address])
    assert result.exit_code == 1
    assert result.output == f"Error: {address} is taken already: choose another port, or 0 for any free one\n"


def test_a_machine_without_time_zones_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> zoneinfo.ZoneInfo:
        raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {name}")

    monkeypatch.setattr(zoneinfo, "ZoneInfo", none)
    monkeypatch.setattr(zoneinfo, "available_timezones", lambda: set[str]())
    result = CliRunner().invoke(simulate, ["p1", "--count", "1"])
    assert result.exit_code == 1
    assert result.output == "Error: this machine has no time zone data: apt install tzdata, or pip install tzdata\n"


def test_a_link_that_would_overwrite_a_file_is_refused_by_name(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    result = CliRunner().invoke(simulate, ["p1", "--pty", str(plain)])
    assert result.exit_code == 1
    assert f"{plain} exists and is no link to a terminal: choose another path" in result.output


def test_line_settings_that_make_no_sense_are_refused_with_the_mend() -> None:
    result = CliRunner().invoke(simulate, ["p1", "--settings", "fast"])
    assert result.exit_code == 2
    assert "2400 8E1" in result.output


@pytest.mark.parametrize(("settings", "heard"), [("115200 8N1", True), ("9600 7E1", False)])
def test_only_who_reads_at_the_speed_of_the_meter_hears_its_telegrams(settings: str, heard: bool) -> None:
    """The source reads at 115200 baud."""
    options = ["--pty", "--settings", settings, "--interval", "10ms", "--step", "1s", "--start", START, "--count", "3"]
    with meter(*options, "--wait") as process:
        octets = asyncio.run(everything(serial_port(address(process))))
        assert octets
        assert (octets == b"".join(each(3))) is heard
