"""The built-in maps against the facts, typed from them by hand: address, type, scale, unit and logical name."""

import re
from decimal import Decimal

import pytest

from datalogger.meters import register_maps
from datalogger.protocol.modbus import units
from datalogger.protocol.modbus.decoding import BlockDecoder, decoded
from datalogger.protocol.modbus.read_plan import plan
from datalogger.protocol.modbus.register_map import Limits, Register, RegisterMap

MAPS = register_maps.load()
MODELS = register_maps.sunspec_models()

WANTED = {
    *("eastron-sdm120", "eastron-sdm220", "eastron-sdm230", "eastron-sdm72d-m", "eastron-sdm630"),
    *("carlo-gavazzi-em24", "carlo-gavazzi-em24-ethernet", "carlo-gavazzi-em330", "carlo-gavazzi-et340"),
    *("carlo-gavazzi-em530", "carlo-gavazzi-et112"),
}

# map, address, type, scale, unit, logical name (C.D.E of 1-0)
FACTS = """\
eastron-sdm120 0x00 float 1 V 32.7.0
eastron-sdm120 0x06 float 1 A 31.7.0
eastron-sdm120 0x0C float 1 W 16.7.0
eastron-sdm120 0x12 float 1 VA 9.7.0
eastron-sdm120 0x18 float 1 var 3.7.0
eastron-sdm120 0x1E float 1 - 13.7.0
eastron-sdm120 0x46 float 1 Hz 14.7.0
eastron-sdm120 0x48 float 1 kWh 1.8.0
eastron-sdm120 0x4A float 1 kWh 2.8.0
eastron-sdm120 0x4C float 1 kvarh 3.8.0
eastron-sdm120 0x4E float 1 kvarh 4.8.0
eastron-sdm120 0x156 float 1 kWh 15.8.0
eastron-sdm630 0x00 float 1 V 32.7.0
eastron-sdm630 0x02 float 1 V 52.7.0
eastron-sdm630 0x04 float 1 V 72.7.0
eastron-sdm630 0x06 float 1 A 31.7.0
eastron-sdm630 0x0A float 1 A 71.7.0
eastron-sdm630 0x0C float 1 W 36.7.0
eastron-sdm630 0x10 float 1 W 76.7.0
eastron-sdm630 0x1E float 1 - 33.7.0
eastron-sdm630 0x34 float 1 W 16.7.0
eastron-sdm630 0x46 float 1 Hz 14.7.0
eastron-sdm630 0x48 float 1 kWh 1.8.0
eastron-sdm630 0x4A float 1 kWh 2.8.0
eastron-sdm630 0x156 float 1 kWh 15.8.0
eastron-sdm630 0x15A float 1 kWh 21.8.0
eastron-sdm630 0x15E float 1 kWh 61.8.0
eastron-sdm630 0x160 float 1 kWh 22.8.0
eastron-sdm630 0x164 float 1 kWh 62.8.0
carlo-gavazzi-em24 0x00 s32l 0.1 V 32.7.0
carlo-gavazzi-em24 0x0C s32l 0.001 A 31.7.0
carlo-gavazzi-em24 0x12 s32l 0.1 W 36.7.0
carlo-gavazzi-em24 0x28 s32l 0.1 W 16.7.0
carlo-gavazzi-em24 0x35 s16 0.001 - 13.7.0
carlo-gavazzi-em24 0x3E s32l 0.1 kWh 1.8.0
carlo-gavazzi-em24 0x46 s32l 0.1 kWh 21.8.0
carlo-gavazzi-em24 0x5C s32l 0.1 kWh 2.8.0
carlo-gavazzi-em24-ethernet 0x00 s32l 0.1 V 32.7.0
carlo-gavazzi-em24-ethernet 0x0C s32l 0.001 A 31.7.0
carlo-gavazzi-em24-ethernet 0x28 s32l 0.1 W 16.7.0
carlo-gavazzi-em24-ethernet 0x33 u16 0.1 Hz 14.7.0
carlo-gavazzi-em24-ethernet 0x34 s32l 0.1 kWh 1.8.0
carlo-gavazzi-em24-ethernet 0x40 s32l 0.1 kWh 21.8.0
carlo-gavazzi-em24-ethernet 0x4E s32l 0.1 kWh 2.8.0
carlo-gavazzi-em330 0x34 s32l 0.1 kWh 1.8.0
carlo-gavazzi-em330 0x4E s32l 0.1 kWh 2.8.0
carlo-gavazzi-et340 0x34 s32l 0.1 kWh 1.8.0
carlo-gavazzi-et340 0x60 s32l 0.1 kWh 22.8.0
carlo-gavazzi-em530 0x34 s32l 0.1 kWh 1.8.0
carlo-gavazzi-em530 0x53C s32l 0.001 Hz 14.7.0
carlo-gavazzi-et112 0x00 s32l 0.1 V 32.7.0
carlo-gavazzi-et112 0x02 s32l 0.001 A 31.7.0
carlo-gavazzi-et112 0x04 s32l 0.1 W 16.7.0
carlo-gavazzi-et112 0x0F u16 0.1 Hz 14.7.0
carlo-gavazzi-et112 0x10 s32l 0.1 kWh 1.8.0
carlo-gavazzi-et112 0x20 s32l 0.1 kWh 2.8.0
"""

