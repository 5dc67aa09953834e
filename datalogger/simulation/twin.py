"""A capture taken apart down to the plain text of its messages, and put together again with another.

No octet is inserted or lost: every text is edited in place, and only what depends on it is computed
anew (ciphertext, authentication tag, HCS and FCS, M-Bus sum). So a twin keeps each quirk of its
original: segments, blocks, lengths in long form, flags shared by two frames.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from datalogger.errors import DecodeError
from datalogger.protocol import detect
from datalogger.protocol.checksum import crc16_x25
from datalogger.protocol.dlms import apdu, axdr, security
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.messages import Block, Envelope
from datalogger.protocol.dlms.security import MemoryCounters, Security
from datalogger.protocol.framing import Frame, Framer, Framing, Reason, Rejected
from datalogger.protocol.hdlc import header
from datalogger.protocol.hdlc.framer import FLAG
from datalogger.protocol.hdlc.segments import HdlcSegments
from datalogger.protocol.joining import Joined, Joiner
from datalogger.protocol.mbus import segments as mbus
from datalogger.protocol.mbus.segments import MbusSegments

LLC = b"\xe6\xe7\x00"
_FLAG = bytes((FLAG,))

_Places = tuple[int, ...]
"""Of each octet of a text, where in the capture it stands (or, ciphered, what it was made of)."""


class Message(Struct, frozen=True, gc=False):
    """One message, in clear.

    text:    the APDU (0F …), or the P1 telegram
    title:   the envelope's system title; b"" in clear, and where the meter leaves it out
    counter: the envelope's invocation counter; None in clear
    control: its security control octet
    framing: how it travelled; frames: which of the capture's frames it came in
    destination, source: HDLC addresses
    """

    text: bytes
    framing: Framing
    frames: tuple[int, ...]
    title: bytes = b""
    counter: int | None = None
    control: int = 0
    destination: bytes = b""
    source: bytes = b""
    places: _Places = ()
    envelope: bytes = b""
    """The ciphered APDU, of which `places` says where it stands; b"" in clear."""


class _Link(Struct, frozen=True, gc=False):
    """A frame in the capture: the octets from `start` to `end`, its payload from `at` on."""

    frame: Frame
    start: int
    at: int

    @property
    def end(self) -> int:
        return self.start + len(self.frame.octets)


class Capture:
    """messages: what could be read, in order; left_out: all octets of which nothing could be made, with the reason.

    framer: None: the one that fits a file with these octets
    """

    def __init__(
        self,
        octets: bytes,
        keys: Keys | None = None,
        *,
        system_title: bytes = b"",
        framer: Framer | None = None,
    ) -> None:
        self.octets = octets
        self.keys = keys or Keys()
        self.system_title = system_title
        self.messages: list[Message] = []
        self.left_out: list[Rejected] = []
        self._security = Security(self.keys, system_title=system_title, counters=MemoryCounters(), replay=False)
        self._links: list[_Link] = []
        self._tainted: set[int] = set()  # frames of which something could not be read
        self._blocks: list[tuple[Block, _Places, tuple[int, ...]]] = []
        self._read(framer or detect.document(octets)())

    # Taking apart

    def _read(self, framer: Framer) -> None:
        joiners: dict[Framing, Joiner] = {"hdlc": HdlcSegments(), "mbus": MbusSegments()}
        waiting: dict[Framing, list[tuple[int, _Places]]] = {"hdlc": [], "mbus": []}
        start = 0
        for event in [*framer.feed(self.octets), *framer.idle()]:
            if isinstance(event, Rejected):
                self._leave_out(event)
            else:
                number = len(self._links)
                self._links.append(_Link(event, start, start + event.octets.index(event.payload)))
                if event.framing in joiners:
                    waiting[event.framing].append((number, self._information(number)))
                    for outcome in joiners[event.framing].take(event):
                        self._joined(outcome, waiting[event.framing], event.framing)
                else:
                    at = self._links[number].at
                    self._packets(tuple(range(at, at + len(event.payload))), (number,), event.framing)
            start += len(event.octets)
        for joiner in joiners.values():
            for rejected in joiner.idle():
                self._leave_out(rejected)
        self._give_up_blocks()
        self._drop_what_is_tainted()

    def _drop_what_is_tainted(self) -> None:
        """A frame goes into a twin as a whole or not at all: its neighbours in the same frame are left out, too."""
        while tainted := [message for message in self.messages if self._tainted.intersection(message.frames)]:
            self.messages = [message for message in self.messages if message not in tainted]
            for message in tainted:
                rest = tuple(number for number in message.frames if number not in self._tainted)
                self._refuse(rest, DecodeError(Reason.MALFORMED, "shares a frame with what cannot be read"))

    def _leave_out(self, rejected: Rejected) -> None:
        if rejected.reason is not Reason.PADDING:
            self.left_out.append(rejected)

    def _information(self, number: int) -> _Places:
        """Where the part of a frame's payload stands that joins with that of others."""
        link = self._links[number]
        payload = link.frame.payload
        if link.frame.framing == "mbus":
            return tuple(range(link.at + mbus.HEADER, link.at + len(payload)))
        information = header.parse(payload).information
        end = link.at + len(payload) - header.CHECK
        return tuple(range(end - len(information), end))

    def _joined(self, outcome: Joined | Rejected, waiting: list[tuple[int, _Places]], framing: Framing) -> None:
        if isinstance(outcome, Rejected):
            self._leave_out(outcome)
            return
        frames: list[int] = []
        places: _Places = ()
        # A message ends with the frame that completed it, and is no longer than what its frames brought.
        while len(places) < len(outcome.data):
            number, information = waiting.pop()
            frames.insert(0, number)
            places = information + places
        waiting.clear()
        self._packets(places, tuple(frames), framing)

    def _packets(self, places: _Places, frames: tuple[int, ...], framing: Framing) -> None:
        """Several packets of LLC and APDU may follow each other in one information field."""
        data = self._at(places)
        if framing == "p1":
            self.messages.append(Message(data, framing, frames, places=places))
            return
        at = 0
        try:
            while at < len(data):
                at += len(LLC) * data.startswith(LLC, at)
                end = apdu.end_of(data, at)
                if end < len(data) and not data.startswith(LLC, end):
                    raise DecodeError(Reason.LENGTH, f"{len(data) - end} octets follow the message")
                self._packet(places[at:end], frames, framing)
                at = end
        except DecodeError as error:
            self._refuse(frames, error)

    def _packet(self, places: _Places, frames: tuple[int, ...], framing: Framing) -> None:
        octets = self._at(places)
        message, _ = apdu.parse(octets)
        if isinstance(message, Block):
            self._block(message, places, frames, framing)
            return
        self._give_up_blocks()
        link = self._links[frames[-1]].frame
        parsed = header.parse(link.payload) if framing == "hdlc" else None
        found = Message(
            octets,
            framing,
            frames,
            destination=parsed.destination if parsed else b"",
            source=parsed.source if parsed else b"",
            places=places,
        )
        if isinstance(message, Envelope):
            opened = self._security.open(message)
            found = replace(
                found,
                text=opened.plaintext,
                title=message.title,
                counter=message.counter,
                control=message.control,
                envelope=octets,
            )
        self.messages.append(found)

    def _block(self, block: Block, places: _Places, frames: tuple[int, ...], framing: Framing) -> None:
        if block.number != len(self._blocks) + 1:
            self._give_up_blocks()
            if block.number != 1:
                self._refuse(frames, DecodeError(Reason.SEGMENT_MISSING, f"block {block.number} without block 1"))
                return
        self._blocks.append((block, places[len(places) - len(block.data) :], frames))
        if block.last:
            blocks, self._blocks = self._blocks, []
            joined = tuple(place for _, part, _ in blocks for place in part)
            numbers = tuple(number for _, _, numbers in blocks for number in numbers)
            if joined and self.octets[joined[0]] == apdu.GENERAL_BLOCK_TRANSFER:  # nothing nests without end
                self._refuse(numbers, DecodeError(Reason.APDU_TAG, "a block inside a block transfer"))
                return
            self._packet(joined, numbers, framing)

    def _give_up_blocks(self) -> None:
        lost, self._blocks = self._blocks, []
        for _, _, frames in lost:
            self._refuse(frames, DecodeError(Reason.SEGMENT_MISSING, "a block of its transfer is missing"))

    def _refuse(self, frames: tuple[int, ...], error: DecodeError) -> None:
        if not frames:
            return
        self._tainted.update(frames)
        octets = b"".join(self._links[number].frame.octets for number in frames)
        self.left_out.append(Rejected(Reason(error.reason), octets, error.detail))

    def _at(self, places: _Places) -> bytes:
        return bytes(self.octets[place] for place in places)

    # Putting together

    def render(
        self,
        messages: Sequence[Message] | None = None,
        *,
        keys: Keys | None = None,
        system_title: bytes = b"",
    ) -> bytes:
        """The octets of the whole capture, with these instead of its messages.

        messages: each a message of this capture with another `text` (of the same length), `title` or `counter`;
                  None: all as they are
        keys:     to encipher with; None: those it was opened with
        system_title: of a meter that leaves its own out; b"": the one it was opened with

        ValueError where a key is missing that a tag or cipher needs, or a text has another length.
        """
        octets = bytearray(self.octets)
        for message in self.messages if messages is None else messages:
            written = message.text
            if message.envelope:
                title = message.title or system_title or self.system_title
                written = _sealed(message, keys or self.keys, title)
            if len(written) != len(message.places):
                raise ValueError(f"a text of {len(written)} octets where {len(message.places)} were")
            for place, octet in zip(message.places, written, strict=True):
                octets[place] = octet
        for link in self._links:
            _check(octets, link)
        return bytes(octets)

    def only(self, messages: Sequence[Message], *, keys: Keys | None = None, system_title: bytes = b"") -> bytes:
        """As `render`, but nothing else than the frames that brought these messages."""
        octets = self.render(messages, keys=keys, system_title=system_title)
        wanted = {number for message in messages for number in message.frames}
        kept = bytearray()
        for number, link in enumerate(self._links):
            if number in wanted:
                end = link.at + len(link.frame.payload) if link.frame.framing == "p1" else link.end
                part = octets[link.start : end]
                shared = link.frame.framing == "hdlc" and link.at == link.start  # its opening flag closed another
                if shared and not kept.endswith(_FLAG):
                    kept += _FLAG
                kept += part
        return bytes(kept)

    def without(self, octets: bytes, frame: int) -> bytes:
        """Octets that `render` gave, with one frame of the capture lost."""
        link = self._links[frame]
        return octets[: link.start] + octets[link.end :]

    def size_of(self, frames: Iterable[int]) -> int:
        """Octets of these of its frames."""
        return sum(len(self._links[number].frame.octets) for number in frames)


