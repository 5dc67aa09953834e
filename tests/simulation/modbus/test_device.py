from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.meters import register_maps
from datalogger.protocol.modbus.register_map import (
    Identity,
    Limits,
    Register,
    RegisterMap,
    Span,
    Split,
    Where,
)
from datalogger.protocol.modbus.register_types import TYPES, TypeName
from datalogger.simulation.house import House
from datalogger.simulation.modbus.device import Device
from datalogger.simulation.modbus.sunspec import SunSpecDevice
from tests.simulation.modbus.reading import ask, assert_as_expected, read

MINUTE = timedelta(minutes=1)

MAPS = register_maps.load()
SIDES = Split(imported="1-0:1.7.0", exported="1-0:2.7.0")


def device(*registers: Register, limits: Limits = Limits(), forbidden: tuple[Span, ...] = ()) -> Device:  # noqa: B008 frozen
    return Device(1, RegisterMap(id="own", reg=registers, limits=limits, forbidden=forbidden))


def number(device: Device, name: str) -> float:
    return float(device.expected()[name])


@pytest.mark.parametrize("name", MAPS)
def test_the_registers_of_every_map_say_what_the_device_has(name: str) -> None:
    simulated = Device(1, MAPS[name], 7)
    for _ in range(30):
        assert_as_expected(simulated)
        simulated.live(10 * MINUTE)


@pytest.mark.parametrize("name", MAPS)
def test_no_register_of_a_built_in_map_is_a_guess(name: str) -> None:
    """What a built-in map calls a voltage, a power or an energy is the house's."""
    values = Device(1, MAPS[name]).expected()
    assert set(values) == {register.name for register in MAPS[name].reg}
    for register, value in values.items():
        if register.startswith("voltage_"):
            assert 220 < value < 420, register
        if register.startswith("frequency"):
            assert 49.9 <= value <= 50.1, register


def test_the_same_seed_is_the_same_meter() -> None:
    def lived(unit: int, seed: int) -> dict[str, object]:
        simulated = Device(unit, MAPS["eastron-sdm630"], seed)
        simulated.live(MINUTE)
        return dict(simulated.expected())

    assert lived(1, 5) == lived(1, 5)
    assert lived(1, 5) != lived(1, 6)
    assert lived(1, 5) != lived(2, 5)


def test_its_values_fit_together() -> None:
    simulated = Device(1, MAPS["abb-b23"], 3)
    phases = ("l1", "l2", "l3")
    for _ in range(50):
        simulated.live(MINUTE)
        values = {name: float(value) for name, value in simulated.expected().items()}
        assert values["power_total"] == sum(values[f"power_{phase}"] for phase in phases)
        for where in ("total", *phases):
            power, reactive, apparent, factor = (
                values[f"{kind}_{where}"] for kind in ("power", "reactive_power", "apparent_power", "power_factor")
            )
            assert apparent**2 == pytest.approx(power**2 + reactive**2, abs=1 + apparent / 20)
            assert apparent == 0 or factor == pytest.approx(power / apparent, abs=0.01)
        for phase in phases:
            apparent = values[f"voltage_{phase}"] * values[f"current_{phase}"]
            assert apparent == pytest.approx(values[f"apparent_power_{phase}"], abs=3)


def test_counters_count_what_the_power_was() -> None:
    house = House(start=datetime(2026, 1, 1, tzinfo=UTC), seed=2, phases=3, feeds_in=True, channels=0)
    simulated = Device(1, MAPS["schneider-iem3000"], house)  # it counts in Wh
    before = simulated.expected()
    imported = exported = Fraction(0)
    for _ in range(2000):
        energy = Fraction(sum(house.loads), 60)
        if energy > 0:
            imported += energy
        else:
            exported -= energy
        simulated.live(MINUTE)
    after = simulated.expected()
    assert imported and exported
    assert abs(float(after["energy_import"]) - float(before["energy_import"]) - imported) <= 1
    assert abs(float(after["energy_export"]) - float(before["energy_export"]) - exported) <= 1
    assert house.imported > 0


def test_counters_of_the_phases_begin_as_those_of_all() -> None:
    values = Device(1, MAPS["schneider-iem3000"], 4).expected()
    phases = [values[f"energy_import_l{phase}"] for phase in (1, 2, 3)]
    assert float(values["energy_import"]) == pytest.approx(float(sum(phases)), abs=3)


def test_tariffs_are_together_what_was_counted() -> None:
    values = Device(1, MAPS["carlo-gavazzi-em24"], 4).expected()
    tariffs = [values[f"energy_import_tariff_{tariff}"] for tariff in (1, 2, 3, 4)]
    assert float(values["energy_import"]) == pytest.approx(float(sum(tariffs)), abs=0.3)


@pytest.mark.parametrize("name", TYPES)
def test_every_type_holds_what_it_can(name: TypeName) -> None:
    simulated = device(
        Register(name="power_total", addr=0, type=name, unit="W", split=SIDES),
        Register(name="energy_import", addr=10, type=name, unit="mWh"),
        Register(name="something", addr=20, type=name, unit="psi", scale=Decimal("0.01"), offset=Decimal("-3.5")),
        limits=Limits(gap=0),
    )
    for _ in range(10):
        assert_as_expected(simulated)
        simulated.live(MINUTE)


