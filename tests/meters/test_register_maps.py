"""Register maps as files: the eGauge's form and ours, exactly; and what a file that is none gets."""

from decimal import Decimal
from pathlib import Path

import pytest

from datalogger.errors import ConfigError
from datalogger.meters import register_maps
from datalogger.protocol.modbus.decoding import meaning
from datalogger.protocol.modbus.register_map import RegisterMap

EGAUGE = """\
{"option":{"default-modbus-addr":"2","default-serial-params":"9600/8n1","default-tcp-port":"502"},
 "reg":[{"name":"irradiance","addr":0,"type":"u32","kind":"analog","unit":"W","offset":0,"scale":0.1,"access":"ro"},
        {"name":"temp","addr":2,"type":"s32","kind":"analog","unit":"degC","offset":0,"scale":0.01,"access":"ro"}]}
"""

OURS = """\
[option]
default-modbus-addr = "2"
default-serial-params = "9600/8n1"
default-tcp-port = "502"

[[reg]]
name = "irradiance"
addr = 0
type = "u32"
kind = "analog"
unit = "W"
offset = 0
scale = 0.1
access = "ro"

[[reg]]
name = "temp"
addr = 2
type = "s32"
unit = "degC"
scale = 0.01
"""


REG = '[[reg]]\nname = "x"\naddr = 0\ntype = '
WORD = REG + '"u16"\n'


def read(folder: Path, text: str, name: str = "mine.toml") -> RegisterMap:
    (folder / name).write_text(text)
    return register_maps.read(folder / name)


def told(folder: Path, text: str, name: str = "mine.toml") -> str:
    with pytest.raises(ConfigError) as refused:
        read(folder, text, name)
    return str(refused.value).replace(f"{folder}/", "")


def test_the_egauges_form_and_ours_are_one_map(tmp_path: Path) -> None:
    assert read(tmp_path, EGAUGE, "mine.json") == read(tmp_path, OURS)


def test_a_tenth_is_a_tenth(tmp_path: Path) -> None:
    for name, text in (("mine.json", EGAUGE), ("mine.toml", OURS)):
        found = read(tmp_path, text, name)
        assert [one.scale for one in found.reg] == [Decimal("0.1"), Decimal("0.01")]
        assert [meaning(one)[:3] for one in found.reg] == [(1, 0, -1), (1, 0, -2)]


def test_what_can_only_be_read_is_an_input_register_and_what_can_be_written_a_holding_register(tmp_path: Path) -> None:
    text = (
        '{"reg": [{"name": "a", "addr": 0, "type": "u16", "access": "ro"}, {"name": "b", "addr": 1, "type": "u16", '
        '"access": "rw"}, {"name": "c", "addr": 2, "type": "bit"}, {"name": "d", "addr": 3, "type": "bit", "access": '
        '"rw"}, {"name": "e", "addr": 4, "type": "u16", "function": 3}]}'
    )
    assert [one.reads for one in read(tmp_path, text, "mine.json").reg] == [4, 3, 2, 1, 3]


def test_the_name_of_the_file_is_the_id(tmp_path: Path) -> None:
    assert read(tmp_path, EGAUGE, "my own-meter_2.json").id == "my own-meter_2"


def test_a_map_of_ones_own_stands_before_the_built_in_one_of_that_name(tmp_path: Path) -> None:
    built_in = register_maps.load()
    (tmp_path / "eastron-sdm120.json").write_text(EGAUGE)
    (tmp_path / "other.toml").write_text(OURS)
    (tmp_path / "notes.txt").write_text("no map")
    known = register_maps.load(tmp_path)
    assert [one.name for one in known["eastron-sdm120"].reg] == ["irradiance", "temp"]
    assert known.keys() == {*built_in, "other"}
    assert list(known) == sorted(known)
    assert known["eastron-sdm630"] == built_in["eastron-sdm630"]