# model, offset from its number, type, offset of its scale factor, unit
SUNSPEC = """\
103 2 u16 6 A
103 3 u16 6 A
103 10 u16 13 V
103 14 s16 15 W
103 16 u16 17 Hz
103 18 s16 19 VA
103 20 s16 21 var
103 22 s16 23 %
103 24 u32 26 Wh
103 29 u16 30 V
103 31 s16 32 W
103 33 s16 37 °C
203 2 s16 6 A
203 8 s16 15 V
203 16 s16 17 Hz
203 18 s16 22 W
203 38 u32 54 Wh
203 46 u32 54 Wh
"""


def at(found: RegisterMap, address: int) -> Register:
    return next(register for register in found.reg if register.addr == address)


@pytest.mark.parametrize("fact", FACTS.splitlines())
def test_a_register_is_as_the_facts_have_it(fact: str) -> None:
    name, address, kind, scale, unit, obis = fact.split()
    register = at(MAPS[name], int(address, 16))
    assert register.type in (kind, "s16" if kind == "u16" else kind)
    assert str(register.scale) == scale
    assert register.unit.replace("VAr", "var") == unit.replace("-", "")
    assert register.obis == f"1-0:{obis}"


@pytest.mark.parametrize("fact", SUNSPEC.splitlines())
def test_a_sunspec_register_is_as_the_facts_have_it(fact: str) -> None:
    number, offset, kind, factor, unit = fact.split()
    register = next(one for one in MODELS[int(number)].reg if one.addr == int(offset))
    assert (register.type, register.scale_register) == (kind, int(factor))
    assert register.unit.replace("VAr", "var").replace("degC", "°C").replace("Pct", "%") == unit


def test_every_map_that_is_wanted_is_there() -> None:
    assert MAPS.keys() >= WANTED
    assert list(MODELS) == [101, 102, 103, 111, 112, 113, 201, 202, 203, 204]


@pytest.mark.parametrize("found", MAPS.values(), ids=lambda found: found.id)
def test_every_map_names_its_source_and_how_sure_it_is(found: RegisterMap) -> None:
    assert found.title and found.maker and found.models and found.sources
    assert found.certainty in ("sure", "likely")
    assert all(re.fullmatch(r"[a-z0-9_]+", register.name) for register in found.reg)


@pytest.mark.parametrize("name", ["eastron-sdm120", "eastron-sdm630"])
def test_eastrons_are_read_as_input_registers(name: str) -> None:
    assert {register.reads for register in MAPS[name].reg} == {4}


def test_the_partial_counter_of_the_em24_is_not_its_total() -> None:
    """0x42 counts since somebody pressed a button; others have taken it for the total."""
    partial = [register for register in MAPS["carlo-gavazzi-em24"].reg if register.addr == 0x42]
    assert all(register.obis == "" for register in partial)


