"""Finds P1 telegrams in a byte stream: `/` header line, object lines, `!` and a check sum of hex digits.

Everything is decided at line ends, and each decision needs only octets that are already there, so
it falls the same way however the stream is cut.

- A *start* is a whole header line: `/` and an identification without `/ ! ( )`. It may stand in the
  middle of a line, because that is where a torn telegram leaves it.
- An *end* is a line of `!` and at most four hex digits.

From one start to the next end is a *stretch*. It may hold further starts, left by torn telegrams.
"""

import re
from itertools import pairwise

from datalogger.protocol.checksum import crc16_arc
from datalogger.protocol.framing import Frame, Reason, Rejected

MAX_TELEGRAM = 8 * 1024  # octets; three times the longest capture we hold
MAX_HEADER = 68  # `/`, 64 octets of identification (27 were seen), CR CR LF
MAX_END = 10  # LF ! and four digits, NUL CR CR LF
MAX_NOISE = 4 * 1024  # octets in one noise event: what is between telegrams need not be kept whole
MAX_SLICE = 4 * 1024  # octets taken in at once, so that the buffer is bounded however much `feed` is given
MAX_TRIES = 32  # starts tried against one check sum: more torn telegrams do not fit into one stretch

_START = re.compile(rb"/[^\x00-\x1f\x7f/!()]{3,64}\r{0,2}\n")
_END = re.compile(rb"\n!([0-9A-Fa-f]{0,4})\x00?\r{0,2}\n")  # a NUL behind the digits: seen by other readers
_UNFINISHED_END = re.compile(rb"\n!([0-9A-Fa-f]{0,4})\x00?\r{0,2}\Z")  # all but the line end is there

# Objects that only standards with a check sum have: the clock and the version of DSMR 4 and later.
_OF_CHECKED_STANDARD = re.compile(rb"\n(?:1-3:0\.2\.8|0-0:96\.1\.4|0-0:1\.0\.0)\b")
# A telegram of DSMR 2.2 or 3.0 has its M-Bus reading in a form of its own, and ends with the valve of
# that M-Bus meter: behind it only `!` can be missing.
_OF_UNCHECKED_STANDARD = re.compile(rb"\n0-[1-4]:24\.3\.0\(")
_LAST_OBJECT = re.compile(rb"\n0-[1-4]:24\.4\.0\([^()\r\n]*\)\r{0,2}\n\Z")
# EasyMeter sends two lines behind a telegram; blank lines are no news from anybody.
_BLANK = re.compile(rb"[\r\n]*")
_TRAILER = re.compile(rb"[\r\n]*(?:(?: *[0-9]+|\xff+)\r?\n[\r\n]*){1,2}")

_EVEN_PARITY = bytes(octet for octet in range(256) if octet.bit_count() % 2 == 0)
_ENOUGH_FOR_PARITY = 32  # octets; by chance so many are of even parity once in 4 billion times


