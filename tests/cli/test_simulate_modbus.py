"""The real process on real lines; what the meters themselves say is tests/simulation/modbus's business."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from datalogger.cli.simulate import simulate
from datalogger.meters import register_maps
from datalogger.protocol.modbus.answers import Answer, Refusal, Request
from datalogger.simulation.modbus.device import Device
from datalogger.simulation.modbus.faults import AnswerFault
from datalogger.simulation.modbus.sunspec import known_models
from datalogger.sources.modbus.wire import Framing, Wire

SOON = 30  # seconds; a failure bound, never waited for

STILL = ("--interval", "1h")
VOLTAGES = Request(1, 4, 0, 6)


@contextlib.contextmanager
def meter(*options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "datalogger", "simulate", "modbus", *options],
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


def asked(where: str, framing: Framing, request: Request) -> Answer | Refusal:
    octets, listening = Wire(framing).ask(request)
    if where.startswith("/"):
        line = os.open(where, os.O_RDWR | os.O_NOCTTY)
    else:
        host, _, port = where.rpartition(":")
        line = socket.create_connection((host, int(port)), timeout=SOON).detach()
        os.set_blocking(line, True)
    try:
        os.write(line, octets)
        while True:
            assert select.select([line], [], [], SOON)[0], "no answer"
            for event in listening.feed(os.read(line, 4096)):
                assert isinstance(event, Answer | Refusal), event
                return event
    finally:
        os.close(line)


def expected(name: str, unit: int, request: Request, seed: int = 0) -> bytes:
    device = Device(unit, register_maps.load()[name], seed)
    pdu = bytes((request.function,)) + request.address.to_bytes(2, "big") + request.count.to_bytes(2, "big")
    return device.answer(pdu)


def told(output: str) -> str:
    return " ".join(output.split())


@pytest.mark.slow
def test_meters_on_a_serial_port_answer_each_under_its_own_address(tmp_path: Path) -> None:
    link = tmp_path / "bus"
    options = ["eastron-sdm120", "eastron-sdm630@7", "eastron-sdm220", "--pty", str(link), *STILL]
    with meter(*options, "--seed", "5", "--count", "3", "-v") as process:
        assert address(process) == str(link)
        for name, unit in (("eastron-sdm120", 1), ("eastron-sdm630", 7), ("eastron-sdm220", 2)):
            request = Request(unit, 4, 0, 2)
            answer = asked(str(link), "rtu", request)
            assert isinstance(answer, Answer) and answer.pdu == expected(name, unit, request, 5)
        out, err = process.communicate(timeout=SOON)
        assert (out, process.returncode) == ("", 0)
    assert err.splitlines() == [f"unit {unit}  function 4  0x0000 +2  9 octets" for unit in (1, 7, 2)]
    assert not link.is_symlink()


@pytest.mark.slow
def test_meters_answer_over_tcp_in_both_framings() -> None:
    options = ["eastron-sdm630", "sunspec:103+203", "--tcp", "127.0.0.1:0", "--rtu-over-tcp", "127.0.0.1:0", *STILL]
    with meter(*options) as process:
        tcp, raw = address(process), address(process)
        ways: list[tuple[str, Framing]] = [(tcp, "tcp"), (raw, "rtu")]
        for where, framing in ways:
            answer = asked(where, framing, VOLTAGES)
            assert isinstance(answer, Answer) and answer.pdu == expected("eastron-sdm630", 1, VOLTAGES)
            marker = asked(where, framing, Request(2, 3, 40000, 2))
            assert isinstance(marker, Answer) and marker.pdu == b"\x03\x04SunS"


@pytest.mark.slow
def test_a_fault_is_told_and_a_map_of_one_s_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[reg]]\nname = "power_total"\naddr = 6\ntype = "s32"\nunit = "W"\n')
    options = ["mine@3", "--maps", str(tmp_path), "--tcp", "127.0.0.1:0", "--fault", "exception=1", "--count", "1"]
    with meter(*options, "-v") as process:
        assert isinstance(asked(address(process), "tcp", Request(3, 4, 6, 2)), Refusal)
        assert process.communicate(timeout=SOON)[1] == "unit 3  function 4  0x0006 +2  9 octets  exception\n"


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_clean_end(stop: signal.Signals, tmp_path: Path) -> None:
    link = tmp_path / "bus"
    with meter("eastron-sdm120", "--pty", str(link), "--tcp", "127.0.0.1:0") as process:
        assert address(process) == str(link)
        assert address(process).startswith("127.0.0.1:")
        process.send_signal(stop)
        assert process.wait(SOON) == 0
        assert process.communicate() == ("", "")
    assert not link.is_symlink()


def test_the_list_names_every_map_and_every_model() -> None:
    result = CliRunner().invoke(simulate, ["modbus", "--list"])
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.output.splitlines()[1:]}
    for name, found in register_maps.load().items():
        assert found.title in lines[name]
        assert (found.option.serial or "") in lines[name]
    for number, title in known_models().items():
        assert title in lines[f"sunspec:{number}"]


def test_the_help_names_every_fault() -> None:
    text = told(CliRunner().invoke(simulate, ["modbus", "--help"]).output).partition("Faults: ")[2]
    assert all(f"{fault} " in text or f"{fault}," in text for fault in AnswerFault)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "which meter? Name one of --list, such as eastron-sdm630 or sunspec:103"),
        (["eastron-sdm63"], "no map 'eastron-sdm63'; did you mean \"eastron-sdm630\"?"),
        (["sunspec103"], "no map 'sunspec103'; did you mean \"sunspec:103\"?"),
        (["zzz"], "no map 'zzz'; --list shows the maps"),
        (["sunspec"], "sunspec: of which model? There is 101, 102, 103,"),
        (["sunspec:"], "sunspec: of which model? There is 101, 102, 103,"),
        (["sunspec:103+999"], "sunspec:103+999: no model '999'; there is 101, 102, 103,"),
        (["abb-b23@0"], "'abb-b23@0': expected a unit from 1 to 255 behind the @"),
        (["abb-b23@256"], "'abb-b23@256': expected a unit from 1 to 255 behind the @"),
        (["abb-b23@"], "'abb-b23@': expected a unit from 1 to 255 behind the @"),
        (["abb-b23@1", "eastron-sdm120@1"], "unit 1 is there twice: give one of them another: abb-b23@2"),
        (["abb-b23"] * 256, "256 meters on one line: no more than 255 have an address"),
        (["abb-b23", "--fault", "flip=1"], "KIND one of exception, silence, unit, function, late, crc,"),
        (["abb-b23", "--fault", "late=2"], "'late=2': expected KIND=RATE"),
        (["abb-b23", "--fault", "close=1"], "close: a serial port has no connection: --tcp or --rtu-over-tcp, without"),
        (["abb-b23", "--tcp", "127.0.0.1:0", "--fault", "crc=1"], "crc: Modbus TCP has no check sum: --pty or --rtu-"),
        (["abb-b23", "--tcp", "nowhere"], "'nowhere': expected HOST:PORT"),
        (["abb-b23", "--count", "0"], "0 is not in the range"),
        (["abb-b23", "--maps", "/dev/null/none"], "does not exist"),
    ],
)
def test_a_wrong_option_is_refused_with_the_mend(options: list[str], words: str) -> None:
    result = CliRunner().invoke(simulate, ["modbus", *options])
    assert result.exit_code == 2
    assert words in told(result.output)


def test_a_map_that_is_wrong_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[reg]]\nname = "power"\naddr = 6\ntype = "s99"\n')
    result = CliRunner().invoke(simulate, ["modbus", "mine", "--maps", str(tmp_path)])
    assert result.exit_code == 1
    assert result.output.startswith(f'Error: {tmp_path / "mine.toml"}: register "power": type: ')


def test_a_taken_port_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(simulate, ["modbus", "abb-b23", "--tcp", where])
    assert result.exit_code == 1
    assert result.output == f"Error: {where} is taken already: choose another port, or 0 for any free one\n"
