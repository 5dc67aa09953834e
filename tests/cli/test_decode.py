"""`datalogger decode`: what it prints, and what it answers."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datalogger.cli import decode as decode_module
from datalogger.cli import main
from datalogger.cli.hex_text import HexText, NotHex, looks_like_hex
from tests.protocol.p1.corpus import STREAMS, TELEGRAMS, Case, telegram

DSMR5 = telegram("nl-dsmr50_iskra-am550t_gas")
COMMAND = [sys.executable, "-m", "datalogger", "decode"]


def run(*arguments: str | Path, given: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["decode", *map(str, arguments)], input=given)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("case", TELEGRAMS, ids=lambda case: case.name)
def test_every_telegram_of_the_corpus_is_printed_as_report_json(case: Case) -> None:
    result = run("--zone", case.expected["zone"], case.path)
    (line,) = lines(result)
    if case.expected["checksum"] == "wrong":
        assert (line["rejected"], line["octets"], line["offset"]) == ("checksum", len(case.octets), 0)
        assert result.exit_code == 1
    else:
        assert result.exit_code == 0, result.output
        assert line["identification"] == case.expected["identification"]
        assert line.get("check", "ok") == case.expected["checksum"]
        assert len(line["records"]) == len(case.expected["records"])
        assert not {"source", "received_at", "odd_lines"} & line.keys()


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
def test_every_stream_of_the_corpus_gives_its_sound_telegrams_and_its_rejections(case: Case) -> None:
    printed = lines(run(case.path))
    good = [line["identification"] for line in printed if "rejected" not in line]
    wanted = [telegram(name).splitlines()[0][1:].decode("latin-1") for name in case.expected["valid"]]
    assert good == wanted
    assert len(printed) - len(good) >= case.expected["rejected_at_least"]


def test_what_was_rejected_says_where_and_why() -> None:
    damaged = DSMR5.replace(b"!BC28", b"!BC29")
    first, second, third = lines(run(given=DSMR5 + damaged + DSMR5))
    assert "records" in first and "records" in third
    assert second == {
        "rejected": "checksum",
        "octets": len(damaged),
        "offset": len(DSMR5),
        "detail": "CRC BC29 sent, BC28 computed",
    }


def test_a_frame_that_is_no_report_is_a_rejection() -> None:
    result = run(given=b"/ABC5\r\n!\r\n")
    assert [line["rejected"] for line in lines(result)] == ["malformed"]
    assert result.exit_code == 1


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(DSMR5)
    bad.write_bytes(DSMR5[:-3])
    assert run(good, good).exit_code == 0
    result = run(bad, good)
    assert ["rejected" in line for line in lines(result)] == [True, False]
    assert result.exit_code == 1


def test_hex_text_is_recognised_and_may_hold_comments(tmp_path: Path) -> None:
    text = b"# a capture: of /dev/ttyUSB0\n" + DSMR5.hex(" ").encode() + b"\n# the end"
    for arguments in ([], ["--hex"]):
        result = run(*arguments, given=text)
        assert result.exit_code == 0
        assert lines(result) == lines(run(given=DSMR5))


def test_a_line_that_is_joined_inside_a_hex_message_is_not_taken_for_hex_text() -> None:
    printed = lines(run(given=b"3031323334" * 200 + b")\r\n" + DSMR5))
    assert ["rejected" in line for line in printed] == [True, False]


def test_nothing_found_is_exit_status_1_and_said() -> None:
    for nothing in (b"", b"\r\n\r\n", b"# only a comment\n"):
        result = run(given=nothing)
        assert result.exit_code == 1
        if not result.stdout:
            assert "no telegram" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--framing", "hldc"], "'auto', 'p1'"),
        (["--zone", "Mars/Olympus"], "'Mars/Olympus': no such time zone"),
        (["--zone", "../../etc/passwd"], "no such time zone; such as Europe/Amsterdam"),
        (["no-such-file"], "'no-such-file' does not exist"),
        (["--hex"], "is no hex"),
        (["--frame"], "No such option"),
    ],
)
def test_wrong_usage_is_exit_status_2_and_says_the_mend(arguments: list[str], said: str) -> None:
    result = run(*arguments, given=b"zz")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_half_an_octet_of_hex_is_told() -> None:
    result = run(given=b"2F 41 4")
    assert result.exit_code == 2
    assert "half an octet" in result.stderr


def test_the_help_has_an_example_and_the_exit_status() -> None:
    text = run("--help").stdout
    assert "datalogger decode capture.bin" in text
    assert "Exit status" in text


def test_hex_text_may_be_cut_anywhere() -> None:
    text = b"2F 41#4 # 5\n42 # /\n\n4" + b"3"
    for place in range(len(text) + 1):
        reader = HexText()
        assert reader.feed(text[:place]) + reader.feed(text[place:]) == b"/ABC"
        reader.end()
    with pytest.raises(NotHex):
        HexText().feed(b"4G")


def test_no_capture_of_the_corpus_looks_like_hex() -> None:
    assert all(looks_like_hex(case.octets) is False for case in [*TELEGRAMS, *STREAMS])


def test_a_large_file_is_read_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "BLOCK", 100)
    capture = tmp_path / "capture"
    capture.write_bytes(DSMR5 * 3)
    assert len(lines(run(capture))) == 3


@pytest.mark.slow
def test_a_pipe_is_decoded_while_it_is_open_and_its_reader_may_leave() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(DSMR5)
        process.stdin.flush()
        assert "records" in json.loads(process.stdout.readline())  # the pipe is still open
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # it may be gone before it took all
            process.stdin.write(DSMR5 * 200)
            process.stdin.close()
        assert process.stderr.read() == b""


@pytest.mark.slow
@pytest.mark.parametrize(("first", "status"), [(DSMR5, 0), (DSMR5.replace(b"!BC28", b"!BC29"), 1)])
def test_a_reader_that_leaves_changes_no_exit_status(first: bytes, status: int, tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(first)
    (tmp_path / "capture").write_bytes(DSMR5 * 500)
    command = [*COMMAND, "first", "capture"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == status


@pytest.mark.slow
def test_ctrl_c_is_quiet() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(DSMR5)
        process.stdin.flush()
        process.stdout.readline()  # it is running
        process.send_signal(2)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""


@pytest.mark.slow
def test_a_progress_bar_is_for_a_terminal_and_never_among_the_reports(tmp_path: Path) -> None:
    capture = tmp_path / "capture.bin"
    capture.write_bytes(DSMR5 * (decode_module.WORTH_A_BAR // len(DSMR5) + 1))
    terminal, stderr = os.openpty()
    with (tmp_path / "reports").open("wb") as reports:
        process = subprocess.Popen([*COMMAND, str(capture)], stdout=reports, stderr=stderr)
        os.close(stderr)
        seen = b""
        try:
            while block := os.read(terminal, 4096):
                seen += block
        except OSError:  # Linux ends a pty with EIO
            pass
        assert process.wait(60) == 0
    os.close(terminal)
    assert b"MB" in seen
    assert all(line.startswith(b'{"protocol"') for line in (tmp_path / "reports").read_bytes().splitlines())


@pytest.mark.parametrize("option", ["--key-file", "--auth-key-file", "--system-title"])
def test_a_key_where_something_else_belongs_is_not_shown(option: str, tmp_path: Path) -> None:
    key = "A1B2C3D4E5F60718293A4B5C6D7E8F90"
    (tmp_path / "push.hex").write_text("0F")
    result = CliRunner().invoke(main, ["decode", option, key, str(tmp_path / "push.hex")])
    assert result.exit_code == 2
    assert key not in result.output
