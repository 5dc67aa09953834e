from hypothesis import given
from hypothesis import strategies as st

from datalogger.spool.pending import Held
from datalogger.spool.tail import Tail
from tests.spool.reports import report

REPORTS = [report(number) for number in range(200)]


def filled(wanted: list[set[str]]) -> Tail:
    tail = Tail()
    for number, names in enumerate(wanted):
        sent = REPORTS[number]
        assert sent.received_at is not None
        tail.append(Held(number, sent, sent.received_at, True, 100, float(number), set(names)))
    return tail


def shrink(tail: Tail, octets: int, *, oldest: list[str], thin: list[str]) -> list[tuple[str, str, int]]:
    given_up = []
    for sink, reason, sequence in tail.surplus(octets, oldest=oldest, thin=thin):
        given_up.append((sink, reason, sequence))
        held = tail.get(sequence)
        assert held is not None
        held.wanted.discard(sink)
        if not held.wanted:
            tail.remove(sequence)
    return given_up


def test_nothing_goes_while_there_is_room() -> None:
    assert shrink(filled([{"a"}] * 10), 1000, oldest=["a"], thin=[]) == []


def test_the_oldest_go_first() -> None:
    tail = filled([{"a"}] * 10)
    assert shrink(tail, 700, oldest=["a"], thin=[]) == [("a", "full", number) for number in range(3)]
    assert tail.octets == 700


def test_a_sink_that_thins_keeps_one_report_in_ten_seconds_of_its_whole_backlog() -> None:
    tail = filled([{"a"}] * 100)
    shrink(tail, 1000, oldest=[], thin=["a"])
    assert len(tail) == 10
    assert [held.sequence for held in tail] == list(range(0, 100, 10))


def test_a_sink_that_keeps_what_it_has_loses_nothing() -> None:
    tail = filled([{"keeps"}, {"a"}, {"keeps", "a"}] * 10)
    given_up = shrink(tail, 0, oldest=["a"], thin=[])
    assert {sink for sink, _, _ in given_up} == {"a"}
    assert [held.sequence for held in tail if "keeps" in held.wanted] == [n for n in range(30) if n % 3 != 1]


@given(st.lists(st.sets(st.sampled_from(["oldest", "thin"]), min_size=1), max_size=60), st.integers(0, 6000))
def test_the_bound_is_kept_and_no_more_goes_than_must(wanted: list[set[str]], octets: int) -> None:
    tail = filled(wanted)
    before = tail.octets
    shrink(tail, octets, oldest=["oldest"], thin=["thin"])
    assert tail.octets <= octets
    if before > octets:
        assert tail.octets > octets - 100
    assert tail.octets == 100 * len(tail)


def test_what_goes_to_disk_is_everything_up_to_the_last_that_is_due() -> None:
    tail = filled([{"a"}] * 5)
    assert [held.sequence for held in tail.through(2.0)] == [0, 1, 2]
    held = tail.get(4)
    assert held is not None
    held.appended = float("-inf")  # salvaged: due at once, and all before it goes along, so the order stays
    assert [held.sequence for held in tail.through(-1.0)] == [0, 1, 2, 3, 4]
