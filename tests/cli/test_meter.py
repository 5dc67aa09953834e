"""datalogger meter …, beside a counter file that a daemon keeps."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datalogger.cli import main
from datalogger.meters.counters import CounterFile, beside, read
from tests.spool.clock import StillClock

KAIFA, LANDIS, BARE = "4B464D104B79A973", "4C475A6774206295", "2F1922B2EF5C90D2"
KEY, OLD_KEY = "1a2b3c4d", "ffffffff"

CONFIGURATION = """
[source.house]
kind = "replay"
path = "capture.bin"

[sink.attic]
kind = "file"
path = "archive"

[spool]
path = "spool.db"
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["meter", *arguments], catch_exceptions=False)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def daemon(spool: Path) -> CounterFile:
    """What a daemon holds that has written its counters."""
    clock = StillClock()
    file = CounterFile(beside(spool), clock)
    file.note(LANDIS, KEY, 15032)
    file.note(KAIFA, OLD_KEY, 4)
    clock.advance(60)
    file.note(KAIFA, KEY, 0)
    file.note(BARE, KEY, 2**32 - 1)
    assert file.flush() == ""
    return file


def titles(spool: Path) -> set[str]:
    return {title for title, _ in read(beside(spool))}


def test_list_shows_every_meter_and_key(spool: Path, daemon: CounterFile) -> None:
    shown = run("list", "--spool", str(spool))
    assert shown.exit_code == 0
    rows = [line.split()[:4] for line in shown.output.splitlines()[1:]]
    assert rows == [
        [BARE, "-", KEY, "4294967295"],
        [KAIFA, "KFM", KEY, "0"],
        [KAIFA, "KFM", OLD_KEY, "4"],
        [LANDIS, "LGZ", KEY, "15032"],
    ]
    assert StillClock().now().astimezone().strftime("%Y-%m-%d %H:%M:%S") in shown.output


def test_list_for_machines(spool: Path, daemon: CounterFile) -> None:
    rows = [json.loads(line) for line in run("list", "--json", "--spool", str(spool)).output.splitlines()]
    seen = StillClock().now().replace(microsecond=0).isoformat()
    assert rows[3] == {"title": LANDIS, "maker": "LGZ", "key": KEY, "counter": 15032, "seen": seen}
    assert len(rows) == 4


def test_list_where_nothing_is_known_yet(spool: Path) -> None:
    shown = run("list", "--spool", str(spool))
    assert shown.exit_code == 0
    assert "no meter that encrypts is known yet" in shown.output
    assert run("list", "--json", "--spool", str(spool)).stdout == ""


def test_the_configuration_says_where_the_counters_are(spool: Path, daemon: CounterFile) -> None:
    config = spool.with_name("datalogger.toml")
    config.write_text(CONFIGURATION)
    assert KAIFA in run("list", "-c", str(config)).output
    assert run("forget", KAIFA, "-c", str(config)).exit_code == 0
    assert titles(spool) == {LANDIS, BARE}


def test_counters_in_memory_are_nowhere_to_be_looked_at(spool: Path) -> None:
    config = spool.with_name("datalogger.toml")
    config.write_text(CONFIGURATION + 'durability = "memory"\n')
    shown = run("list", "-c", str(config))
    assert shown.exit_code == 1
    assert "no file to look at" in shown.output


@pytest.mark.parametrize(
    "text", [KAIFA, KAIFA.lower(), "KFM104B79A973", "kfm 104b79a973", "KFM-10:4B:79:A9:73", "4B 46 4D 10 4B 79 A9 73"]
)
def test_a_title_is_written_in_many_ways(spool: Path, daemon: CounterFile, text: str) -> None:
    shown = run("forget", text, "--spool", str(spool))
    assert (shown.exit_code, shown.output) == (0, f"forgotten: {KAIFA}\n")
    assert titles(spool) == {LANDIS, BARE}


def test_the_fourth_octet_may_be_a_letter_too(spool: Path, daemon: CounterFile) -> None:
    assert run("forget", "LGZg74206295", "--spool", str(spool)).output == f"forgotten: {LANDIS}\n"


def test_a_running_daemon_takes_notice_at_once(spool: Path, daemon: CounterFile) -> None:
    daemon.note(KAIFA, KEY, 1)
    run("forget", KAIFA, "--spool", str(spool))
    assert [daemon.last(KAIFA, key) for key in (KEY, OLD_KEY)] == [None, None]
    assert daemon.last(LANDIS, KEY) == 15032


def test_several_and_all(spool: Path, daemon: CounterFile) -> None:
    assert run("forget", KAIFA, BARE, "--spool", str(spool)).output == f"forgotten: {BARE}\nforgotten: {KAIFA}\n"
    assert run("forget", "--all", "--spool", str(spool)).output == f"forgotten: {LANDIS}\n"
    assert "no meter that encrypts is known" in run("forget", "--all", "--spool", str(spool)).output
    assert titles(spool) == set()


def test_an_unknown_title_is_refused_and_the_known_ones_named(spool: Path, daemon: CounterFile) -> None:
    shown = run("forget", KAIFA, "KFM0000000000", "--spool", str(spool))
    assert shown.exit_code == 1
    assert "KFM0000000000" in shown.stderr
    assert f"there is {BARE}, {KAIFA}, {LANDIS}" in shown.stderr
    assert titles(spool) == {KAIFA, LANDIS, BARE}  # nothing is done by halves


def test_an_unknown_title_where_none_is_known(spool: Path) -> None:
    shown = run("forget", KAIFA, "--spool", str(spool))
    assert shown.exit_code == 1
    assert "there is none" in shown.stderr
    assert list(spool.parent.iterdir()) == []


@pytest.mark.parametrize("arguments", [(), (KAIFA, "--all")])
def test_forget_wants_to_be_told_which(spool: Path, daemon: CounterFile, arguments: tuple[str, ...]) -> None:
    shown = run("forget", *arguments, "--spool", str(spool))
    assert shown.exit_code == 2
    assert "--all" in shown.stderr


@pytest.mark.parametrize("arguments", [("list",), ("forget", "--all"), ("forget", KAIFA)])
def test_a_damaged_file_is_named_and_left_alone(spool: Path, arguments: tuple[str, ...]) -> None:
    file = beside(spool)
    file.write_bytes(b"{")
    shown = run(*arguments, "--spool", str(spool))
    assert shown.exit_code == 1
    assert str(file) in shown.stderr.replace("\n", "")
    assert file.read_bytes() == b"{"


def test_who_may_not_write_there_is_told_who_to_be(
    spool: Path, daemon: CounterFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)  # not by mode: tests may run as root
    shown = run("forget", "--all", "--spool", str(spool))
    assert shown.exit_code == 1
    assert "sudo -u datalogger" in shown.stderr
