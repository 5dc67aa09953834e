"""Which profile says what a push means: by what the meter says about itself, and by no guess."""

import msgspec

from datalogger.meters.profile import Profile
from datalogger.meters.profiles import Profiles, load
from datalogger.meters.recognition import MOST_ITEMS, MOST_SHAPES, recognise
from datalogger.model import Security
from datalogger.protocol.dlms.items import Item, Layout, Link, Push
from tests.meters.pushes import flat, name, octets, positional, profile, push, u16, u32

LIST_2 = profile("list-2", '[match]\nlayout = "positional"\ntypes = "os u32*2"\ntexts = {"0" = "KFM_.*"}\n')
TOTALS = profile("totals", '[match]\nlayout = "positional"\ntypes = "os u32*2"\ntexts = {"0" = "\\\\d+"}\n')
CLOCKED = profile("clocked", '[match]\nlayout = "positional"\ntypes = "dt u32*2"\n')
TIMED = profile("timed", '[match]\nlayout = "positional"\ntypes = "os(4) u32? u32"\n')
ALL = Profiles([LIST_2, TOTALS, CLOCKED, TIMED])
MOMENT = bytes.fromhex("07E60B0C0610360000FFC400")


def found(pushed: Push, *known: Profile, pinned: str | None = None, last: Profile | None = None) -> str:
    """The id of the profile, or the reason of the notice, or "" where there is neither."""
    got, notices = recognise(pushed, Profiles(known) if known else ALL, pinned=pinned, last=last)
    assert got is None or not notices
    return got.id if got is not None else "".join(notice.reason for notice in notices)


def test_the_text_of_an_id_tells_lists_of_equal_types_apart() -> None:
    assert found(positional(octets(b"KFM_001"), u32(1), u32(2))) == "list-2"
    assert found(positional(octets(b"47111"), u32(1), u32(2))) == "totals"
    assert found(positional(octets(b"something"), u32(1), u32(2))) == ""


def test_nuls_and_spaces_around_an_id_do_not_count() -> None:
    assert found(positional(octets(b" 47111\0\0"), u32(1), u32(2))) == "totals"


def test_twelve_octets_are_asked_whether_they_are_a_date_time() -> None:
    assert found(positional(octets(MOMENT), u32(1), u32(2))) == "clocked"
    assert found(positional(octets(b"123456789012"), u32(1), u32(2))) == "totals"


def test_the_length_of_a_string_counts_and_null_data_may_stand_for_a_number() -> None:
    assert found(positional(octets(b"\1\2\3\4"), (0, None), u32(2))) == "timed"
    assert found(positional(octets(b"\1\2\3\4\5"), (0, None), u32(2))) == ""


def test_every_type_counts_and_so_does_the_number_of_members() -> None:
    assert found(positional(octets(b"47111"), u32(1), u16(2))) == ""
    assert found(positional(octets(b"47111"), u32(1))) == ""
    assert found(positional(octets(b"47111"), u32(1), u32(2), u32(3))) == ""


def test_an_array_is_no_structure() -> None:
    assert found(positional(octets(b"47111"), u32(1), u32(2), root=1)) == ""


def test_what_was_remembered_of_a_shape_is_no_answer_for_other_values_of_it() -> None:
    for _ in range(2):
        assert found(positional(octets(b"KFM_001"), u32(1), u32(2))) == "list-2"
        assert found(positional(octets(b"47111"), u32(1), u32(2))) == "totals"


def test_however_many_shapes_come_only_so_many_are_remembered() -> None:
    known = Profiles([LIST_2])
    for count in range(MOST_SHAPES + 10):
        recognise(flat({f"1-{count // 256}:{count % 256}.7.0": u32(0)}), known)
    assert 0 < len(known.remembered) <= MOST_SHAPES


def test_a_shape_longer_than_any_meters_is_not_remembered() -> None:
    known = Profiles([LIST_2])
    recognise(positional(*[u32(0)] * (MOST_ITEMS + 1)), known)
    assert not known.remembered


def test_a_logical_name_as_a_value_is_asked_as_it_is_written() -> None:
    short = profile("short", '[match]\nlayout = "positional"\ntypes = "os(6) u32"\ntexts = {"0" = "0-6:25[.]9[.]0"}\n')
    assert found(positional(octets(name("0-6:25.9.0")), u32(1)), short) == "short"
    assert found(positional(octets(name("0-7:25.9.0")), u32(1)), short) == ""


