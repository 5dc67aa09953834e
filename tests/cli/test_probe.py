"""datalogger probe: what it prints where, its exit status, and what it refuses."""

import os
import pty
import socket
import tomllib
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner, Result

from datalogger.cli import main
from datalogger.line_settings import LineSettings
from datalogger.probing import search
from datalogger.simulation.meters import built_in
from datalogger.simulation.p1 import DSMR5, telegrams
from datalogger.simulation.uart_pty import heard_by
from tests.probing.meter import Time
from tests.protocol.dlms.corpus import case

P1 = next(telegrams(DSMR5, start=Time().now()))
EVERY = 0.4  # seconds between two pushes: more than what ends a burst


@contextmanager
def meter(push: bytes, settings: str, *, inverted: bool = False) -> Iterator[str]:
    """The port of a meter that pushes as long as the block lasts."""
    end, reader = pty.openpty()
    tty.setraw(reader)
    name = os.ttyname(reader)
    over = Event()

    def push_on() -> None:
        while not over.wait(EVERY):
            os.write(end, heard_by(end, push, LineSettings.parse(settings), inverted=inverted))

    thread = Thread(target=push_on)
    thread.start()
    try:
        yield name
    finally:
        over.set()
        thread.join()
        os.close(end)
        os.close(reader)


def probe(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["probe", *map(str, arguments)])


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "DWELL", 1.0)


# The port would look taken by the thread that plays the meter, were it another process; it is this one.


def test_only_the_block_stands_on_standard_output() -> None:
    with meter(P1, "115200 8N1") as port:
        result = probe(port, "--name", "house", "--zone", "Europe/Brussels")
    assert result.exit_code == 0, result.stderr
    assert tomllib.loads(result.stdout) == {
        "source": {
            "house": {
                "kind": "serial",
                "port": port,
                "baud_rate": 115200,
                "bytesize": 8,
                "parity": "N",
                "framing": "p1",
                "zone": "Europe/Brussels",
            }
        }
    }
    assert "listening at 115200 8N1" in result.stderr
    assert "P1 telegrams" in result.stderr
    assert "1-0:32.7.0*255" in result.stderr
    assert "none needed" in result.stderr


def test_the_usual_parity_is_taken_where_the_line_shows_none() -> None:
    with meter(P1, "9600 7E1") as port:
        result = probe(port)
    table = tomllib.loads(result.stdout)["source"]["meter"]
    assert (table["baud_rate"], table["bytesize"], table["parity"]) == (9600, 7, "E")
    assert "a pseudo-terminal shows none" in result.stderr


KAMSTRUP = case("dk_kamstrup_omnipower_enc_auth_testkey")


def key_file(path: Path, key: bytes | None) -> Path:
    assert key is not None
    path.write_text(key.hex())
    path.chmod(0o600)
    return path


def test_a_ciphered_meter_is_named_and_the_key_asked_for() -> None:
    with meter(KAMSTRUP.octets, "2400 8N1") as port:
        result = probe(port)
    assert result.exit_code == 0
    table = tomllib.loads(result.stdout)["source"]["meter"]
    assert table["key_file"] == "/etc/datalogger/meter.key"
    assert "4B414D" in result.stderr  # KAM
    assert "ask the grid operator" in result.stderr


def test_with_its_keys_a_ciphered_meter_is_read(tmp_path: Path) -> None:
    key = key_file(tmp_path / "key", KAMSTRUP.key)
    auth_key = key_file(tmp_path / "auth", KAMSTRUP.auth_key)
    with meter(KAMSTRUP.octets, "2400 8N1") as port:
        result = probe(port, "--key-file", key, "--auth-key-file", auth_key)
    table = tomllib.loads(result.stdout)["source"]["meter"]
    assert (table["key_file"], table["auth_key_file"]) == (str(key), str(auth_key))
    assert "the authentication tag holds" in result.stderr
    assert "power" in result.stderr
    assert KAMSTRUP.key is not None and KAMSTRUP.key.hex() not in result.output.lower()


def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    key = key_file(tmp_path / "key", bytes(16))
    with meter(KAMSTRUP.octets, "2400 8N1") as port:
        result = probe(port, "--key-file", key)
    assert "the encryption key is wrong" in result.stderr
    assert str(key) in result.stdout


