import pytest

from datalogger.protocol.modbus.register_map import Register, Split
from datalogger.simulation.modbus.quantity import Quantity, of


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("voltage_l1", Quantity("voltage", "1")),
        ("voltage_l3_l1", Quantity("voltage", "31")),
        ("voltage_ll_average", Quantity("voltage", manner="ll_average")),
        ("current_sum", Quantity("current", side="sum")),
        ("current_demand_max_n", Quantity("current", "n", manner="demand_max")),
        ("power_total", Quantity("power")),
        ("power_import_demand_max", Quantity("power", side="import", manner="demand_max")),
        ("reactive_energy_q1_l2", Quantity("reactive_energy", "2", "q1")),
        ("energy_sum_partial", Quantity("energy", side="sum", manner="partial")),
        ("energy_import_tariff_2", Quantity("energy", side="import", tariff=2)),
        ("Apparent_Energy", Quantity("apparent_energy", side="sum")),
        ("dc_power", Quantity("dc_power")),
        ("powerful", None),
        ("thd_voltage_l1", None),
    ],
)
def test_a_name_says_what_is_measured(name: str, quantity: Quantity | None) -> None:
    assert of(Register(name=name, addr=0, type="u16")) == quantity


@pytest.mark.parametrize(
    ("obis", "quantity"),
    [
        ("1-0:1.8.0", Quantity("energy", side="import")),
        ("1-0:1.8.2", Quantity("energy", side="import", tariff=2)),
        ("1-0:16.8.0", Quantity("energy", side="net")),
        ("1-0:3.8.0", Quantity("reactive_energy", side="import")),
        ("1-0:65.8.0", Quantity("reactive_energy", "3", "q1")),
        ("1-0:29.8.0", Quantity("apparent_energy", "1", "import")),
        ("1-0:36.7.0", Quantity("power", "1")),
        ("1-0:62.7.0", Quantity("power", "3", "export")),
        ("1-0:52.7.0", Quantity("voltage", "2")),
        ("1-0:91.7.0", Quantity("current", "n")),
        ("1-0:1.6.0", Quantity("power", side="import", manner="demand_max")),
        ("1-0:12.8.0", None),
        ("1-0:81.7.0", None),
        ("1-0:0.2.0", None),
    ],
)
def test_a_logical_name_says_it_whatever_the_register_is_called(obis: str, quantity: Quantity | None) -> None:
    assert of(Register(name="frob", addr=0, type="u16", obis=obis)) == quantity


def test_the_two_directions_of_a_power_say_that_it_is_one() -> None:
    split = Split(imported="1-0:21.7.0", exported="1-0:22.7.0")
    assert of(Register(name="frob", addr=0, type="s16", split=split)) == Quantity("power", "1")


def test_a_code_is_no_quantity() -> None:
    assert of(Register(name="frequency", addr=0, type="u16", kind="enum")) is None
