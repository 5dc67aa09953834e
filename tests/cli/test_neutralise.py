from pathlib import Path

import pytest
from click.testing import CliRunner

from datalogger.cli import main
from datalogger.cli.hex_text import keys_named, title_named
from datalogger.protocol.dlms import apdu
from datalogger.protocol.dlms.items import Push
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.messages import Envelope
from datalogger.protocol.dlms.security import seal
from datalogger.simulation.dates import read_date
from tests.protocol.dlms.corpus import DATA, case
from tests.simulation.pushes import pushes, read, values


def run(*arguments: str, input: bytes | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["neutralise", *arguments], input=input)
    return result.exit_code, result.stdout, result.stderr


def octets_of(text: str) -> bytes:
    return bytes.fromhex("".join(line for line in text.splitlines() if not line.startswith("#")))


def test_a_capture_of_bytes_becomes_a_twin_in_hex(tmp_path: Path) -> None:
    one = case("no_aidon_list3_3ph_hourly")
    capture = tmp_path / "capture.bin"
    capture.write_bytes(b"noise" + one.octets)
    status, out, err = run(str(capture))
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("# A neutral twin")
    assert lines[1:4] == ["# messages: 1", "# replaced: 1 × text, 13 × value, 1 × time", "# 5 octets left out: noise"]
    (push,) = pushes(octets_of(out))
    assert push.types == pushes(one.octets)[0].types
    assert values(push) != values(pushes(one.octets)[0])


def test_its_twin_is_a_capture_that_decode_reads_with_the_keys_it_names(tmp_path: Path) -> None:
    one = case("dk_kamstrup_omnipower_enc_auth_testkey")
    status, out, _ = run(str(one.path))  # which names its keys in its comments
    assert status == 0
    assert str(one.expected["key"]).upper() not in out.upper()
    assert str(one.expected["auth_key"]).upper() not in out.upper()
    twin = tmp_path / "twin.hex"
    twin.write_text(out)
    result = CliRunner().invoke(main, ["decode", str(twin)])
    assert result.exit_code == 0, result.output
    assert '"tag":"verified"' in result.stdout


def test_two_runs_give_two_twins() -> None:
    path = str(case("si_iskra_am550_ljubljana_5s").path)
    assert run(path)[1] != run(path)[1]


def test_keys_come_from_options_and_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = case("at_kaifa_netznoe_doc_sample")
    assert one.key is not None
    key = tmp_path / "meter.key"
    key.write_text(one.key.hex())
    key.chmod(0o600)
    monkeypatch.setenv("METER_KEY", one.key.hex())
    capture = tmp_path / "capture.bin"
    capture.write_bytes(one.octets)
    for option in (["--key", one.key.hex()], ["--key-file", str(key)], ["--key-env", "METER_KEY"]):
        status, out, err = run(*option, str(capture))
        assert (status, err) == (0, "")
        assert one.key.hex().upper() not in out.upper()
        assert len(octets_of(out)) == len(one.octets)


def test_standard_input_and_several_files_are_one_capture() -> None:
    first, second = case("si_iskra_am550_ljubljana_5s"), case("si_iskra_am550_ljubljana_15min")
    status, out, _ = run(str(first.path), str(second.path))
    assert status == 0
    assert [push.types for push in pushes(octets_of(out))] == [pushes(each.octets)[0].types for each in (first, second)]
    status, out, _ = run(input=first.octets)
    assert status == 0
    time = read_date(pushes(octets_of(out))[0].date_time or b"")
    assert time is not None


def test_without_a_key_nothing_is_written_and_the_mend_is_named(tmp_path: Path) -> None:
    capture = tmp_path / "capture.bin"
    capture.write_bytes(case("at_kaifa_netznoe_doc_sample").octets)
    status, out, err = run(str(capture))
    assert (status, out) == (1, "")
    assert f"Error: {capture}: no twin: " in err
    assert "ask the grid operator for its encryption key" in err
    assert "(--key, --auth-key)" in err


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "no twin: it is empty"),
        (b"\xff\xfe\xfd" * 9, "nothing in it could be read (27 octets of noise), and what cannot be read is not"),
    ],
)
def test_what_holds_nothing_gives_no_twin(octets: bytes, told: str, tmp_path: Path) -> None:
    capture = tmp_path / "capture.bin"
    capture.write_bytes(octets)
    status, out, err = run(str(capture))
    assert (status, out) == (1, "")
    assert told in err


def test_a_meter_that_leaves_its_title_out_needs_it_and_the_twin_names_another(tmp_path: Path) -> None:
    assert "system title" in run(str(DATA / "malformed" / "system_title_len_0.hex"))[2]
    plain = case("no_aidon_list3_3ph_hourly").octets[12:-3]  # behind HDLC header and LLC
    content = seal(plain, b"EGM12345", 7, 0x20, Keys(b"k" * 16))
    capture = tmp_path / "capture.bin"
    capture.write_bytes(apdu.build(Envelope(0xDB, b"", 0x20, 7, content)))
    options = ["--key", (b"k" * 16).hex(), str(capture)]
    assert run(*options)[0] == 1
    assert run("--system-title", b"EGM54321".hex(), *options)[0] == 1
    status, out, _ = run("--system-title", b"EGM12345".hex(), *options)
    assert status == 0
    (line,) = (line for line in out.splitlines() if line.startswith("# system-title: "))
    title = bytes.fromhex(line.partition(": ")[2])
    assert title != b"EGM12345"
    assert title_named(out.encode()) == title
    (push,) = read(octets_of(out), keys_named(out.encode()), title)
    assert isinstance(push, Push)
    twin = tmp_path / "twin.hex"
    twin.write_text(out)
    decoded = CliRunner().invoke(main, ["decode", str(twin)])
    assert decoded.exit_code == 0, decoded.output  # the twin says all that it takes to read it
    assert run(str(twin))[0] == 0
    wrong, _, err = run("--system-title", "4D4D", *options)
    assert wrong == 2
    assert "'--system-title': 16 hex digits are wanted, and this has 4" in err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--key", "0011", "--key-env", "X"], "give one of --key and --key-env, not both"),
        (["--key", "zz"], "--key: 2 of its 2 characters are no hex digits"),
        (["--auth-key", "00" * 16], "--auth-key deciphers nothing by itself"),
        (["--key-file", "/nowhere/meter.key"], "--key-file: no file /nowhere/meter.key"),
        (["--key-env", "NO_SUCH_KEY"], "--key-env: no environment variable NO_SUCH_KEY"),
    ],
)
def test_a_key_that_is_none_is_a_wrong_use(options: list[str], told: str) -> None:
    status, _, err = run(*options, str(case("si_iskra_am550_ljubljana_5s").path))
    assert status == 2
    assert told in " ".join(err.split())


def test_hex_that_is_none_is_a_wrong_use(tmp_path: Path) -> None:
    capture = tmp_path / "odd.hex"
    capture.write_text("# a capture\n7EA\n")
    status, _, err = run(str(capture))
    assert status == 2
    assert "odd number of hex digits" in err


def test_the_whole_twin_reads_as_it_says() -> None:
    path = case("gbt_block_1_missing").path
    status, out, _ = run(str(path))
    assert status == 0
    assert "# 191 octets left out: segment_missing" in out.splitlines()
    assert len(read(octets_of(out), keys_named(out.encode()))) == 1
