import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalogger.obis import from_groups, parse, to_groups

GROUPS = st.tuples(*[st.integers(0, 255)] * 6)


@pytest.mark.parametrize(
    ("text", "obis"),
    [
        ("1-0:1.8.1", "1-0:1.8.1*255"),
        ("1-0:1.8.1*255", "1-0:1.8.1*255"),
        ("1-0:21.7.0.255", "1-0:21.7.0*255"),
        ("1-0:99:97.0", "1-0:99.97.0*255"),
        ("1-0:1.8.1*0", "1-0:1.8.1*0"),
        ("0-0:96.1.255*255", "0-0:96.1.255*255"),
        ("01-00:001.08.1", "1-0:1.8.1*255"),
    ],
)
def test_each_spelling_of_a_logical_name_becomes_the_one(text: str, obis: str) -> None:
    assert parse(text) == obis


@pytest.mark.parametrize(
    "text", ["", "1-0:1.8", "1,0:2.7.0", "1 -3:0.2.8", "256-0:1.8.0", "1-0:1.8.0*256", "1-0:1.8.0*", "1-0:1.8.0 "]
)
def test_what_spells_no_logical_name_is_none(text: str) -> None:
    assert parse(text) is None


@settings(deadline=None)
@given(GROUPS)
def test_groups_and_text_say_the_same(groups: tuple[int, ...]) -> None:
    assert to_groups(from_groups(groups)) == groups
    assert from_groups(bytes(groups)) == parse(from_groups(groups)) == from_groups(groups)


@settings(deadline=None)
@given(st.text(max_size=24))
def test_any_text_is_a_logical_name_or_none(text: str) -> None:
    found = parse(text)
    assert found is None or parse(found) == found
