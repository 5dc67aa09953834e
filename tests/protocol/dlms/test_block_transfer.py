from hypothesis import given
from hypothesis import strategies as st

from datalogger.protocol.dlms import block_transfer
from datalogger.protocol.dlms.block_transfer import BlockTransfer
from datalogger.protocol.dlms.messages import Block
from datalogger.protocol.framing import Rejected
from datalogger.protocol.joining import Joined

PARTS = (b"\x0f\x00\x00", b"\x00\x01\x00", b"\x11\x05")
BLOCKS = [Block(number, number == len(PARTS), data) for number, data in enumerate(PARTS, 1)]
FRAMES = [b"<%d>" % block.number for block in BLOCKS]
WHOLE = Joined(b"".join(PARTS), b"".join(FRAMES))


def _take(transfer: BlockTransfer, *numbers: int) -> list[Joined | Rejected]:
    return [event for number in numbers for event in transfer.take(BLOCKS[number - 1], FRAMES[number - 1])]


def _lost(*numbers: int) -> tuple[str, bytes]:
    return "segment_missing", b"".join(FRAMES[number - 1] for number in numbers)


def _said(events: list[Joined | Rejected]) -> list[Joined | tuple[str, bytes]]:
    return [event if isinstance(event, Joined) else (str(event.reason), event.octets) for event in events]


def test_the_last_block_completes_the_apdu() -> None:
    transfer = BlockTransfer()
    assert _take(transfer, 1, 2) == []
    assert _take(transfer, 3) == [WHOLE]
    assert transfer.idle() == []
    assert _take(transfer, 1, 2, 3) == [WHOLE]


def test_one_block_may_be_the_whole_transfer() -> None:
    assert BlockTransfer().take(Block(1, True, b"\x0f"), b"frame") == [Joined(b"\x0f", b"frame")]


def test_a_lost_block_costs_the_transfer_and_no_other() -> None:
    transfer = BlockTransfer()
    assert _said(_take(transfer, 1, 3, 1, 2, 3)) == [_lost(1), _lost(3), WHOLE]


def test_a_lost_beginning_costs_the_transfer_and_no_other() -> None:
    assert _said(_take(BlockTransfer(), 2, 3, 1, 2, 3)) == [_lost(2), _lost(3), WHOLE]


def test_a_repeated_block_costs_the_transfer() -> None:
    assert _said(_take(BlockTransfer(), 1, 2, 2, 3)) == [_lost(1, 2), _lost(2), _lost(3)]


def test_a_new_first_block_begins_anew() -> None:
    assert _said(_take(BlockTransfer(), 1, 2, 1, 2, 3)) == [_lost(1, 2), WHOLE]
    assert _said(_take(BlockTransfer(), 1, 1, 2, 3)) == [_lost(1), WHOLE]


def test_what_is_half_joined_is_given_up_when_the_line_goes_quiet() -> None:
    transfer = BlockTransfer()
    _take(transfer, 1, 2)
    assert _said([*transfer.idle()]) == [_lost(1, 2)]
    assert transfer.idle() == []
    assert _said(_take(transfer, 3)) == [_lost(3)]


def test_a_transfer_without_end_is_given_up() -> None:
    transfer = BlockTransfer()
    frame = bytes(1024)
    most = block_transfer.MAX_TRANSFER // len(frame)
    for number in range(1, most + 1):
        assert transfer.take(Block(number, False, b"x"), frame) == []
    (event,) = transfer.take(Block(most + 1, False, b"x"), frame)
    assert isinstance(event, Rejected)
    assert (event.reason, len(event.octets)) == ("too_long", (most + 1) * len(frame))
    assert _take(transfer, 1, 2, 3) == [WHOLE]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12))
def test_only_whole_transfers_come_out_and_no_octet_is_lost(sent: list[tuple[int, bool]]) -> None:
    transfer = BlockTransfer()
    events: list[Joined | Rejected] = []
    for index, (number, last) in enumerate(sent):
        mark = bytes((index,))
        events += transfer.take(Block(number, last, mark + bytes((number, last))), mark)
    events += transfer.idle()
    assert b"".join(event.octets for event in events) == bytes(range(len(sent)))
    for event in events:
        if isinstance(event, Joined):
            blocks = [tuple(event.data[at : at + 3]) for at in range(0, len(event.data), 3)]
            first = blocks[0][0]
            assert blocks == [(first + at, at + 1, at + 1 == len(blocks)) for at in range(len(blocks))]
