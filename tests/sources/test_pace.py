import pytest

from datalogger.sources import pace
from datalogger.sources.pace import OwnPace, Pace, even, named


def telegram(stamp: str = "") -> bytes:
    clock = f"0-0:1.0.0({stamp})\r\n" if stamp else ""
    return f"/ISk5\\2MT382-1000\r\n\r\n{clock}1-0:1.8.1(000001.000*kWh)\r\n!\r\n".encode()


def gaps(own: Pace, *stamps: str) -> list[float]:
    return [own(telegram(stamp)) for stamp in stamps]


def test_the_first_telegram_comes_at_once_and_the_others_as_their_times_say() -> None:
    assert gaps(OwnPace(), "261120100000W", "261120100001W", "261120100011W") == [0, 1, 10]


def test_a_factor_shortens_every_gap() -> None:
    assert gaps(named("10x"), "261120100000W", "261120100010W", "", "261120100040W") == [0, 1, 1, 2]
    assert gaps(named("0.5x"), "261120100000W", "261120100010W") == [0, 20]


def test_telegrams_without_a_time_come_one_in_ten_seconds() -> None:
    assert gaps(OwnPace(), "", "", "") == [0, 10, 10]
    assert gaps(OwnPace(), "261120100000W", "", "261120100030W") == [0, 10, 20]


def test_an_impossible_time_is_none() -> None:
    assert pace.meter_time(telegram("632525252525W")) is None
    assert gaps(OwnPace(), "261120100000W", "632525252525W", "261120100020W") == [0, 10, 10]


def test_the_flags_see_to_the_nights_when_the_clock_is_changed() -> None:
    assert gaps(OwnPace(), "260329015959W", "260329030000S") == [0, 1]
    assert gaps(OwnPace(), "261025025959S", "261025020000W") == [0, 1]
    assert gaps(OwnPace(), "261025025959s", "261025020000w") == [0, 1]


def test_a_time_without_a_flag_is_a_time() -> None:
    assert gaps(OwnPace(), "261120100000", "261120100005") == [0, 5]


def test_two_captures_joined_in_one_file_do_not_wait_for_years() -> None:
    assert gaps(OwnPace(), "180101000000W", "261120100000W", "261120100001W") == [0, 10, 1]
    assert gaps(OwnPace(), "261120100000W", "180101000000W", "180101000001W") == [0, 10, 1]


def test_the_same_time_twice_is_no_gap() -> None:
    assert gaps(OwnPace(), "261120100000W", "261120100000W") == [0, 0]


def test_octets_that_are_no_telegram_cost_no_time() -> None:
    for own in (OwnPace(), even(3)):
        assert own(b"noise\r\n") == 0
    assert OwnPace()(b"0-0:1.0.0(261120100000W)\r\n") == 0


def test_an_even_pace_asks_no_telegram() -> None:
    assert gaps(even(2.5), "261120100000W", "", "180101000000W") == [2.5, 2.5, 2.5]
    assert gaps(named("max"), "261120100000W", "261120110000W") == [0, 0]


@pytest.mark.parametrize("speed", ["", "fast", "10", "x", "0x", "0.0x", "-1x", "10 x", "nanx"])
def test_a_speed_that_is_none_is_refused_with_the_mend(speed: str) -> None:
    with pytest.raises(ValueError, match='expected "own", "max" or a factor such as "10x"'):
        named(speed)
