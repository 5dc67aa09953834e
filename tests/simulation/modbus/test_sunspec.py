from datetime import timedelta

import pytest

from datalogger.meters.register_maps import sunspec_models
from datalogger.protocol.modbus import sunspec
from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.sunspec import BASES
from datalogger.simulation.modbus.sunspec import BASE, SunSpecDevice, known_models
from tests.simulation.modbus.reading import ask, assert_as_expected, words

MINUTE = timedelta(minutes=1)


def found(device: SunSpecDevice) -> list[sunspec.Device]:
    """By the daemon's own discovery."""
    reading = sunspec.discover(device.unit, sunspec_models())
    request = next(reading)
    try:
        while True:
            answer = ask(device, request.function, request.address, request.count)
            request = reading.send(None if answer[0] & 0x80 else words(answer, request))
    except StopIteration as ended:
        devices: list[sunspec.Device] = ended.value
        return devices


@pytest.mark.parametrize("number", known_models())
def test_the_registers_of_every_model_say_what_the_device_has(number: int) -> None:
    device = SunSpecDevice(1, [number], 7)
    for _ in range(30):
        assert_as_expected(device)
        device.live(10 * MINUTE)


def test_a_chain_is_found_with_its_makers_and_numbers() -> None:
    device = SunSpecDevice(4, [103, 203])
    inverter, meter = found(device)
    assert (inverter.maker, inverter.name, inverter.serial) == ("datalogger", "simulated", "SIM00004")
    assert (inverter.model, inverter.address) == (103, BASES[0] + 70)
    assert (meter.model, meter.address, meter.serial) == (203, BASES[0] + 70 + 52, "SIM00004")
    for at, one in enumerate((inverter, meter)):
        assert device.parts[at].map == sunspec.register_map(one, sunspec_models())
    assert_as_expected(device)


def test_it_ends_where_it_says_that_it_ends() -> None:
    device = SunSpecDevice(1, [101])
    end = BASE + 70 + 52
    assert words(ask(device, 3, end, 2), Request(1, 3, end, 2)) == [0xFFFF, 0]
    assert ask(device, 3, end + 2, 1) == b"\x83\x02"
    assert ask(device, 3, BASE - 1, 1) == b"\x83\x02"


def test_an_inverter_gives_and_a_meter_counts_both_ways() -> None:
    device = SunSpecDevice(1, [103, 203], 1)
    signs = set()
    given = device.expected(0)["energy_export"]
    for _ in range(200):
        device.live(10 * MINUTE)
        inverter, meter = device.expected(0), device.expected(1)
        assert inverter["power_total"] >= 0
        assert inverter["energy_export"] >= given
        given = inverter["energy_export"]
        signs.add(meter["power_total"] > 0)
        assert float(meter["power_total"]) == sum(float(meter[f"power_l{phase}"]) for phase in (1, 2, 3))
    assert signs == {True, False}


def test_a_phase_that_a_model_does_not_have_is_not_measured() -> None:
    assert "voltage_l2" not in SunSpecDevice(1, [101]).expected()
    assert "voltage_l2" in SunSpecDevice(1, [102]).expected()
    assert "voltage_l3" not in SunSpecDevice(1, [112]).expected()
