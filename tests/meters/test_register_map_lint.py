"""What is wrong with a register map is one line, with the register, the key and the mend."""

from typing import Any

import pytest

from datalogger.meters import register_map_lint, register_maps
from datalogger.meters.register_map_lint import serial_settings
from datalogger.protocol.modbus.decoding import BlockDecoder, decoded
from datalogger.protocol.modbus.read_plan import plan
from datalogger.protocol.modbus.register_map import Limits, RegisterMap

POWER = '[[reg]]\nname = "power"\naddr = 0\ntype = "s32"\n'


def faults(text: str) -> list[str]:
    return register_map_lint.faults(register_maps.parse(text, "mine.toml", "mine.toml"))


def test_the_least_map_is_right() -> None:
    assert faults(POWER) == []


@pytest.mark.parametrize("one", register_maps.load().values(), ids=lambda one: one.id)
def test_the_built_in_maps_have_no_fault(one: RegisterMap) -> None:
    assert register_map_lint.faults(one) == []


@pytest.mark.parametrize("model", register_maps.sunspec_models().values(), ids=lambda model: str(model.model))
def test_the_built_in_sunspec_models_have_no_fault(model: Any) -> None:
    assert register_map_lint.faults(RegisterMap(reg=model.reg)) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "reg: empty: a map has at least one register"),
        (
            POWER + 'unit = "kw"',
            'register "power": unit: "kw" is not known; did you mean "kW"?',
        ),
        (
            POWER + 'unit = "volts"',
            'register "power": unit: "volts" is not known; such as V, A, W, kW, var, VA, Hz, kWh, %, degC',
        ),
        (POWER + "scale = 0", 'register "power": scale: 0: everything would be 0; leave it out for 1'),
        (POWER + "scale = 0.0", 'register "power": scale: 0: everything would be 0; leave it out for 1'),
        (POWER + "scale = nan", 'register "power": scale: NaN: expected a number such as 0.1'),
        (POWER + "offset = inf", 'register "power": offset: Infinity: expected a number such as 0.1'),
        (POWER + "scale = 1e40", 'register "power": scale: 1E+40: expected a number such as 0.1'),
        (
            POWER.replace("addr = 0", "addr = 65535"),
            'register "power": addr: 65535: a s32 takes up 2, and 65535 is the last there is',
        ),
        (
            POWER + '[[reg]]\nname = "other"\naddr = 1\ntype = "u16"',
            'register "other": addr: 1 (0x0001) is inside "power", which takes up 0 to 1 (function 4)',
        ),
        (
            POWER + '[[reg]]\nname = "power"\naddr = 9\ntype = "u16"',
            'register "power": stands there twice: give one of them another name',
        ),
        (POWER + 'obis = "1.8"', 'register "power": obis: "1.8" is no logical name: write such as "1-0:1.8.0"'),
        (
            POWER + 'obis = "1-0:1.8.0"\n[[reg]]\nname = "b"\naddr = 9\ntype = "u16"\nobis = "1-0:1.8.0*255"',
            'register "b": obis: "1-0:1.8.0*255" is that of register "power" already',
        ),
        (
            POWER + "function = 1",
            'register "power": function: 1 reads bits, and type is "s32": "bit", or function 3 or 4',
        ),
        (
            POWER + 'kind = "enum"\nunit = "W"',
            'register "power": kind: enum has no scale, offset or unit: its value is a code; leave them out',
        ),
        (
            POWER.replace("s32", "float") + 'kind = "bitset"',
            'register "power": kind: bitset wants an integer type, and type is "float"',
        ),
        (
            POWER + 'kind = "enum"\nsplit = { import = "1-0:1.7.0", export = "1-0:2.7.0" }',
            'register "power": split: of enum: only a signed power has two directions',
        ),
        (
            POWER + "absent = [-1]",
            'register "power": absent: -1: the raw value, without a sign: 0 to 0xffffffff for a s32',
        ),
        (
            POWER + "absent = [0x100000000]",
            'register "power": absent: 4294967296: the raw value, without a sign: 0 to 0xffffffff for a s32',
        ),
        (POWER + 'unit = "W"\ndeadband = -1', 'register "power": deadband: -1: expected 0 or more, in W'),
        (
            POWER + 'interval = "soon"',
            'register "power": interval: "soon": expected a duration such as "500ms", "10s", "5m", "2h" or "30d"',
        ),
        (
            POWER.replace("s32", "float") + "scale_register = 9",
            'register "power": scale_register: only an integer has one',
        ),
        (POWER + '[limits]\npause = "1d"', 'limits.pause: "1d": expected up to 5s, such as "20ms"'),
        (POWER + "[limits]\nmost = 1", 'register "power": type: takes up 2, and limits.most is 1'),
        (
            POWER + "[[forbidden]]\nfirst = 1\nlast = 9",
            'register "power": addr: 0 is forbidden by the map itself: which one holds?',
        ),
        (POWER + "[[forbidden]]\nfirst = 9\nlast = 8", "forbidden: number 1: first 9 is behind last 8"),
        (
            POWER + '[option]\ndefault-serial-params = "9600 8n1"',
            'option.default-serial-params: "9600 8n1": expected <baud>/<bits><n|e|o><stop>, such as "9600/8n1"',
        ),
        (
            POWER + '[option]\ndefault-modbus-addr = "256"',
            'option.default-modbus-addr: "256": expected a number from 0 to 255, as a text: "1"',
        ),
        (
            POWER + '[option]\ndefault-tcp-port = "modbus"',
            'option.default-tcp-port: "modbus": expected a number from 1 to 65535, as a text: "502"',
        ),
        (
            POWER + '[identity]\nserial = { addr = 9, type = "text" }',
            "identity.serial: words is missing: how many registers the text has",
        ),
        (
            POWER + '[identity]\nmodel = { addr = 65535, type = "u32" }',
            "identity.model: addr: 65535: ends behind 65535, the last there is",
        ),
    ],
)
def test_a_fault_is_one_line_with_the_mend(text: str, told: str) -> None:
    assert faults(text) == [told]