def test_a_built_in_map_is_written_out_as_it_may_be_read_again(tmp_path: Path) -> None:
    for name, found in register_maps.load().items():
        assert read(tmp_path, register_maps.as_written(name), f"{name}.toml") == found


def test_a_map_of_ones_own_is_written_out_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(EGAUGE)
    assert register_maps.as_written("mine", tmp_path) == EGAUGE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (REG + '"flot"', "register \"x\": type: 'flot': not known; did you mean \"float\"?"),
        (
            REG + '"zzz"',
            "register \"x\": type: 'zzz': not known; there is bit, s16, u16, s32, u32, s32l, u32l, s64, u64, float16, "
            "float16l, float, floatl, double",
        ),
        (WORD + 'kind = "analogue"', 'did you mean "analog"?'),
        (WORD + 'access = "writable"', "there is ro, rw"),
        (WORD + 'function = 6', "register \"x\": function: 6: not known; there is 1, 2, 3, 4"),
        (WORD + 'skale = 1', 'register "x": skale: unknown key; did you mean "scale"?'),
        (WORD + 'scale = "0,1"', "register \"x\": scale: '0,1': Invalid decimal string"),
        ('[[reg]]\nname = "x"\ntype = "u16"', 'register "x": addr: is missing'),
        ('[[reg]]\naddr = 0\ntype = "u16"', "register number 1: name: is missing"),
        ('[[reg]]\nname = "x"\naddr = -1\ntype = "u16"', 'register "x": addr: -1: expected a whole number >= 0'),
        ('[[reg]]\nname = "x"\naddr = 65536\ntype = "u16"', 'addr: 65536: expected a whole number <= 65535'),
        ('[option]\ndefault-tcp-prt = "502"', 'option.default-tcp-prt: unknown key; did you mean "default-tcp-port"?'),
        ("[option]\ndefault-tcp-port = 502", "option.default-tcp-port: 502: expected a text in quotes"),
        ("[regs]", 'regs: unknown key; did you mean "reg"?'),
        ("reg = 5", "reg: 5: expected a list"),
        ("[[reg", "not TOML: "),
        ('id = "yours"\n', 'id: "yours" in a file named mine.toml: leave id out, the file\'s name is it'),
    ],
)  # fmt: skip
def test_what_is_no_map_is_told_with_the_file_the_register_and_the_mend(tmp_path: Path, text: str, said: str) -> None:
    problem = told(tmp_path, text)
    assert problem.startswith("mine.toml: ")
    assert said in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"reg": [', "mine.json: not JSON: "),
        ("[]", "mine.json: expected {"),
        ("[" * 100_000, "mine.json: not JSON: "),
        (
            '{"reg": [{"name": "x", "addr": "0", "type": "u16"}]}',
            "register \"x\": addr: '0': expected a whole number",
        ),
        ('{"reg": [{"name": "x", "addr": 0, "type": "u16", "scale": 0}]}', 'register "x": scale: 0: everything'),
    ],
)
def test_a_wrong_json_is_told_too(tmp_path: Path, text: str, said: str) -> None:
    assert said in told(tmp_path, text, "mine.json")