def test_keys_that_a_meter_does_not_need_hide_nothing(tmp_path: Path) -> None:
    key = key_file(tmp_path / "key", bytes(16))
    with meter(case("no_kaifa_ma304h3e_list2").octets, "2400 8E1") as port:
        result = probe(port, "--key-file", key)
    assert "KFM_001" in result.stderr
    assert "key_file" not in result.stdout


def test_an_authentication_key_for_a_meter_that_sends_no_tag_hides_nothing(tmp_path: Path) -> None:
    kaifa = case("at_kaifa_ma309_netznoe_enc")
    key = key_file(tmp_path / "key", kaifa.key)
    auth_key = key_file(tmp_path / "auth", bytes(16))
    with meter(kaifa.octets, "2400 8E1") as port:
        result = probe(port, "--key-file", key, "--auth-key-file", auth_key)
    assert "the encryption key is right; the meter sends no authentication tag" in result.stderr
    assert str(key) in result.stdout
    assert "auth_key_file" not in result.stdout


def test_nothing_recognised_is_exit_1_with_a_hint_and_no_block() -> None:
    with meter(P1 * 2, "115200 8N1", inverted=True) as port:
        result = probe(port)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "the signal is inverted" in result.stderr


def test_silence_is_exit_1_with_a_hint_at_the_cable() -> None:
    end, reader = pty.openpty()
    result = probe(os.ttyname(reader), "--time", "300ms")
    os.close(end)
    os.close(reader)
    assert result.exit_code == 1
    assert "nothing was heard" in result.stderr


@contextmanager
def dongle(octets: bytes) -> Iterator[int]:
    """The TCP port of one that sends this to its first client, and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.sendall(octets)
                connection.recv(1)  # until probe goes away

        thread = Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_dongle_on_the_network_is_found() -> None:
    with dongle(P1 * 3) as port:
        result = probe("--tcp", f"127.0.0.1:{port}")
    assert result.exit_code == 0, result.stderr
    table = tomllib.loads(result.stdout)["source"]["meter"]
    assert (table["kind"], table["host"], table["port"], table["framing"]) == ("tcp", "127.0.0.1", port, "p1")
    assert "baud_rate" not in table


def test_behind_a_dongle_too_a_ciphered_meter_is_named_by_its_maker() -> None:
    with dongle(KAMSTRUP.octets * 2) as port:
        result = probe("--tcp", f"127.0.0.1:{port}")
    assert result.exit_code == 0, result.stderr
    assert "Kamstrup" in result.stdout
    assert "perhaps" in result.stderr
    assert tomllib.loads(result.stdout)["source"]["meter"]["key_file"] == "/etc/datalogger/meter.key"


@pytest.mark.parametrize("name", ["seed-wrapper", "wrapper-enc"])
def test_a_stream_that_begins_with_the_wrapper_is_one(name: str, tmp_path: Path) -> None:
    model = built_in(name)
    keys = []
    if model.keys.encryption is not None:
        keys = ["--key-file", key_file(tmp_path / "key", model.keys.encryption)]
    with dongle(model.octets * 2) as port:
        result = probe("--tcp", f"127.0.0.1:{port}", "--time", "2s", *keys)
    assert result.exit_code == 0, result.stderr
    assert tomllib.loads(result.stdout)["source"]["meter"]["framing"] == "wrapper"
    assert "DLMS wrapper" in result.stderr
    assert "heard" in result.stderr


def test_a_port_that_is_not_there_is_said(tmp_path: Path) -> None:
    result = probe(tmp_path / "ttyUSB7")
    assert result.exit_code == 1
    assert "no such port" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "give a serial port"),
        (["/dev/ttyUSB0", "--tcp", "127.0.0.1:23"], "give a serial port"),
        (["/dev/ttyUSB0", "--name", "a.b"], "a name is of letters"),
        (["/dev/ttyUSB0", "--zone", "Europe/Osla"], "Europe/Oslo"),
        (["/dev/ttyUSB0", "--time", "5"], "expected a duration"),
        (["--tcp", "nonsense"], "HOST:PORT"),
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], said: str) -> None:
    result = probe(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
