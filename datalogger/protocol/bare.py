"""Pushes without any link layer: LLC and APDU, bare APDUs, bare cipher blocks.

    [E6 E7 00] APDU [E6 E7 00] APDU …

There are no flags and no check sum, so what is sound is a matter of structure:

- A *start* is the header of an APDU that meters push, as far as it can be told without its body.
- The *end* follows from walking the APDU: the length of a cipher block or of a block of a transfer, the
  A-XDR body of a notification.
- A frame is believed if nothing stands behind its end when the line goes quiet, or another start does,
  which may itself be torn. A push that lost octets takes its missing ones from the next push, and one that
  gained some leaves as many behind its end: both are refused, and the search goes on inside them. So noise
  that follows a push *without a pause* costs that push; with a pause between, it costs nothing. Better no
  report than one whose last value has slipped.

Therefore a frame comes out when the next begins, or at `idle`.
"""

import re
from collections.abc import Iterable
from itertools import product

from datalogger.errors import DecodeError
from datalogger.protocol.dlms import apdu
from datalogger.protocol.dlms.axdr import Incomplete
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.hdlc.segments import LLC

MAX_APDU = 16 * 1024  # octets, LLC included; twice the longest telegram that may be in a cipher block
MAX_NOISE = 4 * 1024  # octets in one noise event
MAX_SLICE = 4 * 1024  # octets taken in at once, so that the buffer is bounded however much `feed` is given
FIRST_LOOK = 64  # octets walked at first; then twice as many, so that feeding single octets stays linear
WALKS = 64  # times that each octet may be walked on average: starts in starts in starts cost no more
MAX_CREDIT = WALKS * MAX_APDU  # octets of walking that can be saved up

# What a start is made of: one expression an octet.
_Header = tuple[bytes, ...]


def _one_of(octets: Iterable[int]) -> bytes:
    return b"[" + b"".join(re.escape(bytes((octet,))) for octet in octets) + b"]"


_ANY = b"."
_VALUE = rb"[\x01-\x06\x09\x0A\x0C\x0D\x0F-\x1B]"  # A-XDR type tags, but for those of no value
_NESTED = rb"[\x01\x02]"
_DATE_TIME: _Header = (rb"\x0C", rb"[\x07\x08\xFF]", *[_ANY] * 11)  # a year from 1792 to 2303, or none
_INVOKE_ID: _Header = (_one_of(range(0, 256, 16)), _ANY, _ANY, _ANY)  # four of its bits are reserved
_TITLE: tuple[_Header, ...] = ((rb"\x00",), (rb"\x08", *[_ANY] * 8))
_LENGTH: tuple[_Header, ...] = (
    (rb"[\x05-\x7F]",),
    (rb"\x81", _ANY),
    (rb"\x82", _ANY, _ANY),
    (rb"\x83", rb"\x00", _ANY, _ANY),
    (rb"\x84", rb"\x00", rb"\x00", _ANY, _ANY),
)
_CONTROL = _one_of(bits | suite for bits in range(0, 256, 16) for suite in (0, 1, 2))
_CIPHERED: tuple[_Header, ...] = (
    *((rb"[\xDB\xDC]", *title, *length, _CONTROL) for title, length in product(_TITLE, _LENGTH)),
    (rb"\xDD", rb"[\x00-\x10]"),  # general-ciphering: a transaction id of at most 16 octets
)
_PLAIN: tuple[_Header, ...] = (
    (rb"\x0F", *_INVOKE_ID, rb"\x00", _NESTED),
    (rb"\x0F", *_INVOKE_ID, *_DATE_TIME, _VALUE),
    (rb"\x0F", *_INVOKE_ID, rb"\x09", *_DATE_TIME, _VALUE),
    (rb"\xE0", _ANY, rb"[\x00-\x0F]", _ANY, rb"[\x00-\x0F]", _ANY, rb"[\x01-\x84]"),
    (rb"\xC2", rb"\x00", rb"\x00", *[_ANY] * 8, _VALUE),
    (rb"\xC2", *_DATE_TIME, rb"\x00", *[_ANY] * 8, _VALUE),
    (rb"\xC2", rb"\x01", *_DATE_TIME, rb"\x00", *[_ANY] * 8, _VALUE),
)
_LLC: _Header = (rb"\xE6", rb"\xE7", rb"\x00")  # tells so much that the header behind it may be odd
_LED: tuple[_Header, ...] = (
    (*_LLC, rb"[\xC2\xDB\xDC\xDD\xE0]"),
    (*_LLC, rb"\x0F", *[_ANY] * 4, rb"\x00", _VALUE),
    (*_LLC, rb"\x0F", *[_ANY] * 4, rb"\x0C", *[_ANY] * 12, _VALUE),
    (*_LLC, rb"\x0F", *[_ANY] * 4, rb"\x09", rb"\x0C", *[_ANY] * 12, _VALUE),
)
MAX_HEADER = max(len(header) for header in _LED + _PLAIN + _CIPHERED)
MAX_BUFFER = MAX_APDU + 2 * MAX_HEADER + MAX_SLICE  # octets held back at most: a frame, what follows it, and one slice