@pytest.mark.parametrize("number", [101, 102, 103, 111, 112, 113])
def test_what_an_inverter_generates_is_exported(number: int) -> None:
    by_name = {register.name: register for register in MODELS[number].reg}
    power = by_name["power_total"]
    assert power.inverted and power.split is not None and power.split.exported == "1-0:2.7.0"
    assert [one.obis for one in MODELS[number].reg if one.addr == (24 if number < 110 else 32)] == ["1-0:2.8.0"]


@pytest.mark.parametrize("number", [201, 202, 203, 204])
def test_what_a_meter_counts_as_imported_is_imported(number: int) -> None:
    by_address = {register.addr: register for register in MODELS[number].reg}
    assert (by_address[46].obis, by_address[38].obis) == ("1-0:1.8.0", "1-0:2.8.0")
    assert not by_address[18].inverted


# map, register: name, address, function, octets as they stand there, the number that they mean
READINGS = """\
eastron-sdm120 voltage_l1 0x00 4 43668000 230.5 V
eastron-sdm630 energy_import 0x48 4 449A4000 1234000 Wh
carlo-gavazzi-em24 energy_import 0x3E 4 30390000 1234500 Wh
carlo-gavazzi-em24-ethernet energy_import 0x34 4 4E200001 8553600 Wh
carlo-gavazzi-et112 power_total 0x04 4 FB2EFFFF -123.4 W
carlo-gavazzi-em530 frequency 0x53C 4 C3510000 50.001 Hz
abb-b23 energy_import 0x5000 3 0000000000003039 123450 Wh
abb-b23 power_total 0x5B14 3 FFFFFF38 -2 W
abb-b23 frequency 0x5B2C 3 1389 50.01 Hz
"""


@pytest.mark.parametrize("line", READINGS.splitlines())
def test_what_stands_in_a_meter_is_what_it_means(line: str) -> None:
    name, register_name, address, function, octets, number, unit = line.split()
    (register,) = (one for one in MAPS[name].reg if one.name == register_name)
    assert (register.addr, register.reads) == (int(address, 16), int(function))
    (block,) = plan([register], Limits())
    stands = [int(octets[at : at + 4], 16) for at in range(0, len(octets), 4)]
    record, *_ = decoded([(BlockDecoder(block), stands)])
    assert (record.physical, record.unit) == (Decimal(number), unit)


@pytest.mark.parametrize("found", MAPS.values(), ids=lambda found: found.id)
def test_one_name_is_one_thing_in_all_maps(found: RegisterMap) -> None:
    """The same logical name and the same unit, so that whoever reads two kinds of meter needs one table."""
    for register in found.reg:
        for other in MAPS.values():
            for one in other.reg:
                if one.name == register.name:
                    assert one.kind == register.kind, (other.id, one.name)
                    assert not (one.obis and register.obis) or one.obis == register.obis, (other.id, one.name)
                    mine, others = units.parse(register.unit), units.parse(one.unit)
                    assert mine is not None and others is not None and mine[0] == others[0], (other.id, one.name)


@pytest.mark.parametrize("found", MAPS.values(), ids=lambda found: found.id)
def test_the_plan_of_a_map_keeps_to_the_meter(found: RegisterMap) -> None:
    blocks = plan(found.reg, found.limits, found.forbidden)
    assert sorted(one.name for block in blocks for one in block.registers) == sorted(one.name for one in found.reg)
    assert all(block.count <= found.limits.most for block in blocks)


@pytest.mark.parametrize("number", MODELS)
def test_a_sunspec_model_reads_no_further_than_it_is_long(number: int) -> None:
    model = MODELS[number]
    assert model.length == {1: 50, 11: 60, 2: 105}[number // 10 if number // 10 == 11 else number // 100]
    for register in model.reg:
        assert register.addr >= 2 and register.end <= model.length + 2
        if register.scale_register is not None:
            assert register.end <= register.scale_register < model.length + 2
