from hypothesis import given
from hypothesis import strategies as st

from datalogger.spool.thinning import GRIDS, Grid

seconds = st.lists(st.integers(0, 100_000), max_size=300).map(sorted)


def thinned(moments: list[int], grid: int) -> list[int]:
    passing = Grid(grid)
    return [moment for moment in moments if passing.keeps("house", moment * 1_000_000)]


def test_of_each_ten_seconds_the_first_stays() -> None:
    assert thinned([3, 4, 9, 10, 19, 25, 45], 10) == [3, 10, 25, 45]


def test_each_source_keeps_its_own() -> None:
    grid = Grid(10)
    assert [grid.keeps(source, 1_000_000) for source in ("house", "shed", "house")] == [True, True, False]


@given(seconds)
def test_every_stretch_that_had_one_still_has_exactly_one(moments: list[int]) -> None:
    for grid in GRIDS:
        kept = thinned(moments, grid)
        assert {moment // grid for moment in kept} == {moment // grid for moment in moments}
        assert len({moment // grid for moment in kept}) == len(kept)


@given(seconds)
def test_a_second_pass_takes_no_more(moments: list[int]) -> None:
    for grid in GRIDS:
        once = thinned(moments, grid)
        assert thinned(once, grid) == once


@given(seconds)
def test_coarser_after_finer_is_the_same_as_coarser_alone(moments: list[int]) -> None:
    """So nothing has to be remembered between two passes: each stretch is whole stretches of the finer grid."""
    finer, coarse, coarsest = GRIDS
    assert thinned(thinned(moments, finer), coarse) == thinned(moments, coarse)
    assert thinned(thinned(moments, coarse), coarsest) == thinned(moments, coarsest)
