from datetime import UTC, datetime

import pytest

from datalogger.sinks.server_time import server_time
from tests.sinks.telegrams import telegram


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("261120105958W", datetime(2026, 11, 20, 9, 59, 58, tzinfo=UTC)),
        ("260720105958S", datetime(2026, 7, 20, 8, 59, 58, tzinfo=UTC)),
        # A Nordic meter says W all year; the server looks at the calendar.
        ("260720105958W", datetime(2026, 7, 20, 8, 59, 58, tzinfo=UTC)),
        # Only in the hour that comes twice does the flag decide.
        ("261025023000S", datetime(2026, 10, 25, 0, 30, 0, tzinfo=UTC)),
        ("261025023000W", datetime(2026, 10, 25, 1, 30, 0, tzinfo=UTC)),
        # Without a flag the server cuts the last digit off.
        ("261120105958", datetime(2026, 11, 20, 9, 59, 5, tzinfo=UTC)),
    ],
)
def test_the_time_is_read_as_the_server_reads_it(stamp: str, expected: datetime) -> None:
    assert server_time(telegram(stamp)) == expected


@pytest.mark.parametrize("stamp", [None, "632525252525W", "000000000000W", "", "20240111 09:35:00", "W"])
def test_a_missing_or_impossible_time_is_none(stamp: str | None) -> None:
    assert server_time(telegram(stamp)) is None


def test_of_several_lines_the_last_counts() -> None:
    first, second = telegram("261120105958W"), telegram("261120110008W")
    assert server_time(first + second) == datetime(2026, 11, 20, 10, 0, 8, tzinfo=UTC)


def test_a_line_without_carriage_return_does_not_count() -> None:
    assert server_time(telegram().replace(b"\r\n", b"\n")) is None