def test_names_are_asked_with_and_without_their_channel() -> None:
    asked = profile("asked", '[match]\nlayout = "flat"\nnames = ["1.8.0", "1-1:2.8.0"]\nwithout = ["32.7.0"]\n')
    assert found(flat({"1-0:1.8.0": u32(1), "1-1:2.8.0": u32(2)}), asked) == "asked"
    assert found(flat({"1-0:1.8.0": u32(1), "1-0:2.8.0": u32(2)}), asked) == ""
    assert found(flat({"1-0:1.8.0": u32(1), "1-1:2.8.0": u32(2), "1-1:32.7.0": u16(230)}), asked) == ""


def test_the_text_of_a_named_value_tells_the_country() -> None:
    norway = profile("norway", '[match]\nlayout = "flat"\ntexts = {"96.1.1" = ".*040"}\n')
    sweden = profile("sweden", '[match]\nlayout = "flat"\ntexts = {"1-1:96.1.1" = ".*09[02]"}\n')
    assert found(flat({"1-1:96.1.1": (10, b"684112104000000040")}), norway, sweden) == "norway"
    assert found(flat({"1-1:96.1.1": (10, b"684112104000000092")}), norway, sweden) == "sweden"
    assert found(flat({"1-1:96.1.0": (10, b"684112104000000092")}), norway, sweden) == ""


def test_a_text_that_is_asked_for_and_is_no_text_is_no_match() -> None:
    norway = profile("norway", '[match]\nlayout = "flat"\ntexts = {"96.1.1" = ".*040"}\n')
    assert found(flat({"1-1:96.1.1": (0, None)}), norway) == ""
    assert found(flat({"1-1:96.1.1": u32(40)}), norway) == ""


def test_a_system_title_is_asked_of_ciphered_pushes_only() -> None:
    kaifa = profile("kaifa", '[match]\nlayout = "flat"\ncounts = [2]\ntitles = ["KFM"]\n')
    body = {"1-0:1.8.0": u32(1)}
    assert found(flat(body, types=(9, 6)), kaifa) == "kaifa"
    for title, expected in (("4B464D1000000001", "kaifa"), ("4C475A6700000001", "")):
        assert found(flat(body, types=(9, 6), security=Security(title, 1, "absent")), kaifa) == expected


def test_addresses_decide_between_equals() -> None:
    near, far = (
        profile(one, f'[match]\nlayout = "positional"\ntypes = "u32"\naddresses = ["{address}"]\n')
        for one, address in (("near", "01/0201"), ("far", "CF/03"))
    )
    assert found(positional(u32(1), link=Link("hdlc", b"\x01", b"\x02\x01")), near, far) == "near"
    assert found(positional(u32(1), link=Link("apdu")), near, far) == "profile_ambiguous"


def test_a_strange_address_keeps_out_only_what_has_nothing_else_to_be_known_by() -> None:
    strange = Link("hdlc", b"\x02", b"\x02\x01")
    head = '[match]\nlayout = "positional"\naddresses = ["01/0201"]\n'
    number = profile("number", f'{head}types = "u32"\n')
    texted = profile("texted", f'{head}types = "os"\ntexts = {{"0" = "KFM_.*"}}\n')
    titled = profile("titled", f'{head}types = "u32"\ntitles = ["KFM"]\n')
    ciphered = Security("4B464D1000000001", 1, "absent")
    assert found(positional(u32(1), link=strange), number) == ""
    assert found(positional(u32(1), link=strange), number, pinned="number") == "number"
    assert found(positional(octets(b"KFM_001"), link=strange), texted) == "texted"
    assert found(positional(u32(1), link=strange, security=ciphered), titled) == "titled"
    assert found(positional(u32(1), link=strange), titled) == ""


def test_two_equals_are_none_and_both_are_named() -> None:
    one, other = (profile(name, '[match]\nlayout = "positional"\ntypes = "u32"\n') for name in ("one", "other"))
    got, (notice,) = recognise(positional(u32(1)), Profiles([one, other]))
    assert got is None
    assert "one and other" in notice.detail


