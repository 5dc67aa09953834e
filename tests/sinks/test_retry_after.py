from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.sinks.retry_after import LONGEST, NONSENSE, SHORTEST, http_date, retry_after

NOW = datetime(1994, 11, 6, 8, 49, 0, tzinfo=UTC)
MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_a_date_is_read_in_each_of_the_three_forms(text: str) -> None:
    assert http_date(text) == MOMENT
    assert retry_after({"retry-after": text}, NOW) == 37


def test_nothing_asked_is_none() -> None:
    assert retry_after({}, NOW) is None
    assert retry_after({"retry-after": " "}, NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), (" 7 ", 7), ("0", SHORTEST), ("601", LONGEST), ("86400", LONGEST), ("9" * 5000, LONGEST)],
)
def test_seconds_are_taken_within_bounds(text: str, seconds: float) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds


@pytest.mark.parametrize("text", ["soon", "-5", "1.5", "1e3", "٣", "10s", "Sun, 31 Feb 1994 08:49:37 GMT"])
def test_nonsense_is_ten_seconds(text: str) -> None:
    assert retry_after({"retry-after": text}, NOW) == NONSENSE == 10


def test_a_date_in_the_past_does_not_hammer_the_server() -> None:
    assert retry_after({"retry-after": "Sun, 06 Nov 1993 08:49:37 GMT"}, NOW) == SHORTEST


def test_a_date_far_away_is_bounded() -> None:
    assert retry_after({"retry-after": "Sun, 06 Nov 2044 08:49:37 GMT"}, NOW) == LONGEST


def test_a_wrong_clock_here_does_not_matter_where_the_server_tells_its_own() -> None:
    headers = {"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT", "date": "Sun, 06 Nov 1994 08:49:17 GMT"}
    assert retry_after(headers, datetime(1970, 1, 1, tzinfo=UTC)) == 20


@given(st.text(max_size=40))
def test_any_text_is_a_wait_between_the_bounds_or_none(text: str) -> None:
    seconds = retry_after({"retry-after": text}, NOW)
    assert seconds is None if not text.strip() else SHORTEST <= (seconds or 0) <= LONGEST
