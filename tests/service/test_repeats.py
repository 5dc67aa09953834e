import itertools
from typing import Any

import pytest
import structlog

from datalogger.service import repeats
from datalogger.service.repeats import Repeats, span
from tests.service.conftest import ManualClock


class Log:
    """What passes a `Repeats`."""

    def __init__(self, clock: ManualClock) -> None:
        self.repeats = Repeats(clock)

    def say(self, event: str, **keywords: Any) -> dict[str, Any] | None:
        try:
            return dict(self.repeats(None, "error", {"event": event, **keywords}))
        except structlog.DropEvent:
            return None


@pytest.fixture
def said(clock: ManualClock) -> Log:
    return Log(clock)


def test_the_first_passes_at_once_and_the_steering_words_are_not_shown(said: Log) -> None:
    assert said.say("down", repeats="sink:attic", error="refused") == {"event": "down", "error": "refused"}


def test_an_event_without_a_key_always_passes(said: Log) -> None:
    assert [said.say("hello") for _ in range(3)] == [{"event": "hello"}] * 3


def test_repeats_are_held_for_a_minute_and_then_summarised_in_one_line(said: Log, clock: ManualClock) -> None:
    said.say("down", repeats="sink:attic")
    for _ in range(11):
        clock.advance(5)
        assert said.say("down", repeats="sink:attic") is None
    clock.advance(7)
    assert said.say("down", repeats="sink:attic") == {"event": "down", "repeated": 12, "within": "1m 2s"}
    clock.advance(59)
    assert said.say("down", repeats="sink:attic") is None


def test_what_comes_less_than_once_a_minute_is_said_each_time(said: Log, clock: ManualClock) -> None:
    for _ in range(3):
        assert said.say("noise", repeats="rejected:house") == {"event": "noise"}
        clock.advance(61)


def test_another_event_or_another_key_is_news(said: Log) -> None:
    said.say("down", repeats="sink:attic")
    assert said.say("wrong key", repeats="sink:attic") == {"event": "wrong key"}
    assert said.say("down", repeats="sink:cloud") == {"event": "down"}
    assert said.say("down", repeats="sink:attic") is None


def test_another_cause_is_news_at_once(said: Log, clock: ManualClock) -> None:
    """The key was wrong and is mended: that the API is disabled too must not wait."""
    wrong = said.say("paused", repeats="sink:attic", error="http://attic refuses the key")
    clock.advance(30)
    disabled = said.say("paused", repeats="sink:attic", error="the API of http://attic is disabled")
    assert wrong == {"event": "paused", "error": "http://attic refuses the key"}
    assert disabled == {"event": "paused", "error": "the API of http://attic is disabled"}
    assert said.say("paused", repeats="sink:attic", error="the API of http://attic is disabled") is None
    assert said.say("paused", repeats="sink:attic", error="http://attic refuses the key") is None


@pytest.mark.parametrize(
    "error",
    [
        "no answer within 9.5 s from 192.168.1.5:8000, request id a7f3, after 10",
        "no answer within 28 s from 10.0.0.7:80, request id 9c00, after 1e-06",
    ],
)
def test_a_figure_that_differs_makes_no_other_cause(said: Log, error: str) -> None:
    said.say("down", repeats="sink:attic", error="no answer within 1 s from 192.168.1.5:80, request id 1, after 9")
    assert said.say("down", repeats="sink:attic", error=error) is None


def test_a_text_that_is_new_each_time_does_not_fill_the_log(said: Log, clock: ManualClock) -> None:
    """A server may put a word of chance into its error pages."""
    texts = ["".join(letters) for letters in itertools.product("abcdef", repeat=4)]
    passed = [text for text in texts if said.say("down", repeats="sink:attic", error=text)]
    assert passed == texts[: repeats.MAX_CAUSES + 1]
    assert said.say("down", repeats="sink:cloud", error="refused")
    assert len(said.repeats.due(all=True)) == 1
    assert said.say("up", repeats="sink:attic", resolved=True) == {"event": "up", "failures": 6**4, "lasted": "0s"}
    assert said.say("down", repeats="sink:attic", error="gone again")


def test_its_end_says_how_often_and_how_long_and_all_begins_anew(said: Log, clock: ManualClock) -> None:
    for _ in range(30):
        said.say("down", repeats="sink:attic")
        clock.advance(10)
    said.say("wrong key", repeats="sink:attic")
    assert said.say("up", repeats="sink:attic", resolved=True) == {"event": "up", "failures": 31, "lasted": "5m"}
    assert said.say("down", repeats="sink:attic") == {"event": "down"}


def test_an_end_of_nothing_says_no_figures(said: Log) -> None:
    said.say("down", repeats="sink:cloud")
    assert said.say("up", repeats="sink:attic", resolved=True) == {"event": "up"}
    assert said.say("down", repeats="sink:cloud") is None


def test_what_was_held_is_summarised_though_it_does_not_come_again(said: Log, clock: ManualClock) -> None:
    said.say("noise", repeats="rejected:house", octets=1)
    for octets in (2, 3, 4):
        clock.advance(5)
        said.say("noise", repeats="rejected:house", octets=octets)
    assert said.repeats.due() == []
    clock.advance(50)
    assert said.repeats.due() == [("error", {"event": "noise", "octets": 4, "repeated": 3, "within": "1m 5s"})]
    assert said.repeats.due() == []
    clock.advance(1000)
    assert said.repeats.due() == []
    assert said.say("noise", repeats="rejected:house") == {"event": "noise"}


def test_at_the_end_all_that_is_held_can_be_said(said: Log, clock: ManualClock) -> None:
    for _ in range(2):
        said.say("down", repeats="sink:attic", exc_info=True)
        said.say("noise", repeats="rejected:house")
    clock.advance(3)
    assert [event for _, event in said.repeats.due(all=True)] == [
        {"event": "down", "repeated": 1, "within": "3s"},
        {"event": "noise", "repeated": 1, "within": "3s"},
    ]


def test_what_is_forgotten_begins_anew_and_what_was_held_of_it_is_said(said: Log, clock: ManualClock) -> None:
    """A sink that a reload replaces: the outage of the old one is not the new one's."""
    for key in ("sink:attic", "sink:attic:2", "sink:attics"):
        said.say("down", repeats=key)
    clock.advance(10)
    said.say("down", repeats="sink:attic", error="refused")
    said.say("down", repeats="sink:attic", error="refused")
    assert said.repeats.forget("sink:attic") == [
        ("error", {"event": "down", "error": "refused", "repeated": 1, "within": "0s"})
    ]
    clock.advance(10)
    assert said.say("down", repeats="sink:attic:2") == {"event": "down"}
    assert said.say("down", repeats="sink:attics") is None
    assert said.say("down", repeats="sink:attic", error="refused") == {"event": "down", "error": "refused"}
    assert said.say("up", repeats="sink:attic", resolved=True) == {"event": "up", "failures": 1, "lasted": "0s"}


def test_the_table_is_bounded_and_forgets_what_was_not_heard_of_for_longest(
    said: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MAX_EVENTS", 3)
    for key in ("a", "b", "c"):
        said.say("down", repeats=key)
    assert said.say("down", repeats="a") is None
    said.say("down", repeats="d")
    assert said.say("down", repeats="a") is None
    assert said.say("down", repeats="b") is not None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.4, "59s"), (60, "1m"), (312, "5m 12s"), (11_040, "3h 4m"), (183_600, "2d 3h"), (172_800, "2d")],
)
def test_a_time_span_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert span(seconds) == text
