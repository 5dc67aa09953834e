"""Profiles are read from the package and from a directory, and what is wrong with one is said with its mend."""

from pathlib import Path

import pytest

from datalogger.errors import ConfigError
from datalogger.meters import profiles
from tests.meters.pushes import HEAD

OWN = HEAD.format(id="own") + '[match]\nlayout = "flat"\nnames = ["1-0:1.8.0"]\n'


def _told(directory: Path, text: str, name: str = "own.toml") -> str:
    (directory / name).write_text(text)
    with pytest.raises(ConfigError) as error:
        profiles.load(directory)
    return str(error.value)


def test_the_built_in_profiles_are_read_once() -> None:
    assert len(profiles.load()) > 20
    assert profiles.load() is profiles.load()


def test_a_profile_of_ones_own_stands_beside_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    found = profiles.load(tmp_path)
    assert found["own"].match.names == ("1-0:1.8.0",)
    assert set(found) == {"own", *profiles.load()}


def test_a_file_of_the_same_name_stands_before_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "kaifa-l1.toml").write_text(OWN.replace('"own"', '"kaifa-l1"').replace("A meter", "My own"))
    assert profiles.load(tmp_path)["kaifa-l1"].title == "My own"
    assert profiles.load()["kaifa-l1"].title != "My own"


def test_what_is_no_profile_in_the_directory_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("mine")
    assert set(profiles.load(tmp_path)) == set(profiles.load())


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mine: no directory of profiles: No such file"):
        profiles.load(tmp_path / "mine")


def test_a_misspelt_key_is_named_with_the_right_one(tmp_path: Path) -> None:
    told = _told(tmp_path, OWN.replace("makers", "maker"))
    assert told == f'{tmp_path}/own.toml: maker: unknown key; did you mean "makers"?'


def test_a_misspelt_key_deep_inside_is_named_by_its_place(tmp_path: Path) -> None:
    told = _told(tmp_path, 'members = [{index = 0, obsi = "1-0:1.8.0"}]\n' + OWN)
    assert told.endswith('own.toml: members[0].obsi: unknown key; did you mean "obis"?')


def test_a_key_like_none_is_answered_with_those_there_are(tmp_path: Path) -> None:
    told = _told(tmp_path, OWN + "[key]\nquux = 1\n")
    assert told.endswith("own.toml: key.quux: unknown key; there is need, ask")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('registers = [{obis = ["1.8.0"], scaler = "x"}]', "registers[0].scaler: 'x': expected a whole number"),
        ('registers = [{obis = ["1.8.0"], scaler = 30}]', "registers[0].scaler: 30: expected a whole number <= 12"),
        ('registers = [{obis = ["1.8"]}]', "registers[0].obis[0]: '1.8': expected a text in quotes matching regex"),
        ("meter = 1.5", "meter: 1.5: expected"),
    ],
)
def test_a_wrong_value_is_shown_with_its_key(tmp_path: Path, line: str, told: str) -> None:
    assert f"own.toml: {told}" in _told(tmp_path, f"{line}\n{OWN}")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    assert "sources: is missing" in _told(tmp_path, OWN.replace("sources", "#"))


def test_an_id_that_is_not_the_files_name_is_refused(tmp_path: Path) -> None:
    assert 'id: "own" in a file named other.toml' in _told(tmp_path, OWN, "other.toml")


def test_what_cannot_be_meant_is_refused_too(tmp_path: Path) -> None:
    told = _told(tmp_path, OWN + 'texts = {"42.0.0" = "("}\n')
    assert 'own.toml: match.texts."42.0.0": "(" is no regular expression' in told


def test_what_is_no_toml_is_said(tmp_path: Path) -> None:
    assert "own.toml: not TOML: " in _told(tmp_path, "id = \n")


def test_octets_that_are_no_text_are_said(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        profiles.load(tmp_path)


def test_every_wrong_file_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("id = \n")
    told = _told(tmp_path, "id = \n")
    assert "one.toml" in told and "own.toml" in told
