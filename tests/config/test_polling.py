"""Mistakes about meters that are asked, as a person makes them: one line each, with the line, the key and the mend."""

from pathlib import Path

import pytest

from datalogger.config.load import load
from datalogger.config.polling import PollOptions
from datalogger.config.problems import ConfigProblems
from datalogger.words import Duration

REST = '[sink.archive]\nkind = "file"\npath = "archive"\n'
RTU = '[source.bus]\nkind = "modbus-rtu"\nport = "/dev/ttyUSB0"\n'
TCP = '[source.bus]\nkind = "modbus-tcp"\nhost = "192.168.1.50"\n'
UNIT = "[[source.bus.units]]\n"
SDM = 'map = "eastron-sdm630"\n'


@pytest.fixture(autouse=True)
def own_kinds() -> None:
    """None here."""


def write(folder: Path, text: str) -> Path:
    path = folder / "datalogger.toml"
    path.write_text(text + REST)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigProblems) as refused:
        load(write(folder, text))
    return [line.removeprefix(f"{folder}/datalogger.toml:") for line in refused.value.problems]


def options(folder: Path, text: str) -> PollOptions:
    found, warnings = load(write(folder, text))
    assert warnings == ()
    bus = found.sources["bus"]
    assert isinstance(bus, PollOptions)
    return bus


def test_four_lines_are_a_whole_source(tmp_path: Path) -> None:
    (meter,) = options(tmp_path, RTU + SDM).meters
    assert (meter.map, meter.unit) == ("eastron-sdm630", None)
    assert options(tmp_path, TCP + SDM).interval == Duration(10)


def test_several_meters_stand_in_tables_of_their_own(tmp_path: Path) -> None:
    text = TCP + UNIT + SDM + UNIT + 'map = "sunspec"\nunit = 2\ninterval = "1m"\n'
    first, second = options(tmp_path, text).meters
    assert (first.map, first.interval) == ("eastron-sdm630", None)
    assert (second.map, second.unit, second.interval) == ("sunspec", 2, Duration(60))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (RTU, '1: source.bus.map: is missing: the meter\'s register map (`datalogger maps list`), or "sunspec"'),
        (RTU + 'map = "sdm630"\n', '4: source.bus.map: no register map "sdm630"; did you mean "eastron-sdm630"?'),
        (RTU + 'map = "zzz"\n', '4: source.bus.map: no register map "zzz"; see `datalogger maps list`'),
        (RTU + SDM + "unit = 0\n", "5: source.bus.unit: 0: expected 1 to 247"),
        (RTU + SDM + "unit = 248\n", "5: source.bus.unit: 248: expected 1 to 247"),
        (TCP + SDM + "unit = 256\n", "5: source.bus.unit: 256: expected 0 to 255"),
        (RTU + SDM + "baud_rate = 20\n", "5: source.bus.baud_rate: 20: expected 50 to 4000000, such as 9600 or 115200"),
        (
            '[source.bus]\nkind = "modbus-rtu"\nport = "socket://h:1"\n' + SDM,
            '3: source.bus.port: "socket://h:1": a serial port is a path; for a port on the network '
            'kind = "modbus-tcp", with host and port',
        ),
        (
            TCP.replace("192.168.1.50", "192.168.1.50:502") + SDM,
            '3: source.bus.host: "192.168.1.50:502": the port has a line of its own: host = "192.168.1.50", port = 502',
        ),
        (
            TCP.replace("192.168.1.50", "http://meter") + SDM,
            '3: source.bus.host: "http://meter": a name or an address only, without http:// and path',
        ),
        (RTU + SDM + 'interval = "10ms"\n', '5: source.bus.interval: "10ms": expected at least 100ms'),
        (
            RTU + SDM + 'registers = ["volts"]\n',
            '5: source.bus.registers: no register "volts" in eastron-sdm630; see `datalogger maps show eastron-sdm630`',
        ),
        (
            RTU + SDM + "deadbands = { power_totl = 5 }\n",
            '5: source.bus.deadbands: no register "power_totl" in eastron-sdm630; did you mean "power_total"?',
        ),
        (
            RTU + SDM + "deadbands = { power_total = -1 }\n",
            "5: source.bus.deadbands: power_total: expected 0 or more, and no more than 1e+15",
        ),
        (
            RTU + SDM + 'intervals = { energy_import = "0s" }\n',
            "5: source.bus.intervals: energy_import: must be more than 0",
        ),
        (
            RTU + SDM + 'deadbands = { voltage_l1 = 1, power_total = "5W" }\n',
            '5: source.bus.deadbands: power_total: "5W": Invalid decimal string',
        ),
        (
            RTU + SDM + "intervals = { energy_import = 5 }\n",
            '5: source.bus.intervals: energy_import: 5: a number without a unit, write "5s": expected a duration such '
            'as "500ms", "10s", "5m", "2h" or "30d"',
        ),
        (
            RTU + SDM + UNIT + SDM,
            '4: source.bus.map: "eastron-sdm630": beside units: it stands in [[units]] of each meter then',
        ),
        (
            TCP + UNIT + SDM + UNIT + SDM,
            "6: source.bus.units.2.unit: 1, the default, is taken by source.bus.units.1 already: each meter has its "
            "own address",
        ),
        (
            TCP + UNIT + SDM + 'colour = "red"\n',
            "6: source.bus.units.1.colour: unknown key; known here: unit, map, meter, interval, registers, intervals, "
            "deadbands",
        ),
        (TCP + UNIT + "unit = 1\n", "4: source.bus.units.1: map is missing"),
        (TCP + "units = [5]\n", "4: source.bus.units: expected a list of tables: write [[source.bus.units]] for each"),
        (TCP + SDM + 'framing = "ascii"\n', '5: source.bus.framing: "ascii": expected "tcp" or "rtu"'),
        (
            TCP + SDM + '[meters]\nmaps = "own"\n',
            "6: meters.maps: no directory {folder}/own: make it, or leave maps out",
        ),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem.replace("{folder}", str(tmp_path))]


