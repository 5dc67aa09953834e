"""Which octets on the line answer the request that was just made: found in whatever comes, and held to it.

A late answer to an earlier request, another unit's, a damaged or a cut-off one is an event with its reason, never an
answer. An RTU line says with no octet which request it answers, so of two requests with answers of one length the
later may be given the earlier one's; how that is kept from happening is told in `sources/modbus/conversation.py`.
"""

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from datalogger.protocol.checksum import crc16_modbus
from datalogger.protocol.framing import Reason, Rejected
from datalogger.protocol.modbus.register_map import BITS

EXCEPTION = 0x80  # set in the function code of an answer that is a refusal

# What an answer to one of our functions may say in its octet count: a PDU has 253 octets, two of them before the data.
MOST_DATA = 251

# Of an RTU frame: unit, PDU, check sum.
MOST_FRAME = 256

# Octets that may be held back: of an answer that is still coming, and before it whole frames of others.
MOST_HELD = 3 * MOST_FRAME

_READS = (1, 2, 3, 4)
_HEAD = 7  # octets of the MBAP header: transaction, protocol, length, unit
_TAIL = 2  # octets of the check sum of RTU
_REFUSAL = 5  # octets of an exception answer of RTU


class Request(Struct, frozen=True, gc=False):
    """What is asked of one unit."""

    unit: int
    function: int
    address: int
    count: int

    @property
    def data_octets(self) -> int:
        """Of the answer, behind its octet count."""
        return (self.count + 7) // 8 if self.function in BITS else 2 * self.count

    def __str__(self) -> str:
        last = self.address + self.count - 1
        where = f"{self.address:#06x}" if self.count == 1 else f"{self.address:#06x} to {last:#06x}"
        return f"unit {self.unit}, function {self.function}, {where}"


class Answer(Struct, frozen=True, gc=False):
    """pdu: function code, octet count and data, all as the request wants them."""

    pdu: bytes
    octets: bytes


class Refusal(Struct, frozen=True, gc=False):
    """An exception answer."""

    code: int
    octets: bytes


Event = Answer | Refusal | Rejected


class Listening(Protocol):
    """Hears the answer to one request. After an `Answer` or a `Refusal` it is not fed any more."""

    broken: bool
    """Nothing that follows on this line can be read."""

    @property
    def begun(self) -> bool:
        """What is half-heard begins as the answer does."""

    @property
    def damaged(self) -> bool:
        """It is as long as the answer has to be, and is none: waiting brings nothing better."""

    @property
    def torn(self) -> bool:
        """What is half-heard has taken the beginning of what follows with it: the line is of no use any more."""

    def feed(self, octets: bytes) -> list[Event]:
        """What they complete. What comes behind an answer is rejected with it: nobody was asked for more."""

    def end(self) -> list[Event]:
        """No more is waited for: give up what is half-heard."""


def _judge(unit: int, pdu: bytes, octets: bytes, request: Request) -> Event:
    """Of a whole, sound frame."""
    if unit != request.unit:
        return Rejected(Reason.WRONG_UNIT, octets, f"from unit {unit}, and {request} was asked")
    if pdu[0] == request.function | EXCEPTION:
        if len(pdu) == 2:
            return Refusal(pdu[1], octets)
        return Rejected(
            Reason.LENGTH, octets, f"an exception answer of {len(pdu)} octets, 2 are all it has ({request})"
        )
    if pdu[0] != request.function:
        return Rejected(Reason.WRONG_FUNCTION, octets, f"function {pdu[0]:#04x} answered, and {request} was asked")
    if len(pdu) < 2 or pdu[1] != len(pdu) - 2 or pdu[1] != request.data_octets:
        said = f"says {pdu[1]} octets of data" if len(pdu) > 1 else "says no length"
        return Rejected(
            Reason.LATE if len(pdu) > 1 and pdu[1] == len(pdu) - 2 else Reason.LENGTH,
            octets,
            f"an answer of {len(pdu)} octets {said}, {request.data_octets} were asked for ({request}): "
            "of an earlier request?",
        )
    return Answer(pdu, octets)


