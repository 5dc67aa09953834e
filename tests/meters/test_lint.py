"""What the lint finds in one profile, and between two."""

import msgspec
import pytest

from datalogger.meters import lint
from datalogger.meters.profile import Profile
from datalogger.meters.profiles import load
from tests.meters.pushes import profile

RIGHT = """
members = [
    {index = 0, obis = "0-0:96.1.0", kind = "text"},
    {index = 1, obis = "1-0:1.8.0", scaler = 0, unit = "Wh"},
]
[match]
layout = "positional"
types = "os u32"
"""


def test_what_is_right_has_no_fault() -> None:
    assert lint.faults(profile("right", RIGHT)) == []


@pytest.mark.parametrize("one", load().values(), ids=lambda one: one.id)
def test_the_built_in_profiles_have_no_fault(one: Profile) -> None:
    assert lint.faults(one) == []


def test_no_two_built_in_profiles_quarrel_over_a_push() -> None:
    assert lint.conflicts(load().values()) == []


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("os u32", "os u33", 'match.types: "u33": there is no type "u33"'),
        ("os u32", "os u32*2", "members: 3 types, and index 2 is missing or too many"),
        ("index = 1", "index = 2", "members: 2 types, and index 1, 2 is missing or too many"),
        ("index = 1", "index = 0", "members: index 0 stands there twice"),
        ('types = "os u32"', "counts = [2]", "match.types: missing"),
        ('types = "os u32"', 'types = "os u32"\ncounts = [3]', "match.counts: [3], but match.types has 2 members"),
        ('layout = "positional"', 'layout = "flat"', "match.types: only asked of a positional body"),
        ('"1-0:1.8.0"', '"0-0:96.1.0"', "members: 0-0:96.1.0 stands there twice"),
        ('"1-0:1.8.0"', '"1.8.0"', 'members[1].obis: "1.8.0" is no logical name'),
        ('obis = "1-0:1.8.0", ', "", "members[1].obis: missing for a register"),
        ('"Wh"', '"W"', 'members[1].unit: "W" for 1-0:1.8.0, which is measured in Wh'),
        ('"Wh"', '"kWh"', 'members[1].unit: "kWh" (1-0:1.8.0) is no symbol of a base unit'),
        ('kind = "text"', 'kind = "bool"', 'members[0].kind: "bool" cannot be a os'),
        ('kind = "text"', 'kind = "text", scaler = 1', "members[0].scaler: a text has neither scaler nor unit"),
    ],
)
def test_a_fault_of_members_is_named_with_its_place(right: str, wrong: str, told: str) -> None:
    assert right in RIGHT
    assert told in "\n".join(lint.faults(profile("wrong", RIGHT.replace(right, wrong))))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('names = ["1.8.256"]', 'match.names: "1.8.256" is no logical name'),
        ('texts = {"7" = "x"}', 'match.texts."7": match.types ends at 1'),
        ('texts = {"0" = "("}', 'match.texts."0": "(" is no regular expression'),
        ('titles = ["0xQQ"]', 'match.titles: "0xQQ"'),
        ('titles = ["KFMKFMKFM"]', 'match.titles: "KFMKFMKFM": write up to 8'),
        ('addresses = ["cf/0223"]', 'match.addresses: "cf/0223"'),
        ('[line]\nserial = ["2400"]', 'line.serial: "2400": write such as "2400 8E1"'),
        ('[clock]\nbody = "0-0:1.0.300"', 'clock.body: "0-0:1.0.300"'),
        ('[[registers]]\nobis = ["31.7.0"]\nunit = "V"', 'registers.unit: "V" for 31.7.0, which is measured in A'),
        ('[[registers]]\nobis = ["1.8.0", "1.8.0"]', "registers: 1.8.0 stands there twice"),
        (
            '[[registers]]\nobis = ["32.7.0"]\nranges = [{least = 0, most = 9, scaler = 0}, '
            "{least = 9, most = 20, scaler = -1}]",
            "registers.ranges: 0…9 and 9…20 overlap",
        ),
        ('[[registers]]\nobis = ["32.7.0"]\nranges = [{least = 9, most = 1, scaler = 0}]', "least 9 is above most 1"),
        ('[[absent]]\nobis = ["1.8.999"]\nvalue = 0', 'absent.obis: "1.8.999"'),
    ],
)
def test_a_fault_elsewhere_is_named_with_its_key(line: str, told: str) -> None:
    (fault,) = lint.faults(profile("wrong", RIGHT + line))
    assert told in fault


