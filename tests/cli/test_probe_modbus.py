"""datalogger probe modbus: what it prints where, its exit status, and what it refuses. Against peers, not pymodbus."""

import asyncio
import os
import pty
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datalogger.cli import main
from datalogger.config.load import load
from datalogger.simulation.modbus.device import Device, Image
from datalogger.simulation.modbus.sunspec import SunSpecDevice
from tests.peers.modbus import RtuOverTcpPeer, RtuPeer, TcpPeer
from tests.probing.modbus.meters import MAPS

ONE_SETTING = ["--settings", "115200 8N1", "--units", "1-3", "--timeout", "100ms"]
STRANGER: Image = {3: {0: 1, 1: 2}, 4: {0: 1, 1: 2}}


def image(map_id: str, unit: int) -> Image:
    return Device(unit, MAPS[map_id]).image()


async def probe(*arguments: object) -> Result:
    """Beside the peers, which live in this loop and in threads."""
    return await asyncio.to_thread(CliRunner().invoke, main, ["probe", "modbus", *map(str, arguments)])


def table(result: Result, folder: Path, name: str = "meters") -> dict[str, Any]:
    """The block, which the configuration takes as it stands."""
    file = folder / "datalogger.toml"
    file.write_text(f'{result.stdout}\n[sink.archive]\nkind = "file"\npath = "{folder}"\n')
    configuration, _ = load(file)
    assert list(configuration.sources) == [name]
    found: dict[str, Any] = tomllib.loads(result.stdout)["source"][name]
    return found


async def test_only_the_block_of_all_meters_stands_on_standard_output(tmp_path: Path) -> None:
    units = {1: image("eastron-sdm630", 1), 3: image("carlo-gavazzi-et112", 3)}
    async with RtuPeer(units, tmp_path) as peer:
        result = await probe(peer.port, *ONE_SETTING, "--name", "house")
    assert result.exit_code == 0, result.output
    assert table(result, tmp_path, "house") == {
        "kind": "modbus-rtu",
        "port": str(peer.port),
        "baud_rate": 115200,
        "parity": "N",
        "stopbits": 1,
        "units": [{"map": "eastron-sdm630", "unit": 1}, {"map": "carlo-gavazzi-et112", "unit": 3}],
    }
    assert "asking unit 1-3 at 115200 8N1" in result.stderr
    assert "Eastron SDM630 (eastron-sdm630): it says model 112" in result.stderr
    assert "26000001" in result.stderr
    assert "voltage_l1 22" in result.stderr or "voltage_l1 23" in result.stderr
    assert "energy_import " in result.stderr and " kWh" in result.stderr


async def test_one_meter_behind_modbus_tcp_is_written_in_the_short_form(tmp_path: Path) -> None:
    async with TcpPeer({7: image("carlo-gavazzi-em24-ethernet", 7)}) as peer:
        result = await probe("--tcp", f"127.0.0.1:{peer.port}")
    assert result.exit_code == 0, result.output
    assert table(result, tmp_path) == {
        "kind": "modbus-tcp",
        "host": "127.0.0.1",
        "port": peer.port,
        "map": "carlo-gavazzi-em24-ethernet",
        "unit": 7,
    }
    assert {function for _, function, _, _ in peer.requests} <= {3, 4}


async def test_a_sunspec_device_is_found_with_its_models(tmp_path: Path) -> None:
    async with TcpPeer({126: SunSpecDevice(126, [103, 203]).image()}) as peer:
        result = await probe("--tcp", f"127.0.0.1:{peer.port}")
    found = table(result, tmp_path)
    assert (found["map"], found["unit"]) == ("sunspec", 126)
    assert "model 103" in result.stderr and "model 203" in result.stderr


