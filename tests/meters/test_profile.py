import pytest

from datalogger.meters.profile import groups, title_prefix


def test_a_short_name_is_three_octets_or_five() -> None:
    assert groups("1.8.0") == bytes((1, 8, 0))
    assert groups("1-1:1.8.0") == bytes((1, 1, 1, 8, 0))


def test_a_group_above_255_is_refused() -> None:
    with pytest.raises(ValueError):
        groups("1.8.256")


def test_a_system_title_begins_with_text_or_hex() -> None:
    assert title_prefix("KFM") == "4B464D"
    assert title_prefix("0x4b464d10") == "4B464D10"
    with pytest.raises(ValueError):
        title_prefix("Ömt")