def test_the_profile_last_used_on_the_line_decides_between_equals_else_its_maker() -> None:
    one, other = (profile(name, '[match]\nlayout = "positional"\ntypes = "u32"\n') for name in ("one", "other"))
    elsewhere = msgspec.structs.replace(other, makers=("Elsewhere",))
    assert found(positional(u32(1)), one, other, last=other) == "other"
    assert found(positional(u32(1)), one, elsewhere, last=LIST_2) == "one"
    assert (
        found(positional(u32(1)), one, elsewhere, last=msgspec.structs.replace(LIST_2, makers=("Elsewhere",)))
        == "other"
    )
    assert found(positional(u32(1)), one, other, last=LIST_2) == "profile_ambiguous"


CHOICE = [
    profile(
        one,
        'by_configuration_only = true\nask = ["What does the display say?"]\n'
        '[match]\nlayout = "flat"\nnames = ["1.7.0"]\n',
    )
    for one in ("direct", "primary")
]


def test_a_profile_by_configuration_only_is_never_taken_but_offered() -> None:
    got, (notice,) = recognise(flat({"1-0:1.7.0": u32(1)}), Profiles(CHOICE))
    assert got is None
    assert notice.reason == "profile_wanted"
    assert "direct or primary" in notice.detail and "What does the display say?" in notice.detail


def test_a_configured_profile_is_taken_whatever_the_meter_says() -> None:
    assert found(flat({"1-0:1.7.0": u32(1)}), *CHOICE, pinned="direct") == "direct"


def test_a_configured_profile_of_positions_is_not_taken_for_a_body_of_other_types() -> None:
    assert found(positional(octets(b"no id at all"), u32(1), u32(2)), pinned="list-2") == "list-2"
    assert found(positional(octets(b"KFM_001"), u32(1)), pinned="list-2") == "profile_mismatch"
    assert found(positional(octets(b"not twelve"), u32(1), u32(2)), pinned="clocked") == "profile_mismatch"
    assert found(flat({"1-0:1.7.0": u32(1)}), pinned="list-2") == "profile_mismatch"


def test_a_push_of_another_list_of_the_meter_is_named_where_one_list_is_configured() -> None:
    _, (notice,) = recognise(positional(u32(3486)), load(), pinned="kaifa-3p-l2")
    assert "it is of kaifa-l1; leave profile out" in notice.detail
    _, (notice,) = recognise(positional(octets(b"SECRET"), u16(4711)), load(), pinned="kaifa-3p-l2")
    assert notice.detail.endswith("kaifa-3p-l2: positional, os(6) u16")


def test_a_configured_profile_of_another_maker_is_taken_and_doubted() -> None:
    built_in = load()
    named = {"1-0:0.2.129": octets(b"KFM_001"), "0-0:96.1.0": u32(1), "0-0:96.1.7": u32(2), "0-0:1.0.0": u32(3)}
    pushed = flat(named, types=(9,) * 36)
    assert recognise(pushed, built_in, pinned="kaifa-se-flat") == (built_in["kaifa-se-flat"], [])

    got, (notice,) = recognise(pushed, built_in, pinned="lg-e450")

    assert got is built_in["lg-e450"]
    assert notice.reason == "profile_mismatch" and "kaifa-se-flat" in notice.detail and "lg-e450" in notice.detail


def test_a_configured_profile_of_names_is_not_taken_for_a_body_without_names() -> None:
    assert found(positional(u32(1)), *CHOICE, pinned="direct") == "profile_mismatch"


def test_a_configured_profile_that_does_not_exist_is_said() -> None:
    got, (notice,) = recognise(positional(u32(1)), ALL, pinned="kaiffa")
    assert got is None and '"kaiffa"' in notice.detail


def test_the_built_in_lists_of_one_meter_are_told_apart() -> None:
    built_in = load()
    list_1 = positional(u32(3486))
    list_2 = positional(octets(b"KFM_001"), octets(b"0565617807410394"), octets(b"MA304H3E"), *[u32(5)] * 10)
    for pushed, expected in ((list_1, "kaifa-l1"), (list_2, "kaifa-3p-l2")):
        got, notices = recognise(pushed, built_in)
        assert got is not None and got.id == expected and notices == []


def test_a_push_object_list_is_known_by_the_names_of_its_values() -> None:
    asked = profile("asked", '[match]\nlayout = "push-list"\nnames = ["0-8:25.9.0", "1.8.0"]\n')
    items = [Item(0, (1, []), name("0-8:25.9.0"), 40, 2), Item(1, u32(1), name("1-1:1.8.0"), 3, 2)]
    assert found(push(items, Layout.PUSH_LIST), asked) == "asked"