class P1Framer:
    """A `Framer` for P1 (DSMR, ESMR, e-MUCS, Smarty, Nordic HAN, IEC 62056-21 pushes)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inside = False  # whether the buffer begins with a start
        self._scanned = 0  # no start or end that is still to come begins before this
        self._trailer = False  # the last frame had no check sum: a trailer may follow
        self._checked = b""  # header of the last telegram whose check sum held

    def feed(self, data: bytes) -> list[Frame | Rejected]:
        events: list[Frame | Rejected] = []
        for begin in range(0, len(data), MAX_SLICE):
            self._buffer += data[begin : begin + MAX_SLICE]
            while self._inside_step(events) if self._inside else self._between_step(events):
                pass
        return events

    def idle(self) -> list[Frame | Rejected]:
        events: list[Frame | Rejected] = []
        while self._inside and len(self._buffer) > MAX_TELEGRAM:
            self._too_long(events)
        if not self._inside:
            self._noise(len(self._buffer), events)
        elif found := _UNFINISHED_END.search(self._buffer, self._scanned):
            self._close(found.start() + 1, found.end(), bytes(found[1]), events, finished=False)
        else:
            self._give_up_all(self._starts(len(self._buffer)), len(self._buffer), events)
        self._inside, self._scanned = False, 0
        return events

    def _between_step(self, events: list[Frame | Rejected]) -> bool:
        """Look for a start. Whether anything changed."""
        found = _START.search(self._buffer, self._scanned)
        if found is not None:
            begin, header = found.span()
            self._noise(begin, events)
            self._inside, self._scanned = True, header - begin - 1
            return True
        if len(self._buffer) >= MAX_NOISE + MAX_HEADER:
            self._noise(MAX_NOISE, events)
            return True
        self._scanned = max(self._scanned, len(self._buffer) - MAX_HEADER + 1)
        return False

    def _inside_step(self, events: list[Frame | Rejected]) -> bool:
        """Look for the end of the stretch. Whether anything changed."""
        found = _END.search(self._buffer, self._scanned)
        if found is not None and found.end() <= MAX_TELEGRAM:
            self._close(found.start() + 1, found.end(), bytes(found[1]), events)
            self._inside, self._scanned = False, 0
            return True
        if found is None:
            self._scanned = max(self._scanned, len(self._buffer) - MAX_END + 1)
            if len(self._buffer) < MAX_TELEGRAM + MAX_HEADER:  # the header of a next start may be incomplete
                return False
        self._too_long(events)
        return True

    def _too_long(self, events: list[Frame | Rejected]) -> None:
        """The first start of the stretch has no end within the bound: go on with the next start."""
        after = _START.search(self._buffer, 1, MAX_TELEGRAM + MAX_HEADER)
        begin = after.start() if after is not None else MAX_TELEGRAM
        self._inside = begin < MAX_TELEGRAM
        cut = min(begin, MAX_TELEGRAM)
        self._give_up(cut, Reason.TOO_LONG, f"no end within {MAX_TELEGRAM} octets", events)
        self._scanned = max(0, self._scanned - cut) if self._inside else 0

    def _close(
        self, bang: int, end: int, digits: bytes, events: list[Frame | Rejected], *, finished: bool = True
    ) -> None:
        """The stretch ends with the line at `bang`: find the start that this end belongs to."""
        starts = self._starts(bang)
        if not digits:
            self._give_up_all(starts[:-1], starts[-1], events)
            self._accept_unchecked(end - starts[-1], finished, events)
            return
        sent = int(digits, 16)
        whole = bytes(self._buffer[: bang + 1])
        for place in range(max(0, len(starts) - MAX_TRIES), len(starts)):
            begin = starts[place]
            if crc16_arc(whole[begin:]) == sent:
                self._give_up_all(starts[:place], begin, events)
                frame = self._take(end - begin)
                self._checked, self._trailer = _header(frame), False
                events.append(Frame(frame, frame))
                return
        self._give_up_all(starts[:-1], starts[-1], events)
        octets = self._take(end - starts[-1])
        if finished or len(digits) == 4:
            events.append(Rejected(Reason.CHECKSUM, octets, _checksum_detail(octets, digits)))
        else:
            events.append(Rejected(Reason.TRUNCATED, octets, "the line went quiet inside the check sum"))

    def _accept_unchecked(self, size: int, finished: bool, events: list[Frame | Rejected]) -> None:
        """The first `size` octets are a telegram with nothing behind its `!`."""
        octets = self._take(size)
        if not finished and _OF_CHECKED_STANDARD.search(octets):
            events.append(Rejected(Reason.TRUNCATED, octets, "the line went quiet before the check sum"))
        elif _header(octets) == self._checked:
            events.append(Rejected(Reason.CHECKSUM, octets, "no check sum, but this meter has sent one before"))
        else:
            events.append(Frame(octets, octets, check=False))
            self._trailer = True

    def _starts(self, end: int) -> list[int]:
        return [found.start() for found in _START.finditer(self._buffer, 0, end)]

    def _give_up_all(self, starts: list[int], end: int, events: list[Frame | Rejected]) -> None:
        """From each start to the next, and from the last one to `end`, is a telegram without an end."""
        for begin, next_begin in pairwise([*starts, end]):
            self._give_up(next_begin - begin, Reason.TRUNCATED, "a telegram began and did not end", events)

    def _give_up(self, size: int, reason: Reason, detail: str, events: list[Frame | Rejected]) -> None:
        """The first `size` octets are a telegram without `!`: the whole of one only where nothing else can miss."""
        octets = self._take(size)
        whole = (
            _LAST_OBJECT.search(octets, max(0, size - MAX_HEADER))
            and _OF_UNCHECKED_STANDARD.search(octets)
            and not _OF_CHECKED_STANDARD.search(octets)
        )
        if whole and _header(octets) != self._checked:
            events.append(Frame(octets, octets, check=False))
        else:
            events.append(Rejected(reason, octets, detail))

    def _noise(self, size: int, events: list[Frame | Rejected]) -> None:
        """The first `size` octets belong to no telegram."""
        while size > 0:
            octets = self._take(min(size, MAX_NOISE))
            size -= len(octets)
            self._scanned = max(0, self._scanned - len(octets))
            if _BLANK.fullmatch(octets) or (self._trailer and _TRAILER.fullmatch(octets)):
                events.append(Rejected(Reason.PADDING, octets))
            else:
                events.append(Rejected(Reason.NOISE, octets, _noise_detail(octets)))
            self._trailer = False

    def _take(self, size: int) -> bytes:
        octets = bytes(self._buffer[:size])
        del self._buffer[:size]
        return octets


def _header(telegram: bytes) -> bytes:
    return telegram[: telegram.index(b"\n")].rstrip(b"\r")


def _checksum_detail(octets: bytes, digits: bytes) -> str:
    text = octets[: octets.rindex(b"!") + 1]
    detail = f"CRC {digits.decode()} sent, {crc16_arc(text):04X} computed"
    mended = text.replace(b"\r", b"").replace(b"\n", b"\r\n")
    if mended != text and crc16_arc(mended) == int(digits, 16):
        detail += "; it holds with CR LF at the line ends: something on the way has changed them"
    return detail


def _noise_detail(octets: bytes) -> str:
    if len(octets) >= _ENOUGH_FOR_PARITY and not octets.isascii() and not octets.translate(None, _EVEN_PARITY):
        return "every octet has even parity: a 7E1 line read as 8N1 (set bytesize 7 and parity even)"
    return f"{len(octets)} octets between telegrams: {octets[:16].hex().upper()}{'…' if len(octets) > 16 else ''}"