def _sealed(message: Message, keys: Keys, title: bytes) -> bytes:
    """The ciphered APDU around the message's text."""
    written = bytearray(message.envelope)
    parsed, _ = apdu.parse(message.envelope)
    assert isinstance(parsed, Envelope) and message.counter is not None
    if message.title:
        at = _title_at(message.envelope)
        written[at : at + len(message.title)] = message.title
    content_at = len(written) - len(parsed.content)
    written[content_at - 4 : content_at] = message.counter.to_bytes(4, "big")
    head = bytes(written[1 : 1 + len(parsed.header)])
    content = security.seal(message.text, title, message.counter, parsed.control, keys, head)
    return bytes(written[:content_at]) + content


def _title_at(envelope: bytes) -> int:
    """Where the octets of its system title begin."""
    at = 1
    if envelope[0] == apdu.GENERAL_CIPHERING:
        size, at = axdr.length(envelope, at)  # the transaction id
        at += size
    return axdr.length(envelope, at)[1]


def _check(octets: bytearray, link: _Link) -> None:
    """Compute the check sums of a frame anew."""
    end = link.at + len(link.frame.payload)
    if link.frame.framing == "mbus":
        octets[end] = sum(octets[link.at : end]) & 0xFF
    elif link.frame.framing == "hdlc":
        size = header.extent(link.frame.payload)
        assert size is not None  # it was joined
        if size + header.CHECK < len(link.frame.payload):  # without information it has the FCS alone
            _set_crc(octets, link.at, link.at + size)
        _set_crc(octets, link.at, end - header.CHECK)


def _set_crc(octets: bytearray, start: int, end: int) -> None:
    octets[end : end + header.CHECK] = crc16_x25(bytes(octets[start:end])).to_bytes(header.CHECK, "little")
