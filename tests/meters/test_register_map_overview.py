"""The register maps as people read them."""

import pytest

from datalogger.meters import register_map_overview as overview
from datalogger.meters.register_maps import load, parse, sunspec_models
from datalogger.protocol.modbus.read_plan import plan
from datalogger.protocol.modbus.register_map import RegisterMap
from datalogger.protocol.modbus.sunspec import Model

KNOWN = load()

EVERYTHING = """
title = "Everything"
maker = "Maker"
models = ["A", "B"]
notes = "Look at it."
forbidden = [{ first = 0x30, last = 0x3F }]
[option]
default-modbus-addr = "9"
default-serial-params = "19200/8e1"
default-tcp-port = "1502"
[limits]
most = 20
gap = 2
pause = "20ms"
[identity]
serial = { addr = 0x5000, words = 7, type = "text" }
model = { addr = 0x000B, type = "u16", values = [100, "x"], function = 4 }
[[reg]]
name = "power"
addr = 2
type = "s16"
unit = "kW"
scale = 0.001
offset = -5
access = "rw"
absent = [0x8000]
split = { import = "1-0:1.7.0", export = "1-0:2.7.0" }
inverted = true
deadband = 0.5
interval = "1m"
[[reg]]
name = "state"
addr = 0x40
type = "u32"
kind = "enum"
function = 3
[[reg]]
name = "energy"
addr = 0x12
type = "s32"
unit = "kWh"
obis = "1-0:1.8.0"
absolute = true
scale_register = 0x20
"""


def everything() -> RegisterMap:
    return parse(EVERYTHING, "everything.toml", "everything.toml")


@pytest.mark.parametrize("one", KNOWN.values(), ids=lambda one: one.id)
def test_every_built_in_map_can_be_shown_with_all_its_registers(one: RegisterMap) -> None:
    lines = overview.described(one)
    assert lines[0] == f"{one.id}: {one.title}"
    assert {register.name for register in one.reg} <= {line.split()[0] for line in lines if line.startswith("  ")}
    count = len(plan(one.reg, one.limits, one.forbidden))
    assert any(line.startswith(f"one poll   {count} request") for line in lines)


@pytest.mark.parametrize("model", sunspec_models().values(), ids=overview.name_of)
def test_a_sunspec_model_is_read_in_one_request_with_its_factors(model: Model) -> None:
    lines = overview.described_model(model)
    assert any(line.startswith("one poll   1 request: ") for line in lines)


def test_nothing_that_a_map_says_is_left_out() -> None:
    lines = overview.described(everything())
    for line in (
        "maker      Maker",
        "models     A, B",
        "unit       9",
        "line       19200 8E1",
        "TCP port   1502",
        "serial no. at 0x5000 (20480), text of 7 registers",
        'model      at 0x000b (11), u16, function 4: 100 (0x64) or "x"',
        "request    at most 20 registers, over gaps of at most 2",
        "pause      20ms before each request",
        "forbidden  0x0030 to 0x003f",
        "certainty  as its author knows",
        "one poll   3 requests: 0x0040+2, 0x0012+2, 0x0020+1",
        "every 1m   1 request: 0x0002+1",
        "  Look at it.",
    ):
        assert line in lines
    rows = [line.split(maxsplit=11) for line in lines if line.startswith("  ")]
    assert [
        "power", "0x0002", "2", "3", "s16", "kW", "0.001", "-5", "–", "rw", "analog",
        "above 0 1-0:2.7.0, below 1-0:1.7.0; not measured where 0x8000; reported when it changes by more than 0.5; "
        "every 1m",
    ] in rows  # fmt: skip
    assert ["state", "0x0040", "64", "3", "u32", "–", "1", "0", "–", "ro", "enum"] in rows
    assert [
        "energy", "0x0012", "18", "4", "s32", "kWh", "1", "0", "1-0:1.8.0", "ro", "analog",
        "without its sign; times ten to the power in 32",
    ] in rows  # fmt: skip


def test_what_a_map_does_not_say_is_told_so() -> None:
    lines = overview.described(parse('[[reg]]\nname = "v"\naddr = 1\ntype = "u16"\n', "bare.toml", "bare.toml"))
    assert lines[:2] == ["bare", "unit       1, as nothing is said"]
    assert "TCP port   502, as nothing is said" in lines
    assert "line       not said: look at the meter, or datalogger probe modbus PORT" in lines


def test_the_list_is_aligned() -> None:
    lines = overview.listing([KNOWN["eastron-sdm120"], KNOWN["abb-b23"]], [sunspec_models()[103]])
    assert lines[0].split() == ["id", "maker", "models", "line", "registers", "certainty"]
    assert lines[1].startswith("eastron-sdm120  Eastron  ") and lines[1].endswith("  2400 8N1  21         sure")
    assert lines[3].startswith("sunspec:103     any      SunSpec inverter, three-phase")
    assert len({line.index(cell) for line, cell in zip(lines[:4], ("line", "2400", "–", "–"), strict=True)}) == 1
