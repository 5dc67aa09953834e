"""What a person is told where nobody answers."""

import pytest

from datalogger.line_settings import LineSettings
from datalogger.probing.modbus.hints import Kind, hint
from datalogger.probing.modbus.scan import Scan
from tests.probing.modbus.meters import MAPS, MODELS, Line
from tests.probing.modbus.test_scan import Watch
from tests.virtual_time import VirtualClock


def scanned(asked: int = 3) -> Scan:
    settings = LineSettings(9600)
    scanning = Scan(
        Line({}), [settings], range(1, 4), MAPS, MODELS, VirtualClock(), timeout=1, seconds=1, only_first=False,
        watch=Watch(),
    )  # fmt: skip
    scanning.tried = [settings]
    scanning.asked[settings] = list(range(1, asked + 1))
    return scanning


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("rtu", ["unit 1-3 at 9600 8N1", "A and B", "120 ohm", "--settings", "--units 1-247"]),
        ("tcp", ["unit 1-3 in Modbus TCP: is that switched on", "--rtu-over-tcp"]),
        ("rtu-over-tcp", ["unit 1-3:", "A and B", "speed and parity of the port server", "--tcp"]),
    ],
)
def test_silence_is_told_with_what_to_look_at(kind: Kind, said: list[str]) -> None:
    text = hint(scanned(), kind, (1, 2, 3))
    assert all(one in text for one in said), text
    assert text.count("\n") == 0


def test_who_has_asked_all_units_is_not_told_to_ask_more() -> None:
    assert "--units" not in hint(scanned(asked=247), "rtu", tuple(range(1, 248)))


def test_octets_that_are_no_answer_point_at_the_speed() -> None:
    scanning = scanned()
    scanning.noise[LineSettings(9600)] = 17
    assert "17 octets came that are no answer: another speed or parity" in hint(scanning, "rtu", (1, 2, 3))


def test_a_line_that_is_spoken_on_unasked_points_at_the_other_probe() -> None:
    scanning = scanned()
    scanning.noise[LineSettings(9600)] = 91_300
    assert "somebody speaks unasked" in hint(scanning, "rtu", (1, 2, 3))


def test_an_answer_that_nobody_can_read_points_at_two_meters_with_one_address() -> None:
    scanning = scanned()
    scanning.unreadable = {2}
    assert hint(scanning, "rtu", (1, 2, 3)).startswith("unit 2 answers, and nobody can read it: two meters with the")


def test_who_was_given_no_time_is_told_so() -> None:
    assert hint(scanned(asked=0), "tcp", (1,)) == "nobody was asked: give it more time"
