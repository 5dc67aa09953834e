"""What a name or position means: the wire says, else the configuration, else the profile, else nobody."""

import pytest

from datalogger.encoding import report_binary
from datalogger.meters.meaning import MOST_NAMES, Meaning, Remembered
from datalogger.meters.profiles import load
from datalogger.meters.recognition import recognise
from datalogger.meters.report import build
from datalogger.model import Record
from datalogger.obis import Obis
from datalogger.protocol.dlms.items import Data, Item, Layout
from tests.meters.pushes import flat, name, octets, positional, profile, push, u16, u32
from tests.meters.reports import POSITIONS, TABLE, notices, reading, records, report


def test_the_scaler_on_the_wire_stands_before_every_other() -> None:
    item = Item(1, u32(5), name("1-0:1.8.0"), scaler=3, unit=30)
    (record,) = report(push([item], Layout.FLAT), TABLE, scalers={"1.8.0": (0, "Wh")}).records
    assert record == Record(Obis("1-0:1.8.0*255"), 5, 3, "Wh", tag=6)


def test_the_configuration_stands_before_the_profile() -> None:
    (record,) = records({"1-0:1.8.0": u32(5)}, scalers={"1.8.0": (-1, "Wh")})
    assert (record.scaler, record.unit) == (-1, "Wh")


def test_a_whole_name_in_the_configuration_stands_before_a_short_one() -> None:
    both = {"1.8.0": (0, "Wh"), "1-1:1.8.0": (3, "Wh")}
    assert [record.scaler for record in records({"1-0:1.8.0": u32(5), "1-1:1.8.0": u32(5)}, scalers=both)] == [0, 3]


def test_the_configuration_may_leave_the_unit_to_the_profile() -> None:
    (record,) = records({"1-0:1.8.0": u32(5)}, scalers={"1.8.0": (0, None)})
    assert (record.scaler, record.unit) == (0, "Wh")


def test_the_configuration_mends_a_position_under_the_name_the_profile_gives_it() -> None:
    found = report(positional(octets(b"1"), u32(7)), POSITIONS, scalers={"1.8.0": (3, "Wh")})
    assert found.records[1].scaler == 3


def test_the_profile_gives_scaler_and_unit_under_any_channel_unless_it_names_one() -> None:
    assert [(record.scaler, record.unit) for record in records({"1-0:2.8.0": u32(5), "1-1:2.8.0": u32(5)})] == [
        (1, "Wh"),
        (0, "Wh"),
    ]


def test_a_profile_that_was_read_again_means_what_it_says_now() -> None:
    line = reading()
    pushed = flat({"1-0:1.8.0": u32(5)})
    for scaler in (1, 0):
        known = profile("mine", f'[match]\nlayout = "flat"\n[[registers]]\nobis = ["1.8.0"]\nscaler = {scaler}\n')
        assert build(pushed, known, line)[0].records[0].scaler == scaler


def test_a_range_decides_by_the_number() -> None:
    assert [record.scaler for record in records({"1-1:32.7.0": u16(233), "1-1:72.7.0": u16(22199)})] == [0, -2]


def test_a_number_in_no_range_is_passed_on_unscaled() -> None:
    (record,) = records({"1-1:32.7.0": u16(5000)})
    assert record == Record(Obis("1-1:32.7.0*255"), 5000, tag=18, unscaled=True)


def test_a_register_that_nobody_knows_is_marked_and_told_of() -> None:
    pushed = flat({"1-0:3.8.0": u32(5), "1-0:9.8.0": u32(6), "1-0:1.8.0": u32(7)})
    found = report(pushed, TABLE)
    assert [record.unscaled for record in found.records] == [True, True, False]
    assert found.records[0].unit is None
    assert notices(pushed, TABLE)["unscaled"] == "nobody knows the scaler of 1-0:3.8.0*255, 1-0:9.8.0*255"
    assert notices(pushed)["unscaled"].startswith(
        "no profile fits: name one, or set scalers; nobody knows the scaler of "
    )


@pytest.mark.parametrize(
    ("text", "class_id", "unscaled"),
    [
        ("1-1:0.0.1", None, False),  # a number of the meter, no quantity
        ("0-0:96.3.10", None, False),
        ("1-0:1.7.0", None, True),
        ("0-1:24.2.1", 4, True),
        ("0-0:96.3.10", 70, False),
        ("1-0:1.7.0", 1, False),
    ],
)
def test_only_a_register_misses_its_scaler(text: str, class_id: int | None, unscaled: bool) -> None:
    item = Item(1, u32(5), name(text), class_id)
    (record,) = report(push([item], Layout.FLAT)).records
    assert record.unscaled is unscaled


