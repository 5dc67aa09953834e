"""The real process on real lines; what the pushes themselves are is tests/simulation/test_dlms.py's business."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from datalogger.cli.hex_text import keys_named
from datalogger.cli.simulate import simulate
from datalogger.protocol.dlms.items import Push, Telegram
from datalogger.protocol.dlms.keys import Keys
from datalogger.simulation import meters
from tests.protocol.dlms.corpus import case
from tests.simulation.pushes import pushes, read

pytestmark = pytest.mark.slow

SOON = 30  # seconds; a failure bound, never waited for


@contextlib.contextmanager
def meter(*options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "datalogger", "simulate", "dlms", *options],
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


def everything(where: str) -> bytes:
    """All that comes over TCP until the meter goes away."""
    host, _, port = where.rpartition(":")
    got = b""
    with socket.create_connection((host, int(port)), timeout=SOON) as connection:
        while octets := connection.recv(65536):
            got += octets
    return got


def told(result_output: str) -> str:
    return " ".join(result_output.split())


@pytest.mark.parametrize("name", ["aidon-no", "kaifa-at", "lg-e450-at", "seed-wrapper"])
def test_every_push_reaches_a_tcp_client(name: str) -> None:
    with meter(name, "--tcp", "127.0.0.1:0", "--every", "10ms", "--step", "1m", "--count", "5", "--wait") as process:
        octets = everything(address(process))
        _, err = process.communicate(timeout=SOON)
        assert process.returncode == 0
    found = pushes(octets, keys_named(err.encode()) or Keys())  # the keys it prints are those that it uses
    assert len(found) == 5
    assert len({one.octets for one in found}) == 5


def test_a_luxembourg_meter_sends_ciphered_telegrams() -> None:
    options = ["--tcp", "127.0.0.1:0", "--every", "10ms", "--count", "3", "--wait"]
    with meter("lu-smarty", *options, "--start", "2026-07-01T12:00:00+0200", "--step", "10s") as process:
        octets = everything(address(process))
        _, err = process.communicate(timeout=SOON)
    found = read(octets, keys_named(err.encode()))
    telegrams = [one for one in found if isinstance(one, Telegram)]
    assert len(telegrams) == len(found) == 3
    times = [line for one in telegrams for line in one.text.splitlines() if line.startswith(b"0-0:1.0.0")]
    assert times == [b"0-0:1.0.0(260701120000S)", b"0-0:1.0.0(260701120010S)", b"0-0:1.0.0(260701120020S)"]


def test_a_meter_calls_a_server_and_sends_datagrams() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as udp:
        server.settimeout(SOON)
        udp.settimeout(SOON)
        udp.bind(("127.0.0.1", 0))
        tcp_port, udp_port = server.getsockname()[1], udp.getsockname()[1]
        options = [
            "--call",
            f"127.0.0.1:{tcp_port}",
            "--udp",
            f"127.0.0.1:{udp_port}",
            "--every",
            "10ms",
            "--count",
            "2",
        ]
        with meter("wrapper-enc", *options) as process:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(SOON)
                got = b""
                while octets := connection.recv(65536):
                    got += octets
            datagrams = [udp.recv(65536) for _ in range(2)]
            assert process.wait(SOON) == 0
    assert got == b"".join(datagrams)
    assert all(isinstance(one, Push) for one in read(got, meters.built_in("wrapper-enc").keys))


def test_a_capture_of_one_s_own_lives_too_with_the_key_from_a_file(tmp_path: Path) -> None:
    one = case("at_lg_e450_burgenland_enc_auth_1")
    assert one.key is not None and one.auth_key is not None
    capture, key = tmp_path / "mine.bin", tmp_path / "mine.key"
    capture.write_bytes(one.octets)
    key.write_text(one.key.hex())
    key.chmod(0o600)
    options = ["--key-file", str(key), "--auth-key", one.auth_key.hex(), "--tcp", "127.0.0.1:0", "--wait"]
    with meter(str(capture), *options, "--every", "10ms", "--count", "2") as process:
        octets = everything(address(process))
        assert process.communicate(timeout=SOON) == ("", "")  # nobody's own key is shown
    found = pushes(octets, Keys(one.key, one.auth_key))
    assert [push.security.tag for push in found if push.security] == ["verified"] * 2


def test_a_port_that_is_set_is_nonsense_to_a_reader_at_another_speed(tmp_path: Path) -> None:
    def heard(speed: int) -> bytes:
        link = tmp_path / f"meter{speed}"
        options = ["--pty", str(link), "--settings", "--every", "10ms", "--count", "3", "--wait"]
        with meter("iskra-si", *options) as process:
            terminal = os.open(address(process), os.O_RDONLY | os.O_NOCTTY)
            try:
                attributes = termios.tcgetattr(terminal)
                attributes[4] = attributes[5] = speed
                termios.tcsetattr(terminal, termios.TCSANOW, attributes)
                got = b""
                with contextlib.suppress(OSError):  # the meter is gone
                    while octets := os.read(terminal, 65536):
                        got += octets
                return got
            finally:
                os.close(terminal)

    assert len(pushes(heard(termios.B115200))) == 3
    assert not any(isinstance(one, Push) for one in read(heard(termios.B9600)))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_clean_end(stop: signal.Signals, tmp_path: Path) -> None:
    link = tmp_path / "ttyMeter"
    with meter("aidon-no", "--pty", str(link)) as process:
        assert address(process) == str(link)
        process.send_signal(stop)
        assert process.wait(SOON) == 0
        assert process.communicate() == ("", "")
    assert not link.is_symlink()


def test_verbose_is_a_line_a_push_with_what_befell_it() -> None:
    options = ["-v", "--every", "1ms", "--step", "5s", "--start", "2026-07-01T12:00:00+0000", "--count", "2"]
    with meter("kaifa-at", *options, "--fault", "replay=1", "--fault", "dribble=1") as process:
        _, err = process.communicate(timeout=SOON)
    key, first, second = err.splitlines()
    assert key == f"# key: {(meters.built_in('kaifa-at').keys.encryption or b'').hex().upper()}"
    assert first == "2026-07-01 12:00:00  282 octets  dribble"
    assert second == "2026-07-01 12:00:05  282 octets  dribble, replay"


def test_the_list_names_every_meter_with_its_line_and_its_keys() -> None:
    result = CliRunner().invoke(simulate, ["dlms", "--list"])
    assert result.exit_code == 0
    for name in meters.names():
        model = meters.built_in(name)
        (line,) = (line for line in result.output.splitlines() if line.startswith(f"{name} "))
        assert model.title in line
        assert model.line in line
        if model.keys.encryption:
            assert model.keys.encryption.hex().upper() in line


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ([], 2, "which meter? Name one of --list, or a file with a capture"),
        (["kaifa-a"], 2, "no meter and no file 'kaifa-a'; did you mean \"kaifa-at\"?"),
        (["zzz"], 2, "no meter and no file 'zzz'; --list shows the meters"),
        (["aidon-no", "--fault", "crc=1"], 2, "KIND one of flip, drop, cut, noise, duplicate, silence,"),
        (["aidon-no", "--fault", "replay=2"], 2, "'replay=2': expected KIND=RATE"),
        (["aidon-no", "--fault", "wrong-key=1"], 1, "aidon-no: wrong-key: this meter does not cipher"),
        (["aidon-no", "--settings", "2400"], 1, "expected baud rate, data bits, parity, stop bits, such as"),
        (["seed-wrapper", "--settings"], 1, 'nobody knows how its line is set: --settings "2400 8E1"'),
        (["aidon-no", "--zone", "Europe/Olso"], 1, 'no such time zone; did you mean "Europe/Oslo"?'),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused_with_the_mend(options: list[str], status: int, words: str) -> None:
    result = CliRunner().invoke(simulate, ["dlms", *options])
    assert result.exit_code == status
    assert words in told(result.output)


def test_a_ciphered_capture_without_its_key_says_what_to_ask_for(tmp_path: Path) -> None:
    capture = tmp_path / "mine.bin"
    capture.write_bytes(case("at_kaifa_netznoe_doc_sample").octets)
    result = CliRunner().invoke(simulate, ["dlms", str(capture)])
    assert result.exit_code == 1
    assert "ask the grid operator for its encryption key" in told(result.output)