async def test_behind_a_serial_port_server_rtu_frames_are_spoken(tmp_path: Path) -> None:
    async with RtuOverTcpPeer({2: image("eastron-sdm120", 2)}, tmp_path) as peer:
        result = await probe("--rtu-over-tcp", f"127.0.0.1:{peer.port}", "--units", "2,1", "--timeout", "200ms")
    found = table(result, tmp_path)
    assert (found["map"], found["unit"], found["framing"]) == ("eastron-sdm120", 2, "rtu")


async def test_what_is_not_sure_is_marked_with_the_others_as_comments(tmp_path: Path) -> None:
    async with TcpPeer({1: image("eastron-sdm230", 1)}) as peer:
        result = await probe("--tcp", f"127.0.0.1:{peer.port}", "--units", "1")
    assert table(result, tmp_path)["map"] == "eastron-sdm230"
    assert "# perhaps Eastron SDM230" in result.stdout
    assert '# map = "eastron-sdm220" fits too' in result.stdout
    assert "perhaps Eastron SDM220" in result.stderr


async def test_a_map_of_ones_own_is_recognised(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / "mine.toml").write_text(
        "identity.model = { addr = 0x77, type = 'u16', values = [42] }\n"
        "[[reg]]\nname = 'e'\naddr = 0x10\ntype = 'u32'\nunit = 'kWh'\n"
    )
    async with TcpPeer({1: {3: {0x77: 42}, 4: {0x10: 0, 0x11: 12345}}}) as peer:
        result = await probe("--tcp", f"127.0.0.1:{peer.port}", "--units", "1", "--maps", maps)
    assert result.exit_code == 0, result.output
    assert tomllib.loads(result.stdout)["source"]["meters"]["map"] == "mine"
    assert "e 12345.00 kWh" in result.stderr
    assert f'the configuration needs [meters] maps = "{maps}"' in " ".join(result.stderr.split())


