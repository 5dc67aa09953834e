"""One row of the bench: what was measured, the figure, and what it should be."""

from typing import NamedTuple


class Figure(NamedTuple):
    """`good` is None where the figure has no bound and stands there to be read beside others."""

    what: str
    figure: str
    wanted: str = ""
    good: bool | None = None


def show(title: str, figures: list[Figure]) -> None:
    print(f"\n{title}")
    width = max(len(row.what) for row in figures)
    for row in figures:
        mark = {None: " ", True: "✓", False: "✗"}[row.good]
        print(f"  {mark} {row.what:<{width}}  {row.figure:<34} {row.wanted}", flush=True)