def test_two_functions_have_addresses_of_their_own() -> None:
    assert faults(POWER + 'function = 4\n[[reg]]\nname = "b"\naddr = 1\ntype = "u16"\nfunction = 3') == []


def test_the_halves_of_a_power_have_logical_names_of_their_own() -> None:
    both = POWER + 'obis = "1-0:1.7.0"\nsplit = { import = "1-0:1.7.0", export = "1-0:2.7.0" }'
    assert faults(both) == ['register "power": obis: "1-0:1.7.0" stands there twice: it has one meaning']


@pytest.mark.parametrize(
    ("text", "settings"),
    [("9600/8n1", "9600 8N1"), ("19200/8E1", "19200 8E1"), ("2400/7o2", "2400 7O2")],
)
def test_serial_parameters_are_read_as_the_egauge_writes_them(text: str, settings: str) -> None:
    assert str(serial_settings(text)) == settings


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            POWER + 'scale = "sNaN"',
            'register "power": scale: sNaN: expected a number such as 0.1',
        ),
        (
            POWER + "scale = 0.277777777777777778",
            'register "power": scale: 0.277777777777777778: 9 digits are all that leave room for a s32: write fewer',
        ),
        (
            POWER + "offset = 1234567890123456",
            'register "power": offset: 1234567890123456: 9 digits are all that leave room for a s32: write fewer',
        ),
        (
            POWER + "inverted = true",
            'register "power": inverted: says which half of a split is which, and there is none; '
            "to turn the sign, write scale = -1",
        ),
        (
            POWER + 'absolute = true\nsplit = { import = "1-0:1.7.0", export = "1-0:2.7.0" }',
            'register "power": absolute: without its sign there is nothing to split: leave one of them out',
        ),
        (
            POWER + 'split = { import = "1-0:1.7.0", export = "1-0:2.7.0" }\n'
            '[[reg]]\nname = "power_export"\naddr = 9\ntype = "u16"',
            'register "power_export": that is what a half of "power" is called: give it another name',
        ),
        (
            POWER.replace('"power"', '"a\\nb"'),
            "register 'a\\nb': name: expected letters, digits and signs, without a blank at its ends",
        ),
        (
            POWER + '[option]\ndefault-tcp-port = "0"',
            'option.default-tcp-port: "0": expected a number from 1 to 65535, as a text: "502"',
        ),
        (
            POWER + '[option]\ndefault-serial-params = "9600/9n1"',
            'option.default-serial-params: "9600/9n1": expected <baud>/<bits><n|e|o><stop>, such as "9600/8n1"',
        ),
        (
            POWER + 'unit = "W"\ndeadband = nan',
            'register "power": deadband: NaN: expected 0 or more, in W',
        ),
    ],
)
def test_what_would_be_found_out_only_when_it_is_read_is_a_fault_too(text: str, told: str) -> None:
    assert faults(text) == [told]


@pytest.mark.parametrize(
    "line", ["scale = 0.000277777778", "scale = 1000000000000", "offset = -273.15", "scale = -1e-30"]
)
def test_a_number_that_leaves_room_is_right(line: str) -> None:
    assert faults(POWER + line) == []


@pytest.mark.parametrize("kind", ["u16", "s16", "u32", "s32l"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_with_as_many_digits_as_are_allowed_every_number_of_the_type_is_scaled(kind: str, sign: str) -> None:
    words = 1 if kind.endswith("16") else 2
    text = POWER.replace("s32", kind) + f"scale = {sign}0.{'9' * register_map_lint.MOST_DIGITS[words]}"
    assert faults(text) == []
    (block,) = plan(register_maps.parse(text, "mine.toml", "mine.toml").reg, Limits())
    for stands in ([0xFFFF] * words, [0x8000] * words, [0x7FFF] * words):
        (record,) = decoded([(BlockDecoder(block), stands)])
        assert not record.unscaled
