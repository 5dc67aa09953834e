"""Which framing speaks here: on a line that nobody configured, and in a file."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from datalogger.errors import DecodeError
from datalogger.protocol import bare
from datalogger.protocol.bare import ApduFramer, begins_push
from datalogger.protocol.dlms import apdu
from datalogger.protocol.framing import Frame, Framer, Framing, Reason, Rejected
from datalogger.protocol.hdlc.framer import HdlcFramer
from datalogger.protocol.mbus.framer import MbusFramer
from datalogger.protocol.p1.framer import P1Framer
from datalogger.protocol.wrapper import HEADER_SIZE, WrapperFramer

SLICE = 256  # octets between two decisions while nothing is locked: less than most frames
MAX_NOISE = 4 * 1024  # octets in one noise event, as in every framer
MAX_BUFFER = bare.MAX_BUFFER + MAX_NOISE + SLICE  # octets held back at most: as the candidate that waits longest
DOCUMENT = 64 * 1024  # octets of a file that are looked at: many pushes of any kind

# In the order in which they are believed where two make equally much of the octets. Neither the wrapper nor a
# plain notification is among them: 00 01 and 0F are everywhere in the bodies of pushes.
CANDIDATES: Mapping[Framing, Callable[[], Framer]] = MappingProxyType(
    {
        "p1": P1Framer,
        "hdlc": HdlcFramer,
        "mbus": MbusFramer,
        "apdu": lambda: ApduFramer(only_ciphered=True),
    }
)

_TAGS = frozenset((b"", *(bytes((tag,)) for tag in apdu.TAGS)))  # or the octets end before it

_NOTHING = (Reason.NOISE, Reason.PADDING)

Events = list[Frame | Rejected]


class AutoFramer:
    """A `Framer` that tries several side by side until the first sound frame; from then on it is that one.

    Decisions fall at each SLICE octets since the last quiet moment, and at `idle`: so it does not matter how
    the stream is cut. Until then nothing comes out but noise that no candidate has a use for.
    A bare cipher block has no check sum: one directly behind noise may be the inside of a torn frame of
    another framing, so it may come out at `idle`, but it does not lock. Nor does a telegram without check sum
    that is no text: noise holds one in ten million octets.
    """

    def __init__(self, candidates: Mapping[Framing, Callable[[], Framer]] = CANDIDATES) -> None:
        self._trials = [_Trial(framing, make()) for framing, make in candidates.items()]
        self._locked: _Trial | None = None
        self._slice = bytearray()  # not yet given to the candidates
        self._held = bytearray()  # given to the candidates, and not yet given out
        self._given = 0  # octets given out as noise since the last quiet moment

    @property
    def locked(self) -> Framing | None:
        """The framing of this line, once it is known."""
        return self._locked.framing if self._locked is not None else None

    def feed(self, data: bytes) -> Events:
        if self._locked is not None:
            return self._locked.framer.feed(data)
        events: Events = []
        at = 0
        while at < len(data):
            taken = data[at : at + SLICE - len(self._slice)]
            at += len(taken)
            self._slice += taken
            if len(self._slice) == SLICE:
                self._try_slice()
                if self._lock(events):
                    return events + self.feed(data[at:])
                self._give_up(events)
        return events

    def idle(self) -> Events:
        if self._locked is not None:
            return self._locked.framer.idle()
        self._try_slice()
        for trial in self._trials:
            trial.add(trial.framer.idle())
        events: Events = []
        if not self._lock(events):
            best = min(self._trials, key=lambda trial: trial.noise)  # the first of several
            events += best.events_from(self._given)
        for trial in self._trials:
            trial.forget()
        self._held.clear()
        self._given = 0
        return events

    def _try_slice(self) -> None:
        octets = bytes(self._slice)
        self._slice.clear()
        self._held += octets
        for trial in self._trials:
            trial.add(trial.framer.feed(octets))

    def _lock(self, events: Events) -> bool:
        """Keep the candidate whose first convincing frame ends first, if there is one."""
        convinced = [trial for trial in self._trials if trial.convinced_at is not None]
        if not convinced:
            return False
        self._locked = min(convinced, key=lambda trial: trial.convinced_at or 0)
        events += self._locked.events_from(self._given)
        self._trials = []
        self._held.clear()
        return True

    def _give_up(self, events: Events) -> None:
        """Give out as noise what every candidate has given up."""
        while min(trial.end for trial in self._trials) - self._given >= MAX_NOISE:
            octets = bytes(self._held[:MAX_NOISE])
            del self._held[:MAX_NOISE]
            detail = f"{MAX_NOISE} octets of no known framing: {octets[:16].hex().upper()}…"
            noise = Rejected(Reason.NOISE, octets, detail)
            events.append(next((said for trial in self._trials if (said := trial.says(noise, self._given))), noise))
            self._given += MAX_NOISE
            for trial in self._trials:
                trial.drop(self._given)


class _Trial:
    """What one candidate made of the octets since the last quiet moment."""

    def __init__(self, framing: Framing, framer: Framer) -> None:
        self.framing = framing
        self.framer = framer
        self.forget()

    def forget(self) -> None:
        self.events: Events = []
        self.begin = 0  # where the first of `events` begins, in octets since the last quiet moment
        self.end = 0  # where the last one ends
        self.noise = 0  # octets of noise
        self.convinced_at: int | None = None  # where the first frame ends that is proof of the framing
        self._alone = True  # nothing but frames and padding directly before

    def add(self, events: Events) -> None:
        for event in events:
            self.events.append(event)
            self.end += len(event.octets)
            if isinstance(event, Frame):
                if self.convinced_at is None and (event.check or self._proves(event)):
                    self.convinced_at = self.end
                self._alone = True
            elif event.reason is not Reason.PADDING:
                self._alone = False
                if event.reason is Reason.NOISE:
                    self.noise += len(event.octets)

    def _proves(self, frame: Frame) -> bool:
        """Whether this frame without check sum can hardly be chance, or the inside of another framing's."""
        return frame.payload.isascii() if frame.framing == "p1" else self._alone

    def says(self, noise: Rejected, at: int) -> Rejected | None:
        """What this candidate says of the noise at `at`, if it has given up just that: it may know why."""
        first = self.events[0]
        if not isinstance(first, Rejected) or self.begin != at:
            return None
        return first if (first.reason, first.octets) == (noise.reason, noise.octets) else None

    def drop(self, given: int) -> None:
        """Forget the events that end before `given`."""
        count = 0
        for event in self.events:
            if self.begin + len(event.octets) > given:
                break
            self.begin += len(event.octets)
            count += 1
        del self.events[:count]

    def events_from(self, given: int) -> Events:
        """The events behind the first `given` octets; of the one across that place, its rest as noise of its kind."""
        self.drop(given)
        if self.begin == given or not self.events:
            return self.events
        first, *others = self.events
        reason = first.reason if isinstance(first, Rejected) else Reason.NOISE
        detail = first.detail if isinstance(first, Rejected) else ""
        return [Rejected(reason, first.octets[given - self.begin :], detail), *others]


