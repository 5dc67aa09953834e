"""datalogger spool …, on a spool that a daemon has open and on one that nobody has."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
import structlog
from click.testing import CliRunner, Result

from datalogger.cli import main
from datalogger.clock import SystemClock
from datalogger.config.schema import SinkOptions, SpoolOptions
from datalogger.metrics import Metrics
from datalogger.spool.spool import Spool
from datalogger.words import Duration
from tests.spool.reports import report

SINKS = {"attic": SinkOptions(kind="test"), "cloud": SinkOptions(kind="test")}

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


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["spool", *arguments], input=typed, catch_exceptions=False)


async def fill(path: Path) -> None:
    """Five waiting for both; two refused by attic with what the server said."""
    spool = Spool(SpoolOptions(path=path), SINKS, clock=SystemClock(), metrics=Metrics())
    await spool.open()
    for number in range(5):
        spool.append(report(number), SINKS)
    refused = [spool.append(report(number), ("attic",)) for number in (10, 11)]
    answers = {refused[0]: "500 Failed to parse telegram", refused[1]: "500 DataError:\n numeric overflow"}
    await spool.set_aside("attic", answers, "rejected")
    await spool.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The daemon of these tests shares standard output with the command under test; a real one does not."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "spool.db"
    asyncio.run(fill(path))
    return path


@contextmanager
def daemon(path: Path) -> Iterator[None]:
    """A spool at work in a thread of its own."""
    ready, done = Event(), Event()

    async def work() -> None:
        options = SpoolOptions(path=path, window=Duration(0.02))
        spool = Spool(options, SINKS, clock=SystemClock(), metrics=Metrics())
        await spool.open()
        keeping = asyncio.ensure_future(spool.keep())
        ready.set()
        await asyncio.to_thread(done.wait)
        keeping.cancel()
        await spool.close()

    thread = Thread(target=asyncio.run, args=[work()])
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture(params=["daemon", "no daemon"])
def at_work(request: pytest.FixtureRequest, path: Path) -> Iterator[bool]:
    """Every command must do the same with a daemon and without."""
    if request.param == "daemon":
        with daemon(path):
            yield True
    else:
        yield False


def test_status_shows_depth_and_quarantine(path: Path, at_work: bool) -> None:
    shown = run("status", "--spool", str(path))
    assert shown.exit_code == 0
    attic = next(line for line in shown.output.splitlines() if line.startswith("attic"))
    assert attic.split()[1] == "5"
    assert "2 rejected" in attic
    assert ("a daemon is running" in shown.output) == at_work


def test_status_for_machines(path: Path, at_work: bool) -> None:
    shown = json.loads(run("status", "--spool", str(path), "--json").output)
    assert shown["daemon"] == at_work
    assert [(sink["sink"], sink["depth"]) for sink in shown["sinks"]] == [("attic", 5), ("cloud", 5)]
    assert shown["sinks"][0]["quarantined"] == {"rejected": 2}
    assert shown["sinks"][0]["oldest_age_seconds"] is not None


def test_list_shows_the_servers_answer_on_one_line(path: Path, at_work: bool) -> None:
    lines = run("list", "attic", "--spool", str(path)).output.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("rejected: 500 Failed to parse telegram")
    assert lines[1].endswith("rejected: 500 DataError: numeric overflow")


def test_list_pending_for_machines(path: Path, at_work: bool) -> None:
    rows = [
        json.loads(line)
        for line in run("list", "cloud", "--pending", "--json", "--spool", str(path)).output.splitlines()
    ]
    assert [row["source"] for row in rows] == ["house"] * 5
    assert [row["sequence"] for row in rows] == sorted(row["sequence"] for row in rows)


def test_list_says_when_there_is_more(path: Path) -> None:
    shown = run("list", "--pending", "--limit", "3", "--spool", str(path))
    assert len(shown.stdout.splitlines()) == 3
    assert "and more" in shown.stderr


def test_replay_of_all(path: Path, at_work: bool) -> None:
    assert run("replay", "attic", "--all", "--spool", str(path)).output == "replayed 2 of attic\n"
    assert run("list", "attic", "--spool", str(path)).output == "nothing is in quarantine\n"
    rows = run("list", "attic", "--pending", "--spool", str(path)).output.splitlines()
    assert [line.endswith("replayed") for line in rows] == [False] * 5 + [True] * 2


def test_replay_of_one(path: Path, at_work: bool) -> None:
    sequence = json.loads(run("list", "attic", "--json", "--spool", str(path)).output.splitlines()[0])["sequence"]
    shown = run("replay", "attic", str(sequence), "--json", "--spool", str(path))
    assert json.loads(shown.output) == {"sink": "attic", "replayed": 1}
    assert len(run("list", "attic", "--spool", str(path)).output.splitlines()) == 1


def test_drop_asks_first(path: Path, at_work: bool) -> None:
    assert run("drop", "cloud", "--pending", "--all", "--spool", str(path), typed="n\n").exit_code == 1
    assert len(run("list", "cloud", "--pending", "--spool", str(path)).output.splitlines()) == 5
    shown = run("drop", "cloud", "--pending", "--all", "--spool", str(path), typed="y\n")
    assert shown.stdout == "dropped 5 of cloud\n"
    assert run("list", "cloud", "--pending", "--spool", str(path)).output == "nothing is waiting\n"
    assert len(run("list", "attic", "--pending", "--spool", str(path)).output.splitlines()) == 5


def test_drop_of_what_is_older(path: Path) -> None:
    shown = run("drop", "cloud", "--pending", "--older", "9000d", "--yes", "--spool", str(path))
    assert shown.output == "dropped 0 of cloud\n"


def test_export_as_report_json(path: Path, at_work: bool, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert run("export", "cloud", "-o", str(out), "--spool", str(path)).exit_code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["meter"] for row in rows] == [report(number).meter for number in range(5)]
    assert [len(row["records"]) for row in rows] == [35] * 5


def test_export_of_telegrams_is_byte_for_byte(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.bin"
    assert (
        run("export", "attic", "--quarantined", "--format", "telegram", "-o", str(out), "--spool", str(path)).exit_code
        == 0
    )
    assert out.read_bytes() == report(10).frame + report(11).frame


def test_the_configuration_names_the_spool(path: Path) -> None:
    config = path.with_name("datalogger.toml")
    config.write_text(CONFIGURATION)
    assert "attic" in run("status", "-c", str(config)).output


def test_a_spool_in_memory_has_no_file_to_look_at(path: Path) -> None:
    config = path.with_name("datalogger.toml")
    config.write_text(CONFIGURATION + 'durability = "memory"\n')
    shown = run("status", "-c", str(config))
    assert shown.exit_code == 1
    assert 'durability = "memory"' in shown.output
    assert "no file to look at" in shown.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "attic"], "--all"),
        (["replay", "attic", "1", "--all"], "--all"),
        (["drop", "attic", "--all"], "--pending or --quarantined"),
        (["drop", "attic", "--pending", "--older", "soon"], "expected a duration"),
    ],
)
def test_wrong_usage_is_said(path: Path, arguments: list[str], said: str) -> None:
    shown = run(*arguments, "--spool", str(path))
    assert shown.exit_code == 2
    assert said in shown.output


@pytest.mark.parametrize("command", [["status"], ["list"], ["replay", "attic", "--all"], ["export", "attic"]])
def test_a_spool_that_is_not_there_is_said(tmp_path: Path, command: list[str]) -> None:
    shown = run(*command, "--spool", str(tmp_path / "no.db"))
    assert shown.exit_code == 1
    assert "no spool there" in shown.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["status"], ["list"], ["export", "attic"], ["replay", "attic", "--all"]])
def test_a_file_that_is_no_spool_is_said_and_not_touched(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear spool, " * 1000)
    shown = run(*command, "--spool", str(file))
    assert shown.exit_code == 1
    assert str(file) in shown.output
    assert file.read_text() == "Dear spool, " * 1000


def test_a_sink_that_is_not_there_is_said(path: Path) -> None:
    shown = run("export", "cellar", "--spool", str(path))
    assert shown.exit_code == 1
    assert "t knows: attic, cloud" in shown.output


@pytest.mark.parametrize("command", ["status", "list", "replay", "drop", "export"])
def test_every_command_has_help(command: str) -> None:
    assert "--spool" in run(command, "--help").output


@pytest.mark.parametrize("command", [["status"], ["list", "--pending"]])
def test_a_damaged_spool_is_said(path: Path, command: list[str]) -> None:
    octets = bytearray(path.read_bytes())
    octets[4096:] = b"\xff" * (len(octets) - 4096)
    path.write_bytes(octets)
    shown = run(*command, "--spool", str(path))
    assert shown.exit_code == 1
    assert "cannot be read" in shown.output


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["list", "--pending"],
        ["export"],
        ["replay", "--all"],
        ["drop", "--pending", "--all", "--yes"],
    ],
)
def test_a_slip_in_a_sinks_name_is_said_with_the_nearest(path: Path, command: list[str], at_work: bool) -> None:
    shown = run(command[0], "atic", *command[1:], "--spool", str(path))
    assert shown.exit_code == 1
    assert "no sink 'atic' in this spool; did you mean \"attic\"? It knows: attic, cloud" in shown.stderr
    assert shown.stdout == ""


def test_sequences_that_are_not_there_are_said(path: Path, at_work: bool) -> None:
    shown = run("replay", "attic", "4242", "--spool", str(path))
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert "not in quarantine for attic: 4242 (see `datalogger spool list attic`)" in shown.stderr
    shown = run("drop", "attic", "99", "98", "--pending", "--spool", str(path))  # and does not ask
    assert shown.exit_code == 1
    assert "not waiting for attic: 98, 99 (see `datalogger spool list attic --pending`)" in shown.stderr


def test_sequences_that_are_there_are_done_beside_those_that_are_not(path: Path, at_work: bool) -> None:
    row = json.loads(run("list", "attic", "--json", "--spool", str(path)).output.splitlines()[0])
    shown = run("replay", "attic", str(row["sequence"]), "4242", "--json", "--spool", str(path))
    assert shown.exit_code == 1
    assert json.loads(shown.stdout) == {"sink": "attic", "replayed": 1}
    assert "not in quarantine for attic: 4242" in shown.stderr


def test_what_one_sink_has_taken_is_not_waiting_for_it(path: Path) -> None:
    sequence = json.loads(run("list", "attic", "--json", "--spool", str(path)).output.splitlines()[0])["sequence"]
    shown = run("drop", "cloud", str(sequence), "--quarantined", "--yes", "--spool", str(path))
    assert shown.exit_code == 1
    assert "not in quarantine for cloud" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["drop", "attic", "--pending", "--older", "7d", "--all", "--yes"], "--older, or --all"),
        (["status", "x.toml"], "unexpected extra argument x.toml: did you mean -c x.toml?"),
        (["list", "attic", "x.toml"], "unexpected extra argument x.toml: did you mean -c x.toml?"),
        (["export", "attic", "x.db"], "unexpected extra argument x.db: did you mean --spool x.db?"),
        (["list", "attic", "cloud"], "unexpected extra argument cloud"),
        (["list", "x.toml"], "x.toml is no sink: did you mean -c x.toml?"),
        (["replay", "x.toml", "--all"], "x.toml is no sink: did you mean -c x.toml?"),
    ],
)
def test_what_contradicts_itself_or_is_too_much_is_said(arguments: list[str], said: str) -> None:
    """Before any configuration is looked for: there is none here."""
    shown = run(*arguments)
    assert shown.exit_code == 2
    assert said in " ".join(shown.output.split())
    assert "/etc/" not in shown.output


@pytest.mark.parametrize("command", [["status"], ["list", "attic"], ["export", "attic"], ["replay", "attic", "--all"]])
def test_a_missing_configuration_is_said_with_the_option_that_names_another(tmp_path: Path, command: list[str]) -> None:
    shown = run(*command, "-c", str(tmp_path / "no.toml"))
    assert shown.exit_code == 78
    assert f"datalogger spool {command[0]} -c FILE" in shown.output.replace("main", "datalogger", 1)


@pytest.mark.parametrize("command", [["status"], ["list"], ["export", "attic"], ["replay", "attic", "--all"]])
@pytest.mark.parametrize("kind", ["empty", "text", "another's", "another's without a table", "a directory"])
def test_what_is_no_spool_is_called_so(tmp_path: Path, command: list[str], kind: str) -> None:
    file = tmp_path / "other.db"
    if kind == "a directory":
        file.mkdir()
    elif kind in ("empty", "text"):
        file.write_text("Dear spool, " * 1000 if kind == "text" else "")
    else:
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA application_id = 7")
            connection.execute("CREATE TABLE precious(value)")
            if kind == "another's without a table":
                connection.execute("DROP TABLE precious")
        connection.close()
    before = file.read_bytes() if file.is_file() else b""
    shown = run(*command, "--spool", str(file))
    assert shown.exit_code == 1
    assert f"{file} is no spool of datalogger" in shown.output
    assert "sets it aside" not in shown.output
    assert before == (file.read_bytes() if file.is_file() else b"")
    assert list(tmp_path.iterdir()) == [file]


def test_a_spool_this_user_may_not_read_is_said_with_the_user_who_may(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda file, mode: False)
    for command in (["status"], ["replay", "attic", "--all"]):
        shown = run(*command, "--spool", str(path))
        assert shown.exit_code == 1
        assert f"sudo -u {path.owner()} datalogger spool" in shown.output


def test_no_summary_of_a_command_is_cut_off() -> None:
    assert "..." not in CliRunner().invoke(main, ["spool", "--help"], terminal_width=80).output.split("Commands:")[1]
