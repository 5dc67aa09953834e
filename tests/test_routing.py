from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from datalogger.model import Record, Report
from datalogger.obis import Obis
from datalogger.routing import Route, Router

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


HOUSE, BARN = (Report(protocol="p1", source=source) for source in ("house", "barn"))


def passed(router: Router, report: Report, seconds: list[float]) -> list[float]:
    return [s for s in seconds if router.wanted(report, NOON + timedelta(seconds=s))]


def test_a_route_without_conditions_wants_every_report() -> None:
    assert passed(Router([Route("attic")]), HOUSE, [0, 0.5, 1]) == [0, 0.5, 1]


def test_a_route_wants_only_its_sources() -> None:
    router = Router([Route("attic"), Route("cloud", sources=frozenset({"house"}))])
    assert router.wanted(HOUSE, NOON) == ["attic", "cloud"]
    assert router.wanted(BARN, NOON) == ["attic"]


def test_every_lets_one_report_pass_per_interval_and_source() -> None:
    router = Router([Route("cloud", every=10)])
    assert passed(router, HOUSE, list(range(31))) == [0, 10, 20, 30]
    assert passed(router, BARN, [3, 4]) == [3]


def test_a_meter_as_slow_as_the_interval_loses_nothing_to_jitter() -> None:
    jittery = [0, 9.9, 20.1, 29.8, 40.0]
    assert passed(Router([Route("cloud", every=10)]), HOUSE, jittery) == jittery


def test_a_wall_clock_that_is_set_back_silences_no_sink() -> None:
    assert passed(Router([Route("cloud", every=10)]), HOUSE, [3600, 0, 5, 10]) == [3600, 0, 10]


def test_a_changed_route_keeps_the_grid_of_a_sink_that_stays() -> None:
    router = Router([Route("cloud", every=10)])
    router.wanted(HOUSE, NOON)
    router.replace([Route("cloud", every=20), Route("attic")])
    assert router.wanted(HOUSE, NOON + timedelta(seconds=10)) == ["attic"]
    assert router.wanted(HOUSE, NOON + timedelta(seconds=20)) == ["cloud", "attic"]


def test_many_meters_behind_one_source_do_not_hold_back_each_other() -> None:
    router = Router([Route("cloud", every=10)])
    first, second = (Report(protocol="dlms", source="field", meter=meter) for meter in ("1", "2"))
    assert passed(router, first, [0, 1, 10]) == [0, 10]
    assert passed(router, second, [2, 3]) == [2]


def test_the_long_list_of_every_hour_is_not_held_back_by_the_short_one_of_every_second() -> None:
    router = Router([Route("cloud", every=60)])
    short = Report(protocol="dlms", source="house", meter="1", records=(Record(Obis("1-0:1.7.0*255"), 5),))
    long = Report(protocol="dlms", source="house", meter="1", records=short.records * 2)
    assert passed(router, short, [0, 2.5, 5]) == [0]
    assert passed(router, long, [10, 20]) == [10]


PUSH = Report(protocol="dlms", source="field")
DSMR_READER = Route("attic", accepts=frozenset({"p1"}))


def test_a_sink_is_not_sent_what_it_cannot_take() -> None:
    router = Router([DSMR_READER, Route("archive")])
    assert router.wanted(HOUSE, NOON) == ["attic", "archive"]
    assert router.wanted(PUSH, NOON) == ["archive"]


def test_what_a_sink_cannot_take_is_said_once_for_each_source_and_again_after_a_reload() -> None:
    router = Router([DSMR_READER, Route("archive")])
    with capture_logs() as said:
        for seconds in range(5):
            for report in (PUSH, HOUSE, Report(protocol="dlms", source="barn")):
                router.wanted(report, NOON + timedelta(seconds=seconds))
        router.replace([DSMR_READER])
        router.wanted(PUSH, NOON)
    assert [(line["sink"], line["source"], line["protocol"], line["takes"]) for line in said] == [
        ("attic", "field", "dlms", "p1"),
        ("attic", "barn", "dlms", "p1"),
        ("attic", "field", "dlms", "p1"),
    ]


def test_what_a_sink_was_not_to_have_anyhow_is_not_said() -> None:
    router = Router([Route("attic", sources=frozenset({"house"}), accepts=frozenset({"p1"}))])
    with capture_logs() as said:
        assert router.wanted(PUSH, NOON) == []
    assert said == []


def test_what_a_sink_cannot_take_takes_no_turn_of_what_it_can() -> None:
    router = Router([Route("attic", every=10, accepts=frozenset({"p1"}))])
    assert router.wanted(Report(protocol="dlms", source="house"), NOON) == []
    assert router.wanted(HOUSE, NOON + timedelta(seconds=1)) == ["attic"]
