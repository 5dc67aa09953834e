import copy
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from datalogger.config import secrets
from datalogger.config.secrets import KeyOptions, Secret

TEXT = "s3cr3t-of-the-attic"

needs_permissions = pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")


def never(warning: str) -> None:
    pytest.fail(f"an unexpected warning: {warning}")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "attic.key"
    path.write_text(f"{TEXT}\n")
    path.chmod(0o600)
    return path


SHOWING: list[Callable[[Secret], str]] = [
    repr,
    str,
    "{}".format,
    "{:>40}".format,
    "{!r}".format,
    lambda secret: f"{secret}",
    lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - the old form is what logging uses
    lambda secret: repr([secret]),
    lambda secret: repr(KeyOptions(kind="x", key=secret)),
    lambda secret: msgspec.json.encode(KeyOptions(kind="x", key=secret), enc_hook=str).decode(),
    lambda secret: json.dumps({"key": secret}, default=str),
]


@pytest.mark.parametrize("show", SHOWING)
def test_a_secret_shows_itself_in_no_form(show: Callable[[Secret], str]) -> None:
    assert TEXT not in show(Secret(TEXT))


def test_only_reveal_gives_the_text() -> None:
    assert Secret(TEXT).reveal() == TEXT


@pytest.mark.parametrize(
    "write", [pickle.dumps, copy.deepcopy, msgspec.json.encode, msgspec.msgpack.encode, json.dumps]
)
def test_a_secret_is_not_written_to_anywhere(write: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as refused:
        write(Secret(TEXT))
    assert TEXT not in str(refused.value)


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@pytest.mark.parametrize("octets", [TEXT, f"\ufeff{TEXT}", f"{TEXT}\n", f"{TEXT}\r\n", f"  {TEXT} \n\n"])
def test_a_key_file_is_read_without_white_space_around(key_file: Path, octets: str) -> None:
    key_file.write_bytes(octets.encode())
    assert secrets.read_file(key_file, never) == Secret(TEXT)


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "is empty: write the key into it"),
        (b" \r\n\n", "is empty: write the key into it"),
        (b"s3cr3t\nsecond", "holds more than one line"),
        (b"s3cr3t\x00", "control characters"),
        (b"s3cr3t\xff", "is no text"),
        (b"s3cr3t" * 1000, "more than 4096 octets"),
    ],
)
def test_a_file_that_can_be_no_key_is_refused_without_quoting_it(key_file: Path, octets: bytes, told: str) -> None:
    key_file.write_bytes(octets)
    with pytest.raises(ValueError, match=told) as refused:
        secrets.read_file(key_file, never)
    assert str(key_file) in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_a_missing_key_file_is_named_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file .*/none.key: write the key into it, then chmod 600 .*/none.key"):
        secrets.read_file(tmp_path / "none.key", never)


def test_a_directory_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no file"):
        secrets.read_file(tmp_path, never)


def test_a_pipe_that_nobody_writes_does_not_hang_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is no file"):
        secrets.read_file(tmp_path / "pipe", never)


def test_a_key_file_this_user_may_not_read_is_named_with_the_mend(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # for root, too
    with pytest.raises(ValueError, match=r"chmod 600 .*attic.key.*sudo -u datalogger datalogger check"):
        secrets.read_file(key_file, never)


@needs_permissions
def test_a_key_file_without_any_permission_is_refused(key_file: Path) -> None:
    key_file.chmod(0)
    with pytest.raises(ValueError, match="may not be read by this user"):
        secrets.read_file(key_file, never)


def test_a_key_file_that_everybody_can_read_is_a_warning_with_the_mend(key_file: Path) -> None:
    key_file.chmod(0o644)
    warnings: list[str] = []
    assert secrets.read_file(key_file, warnings.append) == Secret(TEXT)
    assert len(warnings) == 1
    assert f"chmod 600 {key_file}" in warnings[0]


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_a_key_file_for_its_owner_or_group_is_no_warning(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert secrets.read_file(key_file, never) == Secret(TEXT)


def test_a_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTIC_KEY", TEXT)
    assert secrets.read_environment("ATTIC_KEY") == Secret(TEXT)


def test_a_missing_variable_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTIC_KEY", raising=False)
    with pytest.raises(ValueError, match="no environment variable ATTIC_KEY: set it where"):
        secrets.read_environment("ATTIC_KEY")


def test_an_empty_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTIC_KEY", " ")
    with pytest.raises(ValueError, match="environment variable ATTIC_KEY is empty"):
        secrets.read_environment("ATTIC_KEY")


@pytest.mark.parametrize(
    "name", ["", "s3cr3t of the attic", "4TTIC", "A=B", "A\0", "hunter", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]
)
def test_what_is_no_name_of_a_variable_is_refused_and_not_quoted(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"^no such environment variable; a name is such as ATTIC_KEY \(is that"
    ) as told:
        secrets.read_environment(name)
    assert not name or name not in str(told.value)


def test_a_variable_that_is_set_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("attic_key", TEXT)
    assert secrets.read_environment("attic_key") == Secret(TEXT)


def test_a_systemd_credential(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key_file.parent))
    assert secrets.read_credential("attic.key") == Secret(TEXT)


def test_without_systemd_a_credential_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ValueError, match=r"LoadCredential=NAME:/path/to/file"):
        secrets.read_credential("attic.key")


def test_a_credential_the_unit_does_not_load_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ValueError, match=r"add LoadCredential=NAME:"):
        secrets.read_credential("attic.key")


@pytest.mark.parametrize("name", ["../attic.key", "/etc/passwd", "", ".", "..", "a\0b"])
def test_a_credential_stays_in_its_directory(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ValueError, match="no name of a systemd credential"):
        secrets.read_credential(name)
