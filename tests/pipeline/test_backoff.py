from datalogger.pipeline.backoff import Backoff


def test_the_bound_doubles_from_one_second_to_sixty() -> None:
    backoff = Backoff(rng=lambda: 1.0)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_wait_is_any_part_of_the_bound() -> None:
    backoff = Backoff(rng=lambda: 0.25)
    assert [backoff.next() for _ in range(3)] == [0.25, 0.5, 1.0]


def test_success_begins_again_at_the_first_bound() -> None:
    backoff = Backoff(rng=lambda: 1.0)
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert backoff.next() == 1