_CIPHERING = frozenset((apdu.GENERAL_GLO_CIPHERING, apdu.GENERAL_DED_CIPHERING, apdu.GENERAL_CIPHERING))
_TITLED = 10  # octets of tag, length and system title: two messages of one meter have them in common

# Polish meters send the first line of a telegram before each cipher block.
_HEAD_LINE = re.compile(rb"/[A-Z]{3}[^\r\n]{0,64}[\r\n]+")


class _Starts:
    """The starts that are searched for."""

    def __init__(self, headers: tuple[_Header, ...], not_behind: bytes = b"") -> None:
        whole = b"|".join(b"".join(header) for header in headers)
        begun = b"|".join(map(_begun, headers))
        behind = b"(?<!" + re.escape(not_behind) + b")" if not_behind else b""
        self.search = re.compile(behind + b"(?:" + whole + b")", re.DOTALL).search
        # A whole start, or one that was torn within its header and another one behind it.
        self.follows = re.compile(b"(?:" + begun + b")??(?:" + whole + b"|/[A-Z]{3})", re.DOTALL).match
        self.begun = re.compile(begun, re.DOTALL).fullmatch


def _begun(header: _Header) -> bytes:
    """An expression for every beginning of this header."""
    expression = header[-1]
    for octet in reversed(header[:-1]):
        expression = octet + b"(?:" + expression + b")?"
    return expression


_ALL = _Starts(_LED + _PLAIN + _CIPHERED)
_ONLY_CIPHERED = _Starts(_CIPHERED, not_behind=LLC)  # behind an LLC header it belongs to another framing


def begins_push(octets: bytes) -> bool:
    """Whether the first of these octets are a start: [LLC and] the header of an APDU that meters push."""
    found = _ALL.search(octets[:MAX_HEADER])
    return found is not None and found.start() == 0


_Refusal = tuple[Reason, str]


