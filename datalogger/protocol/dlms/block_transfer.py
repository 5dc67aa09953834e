"""Joins the blocks of a general block transfer.

Nobody asks a pushing meter for a lost block, so a block out of its place ends the transfer; a new block 1
begins the next.
"""

from datalogger.protocol.dlms.messages import Block
from datalogger.protocol.framing import Reason, Rejected
from datalogger.protocol.joining import Joined

MAX_TRANSFER = 64 * 1024  # octets of all frames of one transfer; the longest push we hold has 881
FIRST = 1


class BlockTransfer:
    """The transfer of one line. Never raises, and never gives a part of an APDU."""

    def __init__(self) -> None:
        self._data: list[bytes] = []  # of the blocks up to now
        self._octets: list[bytes] = []  # that they came in
        self._size = 0

    def take(self, block: Block, octets: bytes) -> list[Joined | Rejected]:
        """The APDU that this block, which came in `octets`, completes; and what it shows to be lost."""
        events: list[Joined | Rejected] = []
        expected = len(self._data) + 1
        if block.number != expected:
            events += self._give_up(Reason.SEGMENT_MISSING, f"block {block.number} came instead of block {expected}")
            if block.number != FIRST:
                detail = f"block {block.number} without the ones before it"
                return [*events, Rejected(Reason.SEGMENT_MISSING, octets, detail)]
        self._data.append(block.data)
        self._octets.append(octets)
        self._size += len(octets)
        if self._size > MAX_TRANSFER:
            events += self._give_up(Reason.TOO_LONG, f"no last block within {MAX_TRANSFER} octets")
        elif block.last:
            data = b"".join(self._data)
            events.append(Joined(data, self._close()))
        return events

    def idle(self) -> list[Rejected]:
        """The line went quiet: give up what is half-joined."""
        return self._give_up(Reason.SEGMENT_MISSING, f"the line went quiet before block {len(self._data) + 1}")

    def _give_up(self, reason: Reason, detail: str) -> list[Rejected]:
        return [Rejected(reason, self._close(), detail)] if self._data else []

    def _close(self) -> bytes:
        octets = b"".join(self._octets)
        self._data, self._octets, self._size = [], [], 0
        return octets
