"""The lines of configuration: the configuration takes them, and they claim nothing that is not sure."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from datalogger.config.load import load
from datalogger.line_settings import LineSettings
from datalogger.probing.modbus.block import MOST_OTHERS, block
from datalogger.probing.modbus.identification import Candidate, Finding

RTU: dict[str, str | int] = {"kind": "modbus-rtu", "port": "/dev/ttyUSB0"}
TCP: dict[str, str | int] = {"kind": "modbus-tcp", "host": "10.0.0.5", "port": 502}
SDM630 = Candidate("eastron-sdm630", "Eastron SDM630", sure=True, why="it says model 112 (0x0070)")
SDM230 = Candidate("eastron-sdm230", "Eastron SDM230", sure=False, why="mains voltage and frequency can be right")
SDM220 = Candidate("eastron-sdm220", "Eastron SDM220", sure=False, why="mains voltage and frequency can be right")
EVEN = LineSettings.parse("19200 8E2")


def taken(text: str, tmp_path: Path) -> dict[str, Any]:
    """As the configuration has it, which takes it without a complaint."""
    file = tmp_path / "datalogger.toml"
    file.write_text(f'{text}\n[sink.archive]\nkind = "file"\npath = "{tmp_path}"\n')
    configuration, _ = load(file)
    assert list(configuration.sources) == ["house"]
    table: dict[str, Any] = tomllib.loads(text)["source"]["house"]
    return table


def test_one_meter_is_written_in_the_short_form(tmp_path: Path) -> None:
    text = block("house", RTU, EVEN, [Finding(unit=3, candidates=(SDM630,), serial="4711")])
    assert taken(text, tmp_path) == {
        "kind": "modbus-rtu",
        "port": "/dev/ttyUSB0",
        "baud_rate": 19200,
        "parity": "E",
        "stopbits": 2,
        "map": "eastron-sdm630",
        "unit": 3,
    }
    assert "# Eastron SDM630, serial number 4711: it says model 112 (0x0070)" in text.splitlines()


def test_several_meters_have_a_table_each(tmp_path: Path) -> None:
    sunspec = Candidate("sunspec", "SMA STP", sure=True, why="SunSpec inverter, three-phase (model 103 at 40070)")
    findings = [
        Finding(unit=3, candidates=(SDM630,), serial="4711"),
        Finding(unit=7),
        Finding(unit=126, candidates=(sunspec,), serial="S1"),
    ]
    text = block("house", TCP, None, findings)
    table = taken(text, tmp_path)
    assert table["units"] == [{"map": "eastron-sdm630", "unit": 3}, {"map": "sunspec", "unit": 126}]
    assert "baud_rate" not in table
    assert "# unit 7 answers too: which meter that is, is not known" in text.splitlines()


def test_what_is_not_sure_is_said_so_with_the_others_that_fit(tmp_path: Path) -> None:
    text = block("house", RTU, EVEN, [Finding(unit=1, candidates=(SDM230, SDM220))])
    lines = text.splitlines()
    assert taken(text, tmp_path)["map"] == "eastron-sdm230"
    assert "# perhaps Eastron SDM230: mains voltage and frequency can be right" in lines
    assert '# map = "eastron-sdm220" fits too: Eastron SDM220' in lines
    assert any("compare" in line and line.startswith("#") for line in lines)
    assert any('meter = "meter-1"' in line and line.startswith("#") for line in lines)


def test_of_many_that_fit_only_some_are_named() -> None:
    text = block("house", RTU, EVEN, [Finding(unit=1, candidates=(SDM230, *[SDM220] * 20))])
    assert text.count("fits too") == MOST_OTHERS


@pytest.mark.parametrize("findings", [[], [Finding(unit=1)]])
def test_where_no_meter_is_known_there_is_no_block(findings: list[Finding]) -> None:
    assert block("house", RTU, EVEN, findings) == ""


def test_what_a_device_says_of_itself_breaks_out_of_no_comment(tmp_path: Path) -> None:
    evil = Candidate("sunspec", 'A\n[sink.x]\nkind = "file"', sure=True, why="models\r\nhere")
    text = block("house", TCP, None, [Finding(unit=1, candidates=(evil,), serial="1\n2")])
    assert taken(text, tmp_path)["map"] == "sunspec"
    assert list(tomllib.loads(text)) == ["source"]
