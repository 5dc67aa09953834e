import pytest

from datalogger.units import SPELLINGS, parse


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("kWh", ("Wh", 3)),
        ("Wh", ("Wh", 0)),
        ("kvarh", ("varh", 3)),
        ("kVArh", ("varh", 3)),
        ("kVA", ("VA", 3)),
        ("kw", ("W", 3)),
        ("KWH", ("Wh", 3)),
        ("kWH", ("Wh", 3)),
        ("mA", ("A", -3)),
        ("kHz", ("Hz", 3)),
        ("m³", ("m3", 0)),
        ("dm3", ("m3", -3)),
        ("GJ", ("J", 9)),
        ("s", ("s", 0)),
    ],
)
def test_a_unit_is_read_in_any_letter_case(text: str, scale: tuple[str, int]) -> None:
    assert parse(text) == scale


@pytest.mark.parametrize("text", ["", " ", "k", "florins", "kWh ", "0"])
def test_what_is_no_unit_is_none(text: str) -> None:
    assert parse(text) is None


def test_no_letter_case_of_a_unit_means_two_things() -> None:
    for spelling, scale in SPELLINGS.items():
        assert parse(spelling.lower()) == parse(spelling.upper()) == scale
