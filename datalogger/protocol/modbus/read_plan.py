"""Which requests read the wanted registers: as few as the limits of the meter allow."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct

from datalogger.protocol.modbus.register_map import BITS, MOST_BITS, Limits, Register, Span


class Block(Struct, frozen=True, gc=False):
    """One request: `count` addresses from `address` on, and the registers in them, by address."""

    function: int
    address: int
    count: int
    registers: tuple[Register, ...] = ()

    @property
    def halves(self) -> "tuple[Block, ...]":
        """The same registers in two requests; where it has but one, that alone, without what was read along."""
        if len(self.registers) < 2:
            return (_block(self.registers),)
        middle = len(self.registers) // 2
        return _block(self.registers[:middle]), _block(self.registers[middle:])


def plan(registers: Iterable[Register], limits: Limits, forbidden: Iterable[Span] = ()) -> tuple[Block, ...]:
    """Every register in exactly one block; by function, then by address.

    No block is larger than the limit, joins what lies further apart than the gap, or touches a forbidden address
    (unless a register itself does, which the lint of the map refuses).
    """
    spans = tuple(forbidden)
    ordered = sorted(registers, key=lambda register: (register.reads, register.addr))
    return tuple(
        _block(run)
        for function, group in groupby(ordered, key=lambda register: register.reads)
        for run in _runs(list(group), MOST_BITS if function in BITS else limits.most, limits.gap, spans)
    )


def _runs(
    registers: list[Register], most: int, gap: int, forbidden: tuple[Span, ...]
) -> Iterator[tuple[Register, ...]]:
    run: list[Register] = []
    end = 0
    for register in registers:
        joined = run and register.addr - end <= gap and max(end, register.end) - run[0].addr <= most
        if joined and not any(span.first < register.addr and span.last >= end for span in forbidden):
            run.append(register)
        else:
            if run:
                yield tuple(run)
            run = [register]
        end = max(end, register.end) if len(run) > 1 else register.end
    if run:
        yield tuple(run)


def _block(registers: tuple[Register, ...]) -> Block:
    first = registers[0]
    end = max(register.end for register in registers)
    return Block(first.reads, first.addr, end - first.addr, registers)
