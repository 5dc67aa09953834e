"""docs/meters.md is made from the profiles."""

from pathlib import Path

from datalogger.meters.overview import markdown
from datalogger.meters.profiles import load

PAGE = Path(__file__).parents[2] / "docs" / "meters.md"


def test_the_table_of_meters_is_what_the_profiles_say() -> None:
    """To mend it: put the output of `datalogger profiles table` behind the last heading."""
    assert PAGE.read_text(encoding="utf-8").endswith(f"\n\n{markdown(load().values())}")


def test_every_profile_stands_in_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in load() if f"`{name}`" not in text] == []