def test_mistakes_in_several_tables_are_told_together(tmp_path: Path) -> None:
    text = TCP + UNIT + 'map = "eastron-sdm12"\ncolour = 1\n' + UNIT + SDM + 'unit = 2\nregisters = ["power_l9"]\n'
    assert [line.partition(": ")[0] for line in problems(tmp_path, text)] == ["5", "6", "10"]


def test_what_is_wrong_in_a_map_of_ones_own_is_told_with_file_and_register(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.toml").write_text('[[reg]]\nname = "power"\naddr = 0\ntype = "flot"\n')
    told = problems(tmp_path, TCP + SDM + '[meters]\nmaps = "own"\n')
    assert told == [
        f'6: meters.maps: {tmp_path}/own/mine.toml: register "power": type: \'flot\': not known; did you mean "float"?'
    ]


def test_a_map_of_ones_own_stands_before_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "eastron-sdm630.json").write_text('{"reg": [{"name": "only", "addr": 0, "type": "u16"}]}')
    text = TCP + SDM + 'registers = ["only"]\n[meters]\nmaps = "own"\n'
    assert options(tmp_path, text).registers == ("only",)


def test_an_ipv6_address_is_a_host(tmp_path: Path) -> None:
    for host in ("fe80::1", "::1", "[::1]"):
        options(tmp_path, TCP.replace("192.168.1.50", host) + SDM)


def test_meters_on_one_line_whose_maps_want_other_speeds_are_warned_of(tmp_path: Path) -> None:
    units = UNIT + SDM + UNIT + 'map = "eastron-sdm120"\nunit = 2\n'
    _, (warning,) = load(write(tmp_path, RTU + units))
    assert warning.removeprefix(f"{tmp_path}/datalogger.toml:") == (
        "1: source.bus: its maps say 9600/8n1 and 2400/8n1, and one line has one setting: it is read at 9600/8n1; "
        "set all meters so, and write baud_rate and parity, which hold for all"
    )
    assert load(write(tmp_path, RTU + "baud_rate = 2400\n" + units))[1] == ()


def test_two_sources_share_no_serial_port_whatever_they_are(tmp_path: Path) -> None:
    text = RTU + SDM + '[source.house]\nkind = "serial"\nport = "/dev/ttyUSB0"\n'
    assert problems(tmp_path, text) == ['7: source.house.port: "/dev/ttyUSB0" is taken by source.bus already']


def test_a_sink_that_takes_p1_only_is_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path, TCP + SDM + '[sink.attic]\nkind = "dsmr-v1"\nurl = "http://attic.local"\nkey_env = "X"\n')
    _, warnings = load(path, read_secrets=False)
    assert "takes P1 only, and what feeds it gives MODBUS only" in warnings[0]