class RtuListening:
    """On a serial line, or behind a serial port server.

    The answer is the first sound one that begins as the request wants it, however the octets come in pieces. What
    begins inside one that is still coming is part of it. Everything before it is told once it is sure to be none.

    `broken` is always False: there is a beginning behind every silence.
    """

    broken = False
    torn = False

    def __init__(self, request: Request, echo: bytes = b"") -> None:
        """echo: the request as it was sent; some adapters hear themselves."""
        self._request = request
        self._echo = echo
        self._heard = bytearray()
        self._at = 0  # no answer begins before it
        self._head = bytes((request.unit, request.function, request.data_octets))
        self._heads = (self._head[:2], bytes((request.unit, request.function | EXCEPTION)))
        self._whole = len(self._head) + request.data_octets + _TAIL

    def feed(self, octets: bytes) -> list[Event]:
        self._heard += octets
        return list(self._events())

    def end(self) -> list[Event]:
        events = list(self._others(len(self._heard)))
        if self._heard:
            events.append(self._unread(self._taken(len(self._heard))))
        return events

    def _events(self) -> Iterator[Event]:
        if self._echo and self._echo.startswith(self._heard[: len(self._echo)]):
            if len(self._heard) < len(self._echo):
                return
            yield self._cut(len(self._echo), Reason.PADDING, "the request, which the adapter hears itself say")
            self._echo = b""
        while self._at < len(self._heard):
            found = self._heard.find(self._request.unit, self._at)
            self._at = len(self._heard) if found < 0 else found
            yield from self._far_behind()
            if found < 0:
                return
            end = self._end_of_answer(self._at)
            if end > len(self._heard):
                return
            if not self._is_sound(self._at, end):
                self._at += 1
                continue
            length = end - self._at
            yield from self._others(self._at)
            if self._at:
                yield self._cut(self._at, Reason.NOISE, "octets before an answer")
            frame = self._taken(length)
            yield _judge(frame[0], frame[1:-_TAIL], frame, self._request)
            if self._heard:
                yield self._cut(len(self._heard), Reason.TOO_LONG, "octets behind the answer")
            return

    def _end_of_answer(self, at: int) -> int:
        """Where the answer ends that begins here, or may yet; `at` where none does."""
        head = bytes(self._heard[at : at + len(self._head)])
        if self._head.startswith(head):
            return at + self._whole
        return at + _REFUSAL if head[:2] == self._heads[1] else at

    def _end_of_frame(self, at: int) -> int:
        """Where the frame ends that begins here, anybody's; `at` where none does."""
        head = self._heard[at : at + 3]
        if len(head) == 3 and head[1] & ~EXCEPTION in _READS:
            if head[1] & EXCEPTION:
                return at + _REFUSAL
            if head[2] <= MOST_DATA:
                return at + 3 + head[2] + _TAIL
        return at

    def _is_sound(self, at: int, end: int) -> bool:
        # The check sum over an answer with its own check sum behind is 0.
        return at < end <= len(self._heard) and crc16_modbus(self._heard[at:end]) == 0

    def _others(self, before: int) -> Iterator[Event]:
        """The frames that are whole and not the answer and begin before this place, and what stands between them."""
        at = 0
        while at < before:
            end = self._end_of_frame(at)
            frame = bytes(self._heard[at:end]) if self._is_sound(at, end) else b""
            event = _judge(frame[0], frame[1:-_TAIL], frame, self._request) if frame else None
            if not isinstance(event, Rejected):
                at += 1
                continue
            if at:
                yield self._cut(at, Reason.NOISE, "octets before an answer")
            self._taken(len(frame))
            yield event
            before -= end
            at = 0

    def _far_behind(self) -> Iterator[Event]:
        """Give up what is so far behind that every frame that begins there would have ended."""
        while self._at >= MOST_HELD - MOST_FRAME:
            frames = list(self._others(MOST_FRAME))
            yield from frames or [self._cut(MOST_FRAME, Reason.NOISE, "octets that are no answer")]

    @property
    def begun(self) -> bool:
        begin = self._begin()
        return self._heard[begin : begin + 2] in self._heads

    @property
    def damaged(self) -> bool:
        begin = self._begin()
        whole = max(begin + self._whole, self._end_of_frame(begin))
        return self._heard[begin : begin + 2] in self._heads and len(self._heard) >= whole

    def _begin(self) -> int:
        """Where the first octet stands that belongs to no whole frame."""
        at = 0
        while self._is_sound(at, end := self._end_of_frame(at)):
            at = end
        return at

    def _unread(self, heard: bytes) -> Rejected:
        request, whole = self._request, self._whole
        if heard[:2] == self._heads[0] and len(heard) < whole:
            return Rejected(
                Reason.TRUNCATED, heard, f"{len(heard)} octets of an answer of {whole}, then silence ({request})"
            )
        if len(heard) >= whole or (len(heard) == _REFUSAL and heard[1] == self._heads[1][1]):
            reason = Reason.CHECKSUM if len(heard) <= whole else Reason.TOO_LONG
            return Rejected(reason, heard, f"{len(heard)} octets whose check sum is wrong ({request})")
        return Rejected(Reason.NOISE, heard, f"{len(heard)} octets that are no answer ({request})")

    def _cut(self, length: int, reason: Reason, detail: str) -> Rejected:
        return Rejected(reason, self._taken(length), detail)

    def _taken(self, length: int) -> bytes:
        taken = bytes(self._heard[:length])
        del self._heard[:length]
        self._at = max(self._at - length, 0)
        return taken


