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


def test_addresses_that_have_to_fit_are_shown_without_a_condition() -> None:
    assert "  HDLC destination/source CEFF/03" in overview.described(KNOWN["lg-totals-2"])
    assert "  HDLC destination/source CEFF/03, where others fit too" in overview.described(KNOWN["lg-bgld-14"])


def sections(table: str) -> dict[str, list[str]]:
    """By country, the rows."""
    found = {}
    for section in table.split("### ")[1:]:
        country, empty, head, rule, *rows = section.rstrip("\n").splitlines()
        assert empty == ""
        assert len(head.split("|")) == len(rule.split("|")) == len(overview.HEADS) + 2
        found[country] = rows
    return found


def test_the_table_has_a_section_for_every_country_by_its_name_and_is_sorted() -> None:
    table = sections(overview.markdown(KNOWN.values()))
    assert list(table) == sorted(table)
    assert set(table) == {overview.COUNTRIES[country] for one in KNOWN.values() for country in one.countries}
    for rows in table.values():
        assert all(len(row.split(" | ")) == len(overview.HEADS) for row in rows)


def test_an_operator_stands_in_its_own_country_only() -> None:
    table = sections(overview.markdown(KNOWN.values()))
    assert any("TINETZ" in row for row in table["Austria"])
    assert not any("TINETZ" in row for row in table["Poland"])


def test_every_profile_stands_in_the_table_once_for_each_of_its_countries() -> None:
    table = overview.markdown(KNOWN.values())
    for one in KNOWN.values():
        assert table.count(f"`{one.id}`") == len(one.countries), one.id


def test_the_lists_of_one_family_share_a_line() -> None:
    rows = sections(overview.markdown(KNOWN.values()))["Norway"]
    (row,) = [row for row in rows if "kaifa-l1" in row]
    assert row.startswith("| Kaifa MA105H2E, MA304H3E, MA304H4D | 2400 8E1, hdlc | RJ45 M-Bus | ")
    assert "| no key |" in row
    assert "`kaifa-1p-l2`: inferred; `kaifa-1p-l3`, `kaifa-3p-l2`, `kaifa-3p-l3`, `kaifa-l1`: checked" in row


def test_a_profile_that_has_to_be_chosen_says_so() -> None:
    table = overview.markdown(KNOWN.values())
    assert "`lg-e570-direct` (only where configured)" in table
    assert "`lg-e570-primary` (only where configured)" in table
    assert "`lg-e570`:" in table or "`lg-e570`," in table


def test_what_was_only_inferred_or_is_unknown_has_its_name_in_the_table() -> None:
    table = overview.markdown(KNOWN.values())
    assert "`kamstrup-dk`, `kamstrup-push1`: checked (inferred: 1.8.0, 2.8.0, 3.8.0, 4.8.0)" in table
    assert "`kamstrup`: checked (unknown: 1.8.0, 2.8.0, 3.8.0, 4.8.0)" in table
    assert "(inferred: 3.7.0, 4.7.0; unknown: position 7, position 8)" in table
    assert "10 s (inferred)" in table


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        (("V G N", "O"), "checked"),
        (("G", "R"), "as other readers have it"),
        (("G", "I"), "checked (inferred: 1.7.0)"),
        (("R", "G I"), "as other readers have it (inferred: 1.7.0)"),
        (("G", "I ?"), "checked (unknown: 1.7.0)"),
        (("G", ""), "checked (unknown: 1.7.0)"),
        (("G", "I", "?"), "checked (inferred: 1.7.0; unknown: 2.7.0)"),
        (("G", *("I",) * 5), "checked (inferred: 5 of 6 values)"),
        (("I", "?"), "inferred"),
        (("?",), "unknown"),
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