def test_every_wrong_file_of_a_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[[reg")
    (tmp_path / "b.json").write_bytes(b"\xff")
    (tmp_path / "c.toml").write_text(OURS.replace("scale = 0.1", "scale = 0").replace('"degC"', '"degD"'))
    with pytest.raises(ConfigError) as refused:
        register_maps.load(tmp_path)
    lines = str(refused.value).replace(f"{tmp_path}/", "").splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["a.toml", "b.json", "c.toml", "c.toml"]
    assert "UTF-8" in lines[1]


def test_every_wrong_register_of_a_file_is_told(tmp_path: Path) -> None:
    wrong = (
        REG + '"int"\n' + WORD + 'scale = "a tenth"\n[[reg]]\naddr = 1\ntype = "u16"\n[option]\ndefault-tcp-port = 5\n'
    )
    assert [line.partition(": ")[2] for line in told(tmp_path, wrong).splitlines()] == [
        "option.default-tcp-port: 5: expected a text in quotes",
        'register "x": type: \'int\': not known; did you mean "bit"?',
        "register \"x\": scale: 'a tenth': Invalid decimal string",
        "register number 3: name: is missing",
    ]


def test_one_map_in_two_forms_is_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(OURS)
    (tmp_path / "mine.json").write_text(EGAUGE)
    with pytest.raises(ConfigError, match=r"mine\.toml: there is mine\.json too: keep one"):
        register_maps.load(tmp_path)


def test_half_a_character_is_no_text(tmp_path: Path) -> None:
    """It could be neither logged nor stored."""
    for text in (r'{"reg": [{"name": "\ud800x", "addr": 0, "type": "u16"}]}', r'{"\udfff": 1}'):
        assert "lone surrogate" in told(tmp_path, text, "mine.json")


def test_a_file_whose_name_cannot_be_printed_is_no_map(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a name that can be printed"):
        register_maps.parse(OURS, "x", "\udcff.toml")


def test_no_map_is_called_sunspec(tmp_path: Path) -> None:
    assert "give the file another name" in told(tmp_path, OURS, "sunspec.toml")


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no directory of register maps"):
        register_maps.load(tmp_path / "none")


def test_the_sample_of_the_reference_is_told_where_two_of_its_registers_overlap(tmp_path: Path) -> None:
    """As it is printed there: an u32 at 0 takes up 0 and 1."""
    sample = EGAUGE.replace('"addr":2,', '"addr":1,')
    assert told(tmp_path, sample, "mine.json") == (
        'mine.json: register "temp": addr: 1 (0x0001) is inside "irradiance", which takes up 0 to 1 (function 4)'
    )


@pytest.mark.parametrize("name", ["mine.toml", "mine.json"])
@pytest.mark.parametrize("number", ["0.1", "0.001", "0.3", "1e-7", "123456789.0125", "0.1234567890123456789", "-2.5"])
def test_a_number_is_what_is_written_to_the_last_digit(tmp_path: Path, name: str, number: str) -> None:
    toml = f'[[reg]]\nname = "x"\naddr = 0\ntype = "float"\nscale = {number}\noffset = {number}\n'
    json = f'{{"reg": [{{"name": "x", "addr": 0, "type": "float", "scale": {number}, "offset": {number}}}]}}'
    (one,) = read(tmp_path, toml if name.endswith("toml") else json, name).reg
    assert (one.scale, one.offset) == (Decimal(number), Decimal(number))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"reg": [{"name": "x", "addr": 16.0, "type": "u16"}]}', 'register "x": addr: 16.0: expected a whole number'),
        (
            '{"reg": [{"name": "x", "addr": 0, "type": "u16", "scale": NaN}]}',
            'register "x": scale: NaN: expected a number',
        ),
        (
            '{"reg": [{"name": "x", "addr": 0, "type": "u16", "scale": true}]}',
            'register "x": scale: True: expected a number',
        ),
        ('{"reg": [{"name": "x", "addr": 0}]}', 'register "x": type: is missing'),
        ('{"reg": [7]}', "register number 1: 7: expected a table"),
        ('{"reg": {}}', "reg: expected a list"),
        ("{}", "reg: empty: a map has at least one register"),
        ("null", 'expected {"option": …, "reg": […]}'),
        ("", "not JSON: Expecting value"),
    ],
)
def test_a_json_that_is_no_map_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    problem = told(tmp_path, text, "mine.json")
    assert problem.startswith("mine.json: ")
    assert said in problem
    assert "\n" not in problem


def test_a_mark_of_byte_order_is_no_fault(tmp_path: Path) -> None:
    for name, text in (("mine.json", EGAUGE), ("mine.toml", OURS)):
        assert len(read(tmp_path, "\ufeff" + text, name).reg) == 2


def test_a_directory_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").mkdir()
    with pytest.raises(ConfigError, match=r"mine\.toml: cannot be read: Is a directory"):
        register_maps.load(tmp_path)
