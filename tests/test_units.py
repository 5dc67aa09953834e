import pytest

from datalogger.units import SPELLINGS, SYMBOLS, parse


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


@pytest.mark.parametrize(
    ("number", "symbol"),
    [
        (8, "°"), (13, "m3"), (27, "W"), (28, "VA"), (29, "var"), (30, "Wh"), (31, "VAh"), (32, "varh"), (33, "A"),
        (35, "V"), (44, "Hz"), (56, "%"), (72, "dB"), (138, "acre-ft"), (157, "acre-ft/s"), (160, "acre-ft/d"),
        (161, "gal(imp)"), (162, "gal(imp)/s"), (165, "gal(imp)/d"), (166, "gal(US)"), (170, "gal(US)/d"),
        (171, "BTU/s"), (174, "BTU/d"), (255, "count"),
    ],
)  # fmt: skip
def test_a_unit_has_the_number_that_dlms_gives_it(number: int, symbol: str) -> None:
    assert SYMBOLS[number] == symbol


def test_reserved_numbers_have_no_unit() -> None:
    reserved = {0, 58, 59, 68, 69, *range(73, 128), *range(175, 253)}
    assert set(range(256)) - set(SYMBOLS) == reserved


def test_what_p1_spells_out_dlms_has_a_number_for() -> None:
    assert {symbol for symbol, _ in SPELLINGS.values()} <= set(SYMBOLS.values())
