from datetime import UTC, datetime, timedelta

from datalogger.routing import Route, Router

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def passed(router: Router, source: str, seconds: list[float]) -> list[float]:
    return [s for s in seconds if router.wanted(source, NOON + timedelta(seconds=s))]


def test_a_route_without_conditions_wants_every_report() -> None:
    assert passed(Router([Route("attic")]), "house", [0, 0.5, 1]) == [0, 0.5, 1]


def test_a_route_wants_only_its_sources() -> None:
    router = Router([Route("attic"), Route("cloud", sources=frozenset({"house"}))])
    assert router.wanted("house", NOON) == ["attic", "cloud"]
    assert router.wanted("barn", NOON) == ["attic"]


def test_every_lets_one_report_pass_per_interval_and_source() -> None:
    router = Router([Route("cloud", every=10)])
    assert passed(router, "house", list(range(31))) == [0, 10, 20, 30]
    assert passed(router, "barn", [3, 4]) == [3]


def test_a_meter_as_slow_as_the_interval_loses_nothing_to_jitter() -> None:
    jittery = [0, 9.9, 20.1, 29.8, 40.0]
    assert passed(Router([Route("cloud", every=10)]), "house", jittery) == jittery


def test_a_wall_clock_that_is_set_back_silences_no_sink() -> None:
    assert passed(Router([Route("cloud", every=10)]), "house", [3600, 0, 5, 10]) == [3600, 0, 10]


def test_a_changed_route_keeps_the_grid_of_a_sink_that_stays() -> None:
    router = Router([Route("cloud", every=10)])
    router.wanted("house", NOON)
    router.replace([Route("cloud", every=20), Route("attic")])
    assert router.wanted("house", NOON + timedelta(seconds=10)) == ["attic"]
    assert router.wanted("house", NOON + timedelta(seconds=20)) == ["cloud", "attic"]