def test_a_profile_that_can_never_be_recognised_has_to_say_so() -> None:
    assert "match: says nothing" in lint.faults(profile("never", ""))[0]
    assert lint.faults(profile("never", "by_configuration_only = true\n")) == []


def test_a_country_is_two_letters_and_somebody_vouches() -> None:
    wrong = msgspec.structs.replace(profile("wrong", RIGHT), countries=("Norway",), sources=())
    assert lint.faults(wrong) == [
        "sources: empty: name at least one",
        'countries: "Norway" is no country: write two letters such as "NO"',
    ]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("1.7.0", "W"), ("21.7.0", "W"), ("2.8.1", "Wh"), ("1-0:63.7.0", "var"), ("5.8.0", "varh"), ("9.7.0", "VA"),
     ("71.7.0", "A"), ("12.7.0", "V"), ("33.7.0", "count"), ("14.7.0", "Hz"), ("1.6.0", "W"), ("31.4.0", "A")],
)  # fmt: skip
def test_the_name_of_a_quantity_tells_its_unit(name: str, unit: str) -> None:
    right = f'[match]\nlayout = "flat"\n[[registers]]\nobis = ["{name}"]\nscaler = 0\nunit = "{unit}"\n'
    assert lint.faults(profile("right", right)) == []
    (fault,) = lint.faults(profile("wrong", right.replace(f'"{unit}"', '"m3"')))
    assert f"which is measured in {unit}" in fault


@pytest.mark.parametrize("name", ["0-1:24.2.1", "0-0:17.0.0", "81.7.40", "1-0:0.9.1"])
def test_other_names_may_have_any_unit(name: str) -> None:
    assert (
        lint.faults(profile("right", f'[match]\nlayout = "flat"\n[[registers]]\nobis = ["{name}"]\nunit = "m3"')) == []
    )


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ('layout = "flat"', 'layout = "flat"', False),
        ('layout = "flat"', 'layout = "structures"', True),
        ('root = "array"', 'root = "structure"', True),
        ('layout = "flat"\ncounts = [25, 35]', 'layout = "flat"\ncounts = [36]', True),
        ('layout = "flat"\ncounts = [25, 36]', 'layout = "flat"\ncounts = [36]', False),
        ('layout = "positional"\ntypes = "os u32"', 'layout = "positional"\ntypes = "os u64"', True),
        ('layout = "positional"\ntypes = "os u32"', 'layout = "positional"\ntypes = "dt u32"', False),
        ('types = "os"\nlayout = "positional"\ntexts = {0 = "K.*"}', 'layout = "positional"\ntypes = "dt"', True),
        ('layout = "flat"\ntexts = {0 = "K.*"}', 'layout = "flat"\ntexts = {0 = "L.*"}', True),
        ('layout = "flat"\ntexts = {0 = "K.*"}', 'layout = "flat"\nnames = ["1.8.0"]', False),
        ('names = ["1-1:1.8.0"]', 'without = ["1.8.0"]', True),
        ('names = ["1.8.0"]', 'without = ["1-1:1.8.0"]', False),
        ('texts = {"0.2.129" = "A.*"}', 'without = ["0.2.129"]', True),
        ('names = ["1.8.0", "2.8.0"]', "counts = [1]", True),
        ('layout = "push-list"\nnames = ["0-8:25.9.0"]', 'layout = "push-list"\nnames = ["0-9:25.9.0"]', True),
        ('names = ["0-8:25.9.0"]', 'names = ["0-9:25.9.0"]', False),
        ('titles = ["KFM"]', 'titles = ["LGZ"]', True),
        ('titles = ["KFM"]', 'titles = ["0x4B464D10"]', False),
        ('layout = "flat"\naddresses = ["CF/03"]', 'layout = "flat"\naddresses = ["CE/03"]', True),
    ],
)
def test_two_profiles_quarrel_where_one_push_fits_both(one: str, other: str, apart: bool) -> None:
    pair = [profile("one", f"[match]\n{one}\n"), profile("other", f"[match]\n{other}\n")]
    assert (lint.conflicts(pair) == []) is apart
    assert (lint.conflicts(pair[::-1]) == []) is apart


def test_a_profile_by_configuration_only_quarrels_with_nobody() -> None:
    pair = [
        profile("one", '[match]\nlayout = "flat"\n'),
        profile("other", 'by_configuration_only = true\n[match]\nlayout = "flat"\n'),
    ]
    assert lint.conflicts(pair) == []
