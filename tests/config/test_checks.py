import math
from pathlib import Path

import pytest

from datalogger.config.checks import NO_DIRECTORY, POSITIVE, ZONE, listen_address, nearest


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8420", ("127.0.0.1", 8420)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("", None),
    ],
)
def test_a_listen_address_is_a_host_and_a_port(text: str, address: tuple[str, int] | None) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize(
    "text", ["8420", ":8420", "h:", "h:65536", "h:-1", "h:٣", "h: 1", "h h:1", "::1:80", "[]:80", "h:123456", "h\n:80"]
)
def test_what_is_no_listen_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='expected "HOST:PORT"'):
        listen_address(text)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_a_figure_that_is_not_above_nothing_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        POSITIVE.allow(value)


@pytest.mark.parametrize("name", ["Europe/Amsterdam", "UTC", "America/Argentina/Buenos_Aires"])
def test_a_zone_is_known(name: str) -> None:
    ZONE.allow(name)


@pytest.mark.parametrize("name", ["", "Europe", "/etc/localtime", "../x", "Mars/Olympus", "a\0b", "x" * 5000, "."])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        ZONE.allow(name)


def test_a_directory_is_no_file_to_write(tmp_path: Path) -> None:
    (tmp_path / "there.db").touch()
    for path in (
        tmp_path / "none.db",
        tmp_path / "there.db",
        tmp_path / "there.db" / "beneath",
        tmp_path / ("x" * 999),
    ):
        NO_DIRECTORY.allow(path)
    with pytest.raises(ValueError, match=r"is a directory: name a file in it, such as .*/spool.db"):
        NO_DIRECTORY.allow(tmp_path)


def test_the_nearest_name_is_named_only_where_it_is_near() -> None:
    assert nearest("timeot", ["timeout", "time"]) == '; did you mean "timeout"?'
    assert nearest("x", ["timeout"]) == ""


def test_another_case_is_near() -> None:
    assert nearest("KIND", ["kind"]) == '; did you mean "kind"?'
    assert nearest("europe/amsterdam", ["Europe/Amsterdam"]) == '; did you mean "Europe/Amsterdam"?'
