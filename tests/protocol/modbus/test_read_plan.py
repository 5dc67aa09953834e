"""The read plan: every register exactly once, within what the meter allows."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from datalogger.protocol.modbus.read_plan import Block, plan
from datalogger.protocol.modbus.register_map import BITS, Limits, Register, Span

WORDS = {"u16": 1, "s32l": 2, "float": 2, "double": 4}


def register(address: int, kind: str = "u16", function: int = 4) -> Register:
    return Register(name=f"{function}/{address}", addr=address, type=kind, function=function)  # type: ignore[arg-type]


def asked(blocks: tuple[Block, ...]) -> list[tuple[int, int, int]]:
    return [(block.function, block.address, block.count) for block in blocks]


def test_neighbours_are_read_in_one_request() -> None:
    assert asked(plan([register(2), register(0), register(1)], Limits())) == [(4, 0, 3)]


def test_a_gap_up_to_the_limit_is_read_along() -> None:
    registers = [register(0, "float"), register(6, "float"), register(13)]
    assert asked(plan(registers, Limits(gap=4))) == [(4, 0, 8), (4, 13, 1)]
    assert asked(plan(registers, Limits(gap=5))) == [(4, 0, 14)]
    assert asked(plan(registers, Limits(gap=0))) == [(4, 0, 2), (4, 6, 2), (4, 13, 1)]


def test_a_request_is_no_longer_than_the_meter_takes() -> None:
    assert asked(plan([register(at, "float") for at in range(0, 12, 2)], Limits(most=5))) == [
        (4, 0, 4),
        (4, 4, 4),
        (4, 8, 4),
    ]


def test_no_request_goes_across_a_forbidden_address() -> None:
    registers = [register(0), register(4), register(5)]
    assert asked(plan(registers, Limits(), [Span(first=2, last=2)])) == [(4, 0, 1), (4, 4, 2)]
    assert asked(plan(registers, Limits(), [Span(first=1, last=3)])) == [(4, 0, 1), (4, 4, 2)]
    assert asked(plan(registers, Limits(), [Span(first=6, last=9)])) == [(4, 0, 6)]


def test_functions_are_asked_apart() -> None:
    registers = [register(0, function=4), register(1, function=3), register(1, function=4)]
    assert asked(plan(registers, Limits())) == [(3, 1, 1), (4, 0, 2)]


def test_a_block_is_halved_to_its_registers_and_no_further() -> None:
    (block,) = plan([register(0, "float"), register(4, "float"), register(6)], Limits())
    left, right = block.halves
    assert asked(block.halves) == [(4, 0, 2), (4, 4, 3)]
    assert left.halves == (left,)
    assert asked(right.halves) == [(4, 4, 2), (4, 6, 1)]


@st.composite
def maps(draw: st.DrawFn) -> list[Register]:
    """Registers that do not overlap, of several functions."""
    found = []
    for function in draw(st.sets(st.sampled_from([1, 2, 3, 4]), min_size=1)):
        at = draw(st.integers(0, 50))
        for kind, gap in draw(st.lists(st.tuples(st.sampled_from(sorted(WORDS)), st.integers(0, 20)), max_size=30)):
            found.append(register(at, "bit" if function in BITS else kind, function))
            at += (1 if function in BITS else WORDS[kind]) + gap
    return draw(st.permutations(found))


limits = st.builds(Limits, most=st.integers(4, 125), gap=st.integers(0, 30))
span = st.builds(lambda first, size: Span(first=first, last=first + size), st.integers(0, 700), st.integers(0, 9))
spans = st.lists(span, max_size=5)


@given(maps(), limits, spans)
def test_every_register_is_in_exactly_one_block_within_the_limits(
    registers: list[Register], limits: Limits, forbidden: list[Span]
) -> None:
    blocks = plan(registers, limits, forbidden)
    covered = [one for block in blocks for one in block.registers]
    assert sorted(one.name for one in covered) == sorted(one.name for one in registers)
    for block in blocks:
        assert 1 <= block.count <= (2000 if block.function in BITS else limits.most)
        assert block.address == block.registers[0].addr
        assert block.address + block.count == block.registers[-1].end
        for one in block.registers:
            assert one.reads == block.function
            assert block.address <= one.addr
            assert one.end <= block.address + block.count
        for one, following in pairwise(block.registers):
            assert 0 <= following.addr - one.end <= limits.gap
            between = range(one.end, following.addr)
            assert not any(span.first < between.stop and span.last >= between.start for span in forbidden if between)


@given(maps(), limits)
def test_halves_of_halves_still_have_every_register_once(registers: list[Register], limits: Limits) -> None:
    pending, single = list(plan(registers, limits)), []
    while pending:
        block = pending.pop()
        halves = block.halves
        if halves == (block,):
            single.append(block)
        else:
            assert [one for half in halves for one in half.registers] == list(block.registers)
            assert all(half.count < block.count for half in halves)
            pending += halves
    assert sorted(block.registers[0].name for block in single) == sorted(one.name for one in registers)
    assert all(block.count == block.registers[0].words for block in single)


@given(maps(), limits)
def test_a_plan_is_the_same_whatever_the_order_of_the_map(registers: list[Register], limits: Limits) -> None:
    assert plan(registers, limits) == plan(sorted(registers, key=lambda one: one.name), limits)


@given(maps(), limits, spans)
def test_halves_keep_to_the_gap_and_to_what_is_forbidden(
    registers: list[Register], limits: Limits, forbidden: list[Span]
) -> None:
    pending = list(plan(registers, limits, forbidden))
    while pending:
        block = pending.pop()
        assert {one.reads for one in block.registers} == {block.function}
        taken = {place for one in block.registers for place in range(one.addr, one.end)}
        asked_for = set(range(block.address, block.address + block.count))
        assert taken <= asked_for
        assert not any(span.first <= place <= span.last for place in asked_for - taken for span in forbidden)
        pending += (half for half in block.halves if half != block)


def test_bits_are_read_up_to_two_thousand_in_one_request_whatever_the_limit_of_registers() -> None:
    bits = [register(at, "bit", 2) for at in range(2001)]
    assert asked(plan(bits, Limits(most=10))) == [(2, 0, 2000), (2, 2000, 1)]


def test_no_registers_are_no_requests() -> None:
    assert plan([], Limits()) == ()


def test_the_last_address_is_read() -> None:
    assert asked(plan([register(65532, "double")], Limits())) == [(4, 65532, 4)]