def test_a_value_that_would_say_that_there_is_none_is_moved_by_one() -> None:
    absent = tuple(range(100, 2000))
    simulated = device(Register(name="voltage_l1", addr=0, type="u16", unit="V", absent=absent))
    assert simulated.image()[4][0] == 2000
    assert_as_expected(simulated)


def test_what_is_counted_downwards_is_counted_downwards() -> None:
    simulated = device(
        Register(name="energy_export", addr=0, type="s32l", unit="kWh", scale=Decimal("0.1"), absolute=True)
    )
    assert simulated.image()[4][1] & 0x8000
    assert simulated.expected()["energy_export"] > 0
    assert_as_expected(simulated)


def test_power_that_is_inverted_is_generated() -> None:
    simulated = device(Register(name="power_total", addr=0, type="float", unit="W", split=SIDES, inverted=True))
    records = read(simulated)
    assert number(simulated, "power_total") > 0
    assert records["power_total_import"].physical == 0
    assert records["power_total_export"].physical == records["power_total"].physical


def test_bits_are_read_as_bits() -> None:
    simulated = device(
        Register(name="on", addr=3, type="bit"),
        Register(name="off", addr=4, type="bit", kind="enum", access="rw"),
        Register(name="inside", addr=7, type="bit", function=3),
    )
    assert simulated.image().keys() == {1, 2, 3}
    assert_as_expected(simulated)


HOLES = (
    Register(name="first", addr=10, type="u16", kind="enum"),
    Register(name="second", addr=13, type="u16", kind="enum"),
    Register(name="third", addr=17, type="u16", kind="enum"),
)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ((4, 10, 4), "0408" + "0000" * 4),  # across a gap that is not too wide
        ((4, 10, 8), "8402"),  # across one that is
        ((4, 9, 2), "8402"),
        ((4, 0xFFFF, 2), "8402"),
        ((3, 10, 1), "8302"),
        ((1, 10, 1), "8102"),
        ((4, 10, 0), "8403"),
        ((4, 10, 6), "8403"),  # more than limits.most
        ((4, 10, 126), "8403"),
        ((5, 10, 0xFF00), "8501"),
        ((6, 10, 1), "8601"),
        ((0x2B, 10, 1), "AB01"),
    ],
)
def test_what_is_not_there_is_refused(request_: tuple[int, int, int], answer: str) -> None:
    most = 5 if request_[2] == 6 else 100
    assert ask(device(*HOLES, limits=Limits(most=most, gap=2)), *request_).hex().upper() == answer


def test_a_gap_that_is_forbidden_is_not_read_along() -> None:
    simulated = device(*HOLES, forbidden=(Span(first=12, last=12),))
    assert ask(simulated, 4, 10, 4) == b"\x84\x02"
    assert ask(simulated, 4, 13, 5)[0] == 4


@given(st.binary(max_size=300))
def test_nothing_that_is_asked_is_too_much(pdu: bytes) -> None:
    answer = Device(1, MAPS["eastron-sdm120"]).answer(pdu)
    assert 2 <= len(answer) <= 253


def test_it_says_what_it_is_where_its_map_says_so() -> None:
    serial = Where(addr=0x5000, type="text", words=7)
    model = Where(addr=0x0B, type="u16", values=(1650, 1651), function=4)
    reg = (Register(name="voltage_l3_l1", addr=0x0A, type="s32l", unit="V", scale=Decimal("0.1")),)
    simulated = Device(12, RegisterMap(reg=reg, identity=Identity(serial=serial, model=model)))
    assert ask(simulated, 3, 0x5000, 7) == b"\x03\x0e0000012\0\0\0\0\0\0\0"
    # As the EM24 has it: the model to whom asks for one word, and half a voltage to others.
    assert ask(simulated, 4, 0x0B, 1) == b"\x04\x02" + (1650).to_bytes(2, "big")
    assert_as_expected(simulated)


@pytest.mark.parametrize("name", MAPS)
def test_every_built_in_map_s_identity_can_be_read(name: str) -> None:
    simulated = Device(1, MAPS[name])
    for where in (MAPS[name].identity.serial, MAPS[name].identity.model):
        if where is not None:
            assert ask(simulated, where.function, where.addr, where.count)[0] == where.function


def test_a_phase_that_the_house_does_not_have_is_not_measured() -> None:
    house = House(start=datetime(2026, 1, 1, tzinfo=UTC), seed=2, phases=1, feeds_in=False, channels=0)
    simulated = device_on(house)
    assert simulated.expected().keys() == {"voltage_l1", "power_l2"}
    assert simulated.expected()["power_l2"] == 0  # its map knows no way to say it
    assert_as_expected(simulated)


def device_on(house: House) -> Device:
    reg = (
        Register(name="voltage_l1", addr=0, type="u16", unit="V", absent=(0xFFFF,)),
        Register(name="voltage_l2", addr=1, type="u16", unit="V", absent=(0xFFFF,)),
        Register(name="voltage_l3", addr=2, type="float", unit="V"),
        Register(name="power_l2", addr=4, type="s16", unit="W"),
    )
    return Device(1, RegisterMap(reg=reg), house)


def test_another_seed_is_another_meter() -> None:
    found = register_maps.load()["eastron-sdm630"]
    where = found.identity.serial
    assert where is not None
    serials = {tuple(ask(Device(1, found, seed), where.function, where.addr, where.count)) for seed in (0, 1, 2)}
    assert len(serials) == 3
    assert SunSpecDevice(1, [103], 1).serial != SunSpecDevice(1, [103], 2).serial