class TcpListening:
    """On a Modbus TCP connection: every answer has the number of its request."""

    def __init__(self, request: Request, transaction: int) -> None:
        self._request = request
        self._transaction = transaction
        self._heard = bytearray()
        self.broken = False

    def feed(self, octets: bytes) -> list[Event]:
        self._heard += octets
        return list(self._events())

    def end(self) -> list[Event]:
        heard, self._heard = bytes(self._heard), bytearray()
        if not heard:
            return []
        return [Rejected(Reason.TRUNCATED, heard, f"{len(heard)} octets of an answer, then silence ({self._request})")]

    @property
    def begun(self) -> bool:
        """No pause says anything: the network makes its own."""
        return False

    @property
    def torn(self) -> bool:
        return bool(self._heard)

    @property
    def damaged(self) -> bool:
        """Never: TCP mends what the line damages."""
        return False

    def _events(self) -> Iterator[Event]:
        if self.broken:
            yield Rejected(Reason.MALFORMED, self._taken(len(self._heard)), "octets behind what is no Modbus TCP")
        while len(self._heard) >= _HEAD:
            transaction, protocol, length = (int.from_bytes(self._heard[at : at + 2], "big") for at in (0, 2, 4))
            if protocol != 0 or not 2 <= length <= MOST_DATA + 3:
                self.broken = True
                detail = (
                    f'no Modbus TCP: protocol {protocol}, length {length} (framing = "rtu" may be what speaks here)'
                )
                yield Rejected(Reason.MALFORMED, self._taken(len(self._heard)), detail)
                return
            if len(self._heard) < _HEAD - 1 + length:
                return
            frame = self._taken(_HEAD - 1 + length)
            if transaction != self._transaction:
                yield Rejected(
                    Reason.LATE, frame, f"answers request number {transaction}, and {self._transaction} was asked"
                )
                continue
            event = _judge(frame[_HEAD - 1], frame[_HEAD:], frame, self._request)
            yield event
            if not isinstance(event, Rejected):
                if self._heard:
                    yield Rejected(Reason.TOO_LONG, self._taken(len(self._heard)), "octets behind the answer")
                return

    def _taken(self, length: int) -> bytes:
        taken = bytes(self._heard[:length])
        del self._heard[:length]
        return taken
