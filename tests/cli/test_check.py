"""datalogger check: says what would run, or what is wrong, and touches nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datalogger.cli import main

SERIAL = '[source.house]\nkind = "serial"\nport = "/dev/no-such-port"\n'
ARCHIVE = '[sink.archive]\nkind = "file"\npath = "archive"\nevery = "10s"\n'
ATTIC = '[sink.attic]\nkind = "dsmr-v1"\nurl = "http://attic.local"\nkey_file = "attic.key"\nsources = ["house"]\n'
KEY = "s3cr3t-of-the-attic"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (tmp_path / "attic.key").write_text(KEY)
    (tmp_path / "attic.key").chmod(0o600)
    path = tmp_path / "datalogger.toml"
    path.write_text(SERIAL + ATTIC + ARCHIVE)
    return path


def check(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def test_a_right_configuration_is_described_and_exits_0(configuration: Path) -> None:
    result = check(configuration)
    assert result.exit_code == 0, result.output
    directory = configuration.parent
    assert result.stdout.splitlines() == [
        f"{configuration} is right. It would run:",
        "  source   house    serial: port /dev/no-such-port",
        f"  sink     attic    dsmr-v1: url http://attic.local, key_file {directory}/attic.key; fed from house",
        f"  sink     archive  file: path {directory}/archive, every 10s; fed from every source",
        "  spool    /var/lib/datalogger/spool.db, grouped; keeps at most 256MB and 30d for a sink that is away",
        "  service  http://127.0.0.1:8420/healthz, /readyz and /metrics; logs info and up",
    ]
    assert result.stderr == ""


def test_what_differs_from_the_default_is_said(configuration: Path) -> None:
    configuration.write_text(
        SERIAL + ARCHIVE + '[spool]\ndurability = "memory"\n[service]\nlisten = ""\nlog_level = "debug"\n'
    )
    lines = check(configuration).stdout.splitlines()
    assert lines[-2:] == [
        "  spool    in memory only; keeps at most 8MB and 30d for a sink that is away",
        "  service  no status port; logs debug and up",
    ]


METER_KEY, AUTH_KEY = "00112233445566778899AABBCCDDEEFF", "ffeeddccbbaa99887766554433221100"
FIELD = f"""[source.field]
kind = "tcp-listen"
listen = "0.0.0.0:4059"
allow = ["192.168.1.0/24", "10.0.0.7"]
key_file = "meter.key"
auth_key = "{AUTH_KEY}"
replay_check = false
scalers = ["1.8.0 = 10 Wh", "31.7.0 = 0.01 A"]
factor = 50
"""


@pytest.fixture
def enciphered(configuration: Path) -> Path:
    (configuration.parent / "meter.key").write_text(METER_KEY)
    (configuration.parent / "meter.key").chmod(0o600)
    (configuration.parent / "own").mkdir()
    configuration.write_text(FIELD + ARCHIVE + '[meters]\nprofiles = "own"\n')
    return configuration


def test_a_source_of_enciphered_pushes_is_a_line_with_no_key_in_it(enciphered: Path) -> None:
    lines = check(enciphered).stdout.splitlines()
    assert lines[1] == (
        "  source   field    tcp-listen: listen 0.0.0.0:4059, "
        f"key_file {enciphered.parent}/meter.key, auth_key ***, replay_check false, "
        'scalers "1.8.0 = 10 Wh" "31.7.0 = 0.01 A", factor 50, allow 192.168.1.0/24 10.0.0.7'
    )
    assert lines[-1] == f"  meters   profiles of your own from {enciphered.parent}/own"


def test_json_of_a_source_of_enciphered_pushes_is_whole_and_holds_no_key(enciphered: Path) -> None:
    result = check(enciphered, "--json")
    answer = json.loads(result.stdout)
    assert answer["sources"]["field"] == {
        "kind": "tcp-listen",
        "zone": "Europe/Amsterdam",
        "silence": "1d",
        "framing": "wrapper",
        "key": "***",
        "key_file": str(enciphered.parent / "meter.key"),
        "key_env": None,
        "key_credential": None,
        "auth_key": "***",
        "auth_key_file": None,
        "auth_key_env": None,
        "auth_key_credential": None,
        "policy": None,
        "system_title": None,
        "replay_check": False,
        "profile": None,
        "clock": None,
        "meter": "",
        "scalers": ["1.8.0 = 10 Wh", "31.7.0 = 0.01 A"],
        "factor": 50,
        "listen": "0.0.0.0:4059",
        "allow": ["192.168.1.0/24", "10.0.0.7"],
        "max_clients": 256,
        "idle": "15m",
    }
    assert answer["meters"] == {"profiles": str(enciphered.parent / "own"), "maps": None}
    assert [warning.split(": ")[1] for warning in answer["warnings"]] == [
        "source.field.auth_key",
        "source.field.replay_check",
    ]
    assert METER_KEY not in result.output
    assert AUTH_KEY not in result.output


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("line", ['key_file = "attic.key"', f'key = "{KEY}"'])
def test_no_key_is_shown(configuration: Path, form: list[str], line: str) -> None:
    configuration.write_text(SERIAL + ATTIC.replace('key_file = "attic.key"', line))
    result = check(configuration, *form)
    assert result.exit_code == 0
    assert KEY not in result.output
    assert "***" in result.stdout or not form


def test_nothing_is_opened_or_written(configuration: Path) -> None:
    before = sorted(configuration.parent.iterdir())
    assert check(configuration).exit_code == 0
    assert sorted(configuration.parent.iterdir()) == before


def test_every_problem_goes_to_standard_error_and_exits_78(configuration: Path) -> None:
    configuration.write_text(SERIAL.replace("serial", "serail") + ARCHIVE + "timeout = 10\n")
    result = check(configuration)
    assert result.exit_code == 78
    assert result.stdout == ""
    assert [line.partition(": ")[2].partition(": ")[0] for line in result.stderr.splitlines()] == [
        "source.house.kind",
        "sink.archive.timeout",
    ]


def test_a_missing_file_exits_78_and_says_where_a_sample_is(tmp_path: Path) -> None:
    result = check(tmp_path / "none.toml")
    assert result.exit_code == 78
    assert "etc/datalogger.toml" in result.stderr


def test_warnings_go_to_standard_error_and_exit_0(configuration: Path) -> None:
    (configuration.parent / "attic.key").chmod(0o644)
    result = check(configuration)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {configuration}:7: sink.attic.key_file: every user")


@pytest.mark.slow
@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize(("text", "status"), [("", 0), ("x = 1", 78)])
def test_a_reader_that_leaves_changes_no_exit_status(
    configuration: Path, form: list[str], text: str, status: int
) -> None:
    configuration.write_text(text or SERIAL + ARCHIVE)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "datalogger", "check", str(configuration), *form]
    try:
        assert subprocess.run(command, stdout=writer, stderr=writer, timeout=60, check=False).returncode == status
    finally:
        os.close(writer)


def test_a_file_that_is_not_there_is_told_in_the_words_of_the_command(tmp_path: Path) -> None:
    for words, told in [
        (["check", "none.toml"], "main check FILE"),
        (["run", "none.toml"], "main run FILE"),
        (["spool", "status", "-c", "none.toml"], "main spool status -c FILE"),
        (["check", str(tmp_path)], "name the file in it: main check FILE"),
    ]:
        result = CliRunner().invoke(main, words)
        assert (result.exit_code, result.stderr.strip().endswith(told)) == (78, True), result.stderr


def test_json_holds_the_whole_configuration_in_the_words_of_the_file(configuration: Path) -> None:
    answer = json.loads(check(configuration, "--json").stdout)
    assert (answer["file"], answer["right"], answer["problems"], answer["warnings"]) == (
        str(configuration),
        True,
        [],
        [],
    )
    assert answer["sources"]["house"]["silence"] == "2m"
    assert answer["sinks"]["attic"]["key"] == "***"
    assert answer["sinks"]["attic"]["sources"] == ["house"]
    assert answer["spool"]["max_bytes"] == "256MB"
    assert answer["service"]["listen"] == "127.0.0.1:8420"


def test_json_holds_the_problems_and_exits_78(configuration: Path) -> None:
    configuration.write_text("x = 1")
    result = check(configuration, "--json")
    assert result.exit_code == 78
    answer = json.loads(result.stdout)
    assert answer["right"] is False
    assert len(answer["problems"]) == 3


def test_without_an_argument_the_environment_names_the_file(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATALOGGER_CONFIG", str(configuration))
    assert check().stdout.startswith(f"{configuration} is right")


def test_without_anything_it_is_the_file_in_etc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATALOGGER_CONFIG", raising=False)
    monkeypatch.setattr(Path, "read_bytes", _not_there)
    result = check()
    assert result.exit_code == 78
    assert result.stderr.startswith("/etc/datalogger/datalogger.toml: no such file")


def test_a_file_this_user_may_not_read_names_the_user_who_may(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # what click asks
    monkeypatch.setattr(Path, "read_bytes", _denied)
    result = check(configuration)
    assert result.exit_code == 78
    assert result.stderr.strip().endswith(f"sudo -u datalogger datalogger check {configuration}")


def _denied(path: Path) -> bytes:
    raise PermissionError(13, "Permission denied")


def _not_there(path: Path) -> bytes:
    raise FileNotFoundError(path)


def test_the_file_may_be_named_either_way_but_once(tmp_path: Path) -> None:
    for words in (["check", "-c", "a.toml"], ["check", "--config", "a.toml"], ["check", "a.toml"]):
        assert "a.toml: no such file" in CliRunner().invoke(main, words).output
    twice = CliRunner().invoke(main, ["check", "a.toml", "-c", "b.toml"])
    assert (twice.exit_code, "one configuration file, please" in twice.output) == (2, True)
