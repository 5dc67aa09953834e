import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog

from datalogger.config.metering import MeterOptions
from datalogger.config.secrets import KeyOptions, Secret
from datalogger.service import log
from tests.service.conftest import ManualClock
from tests.virtual_time import VirtualClock, run

KEY = "Zx81/very+secret'key"

pytestmark = pytest.mark.usefixtures("own_log")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged, as JSON."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_for_machines_is_json_with_time_level_and_event_first(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(format="json")
    structlog.get_logger().bind(sink="attic").warning("not delivered", waiting=3, rate=0.5, mend=None)
    [line] = lines(capsys)
    assert list(line) == ["timestamp", "level", "event", "sink", "waiting", "rate", "mend"]
    assert line["timestamp"].endswith("Z")
    del line["timestamp"]
    assert line == {
        "level": "warning",
        "event": "not delivered",
        "sink": "attic",
        "waiting": 3,
        "rate": 0.5,
        "mend": None,
    }


def test_without_a_terminal_it_is_json_and_on_request_lines_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure()
    structlog.get_logger().info("reading", source="house")
    assert lines(capsys)[0]["source"] == "house"
    log.configure(format="console")
    structlog.get_logger().info("reading", source="house")
    text = capsys.readouterr().err
    assert "reading" in text
    assert text.rstrip().endswith("source=house")
    assert "\x1b" not in text


def test_a_text_from_a_meter_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(format="console")
    structlog.get_logger().info("reading", meter="\x1b[2Jgone\x07\x9b1m")
    text = capsys.readouterr().err
    assert r"\x1b[2Jgone\x07\x9b1m" in text
    assert not {"\x1b", "\x07", "\x9b"} & set(text)


def test_values_of_every_kind_can_be_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(format="json")
    structlog.get_logger().info(
        "odd",
        path=Path("/dev/ttyUSB0"),
        octets=b"\x2f\x0d",
        value=Decimal("1.10"),
        error=KeyError("x"),
        surrogate="\udc80",
        several=[{1: {"deep"}}],
    )
    [line] = lines(capsys)
    assert line["path"] == "/dev/ttyUSB0"
    assert line["octets"] == "2f 0d"
    assert line["value"] == "1.10"
    assert line["error"] == "'x'"
    assert line["several"] == [{"1": ["deep"]}]


