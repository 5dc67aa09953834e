"""The printed block: it loads, it says what was found, and it is of the place the meter is in."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from datalogger.config.load import load
from datalogger.line_settings import LineSettings
from datalogger.meters.profile import Key, Profile
from datalogger.model import Record, Report
from datalogger.obis import Obis
from datalogger.probing.block import ZONES, block, machine_zone, zone_of
from datalogger.probing.findings import Finding
from datalogger.sources.serial_port import SerialPortConfig
from datalogger.sources.tcp_client import TcpClientConfig

SINK = '[sink.archive]\nkind = "file"\npath = "archive"\n'
SERIAL: dict[str, str | int] = {"kind": "serial", "port": "/dev/ttyUSB0"}

FAMILY = Profile(
    id="kamstrup",
    title='Kamstrup "OMNIPOWER"\nDenmark',
    makers=("Kamstrup",),
    countries=("DK",),
    sources=("I",),
    key=Key(need="both", ask="Ask Radius."),
    ask=("Which ratio has the current transformer?",),
)
FOUND = Finding(
    settings=LineSettings.parse("2400 8N1"),
    form_unseen=False,
    framing="hdlc",
    families=(FAMILY,),
    maker="",
    report=Report(protocol="dlms", meter="5706", records=(Record(obis=Obis("1-1:1.7.0*255"), value=1),)),
    meter="5706",
    system_title="",
    needs_key=False,
    both_keys=True,
    key="",
    notices=(),
    unread=(),
)
LOCKED = msgspec.structs.replace(
    FOUND, report=None, meter="", needs_key=True, system_title="4B414D0000000001", maker="Kamstrup"
)


def loaded(text: str, tmp_path: Path, *, read_secrets: bool = True) -> SerialPortConfig | TcpClientConfig:
    path = tmp_path / "datalogger.toml"
    path.write_text(text + SINK)
    (source,) = load(path, read_secrets=read_secrets)[0].sources.values()
    assert isinstance(source, SerialPortConfig | TcpClientConfig)
    return source


def test_a_serial_block_loads_with_the_settings_found(tmp_path: Path) -> None:
    source = loaded(block("house", SERIAL, FOUND, {}, zone="Europe/Copenhagen"), tmp_path)
    assert isinstance(source, SerialPortConfig)
    assert (source.port, source.baud_rate, source.bytesize, source.parity) == ("/dev/ttyUSB0", 2400, 8, "N")
    assert (source.framing, source.zone) == ("hdlc", "Europe/Copenhagen")


def test_a_tcp_block_loads_without_line_settings(tmp_path: Path) -> None:
    found = msgspec.structs.replace(FOUND, settings=None, framing="p1", families=())
    source = loaded(block("d-1", {"kind": "tcp", "host": "::1", "port": 23}, found, {}, zone="Europe/Oslo"), tmp_path)
    assert isinstance(source, TcpClientConfig)
    assert (source.host, source.port, source.framing) == ("::1", 23, "p1")


def test_two_stop_bits_are_said(tmp_path: Path) -> None:
    found = msgspec.structs.replace(FOUND, settings=LineSettings.parse("300 7E2"))
    source = loaded(block("house", SERIAL, found, {}, zone="Europe/Oslo"), tmp_path)
    assert isinstance(source, SerialPortConfig)
    assert (source.bytesize, source.parity, source.stopbits) == (7, "E", 2)


def test_the_places_of_the_keys_that_were_given_stand_in_the_block(tmp_path: Path) -> None:
    (tmp_path / "my key").write_text("00" * 16)
    (tmp_path / "my key").chmod(0o600)
    found = msgspec.structs.replace(FOUND, system_title="4B414D0000000001")
    text = block("house", SERIAL, found, {"key_file": str(tmp_path / "my key")}, zone="Europe/Oslo")
    assert "auth" not in text
    assert loaded(text, tmp_path).key is not None


def test_where_a_key_is_needed_its_place_is_named(tmp_path: Path) -> None:
    text = block("house", SERIAL, LOCKED, {}, zone="Europe/Oslo")
    table = tomllib.loads(text)["source"]["house"]
    assert table["key_file"] == "/etc/datalogger/house.key"
    assert table["auth_key_file"] == "/etc/datalogger/house.auth.key"
    loaded(text, tmp_path, read_secrets=False)
    alone = msgspec.structs.replace(LOCKED, both_keys=False)
    assert "auth_key_file" not in block("house", SERIAL, alone, {}, zone="Europe/Oslo")


def test_what_could_not_be_opened_is_named_by_its_maker_alone() -> None:
    assert block("house", SERIAL, LOCKED, {}, zone="Europe/Oslo").splitlines()[:3] == [
        "[source.house]",
        "# Kamstrup, system title 4B414D0000000001",
        'kind = "serial"',
    ]


def test_a_key_for_a_meter_that_sends_in_the_clear_is_left_out() -> None:
    assert "key" not in block("house", SERIAL, FOUND, {"key_file": "/x"}, zone="Europe/Oslo")


def test_comments_say_the_family_and_what_only_its_owner_knows_in_one_line_each() -> None:
    lines = block("house", SERIAL, FOUND, {}, zone="Europe/Oslo").splitlines()
    assert lines[:3] == [
        "[source.house]",
        '# Kamstrup "OMNIPOWER" Denmark (DK)',
        "# Which ratio has the current transformer?",
    ]
    nameless = msgspec.structs.replace(FOUND, meter="")
    assert 'give it one, such as meter = "house"' in block("house", SERIAL, nameless, {}, zone="Europe/Oslo")


@pytest.mark.parametrize(
    "countries, machine, expected",
    [
        (["NO"], None, "Europe/Oslo"),
        (["NO"], "Europe/Paris", "Europe/Oslo"),
        (["NO", "SE"], "Europe/Stockholm", "Europe/Stockholm"),
        (["NO", "SE"], "Europe/Paris", "Europe/Oslo"),
        ([], "Europe/Paris", "Europe/Paris"),
        (["XX"], None, "Europe/Amsterdam"),
    ],
)
def test_the_zone_is_that_of_the_meters_country(countries: list[str], machine: str | None, expected: str) -> None:
    assert zone_of(countries, machine) == expected


def test_every_country_of_a_built_in_profile_has_a_zone() -> None:
    from datalogger.meters.profiles import load as load_profiles

    assert {country for each in load_profiles().values() for country in each.countries} <= ZONES.keys()


def test_the_machines_zone_is_asked_of_its_link(tmp_path: Path) -> None:
    def says(target: str) -> str | None:
        link = tmp_path / "localtime"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        return machine_zone(link)

    assert says("/usr/share/zoneinfo/Europe/Oslo") == "Europe/Oslo"
    assert says("/usr/share/zoneinfo/Etc/UTC") is None
    assert says("/usr/share/zoneinfo/UTC") is None
    assert machine_zone(tmp_path / "no-link") is None
