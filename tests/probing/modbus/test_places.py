import pytest

from datalogger.line_settings import LineSettings
from datalogger.probing.modbus import places
from tests.probing.modbus.meters import MAPS


@pytest.mark.parametrize(
    ("text", "units"),
    [("1", (1,)), ("1-4,31", (1, 2, 3, 4, 31)), ("9, 2 - 3, 3", (9, 2, 3)), ("1-255", tuple(range(1, 256)))],
)
def test_units_are_read_as_people_write_them_in_their_order(text: str, units: tuple[int, ...]) -> None:
    assert places.parse_units(text) == units


@pytest.mark.parametrize("text", ["", "0", "256", "5-2", "1-", "a", "1;2", "-3", "1,,2", "1-2-3", "1.5"])
def test_what_is_no_list_of_units_is_refused_with_the_mend(text: str) -> None:
    with pytest.raises(ValueError, match='expected addresses from 1 to 255 such as "1-10,31"'):
        places.parse_units(text)


@pytest.mark.parametrize("text", ["1", "1-3", "1-3, 7", "1, 3, 5-247"])
def test_shown_units_can_be_read_again(text: str) -> None:
    assert places.shown(places.parse_units(text)) == text


def test_the_settings_of_all_maps_are_tried_each_once_and_the_most_usual_first() -> None:
    settings = places.settings(MAPS.values())
    assert settings[0] == LineSettings(9600)
    assert len(set(settings)) == len(settings)
    for text in ("9600 8N1", "9600 8E1", "19200 8E1", "19200 8N1", "2400 8N1", "38400 8N1", "115200 8N1"):
        assert LineSettings.parse(text) in settings


def test_seven_data_bits_are_refused() -> None:
    assert places.rtu_settings("19200/8e1") == LineSettings(19200, 8, "E", 1)
    with pytest.raises(ValueError, match='Modbus RTU has 8 data bits: "9600 8E1"'):
        places.rtu_settings("9600 7E1")
    with pytest.raises(ValueError, match="expected baud rate"):
        places.rtu_settings("fast")
