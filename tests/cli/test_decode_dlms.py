"""`datalogger decode` over the DLMS corpus, as a person has it: hex text, with the keys in options or comments."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datalogger.cli.decode import decode
from datalogger.protocol.framing import Reason
from tests.protocol.dlms.corpus import MALFORMED, METERS, SEED, SYNTHETIC, Case, case

EVERY = METERS + SEED + SYNTHETIC + MALFORMED
every_case = pytest.mark.parametrize("found", EVERY, ids=lambda found: found.name)


def run(*arguments: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(decode, arguments, input=given)


def keys(found: Case) -> list[str]:
    options = {"--key": found.key, "--auth-key": found.auth_key}
    return [word for option, key in options.items() if key is not None for word in (option, key.hex())]


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


@every_case
def test_a_case_is_read_with_its_keys_as_options(found: Case) -> None:
    result = run(*keys(found), str(found.path))
    shown = lines(result)
    reports = [line for line in shown if "records" in line]
    rejected = [line for line in shown if "rejected" in line]
    assert len(reports) == found.messages_out
    assert len(reports) + len(rejected) == len(shown)
    assert all(line["rejected"] in list(Reason) and line["detail"] for line in rejected)
    assert result.exit_code == (1 if rejected else 0)
    for report, message in zip(reports, found.expected.get("messages", []), strict=False):
        assert [record.get("obis") for record in report["records"] if "position" not in record] == [
            record["obis"] for record in message["records"] if "obis" in record
        ]


@every_case
def test_a_case_reads_the_same_as_octets_on_standard_input(found: Case) -> None:
    assert lines(run(*keys(found), given=found.octets)) == lines(run(*keys(found), str(found.path)))


def test_a_shared_capture_brings_its_keys_in_comments() -> None:
    found = case("dk_kamstrup_omnipower_enc_auth_testkey")
    (report,) = lines(run(str(found.path)))
    assert report["security"]["tag"] == "verified"
    assert report["security"]["system_title"] == "4B414D12A24C3088"


def test_keys_that_are_given_stand_before_those_in_comments() -> None:
    found = case("dk_kamstrup_omnipower_enc_auth_testkey")
    (rejected,) = lines(run("--key", "00" * 16, str(found.path)))
    assert rejected["rejected"] == "wrong_key"


def test_a_system_title_is_given_where_the_meter_leaves_it_out(tmp_path: Path) -> None:
    found = case("system_title_len_0")
    (rejected,) = lines(run(*keys(found), str(found.path)))
    assert rejected["rejected"] == "no_key"
    title = case("suite2_aes256").expected["messages"][0]["system_title"]
    (report,) = lines(run(*keys(found), "--system-title", title, str(found.path)))
    assert report["security"]["system_title"] == title


def test_a_shared_capture_brings_the_title_that_its_meter_leaves_out(tmp_path: Path) -> None:
    found = case("system_title_len_0")
    title = case("suite2_aes256").expected["messages"][0]["system_title"]
    shared = tmp_path / "shared.hex"
    shared.write_text(f"# system-title: {title}\n" + found.path.read_text())
    assert [line["security"]["system_title"] for line in lines(run(str(shared)))] == [title]


def test_a_profile_that_is_named_gives_the_meaning_the_meter_does_not_say() -> None:
    found = case("ch_lg_e570_vse2026")
    assert any("unscaled" in record for record in lines(run(str(found.path)))[0]["records"])
    (report,) = lines(run("--profile", "lg-e570-primary", str(found.path)))
    assert not any("unscaled" in record for record in report["records"])
    wrong = run("--profile", "lg-e570-primry", str(found.path))
    assert wrong.exit_code == 2
    assert "lg-e570-primary" in wrong.output


def test_what_a_person_should_know_is_said_on_standard_error_once(tmp_path: Path) -> None:
    found = case("se_aidon_aviborg")
    twice = tmp_path / "twice.bin"
    twice.write_bytes(found.octets * 2)
    result = run(str(twice))
    assert len(lines(result)) == 2
    assert result.stderr.count("ask:") == 1


@pytest.mark.parametrize("framing", ["p1", "mbus", "wrapper"])
def test_another_framing_than_the_files_finds_nothing_to_report(framing: str) -> None:
    result = run("--framing", framing, str(case("no_kaifa_ma304h3e_list2").path))
    assert all("rejected" in line for line in lines(result))
    assert result.exit_code == 1
