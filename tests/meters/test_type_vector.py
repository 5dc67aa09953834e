import pytest

from datalogger.meters import type_vector
from datalogger.meters.type_vector import Slot
from datalogger.protocol.dlms.items import Data, Item

MOMENT = bytes.fromhex("07E60B0C0610360000FFC400")


def test_a_run_stands_for_so_many_members() -> None:
    assert type_vector.parse("os u32*3 dt") == (Slot(9), Slot(6), Slot(6), Slot(6), Slot(9, moment=True))


def test_brackets_bound_a_string_or_name_what_an_array_holds() -> None:
    assert type_vector.parse("os(5) array(u16)*2") == (Slot(9, length=5), *[Slot(1, element=18)] * 2)


def test_a_question_mark_lets_null_data_stand_there() -> None:
    (slot,) = type_vector.parse("u32?")
    assert slot.holds((0, None)) and slot.holds((6, 1)) and not slot.holds((18, 1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("u33", 'there is no type "u33"'),
        ("os[5]", '"os[5]" is no type'),
        ("u32(4)", "in brackets"),
        ("array(dt)", "in brackets"),
        ("u32*1000 u32*1000", "more than 1024 members"),
    ],
)
def test_what_is_no_type_vector_is_said_with_the_mend(text: str, told: str) -> None:
    with pytest.raises(ValueError) as error:
        type_vector.parse(text)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "data", "holds"),
    [
        ("os(5)", (9, b"12345"), True),
        ("os(5)", (0, None), False),
        ("os(5)", (9, b"1234"), False),
        ("dt", (9, MOMENT), True),
        ("dt", (9, b"ISK012345678"), False),
        ("dt", (9, MOMENT[:-1]), False),
        ("array(u16)", (1, [(18, 9400)]), True),
        ("array(u16)", (1, [(18, 9400), (6, 1)]), False),
        ("array", (1, [(6, 1)]), True),
    ],
)
def test_a_slot_asks_the_value_where_the_tag_is_not_enough(text: str, data: Data, holds: bool) -> None:
    (slot,) = type_vector.parse(text)
    assert not slot.tag_is_enough or text == "array"
    assert slot.holds(data) is holds


def test_a_vector_fits_tags_one_to_one() -> None:
    slots = type_vector.parse("os u32? u16")
    assert type_vector.fits(slots, (9, 6, 18)) and type_vector.fits(slots, (9, 0, 18))
    assert not type_vector.fits(slots, (9, 6)) and not type_vector.fits(slots, (0, 6, 18))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("os u32", "os u32", True),
        ("os u32", "dt u32", True),
        ("os(5)", "dt", False),
        ("os(5)", "os(4)", False),
        ("u32?", "u16?", True),
        ("u32?", "null", True),
        ("u32", "u64", False),
        ("u32 u32", "u32", False),
        ("array(u16)", "array(u32)", False),
    ],
)
def test_two_vectors_overlap_where_one_body_fits_both(one: str, other: str, both: bool) -> None:
    assert type_vector.overlap(type_vector.parse(one), type_vector.parse(other)) is both


def test_a_body_is_described_by_types_and_lengths_and_never_by_what_is_in_it() -> None:
    values: list[Data] = [
        (9, b"ISK0123456789012"),
        (9, MOMENT),
        (6, 4711),
        (6, 4712),
        (1, [(18, 1), (18, 2)]),
        (99, None),
    ]
    told = type_vector.describe([Item(place, value) for place, value in enumerate(values)])
    assert told == "os(16) dt u32*2 array(u16) tag-99"


def test_what_a_description_says_can_be_parsed_again() -> None:
    values: list[Data] = [(9, b"12345"), (9, MOMENT), (6, 1), (6, 2), (1, [(18, 1)]), (3, True), (0, None)]
    slots = type_vector.parse(type_vector.describe([Item(place, value) for place, value in enumerate(values)]))
    assert all(slot.holds(value) for slot, value in zip(slots, values, strict=True))