async def test_who_answers_and_is_not_known_is_exit_1_without_a_block() -> None:
    async with TcpPeer({2: STRANGER}) as peer:
        result = await probe("--tcp", f"127.0.0.1:{peer.port}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "unit 2        answers, and is none of the meters that are known" in result.stderr
    assert "a map of your own" in result.stderr


async def test_a_stranger_beside_a_known_meter_is_a_comment(tmp_path: Path) -> None:
    async with TcpPeer({1: image("eastron-sdm120", 1), 2: STRANGER}) as peer:
        result = await probe("--tcp", f"127.0.0.1:{peer.port}")
    assert table(result, tmp_path)["unit"] == 1
    assert "# unit 2 answers too" in result.stdout


async def test_the_first_meter_is_enough_where_that_is_wanted(tmp_path: Path) -> None:
    async with TcpPeer({unit: image("eastron-sdm120", unit) for unit in (1, 2)}) as peer:
        result = await probe("--tcp", f"127.0.0.1:{peer.port}", "--only-first")
    assert table(result, tmp_path)["unit"] == 1


async def test_silence_is_exit_1_with_what_to_look_at(tmp_path: Path) -> None:
    async with RtuPeer({}, tmp_path) as peer:
        result = await probe(peer.port, *ONE_SETTING, "--settings", "9600 8E1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nobody answers at unit 1-3 at 115200 8N1, 9600 8E1: are A and B the right way round" in result.stderr


async def test_a_server_that_speaks_no_modbus_tcp_is_told(tmp_path: Path) -> None:
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(raw, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    result = await probe("--tcp", f"127.0.0.1:{port}", "--timeout", "100ms")
    server.close()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no Modbus as it is configured here" in result.stderr
    assert "--rtu-over-tcp" in result.stderr


async def test_time_is_up_after_what_was_given(tmp_path: Path) -> None:
    async with RtuPeer({1: image("eastron-sdm630", 1)}, tmp_path) as peer:
        result = await probe(peer.port, "--time", "2s", "--units", "1-247")
    assert result.exit_code == 0, result.output
    assert table(result, tmp_path)["map"] == "eastron-sdm630"
    assert "time is up: --time gives it more" in result.stderr


@pytest.mark.slow
async def test_ctrl_c_ends_it_with_what_is_known_so_far(tmp_path: Path) -> None:
    async with RtuPeer({1: image("eastron-sdm630", 1)}, tmp_path) as peer:
        command = [sys.executable, "-m", "datalogger", "probe", "modbus", str(peer.port), "--units", "1-247"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None and process.stdout is not None
        async with asyncio.timeout(30):
            while b"it says" not in await process.stderr.readline():
                pass
            process.send_signal(signal.SIGINT)
            stdout, stderr = await process.communicate()
    assert process.returncode == 0
    assert tomllib.loads(stdout.decode())["source"]["meters"]["map"] == "eastron-sdm630"
    assert b"interrupted" in stderr
    assert b"Traceback" not in stderr


@pytest.mark.slow
async def test_on_a_terminal_a_bar_shows_how_far_it_is(tmp_path: Path) -> None:
    async with RtuPeer({1: image("eastron-sdm630", 1)}, tmp_path) as peer:
        shown, terminal = pty.openpty()
        command = [sys.executable, "-m", "datalogger", "probe", "modbus", str(peer.port), *ONE_SETTING]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=terminal, env={**os.environ, "TERM": "xterm"}
        )
        os.close(terminal)
        async with asyncio.timeout(30):
            stdout, _ = await process.communicate()
        text = b""
        try:
            while piece := os.read(shown, 4096):
                text += piece
        except OSError:  # the other end is closed
            pass
        os.close(shown)
    assert b"unit 2" in text and "━".encode() in text
    assert "serial number" not in stdout.decode().splitlines()[0]
    assert tomllib.loads(stdout.decode())["source"]["meters"]["unit"] == 1


async def test_a_port_that_is_not_there_is_said(tmp_path: Path) -> None:
    result = await probe(tmp_path / "ttyUSB7")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("no such port") == 1
    assert "nobody" not in result.stderr


async def test_a_server_that_is_not_there_is_said() -> None:
    result = await probe("--tcp", "127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing listens on 127.0.0.1:1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give a serial port"),
        (["/dev/ttyUSB0", "--tcp", "10.0.0.1"], "give a serial port"),
        (["--tcp", "10.0.0.1", "--rtu-over-tcp", "10.0.0.1:4001"], "give a serial port"),
        (["--tcp", "10.0.0.1", "--settings", "9600 8N1"], "a port server is set where it is"),
        (["--tcp", "a b"], "expected HOST or HOST:PORT"),
        (["--tcp", "10.0.0.1:0"], "expected HOST or HOST:PORT"),
        (["/dev/ttyUSB0", "--units", "0-5"], "expected addresses from 1 to 255"),
        (["/dev/ttyUSB0", "--units", "1-255"], "on a serial line there are addresses from 1 to 247"),
        (["/dev/ttyUSB0", "--settings", "9600 7E1"], "Modbus RTU has 8 data bits"),
        (["/dev/ttyUSB0", "--settings", "9600"], "expected baud rate"),
        (["/dev/ttyUSB0", "--timeout", "1"], "expected a duration"),
        (["/dev/ttyUSB0", "--name", "a.b"], "a name is of letters"),
        (["/dev/ttyUSB0", "--maps", "/none"], "does not exist"),
        (["/dev/ttyUSB0", "extra"], "unexpected extra argument"),
    ],
)
async def test_wrong_usage_is_exit_2(arguments: list[str], said: str) -> None:
    result = await probe(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


async def test_maps_that_are_wrong_are_told(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("nonsense")
    result = await probe("--tcp", "127.0.0.1:1", "--maps", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}/mine.toml: not TOML" in result.stderr


def test_it_is_found_from_the_help_of_probe() -> None:
    assert "datalogger probe modbus PORT" in CliRunner().invoke(main, ["probe", "--help"]).output
    result = CliRunner().invoke(main, ["probe", "modbus", "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage: main probe modbus [OPTIONS] [PORT]")
