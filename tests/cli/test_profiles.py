"""datalogger profiles: list, show, lint, table."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datalogger.cli import main
from datalogger.meters import overview
from datalogger.meters.profiles import load, parse

OWN = """
id = "own"
title = "My own"
makers = ["Maker"]
countries = ["NO"]
sources = ["N: a frame"]
[match]
layout = "flat"
counts = [99]
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "own.toml").write_text(OWN)
    return tmp_path


def profiles(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["profiles", *map(str, arguments)])


def test_list_names_every_profile() -> None:
    result = profiles("list")
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == list(load())


def test_list_names_those_of_a_directory_too(directory: Path) -> None:
    assert "own " in profiles("list", "--dir", directory).stdout
    assert "own " not in profiles("list").stdout


def test_show_says_everything_of_one() -> None:
    result = profiles("show", "kaifa-3p-l3")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == overview.described(load()["kaifa-3p-l3"])


def test_show_gives_the_file_of_one_to_be_copied(directory: Path) -> None:
    copied = profiles("show", "--toml", "kaifa-3p-l3").stdout
    assert parse(copied, "copy", "kaifa-3p-l3.toml") == load()["kaifa-3p-l3"]
    assert profiles("show", "--toml", "--dir", directory, "own").stdout.strip() == OWN.strip()


def test_show_of_an_unknown_profile_names_one_that_is_near() -> None:
    result = profiles("show", "kaifa-3p-l33")
    assert result.exit_code == 2
    assert 'no profile "kaifa-3p-l33"; did you mean "kaifa-3p-l3"?' in result.output


def test_table_is_the_one_of_the_documentation() -> None:
    assert profiles("table").stdout == overview.markdown(load().values())


def test_the_built_in_profiles_pass_the_lint() -> None:
    result = profiles("lint")
    assert (result.exit_code, result.stdout) == (0, f"{len(load())} profiles, nothing wrong\n")


def test_a_right_profile_of_ones_own_passes(directory: Path) -> None:
    result = profiles("lint", directory)
    assert (result.exit_code, result.stdout) == (0, f"{len(load()) + 1} profiles, nothing wrong\n")


def test_a_profile_that_quarrels_with_a_built_in_one_does_not_pass(directory: Path) -> None:
    (directory / "own.toml").write_text(OWN.replace("flat", "positional").partition("counts")[0] + 'types = "u32"\n')
    result = profiles("lint", directory)
    assert result.exit_code == 78 and "index 0 is missing" in result.stderr
    with_member = 'members = [{index = 0, obis = "1-0:1.7.0", scaler = 0, unit = "W"}]\n'
    (directory / "own.toml").write_text(with_member + (directory / "own.toml").read_text())
    result = profiles("lint", directory)
    assert (result.exit_code, result.stdout) == (
        1,
        "kaifa-l1 and own: a push may fit both, and nothing tells them apart\n",
    )


def test_a_file_that_is_no_profile_is_named_with_what_is_wrong(directory: Path) -> None:
    (directory / "own.toml").write_text(OWN.replace("makers", "maker"))
    for command in (("lint", directory), ("list", "--dir", directory), ("table", "--dir", directory)):
        result = profiles(*command)
        assert result.exit_code == 78
        assert result.stderr == f'{directory}/own.toml: maker: unknown key; did you mean "makers"?\n'
        assert result.stdout == ""


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    result = profiles("lint", tmp_path / "none")
    assert result.exit_code == 78 and "no directory of profiles" in result.stderr
