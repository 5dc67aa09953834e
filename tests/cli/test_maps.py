"""datalogger maps: list, show, lint."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datalogger.cli import main
from datalogger.meters import register_map_overview as overview
from datalogger.meters.register_maps import load, parse, sunspec_models

OWN = """
title = "My own"
[option]
default-serial-params = "19200/8e1"
[[reg]]
name = "voltage"
addr = 0x10
type = "u16"
unit = "V"
scale = 0.1
"""

EGAUGE = {
    "option": {"default-modbus-addr": "7", "default-serial-params": "9600/8n1"},
    "reg": [{"name": "power", "addr": 12, "type": "float", "unit": "W"}],
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "own.toml").write_text(OWN)
    return tmp_path


def maps(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["maps", *map(str, arguments)])


def test_list_names_every_map_and_every_sunspec_model() -> None:
    result = maps("list")
    assert result.exit_code == 0, result.output
    names = [line.split()[0] for line in result.stdout.splitlines()[1:-2]]
    assert names == [*load(), *(f"sunspec:{model}" for model in sunspec_models())]
    assert 'map = "sunspec"' in result.stdout.splitlines()[-2]


def test_list_names_those_of_a_directory_too(directory: Path) -> None:
    (line,) = [line for line in maps("list", "--dir", directory).stdout.splitlines() if line.startswith("own ")]
    assert line.split("  ")[-1] == "own" and "19200 8E1" in line
    assert "\nown " not in maps("list").stdout


def test_show_says_everything_of_one() -> None:
    result = maps("show", "eastron-sdm630")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == overview.described(load()["eastron-sdm630"])


def test_show_says_what_sunspec_is_and_everything_of_one_model() -> None:
    assert maps("show", "sunspec").stdout.splitlines() == overview.described_models(sunspec_models().values())
    assert maps("show", "sunspec:103").stdout.splitlines() == overview.described_model(sunspec_models()[103])


def test_show_gives_the_file_of_one_to_be_copied(directory: Path) -> None:
    copied = maps("show", "--toml", "eastron-sdm120").stdout
    assert parse(copied, "copy", "eastron-sdm120.toml") == load()["eastron-sdm120"]
    assert maps("show", "--toml", "--dir", directory, "own").stdout.strip() == OWN.strip()


@pytest.mark.parametrize("name", ["sunspec", "sunspec:103"])
def test_sunspec_has_no_file_to_begin_with_and_says_why(name: str) -> None:
    result = maps("show", "--toml", name)
    assert result.exit_code == 2
    assert "where a SunSpec device has its registers, it says by itself" in result.output


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("eastron-sdm63", '; did you mean "eastron-sdm630"?'),
        ("sunspek", '; did you mean "sunspec"?'),
        ("sunspec:1033", '; did you mean "sunspec:103"?'),
        ("0", "; see datalogger maps list"),
    ],
)
def test_show_of_an_unknown_map_names_one_that_is_near(name: str, mend: str) -> None:
    result = maps("show", name)
    assert result.exit_code == 2
    assert f'no register map "{name}"{mend}' in result.output


def test_the_built_in_maps_pass_the_lint() -> None:
    count = len(load()) + len(sunspec_models())
    result = maps("lint")
    assert (result.exit_code, result.stdout) == (0, f"{count} register maps, nothing wrong\n")


def test_right_maps_of_ones_own_pass_in_both_forms(directory: Path) -> None:
    (directory / "theirs.json").write_text(json.dumps(EGAUGE))
    result = maps("lint", directory)
    assert (result.exit_code, result.stdout) == (0, "2 register maps, nothing wrong\n")
    for name in ("own.toml", "theirs.json"):
        result = maps("lint", directory / name)
        assert (result.exit_code, result.stdout) == (0, "1 register map, nothing wrong\n")


def test_each_fault_is_a_line_and_exit_1(directory: Path) -> None:
    file = directory / "own.toml"
    file.write_text(OWN.replace("0.1", "0").replace('"V"', '"v"'))
    expected = [
        f'{file}: register "voltage": unit: "v" is not known; did you mean "V"?',
        f'{file}: register "voltage": scale: 0: everything would be 0; leave it out for 1',
    ]
    for path in (file, directory):
        result = maps("lint", path)
        assert (result.exit_code, result.stdout.splitlines(), result.stderr) == (1, expected, "")


def test_one_map_in_two_files_is_a_fault(directory: Path) -> None:
    (directory / "own.json").write_text(json.dumps(EGAUGE))
    result = maps("lint", directory)
    assert result.exit_code == 1
    assert "own.json too: keep one" in result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OWN.replace("title", "titel"), 'titel: unknown key; did you mean "title"?'),
        (OWN.replace('"u16"', '"u17"'), 'register "voltage": type: '),
        ("= nonsense", "not TOML: "),
    ],
)
def test_a_file_that_is_no_map_is_exit_78(directory: Path, text: str, said: str) -> None:
    file = directory / "own.toml"
    file.write_text(text)
    for command in (
        ("lint", directory),
        ("lint", file),
        ("list", "--dir", directory),
        ("show", "x", "--dir", directory),
    ):
        result = maps(*command)
        assert result.exit_code == 78
        assert result.stderr.startswith(f"{file}: {said}")
        assert result.stdout == ""


def test_a_path_that_is_none_is_said(tmp_path: Path) -> None:
    result = maps("lint", tmp_path / "eastron-sdm630")
    assert result.exit_code == 78 and "no such file or directory" in result.stderr
    result = maps("lint", tmp_path)
    assert result.exit_code == 78 and "no register map in it: a file that ends in .toml or .json" in result.stderr
    result = maps("list", "--dir", tmp_path / "none")
    assert result.exit_code == 78 and "no directory of register maps" in result.stderr
    (tmp_path / "map.yaml").write_text("")
    result = maps("lint", tmp_path / "map.yaml")
    assert result.exit_code == 2 and "ends in .toml or .json" in result.stderr