class ApduFramer:
    """A `Framer` for APDUs without link layer.

    only_ciphered: look for DB, DC and DD alone, as among the octets of an unknown line: they can be told from
                   chance, a plain notification hardly
    """

    def __init__(self, *, only_ciphered: bool = False) -> None:
        self._starts = _ONLY_CIPHERED if only_ciphered else _ALL
        self._buffer = bytearray()
        self._credit = MAX_CREDIT
        self._inside = False  # whether the buffer begins with a start
        self._scanned = 0  # no start begins before this
        self._look = FIRST_LOOK  # octets to walk next
        self._end = 0  # of the frame that begins here, once it is known
        self._reach = 0  # octets that the refused start took in
        self._refused: _Refusal | None = None  # what the octets up to the next start are, if not noise

    def feed(self, data: bytes) -> list[Frame | Rejected]:
        events: list[Frame | Rejected] = []
        for begin in range(0, len(data), MAX_SLICE):
            self._buffer += data[begin : begin + MAX_SLICE]
            while self._step(events, quiet=False):
                pass
        return events

    def idle(self) -> list[Frame | Rejected]:
        events: list[Frame | Rejected] = []
        while self._step(events, quiet=True):
            pass
        self._noise(len(self._buffer), events)
        self._credit = MAX_CREDIT
        self._search_on()
        return events

    def _step(self, events: list[Frame | Rejected], *, quiet: bool) -> bool:
        """Decide one thing, if the octets for it are there. Whether anything changed.

        Nothing depends on what else is already there: so it does not matter how the stream is cut.
        """
        return self._inside_step(events, quiet) if self._inside else self._between_step(events, quiet)

    def _between_step(self, events: list[Frame | Rejected], quiet: bool) -> bool:
        """Look for a start."""
        undecided = len(self._buffer) if quiet else len(self._buffer) - MAX_HEADER + 1
        limit = min(undecided, MAX_NOISE)
        found = self._starts.search(self._buffer, self._scanned)
        if found is not None and found.start() < limit:
            begin = found.start()
            if self._refused is not None and begin < self._reach:
                self._refused = (Reason.TRUNCATED, "a push began and did not end")
            self._noise(begin, events)
            self._inside, self._look, self._end = True, FIRST_LOOK, 0
            return True
        self._scanned = max(self._scanned, limit)
        if limit < MAX_NOISE:
            return False
        self._noise(MAX_NOISE, events)
        return True

    def _inside_step(self, events: list[Frame | Rejected], quiet: bool) -> bool:
        """The buffer begins with a start: look for its end, and then at what follows."""
        if not self._end:
            if len(self._buffer) < self._look and not quiet:
                return False
            self._walk(quiet)
            return True
        if len(self._buffer) < self._end + 2 * MAX_HEADER and not quiet:
            return False
        if not self._followed(quiet):
            self._refuse(Reason.LENGTH, "what follows its end does not begin a push", self._end)
        elif self._holds_another():
            self._refuse(Reason.TRUNCATED, "a push began and did not end before another", self._end)
        else:
            octets = self._take(self._end)
            payload = octets.removeprefix(LLC)
            events.append(Frame(payload, octets, check=False, framing="apdu"))
            self._search_on()
        return True

    def _walk(self, quiet: bool) -> None:
        """Find the end within the octets to look at, which may have to be more of them."""
        octets = bytes(self._buffer[: self._look])
        if len(octets) > self._credit:
            self._refuse(Reason.NOISE, "too many starts of pushes within each other", len(octets))
            return
        self._credit -= len(octets)
        try:
            self._end = apdu.end_of(octets, _apdu_at(octets))
        except Incomplete:
            if self._look >= MAX_APDU:
                self._refuse(Reason.TOO_LONG, f"no end within {MAX_APDU} octets", len(octets))
            elif quiet and len(octets) == len(self._buffer):
                self._refuse(Reason.TRUNCATED, "the line went quiet inside a push", len(octets))
            else:
                self._look *= 2
        except DecodeError as problem:
            self._refuse(Reason(problem.reason), problem.detail, len(octets))

    def _followed(self, quiet: bool) -> bool:
        behind = bytes(self._buffer[self._end : self._end + 2 * MAX_HEADER])
        if self._starts.follows(behind):
            return True
        return quiet and (not behind or self._starts.begun(behind) is not None)

    def _holds_another(self) -> bool:
        """Whether this is a torn push that the next one mends by chance: then that one's start is inside."""
        octets = bytes(self._buffer[: self._end + 2 * MAX_HEADER])
        outer = inside = _apdu_at(octets)
        while (found := self._starts.search(octets, inside + 1)) and found.start() < self._end:
            inside = found.start()
            if self._is_another(octets, outer, inside, found.end()):
                return True
        return False

    def _is_another(self, octets: bytes, outer: int, inside: int, behind: int) -> bool:
        """Whether the start at `inside`, whose header ends at `behind`, is more than chance in the one at `outer`."""
        tag = octets[inside]
        if tag == LLC[0]:
            return True
        if tag in _CIPHERING:
            if octets[inside : inside + _TITLED] == octets[outer : outer + _TITLED]:
                return True
            # Ciphered octets may be anything: but where it tears in its header, it takes the next one's for its own.
            return inside < MAX_HEADER and self._inner_end(octets, inside) == self._end
        if tag == apdu.GENERAL_BLOCK_TRANSFER and behind >= self._end:
            return True
        if octets[outer] == apdu.GENERAL_BLOCK_TRANSFER:
            return False  # its data may be a whole APDU
        return self._inner_end(octets, inside) >= self._end

    def _inner_end(self, octets: bytes, start: int) -> int:
        """Where the APDU that begins at `start` ends; 0 if it does not within these octets."""
        self._credit -= len(octets) - start
        try:
            return apdu.end_of(octets, start) if self._credit >= 0 else self._end
        except DecodeError:
            return 0

    def _refuse(self, reason: Reason, detail: str, reach: int) -> None:
        """What begins here is no sound frame: go on searching behind its first octet."""
        self._search_on(1, reach, (reason, detail))

    def _search_on(self, scanned: int = 0, reach: int = 0, refused: _Refusal | None = None) -> None:
        self._inside, self._look, self._end = False, FIRST_LOOK, 0
        self._scanned, self._reach, self._refused = scanned, reach, refused

    def _noise(self, size: int, events: list[Frame | Rejected]) -> None:
        """The first `size` octets belong to no frame."""
        while size > 0:
            octets = self._take(min(size, MAX_NOISE))
            size -= len(octets)
            if self._refused is not None:
                events.append(Rejected(self._refused[0], octets, self._refused[1]))
            elif _HEAD_LINE.fullmatch(octets):
                events.append(Rejected(Reason.PADDING, octets))
            else:
                detail = f"{len(octets)} octets between pushes: {octets[:16].hex().upper()}"
                events.append(Rejected(Reason.NOISE, octets, detail + ("…" if len(octets) > 16 else "")))
            self._search_on()

    def _take(self, size: int) -> bytes:
        octets = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._credit = min(MAX_CREDIT, self._credit + WALKS * size)
        return octets


def _apdu_at(octets: bytes) -> int:
    return len(LLC) if octets.startswith(LLC) else 0