def document(octets: bytes) -> Callable[[], Framer]:
    """The framer for a file that begins with these octets, at most DOCUMENT of them.

    A file, unlike a line, has a beginning: so wrapper and bare APDUs can be told by it. Where pushes of no framing
    are found, the beginning still says whose reasons to give; where that is torn, what stands behind it is looked for.
    """
    octets = octets[:DOCUMENT]
    wrapped = _is_wrapped(octets)
    if wrapped and _whole_pdus(octets):
        return WrapperFramer
    auto = AutoFramer()
    events = _all_events(auto, octets)
    if auto.locked is not None and auto.locked != "apdu":
        return CANDIDATES[auto.locked]
    begins = begins_push(octets)
    if begins and _finds_push(ApduFramer, octets):
        return ApduFramer
    if auto.locked is not None:
        return CANDIDATES[auto.locked]
    if wrapped:
        return WrapperFramer
    if begins:
        return ApduFramer
    if all(isinstance(event, Rejected) and event.reason in _NOTHING for event in events):
        # The beginning is torn. Had a frame of another framing been damaged, its inside would be no push to be found.
        for framer in (WrapperFramer, ApduFramer):
            if _finds_push(framer, octets):
                return framer
    return AutoFramer


def _finds_push(make: Callable[[], Framer], octets: bytes) -> bool:
    return any(isinstance(event, Frame) and _is_message(event.payload) for event in _all_events(make(), octets))


def _is_message(payload: bytes) -> bool:
    try:
        return apdu.end_of(payload, 0) == len(payload)
    except DecodeError:
        return False


def _all_events(framer: Framer, octets: bytes) -> Events:
    return [*framer.feed(octets), *framer.idle()]


def _is_wrapped(octets: bytes) -> bool:
    """Whether a wrapper header stands first, of whatever version, and behind it an APDU that meters push."""
    at = 0
    while (length := _apdu_length(octets, at)) is not None:
        at += HEADER_SIZE
        if length:
            return octets[at : at + 1] in _TAGS
    return at > 0


def _whole_pdus(octets: bytes) -> bool:
    """Whether wrapper PDUs, of whatever versions, follow each other up to the last octet."""
    at = 0
    while (length := _apdu_length(octets, at)) is not None:
        at += HEADER_SIZE + length
    return at == len(octets) or len(octets) == DOCUMENT


def _apdu_length(octets: bytes, at: int) -> int | None:
    """What the wrapper header at `at` says, if one stands there."""
    if at + HEADER_SIZE > len(octets) or octets[at] or not octets[at + 1]:
        return None
    return int.from_bytes(octets[at + 6 : at + 8], "big")
