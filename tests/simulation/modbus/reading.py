"""What a reader of a simulated device gets: by the daemon's own read plan and decoder."""

from collections.abc import Iterator
from decimal import Decimal

from datalogger.model import Record
from datalogger.protocol.modbus import units
from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.decoding import BlockDecoder, decoded
from datalogger.protocol.modbus.read_plan import Block, plan
from datalogger.protocol.modbus.register_map import BITS, Register, RegisterMap
from datalogger.protocol.modbus.register_types import TYPES
from datalogger.simulation.modbus.device import Device


def ask(device: Device, function: int, address: int, count: int) -> bytes:
    return device.answer(bytes((function,)) + address.to_bytes(2, "big") + count.to_bytes(2, "big"))


def words(answer: bytes, block: Block | Request) -> list[int]:
    assert answer[0] == block.function, f"{block} was answered {answer.hex()}"
    assert answer[1] == len(answer) - 2
    if block.function in BITS:
        return [answer[2 + at // 8] >> at % 8 & 1 for at in range(block.count)]
    return [int.from_bytes(answer[at : at + 2], "big") for at in range(2, len(answer), 2)]


def read(device: Device, part: int = 0) -> dict[str, Record]:
    """Every record of one of its maps, by name."""
    found = device.parts[part].map
    blocks = plan([*found.reg, *_factors(found)], found.limits, found.forbidden)
    answers = [
        (BlockDecoder(block), words(ask(device, block.function, block.address, block.count), block)) for block in blocks
    ]
    return {record.name: record for record in decoded(answers)}


def _factors(found: RegisterMap) -> Iterator[Register]:
    there = {register.addr for register in found.reg if register.kind == "factor"}
    for address in sorted({one.scale_register for one in found.reg if one.scale_register is not None} - there):
        yield Register(name=f"factor {address}", addr=address, type="s16", kind="factor", function=3)


def assert_as_expected(device: Device) -> None:
    """Each register of each part decodes to what the device says that it has."""
    for at, part in enumerate(device.parts):
        records, expected = read(device, at), device.expected(at)
        for register in part.map.reg:
            if register.kind == "factor":
                continue
            record = records[register.name]
            if register.name not in expected:
                assert record.not_measured, record
                continue
            value = expected[register.name]
            base = units.parse(register.unit)
            assert base is not None
            assert record.physical is not None, record
            if TYPES[register.type].real:
                assert isinstance(value, float)
                wanted = value * 10 ** base[1]
                assert abs(float(record.physical) - wanted) <= 1e-12 * abs(wanted), record
            else:
                assert isinstance(value, Decimal if register.kind == "analog" else int)
                assert record.physical == Decimal(value).scaleb(base[1]), record
