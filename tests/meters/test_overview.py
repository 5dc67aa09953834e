import pytest

from datalogger.meters import overview
from datalogger.meters.profile import Profile
from datalogger.meters.profiles import load
from tests.meters.pushes import profile

KNOWN = load()


@pytest.mark.parametrize("one", KNOWN.values(), ids=lambda one: one.id)
def test_every_built_in_profile_can_be_shown(one: Profile) -> None:
    lines = overview.described(one)
    assert lines[0] == f"{one.id}: {one.title}"
    assert len([line for line in lines if line.startswith("  ")]) >= len(one.members) + len(one.registers)


def test_a_positional_profile_is_shown_with_its_members() -> None:
    lines = overview.described(KNOWN["kaifa-3p-l2"])
    assert any(line.split() == ["7", "u32", "1-0:31.7.0", "register", "-3", "A", "G", "N"] for line in lines)
    assert "not measured where 0: 52.7.0, unless 32.7.0 72.7.0 is so too" in lines
    assert "not measured where 0: 51.7.0, and 52.7.0 too, unless 32.7.0 72.7.0 31.7.0 71.7.0 is so too" in lines


def test_the_table_has_a_line_for_every_country_and_is_sorted_by_it() -> None:
    head, rule, *rows = overview.markdown(KNOWN.values()).splitlines()
    columns = [row.strip("| ").split(" | ") for row in rows]
    assert len(head.split("|")) == len(rule.split("|")) == len(overview.HEADS) + 2
    countries = [row[0] for row in columns]
    assert countries == sorted(countries)
    assert set(countries) == {country for one in KNOWN.values() for country in one.countries}


def test_every_profile_stands_in_the_table_once_for_each_of_its_countries() -> None:
    table = overview.markdown(KNOWN.values())
    for one in KNOWN.values():
        assert table.count(f"`{one.id}`") == len(one.countries), one.id


def test_the_lists_of_one_family_share_a_line() -> None:
    (row,) = [
        row for row in overview.markdown(KNOWN.values()).splitlines() if row.startswith("| NO") and "kaifa-l1" in row
    ]
    assert "`kaifa-3p-l2`" in row and "2400 8E1, hdlc" in row and "no key" in row


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        (("V G N", "O"), "checked"),
        (("G", "R"), "as other readers have it"),
        (("G", "I"), "partly inferred"),
        (("G", "I ?"), "partly unknown"),
        (("G", ""), "partly unknown"),
        ((), "names and scalers on the wire"),
    ],
)
def test_how_sure_a_profile_is_follows_from_its_marks(marks: tuple[str, ...], told: str) -> None:
    registers = "".join(f'[[registers]]\nobis = ["{place}.7.0"]\nsure = "{mark}"\n' for place, mark in enumerate(marks))
    assert overview.certainty(profile("sure", registers)) == told


def test_the_list_is_aligned() -> None:
    lines = overview.listing([KNOWN["kaifa-l1"], KNOWN["aidon-no"]])
    assert lines[0].split() == ["id", "maker", "models", "country", "key"]
    assert lines[1].startswith("kaifa-l1  Kaifa  ")
    assert lines[2].startswith("aidon-no  Aidon  ")