def test_the_factor_of_a_current_transformer_multiplies_what_it_transforms() -> None:
    values = {"1-0:1.8.0": u32(7), "1-0:31.7.0": u32(3), "1-0:32.7.0": u16(230), "1-0:9.8.0": u32(5)}
    assert [(record.value, record.scaler) for record in records(values, factor=50)] == [
        (350, 1),
        (150, -2),
        (230, 0),
        (5, 0),
    ]


def test_the_factor_holds_for_scalers_on_the_wire_too() -> None:
    item = Item(1, (16, -46), name("1-0:31.7.0"), scaler=-1, unit=33)
    (record,) = report(push([item], Layout.FLAT), factor=40).records
    assert (record.value, record.scaler, record.unit) == (-1840, -1, "A")


def test_the_factor_holds_for_floats() -> None:
    item = Item(1, (23, 1.5), name("1-0:31.7.0"), scaler=0, unit=33)
    (record,) = report(push([item], Layout.FLAT), factor=40).records
    assert (record.real, record.unit) == (60.0, "A")


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63)])
def test_a_product_that_no_store_can_hold_is_left_unscaled(value: int) -> None:
    item = Item(1, (21 if value > 0 else 20, value), name("1-0:1.8.0"), scaler=0, unit=30)
    made = report(push([item], Layout.FLAT), factor=2)
    (record,) = made.records
    assert (record.value, record.unit, record.unscaled) == (value, None, True)
    assert report_binary.decode(report_binary.encode(made)).records == made.records


def test_a_voltage_that_is_not_measured_is_no_0_v() -> None:
    three_wire = records({"1-0:32.7.0": u16(239), "1-0:52.7.0": u16(0), "1-0:72.7.0": u16(240)})
    assert three_wire[1] == Record(Obis("1-0:52.7.0*255"), None, 0, "V", tag=18, not_measured=True)
    assert three_wire[0].value == 239


def test_0_v_on_every_phase_is_0_v() -> None:
    dark = records({"1-0:32.7.0": u16(0), "1-0:52.7.0": u16(0), "1-0:72.7.0": u16(0)})
    assert [record.value for record in dark] == [0, 0, 0]


def test_the_currents_of_a_kaifa_are_milliamperes_and_its_voltages_tenths() -> None:
    numbers = [3486, 845, 927, 146, 16016, 8806, 18911, 2392, 0, 2397]
    pushed = positional(octets(b"KFM_001"), octets(b"0565617807410394"), octets(b"MA304H3E"), *map(u32, numbers))
    known, _ = recognise(pushed, load())
    found = report(pushed, known)
    by_name = {record.obis: record for record in found.records}
    assert str(by_name[Obis("1-0:31.7.0*255")].physical) == "16.016"
    assert str(by_name[Obis("1-0:32.7.0*255")].physical) == "239.2"
    assert by_name[Obis("1-0:52.7.0*255")].not_measured
    assert found.meter == "0565617807410394"


@pytest.mark.parametrize(("tail", "energy"), [("040", "320141580"), ("090", "32014158"), ("092", "32014158")])
def test_a_kamstrup_counts_by_the_country_its_type_number_ends_in(tail: str, energy: str) -> None:
    values: dict[str, Data] = {
        "1-1:0.0.5": (10, b"5706567304897725"), "1-1:96.1.1": (10, b"684112104000000" + tail.encode()),
        "1-1:1.7.0": u32(431), "1-1:32.7.0": u16(230), "1-1:1.8.0": u32(32014158),
    }  # fmt: skip
    pushed = flat(values, types=(10,) + (9, 6) * 17)
    items = [Item(0, (10, b"Kamstrup_V0001")), *pushed.items]
    known, _ = recognise(push(items, Layout.FLAT, types=pushed.types), load())
    found = report(pushed, known)
    assert [f"{record.physical:f}" for record in found.records if ":1.8.0" in record.obis] == [energy]


def test_names_that_are_made_up_fill_no_memory() -> None:
    known = Remembered(lambda key: Meaning())
    for number in range(MOST_NAMES + 10):
        known[number]
    assert len(known) <= MOST_NAMES