def test_a_reload_changes_the_level_of_a_logger_that_was_bound_before(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("warning", "json")
    bound = structlog.get_logger().bind(sink="attic")
    bound.info("quiet")
    log.configure("debug", "json")
    bound.debug("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_repeats_are_held_over_a_reload_too(capsys: pytest.CaptureFixture[str], clock: ManualClock) -> None:
    log.configure(format="json", clock=clock)
    structlog.get_logger().error("down", repeats="sink:attic")
    log.configure(format="json", clock=clock)
    structlog.get_logger().error("down", repeats="sink:attic")
    clock.advance(61)
    structlog.get_logger().error("down", repeats="sink:attic")
    assert [line.get("repeated") for line in lines(capsys)] == [None, 2]


def test_what_is_forgotten_begins_anew(capsys: pytest.CaptureFixture[str], clock: ManualClock) -> None:
    log.forget("sink:attic")  # before anything is configured: nothing to forget
    log.configure(format="json", clock=clock)
    for _ in range(3):
        structlog.get_logger().error("down", sink="attic", repeats="sink:attic")
    log.forget("defect:attic", "sink:attic")
    structlog.get_logger().error("down", sink="attic", repeats="sink:attic")
    assert [(line["level"], line["sink"], line.get("repeated")) for line in lines(capsys)] == [
        ("error", "attic", None),
        ("error", "attic", 2),
        ("error", "attic", None),
    ]


def test_what_is_held_is_said_once_a_minute_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        log.configure(format="json", clock=VirtualClock())
        logger = structlog.get_logger().bind(source="house")
        summaries = asyncio.ensure_future(log.summarise())
        await asyncio.sleep(0.2)
        for quiet in (70, 0):
            for octets in range(30):
                logger.warning("rejected", octets=octets, repeats="rejected:house")
                await asyncio.sleep(1)
            await asyncio.sleep(quiet)
        summaries.cancel()
        await asyncio.gather(summaries, return_exceptions=True)

    run(scenario())
    said = lines(capsys)
    assert {(line["level"], line["event"], line["source"]) for line in said} == {("warning", "rejected", "house")}
    assert [(line["octets"], line.get("repeated"), line.get("within")) for line in said] == [
        (0, None, None),
        (29, 29, "1m 10s"),
        (29, 30, "1m"),
    ]


def test_an_end_below_the_level_still_ends_the_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("error", "json")
    structlog.get_logger().error("down", repeats="sink:attic")
    structlog.get_logger().info("up", repeats="sink:attic", resolved=True)
    structlog.get_logger().error("down", repeats="sink:attic")
    assert [line["event"] for line in lines(capsys)] == ["down", "down"]


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_secret_appears_nowhere(format: log.Format, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(format=format)
    log.hide(KEY)
    log.hide(KEY + "-and-a-longer-one")
    logger = structlog.get_logger().bind(bound=f"Token {KEY}")
    logger.info(f"key {KEY}", nested={"headers": [{KEY: (KEY,)}]}, error=ValueError(KEY), octets=KEY.encode())
    logger.info("url", url="http://attic.local/?key=Zx81%2Fvery%2Bsecret%27key", shown=repr(KEY))
    logger.info("longer", text=KEY + "-and-a-longer-one")
    try:
        raise OSError(f"refused: {KEY}")
    except OSError:
        logger.exception("failed")
    logging.getLogger("aiohttp").error("header %s", KEY, exc_info=ValueError(KEY))
    text = capsys.readouterr().err
    assert "***" in text
    assert "very" not in text
    assert KEY.encode().hex(" ") not in text
    assert "and-a-longer-one" not in text
    assert "refused: ***" in text


def test_the_secrets_of_a_configuration_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(format="json")
    log.hide_secrets([KeyOptions(kind="dsmr-v1"), KeyOptions(kind="dsmr-v1", key=Secret(KEY))])
    structlog.get_logger().info("sent", header=KEY, kind="dsmr-v1")
    [line] = lines(capsys)
    assert (line["header"], line["kind"]) == ("***", "dsmr-v1")


@pytest.mark.parametrize("format", ["json", "console"])
def test_the_keys_of_a_meter_are_hidden_in_every_spelling(
    format: log.Format, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(format=format)
    key, auth_key = "00112233445566778899AABBCCDDEEFF", "f0 e1 d2 c3 b4 a5 96 87 78 69 5a 4b 3c 2d 1e 0f"
    log.hide_secrets([MeterOptions(kind="serial", key=Secret(key), auth_key=Secret(auth_key))])
    for octets in (bytes.fromhex(key), bytes.fromhex(auth_key)):
        error = ValueError(f"no block of {octets!r}")
        structlog.get_logger().info(octets.hex(), frame=b"\x7e" + octets, upper=octets.hex(":").upper(), error=error)
        logging.getLogger("cryptography").error("key %s", octets.hex(" "))
    text = capsys.readouterr().err.replace("\\\\", "\\")
    assert text.count("***") == 10
    for octets in (bytes.fromhex(key), bytes.fromhex(auth_key)):
        for spelt in (octets.hex(), octets.hex(" "), octets.hex(":"), repr(octets)[2:-1]):
            assert spelt.lower() not in text.lower()


def test_a_key_that_is_an_ordinary_word_does_not_blot_out_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(format="json")
    for key in ("", "e", "another", "info"):
        log.hide(key)
    structlog.get_logger().info("choose another port", header="another", sent={"X-AUTHKEY": "another"})
    [line] = lines(capsys)
    assert (line["event"], line["level"], line["header"]) == ("choose another port", "info", "***")
    assert line["sent"] == {"X-AUTHKEY": "***"}
    assert line["timestamp"].endswith("Z")


def test_json_is_written_as_people_read_it_and_what_could_steer_a_terminal_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure(format="json")
    structlog.get_logger().info("Configuration → API", meter="zähler \x9b1m\u202e\u2028\udc80\x7f\x1b")
    text = capsys.readouterr().err
    assert "Configuration → API" in text
    assert r"zähler \u009b1m\u202e\u2028\udc80\u007f\u001b" in text
    assert json.loads(text)["meter"] == "zähler \x9b1m\u202e\u2028\udc80\x7f\x1b"


def test_json_is_escaped_where_standard_error_is_not_in_utf_8() -> None:
    code = "from datalogger.service import log; import structlog; log.configure(); structlog.get_logger().info('→ é')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        timeout=60,
        check=True,
    )
    assert json.loads(done.stderr.decode("ascii"))["event"] == "→ é"


def test_an_exception_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(format="json")
    try:
        raise KeyError("a bug")
    except KeyError:
        structlog.get_logger().exception("defect")
    [line] = lines(capsys)
    assert line["level"] == "error"
    assert line["exception"].splitlines()[0] == "Traceback (most recent call last):"
    assert line["exception"].splitlines()[-1] == "KeyError: 'a bug'"


def test_warnings_of_libraries_go_the_same_way_and_their_chatter_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("debug", "json")
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("asyncio").warning("100%% of %s", "the loop")
    logging.getLogger("asyncio").log(35, "between the levels")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log.configure("debug", "json")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    said = [(line["level"], line["event"], line["logger"]) for line in lines(capsys)]
    assert said[:2] == [
        ("warning", "100% of the loop", "asyncio"),
        ("warning", "between the levels", "asyncio"),
    ]
    assert "DeprecationWarning: old" in said[2][1]


def test_what_a_library_says_again_and_again_is_held(capsys: pytest.CaptureFixture[str], clock: ManualClock) -> None:
    log.configure(format="json", clock=clock)
    for _ in range(100):
        logging.getLogger("asyncio").warning("socket.send() raised exception.")
    assert len(lines(capsys)) == 1


def test_a_library_that_formats_its_message_wrongly_harms_nobody(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.configure(format="json")
    logging.getLogger("aiohttp").error("%d", "no number")
    structlog.get_logger().info("still here")
    assert [line["event"] for line in lines(capsys)] == ["still here"]


async def test_an_exception_nobody_awaited_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(format="json")
    asyncio.get_running_loop().call_exception_handler({"message": "Task exception was never retrieved"})
    assert lines(capsys)[0]["event"] == "Task exception was never retrieved"


def test_a_thread_that_dies_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(format="json")

    def fail() -> None:
        raise KeyError("in a thread")

    thread = threading.Thread(target=fail, name="spool")
    thread.start()
    thread.join()
    [line] = lines(capsys)
    assert (line["level"], line["thread"]) == ("critical", "spool")
    assert "in a thread" in line["exception"]


def test_a_log_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    log.configure(format="json")
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails, as every write to it does
    monkeypatch.setattr(sys, "stderr", full)
    structlog.get_logger().error("no space left")
    with pytest.raises(OSError, match="No space"):
        full.close()
    structlog.get_logger().error("closed")
    monkeypatch.setattr(sys, "stderr", None)
    structlog.get_logger().error("none at all")


def test_a_log_pipe_that_nobody_reads_stops_nobody_and_what_was_dropped_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream, os.fdopen(reading, encoding="utf-8") as reader:
        monkeypatch.setattr(sys, "stderr", stream)
        log.configure("error", format="json")
        for number in range(2000):  # far more than a pipe holds
            structlog.get_logger().error("down", number=number)
        os.set_blocking(reading, False)
        kept = [json.loads(line) for line in reader.read().splitlines()]
        structlog.get_logger().error("up")
        dropped, up = [json.loads(line) for line in reader.read().splitlines()]
    assert 0 < len(kept) < 2000
    assert [line["number"] for line in kept] == list(range(len(kept)))
    assert dropped["event"].startswith("log lines dropped")
    assert dropped["lines"] == 2000 - len(kept)
    assert up["event"] == "up"


def test_what_was_dropped_is_said_also_where_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream, os.fdopen(reading, encoding="utf-8") as reader:
        monkeypatch.setattr(sys, "stderr", stream)

        async def main() -> None:
            log.configure("error", format="json", clock=VirtualClock())
            for number in range(2000):
                structlog.get_logger().error("down", number=number)
            os.set_blocking(reading, False)
            reader.read()
            summarising = asyncio.create_task(log.summarise())
            await asyncio.sleep(log.LOOK + 1)
            summarising.cancel()

        run(main())
        [line] = reader.read().splitlines()
    assert json.loads(line)["event"].startswith("log lines dropped")


def in_a_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_rich_stays_out_of_the_daemon_and_in_reach_of_the_command_line() -> None:
    done = in_a_process(
        "import sys, datalogger.service.log, structlog\n"
        "print('rich' in sys.modules, structlog.dev.rich)\n"
        "import rich.console\n"
        "print('rich.console' in sys.modules)"
    )
    assert done.stdout.split() == ["False", "None", "True"], done.stderr


def test_a_crash_is_logged_with_the_secrets_left_out() -> None:
    done = in_a_process(
        "from datalogger.service import log\n"
        "log.configure()\n"
        "log.hide('very-secret')\n"
        "raise KeyError(''.join(['very', '-', 'secret']))"
    )
    assert done.returncode == 1
    line = json.loads(done.stderr.splitlines()[-1])
    assert (line["level"], line["event"]) == ("critical", "crashed")
    assert line["exception"].endswith("KeyError: '***'")


def test_on_a_terminal_a_person_reads_coloured_lines_unless_they_want_none() -> None:
    code = (
        "from datalogger.service import log; import structlog\n"
        "log.configure()\n"
        "structlog.get_logger().info('hello', source='house')"
    )
    for extra, coloured in ({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False):
        ours, theirs = os.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        subprocess.run(
            [sys.executable, "-c", code],
            stderr=theirs,
            env=environment | {"TERM": "xterm"} | extra,
            timeout=60,
            check=True,
        )
        os.close(theirs)
        text = os.read(ours, 4096).decode()
        os.close(ours)
        assert "hello" in text
        assert ("\x1b[" in text) is coloured


def test_the_journal_is_told_the_priority_of_each_line(tmp_path: Path) -> None:
    code = (
        "from datalogger.service import log; import structlog\n"
        "log.configure()\n"
        "structlog.get_logger().error('down'); structlog.get_logger().info('up')"
    )
    stream = tmp_path / "journal"
    with stream.open("w") as file:
        status = os.fstat(file.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        subprocess.run([sys.executable, "-c", code], stderr=file, env=environment, timeout=60, check=True)
    said = stream.read_text().splitlines()
    assert [line[:4] for line in said] == ["<3>{", "<6>{"]
    assert json.loads(said[0][3:])["event"] == "down"
