"""The marks of a meter: requests whose answers cannot be taken for those of others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.config.polling import UnitOptions
from datalogger.meters import register_maps
from datalogger.pipeline.polled_meter import MARKS, PolledMeter, marks
from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.read_plan import Block, plan
from datalogger.protocol.modbus.register_map import Limits, Register, RegisterMap, Span


def lengths(blocks: list[Block]) -> set[int]:
    """Of the answers to these, and to all that they may be halved to."""
    found: set[int] = set()
    while blocks:
        block = blocks.pop()
        found.add(Request(1, block.function, block.address, block.count).data_octets)
        blocks += [half for half in block.halves if half != block]
    return found


def register(address: int, kind: str = "float") -> Register:
    return Register(name=str(address), addr=address, type=kind, function=4)  # type: ignore[arg-type]


@pytest.mark.parametrize("found", register_maps.load().values(), ids=lambda found: found.id)
def test_the_marks_of_every_map_keep_to_its_limits_and_differ_from_all_else(found: RegisterMap) -> None:
    meter = PolledMeter(1, found, UnitOptions(map=found.id), "")
    blocks = list(plan(found.reg, found.limits, found.forbidden))
    taken = lengths(list(blocks))
    assert meter.marks
    for mark in meter.marks:
        assert mark.count <= found.limits.most
        assert mark.data_octets not in taken
        assert not any(span.first < mark.address + mark.count and mark.address <= span.last for span in found.forbidden)


def test_marks_are_of_even_numbers_within_a_block_where_there_are_such() -> None:
    blocks = plan([register(at) for at in range(0, 80, 2)], Limits(), [])
    found = marks(1, blocks, 80, [])
    assert all(mark.count % 2 == 0 and mark.count < 80 for mark in found)
    assert 3 <= len(found) <= MARKS


def test_marks_do_not_touch_what_is_forbidden() -> None:
    blocks = plan([register(0, "u16")], Limits(), [])
    found = marks(1, blocks, 125, [Span(first=4, last=200)])
    assert [mark.count for mark in found] == [2, 3, 4]


def test_marks_at_the_end_of_the_addresses_stay_among_them() -> None:
    found = marks(1, plan([register(65535, "u16")], Limits(), []), 125, [])
    assert all(mark.address + mark.count <= 0x10000 for mark in found)


def test_there_is_a_mark_even_where_every_length_is_taken() -> None:
    taken = [Request(1, 4, 0, count) for count in range(1, 126)]
    assert len(marks(1, plan([register(0)], Limits(), []), 125, [], also=taken)) == 1


@given(st.sets(st.integers(0, 300), min_size=1), st.integers(2, 125), st.integers(0, 30))
def test_no_mark_has_the_length_of_anything_that_may_be_asked(addresses: set[int], most: int, gap: int) -> None:
    blocks = plan([register(address, "u16") for address in addresses], Limits(most=most, gap=gap), [])
    taken = lengths(list(blocks))
    found = marks(1, blocks, most, [])
    assert found == (Request(1, 4, found[0].address, 1),) or not taken & {mark.data_octets for mark in found}
