"""Listens to a line at one setting, and judges by frames whether it makes sense."""

from collections import Counter
from enum import IntEnum

from datalogger.model import Report
from datalogger.protocol.decoder import Decoder, Notice
from datalogger.protocol.framing import Frame, Framer, Framing, Reason, Rejected

# A check sum in the right place, and wrong: the line is right, but octets are lost or changed.
_DAMAGED = {Reason.CHECKSUM, Reason.FCS, Reason.HCS}

# What the decoder says of a whole ciphered message that it cannot open.
CIPHERED = {Reason.NO_KEY, Reason.WRONG_KEY, Reason.TAG, Reason.REPLAY, Reason.POLICY}

# So many reports in a row with the same number of values: it has no other to send, or not soon.
ALIKE = 3

MOST_REPORTS = 100  # kept; a probe is over long before
MOST_NOTICES = 50


class Verdict(IntEnum):
    """The higher the better."""

    SILENT = 0
    FOREIGN = 1  # octets, and no frame
    DAMAGED = 2  # frames with a wrong check sum
    SOUND = 3  # sound frames, and nothing to be read in them: a key, or something we do not know
    READ = 4  # reports


class Ear:
    """One framer and one decoder, fresh for each setting."""

    def __init__(self, framer: Framer, decoder: Decoder) -> None:
        self._framer = framer
        self._decoder = decoder
        self.octets = 0
        self.damaged = 0
        self.frames: Counter[Framing] = Counter()
        self.unchecked = 0
        """Frames without a check sum, of those: noise may look like one."""
        self.reports: list[Report] = []
        self.notices: dict[Notice, None] = {}
        self.refused: dict[Reason, Rejected] = {}
        """The last whole message that gave no report, of each reason."""

    def take(self, octets: bytes) -> None:
        self.octets += len(octets)
        self._judge(self._framer.feed(octets))

    def pause(self) -> None:
        """A moment of silence, as between two frames; a message may go on behind it."""
        self._judge(self._framer.idle())

    def idle(self) -> None:
        self._judge(self._framer.idle())
        for rejected in self._decoder.idle():
            self._refuse(rejected)

    @property
    def framing(self) -> Framing | None:
        return self.frames.most_common(1)[0][0] if self.frames else None

    @property
    def verdict(self) -> Verdict:
        if self.reports:
            return Verdict.READ
        sound = self.frames.total() - self.unchecked
        if sound or (self.unchecked > 1 and CIPHERED & self.refused.keys()):
            return Verdict.SOUND
        if self.damaged:
            return Verdict.DAMAGED
        return Verdict.FOREIGN if self.octets else Verdict.SILENT

    @property
    def promising(self) -> bool:
        """Whether a cipher block was there, and one alone: another will tell whether it was chance."""
        return not self.reports and self.verdict < Verdict.SOUND and bool(CIPHERED & self.refused.keys())

    @property
    def content(self) -> bool:
        """Whether there is little more to hear: a meter with its name and values, one that says the same again and
        again, or a message nobody here can open."""
        lengths = [len(report.records) for report in self.reports[-ALIKE:]]
        if len(lengths) == ALIKE and 1 < min(lengths) == max(lengths):
            return True
        named = any(report.meter and len(report.records) > 1 for report in self.reports)
        return named or (not self.reports and self.verdict is Verdict.SOUND and bool(CIPHERED & self.refused.keys()))

    def _judge(self, events: list[Frame | Rejected]) -> None:
        for event in events:
            if isinstance(event, Rejected):
                self.damaged += event.reason in _DAMAGED
                for lost in self._decoder.damaged(event):
                    self._refuse(lost)
                continue
            self.frames[event.framing] += 1
            self.unchecked += event.framing == "apdu" or not event.check
            for result in self._decoder.take(event):
                match result:
                    case Report():
                        self.reports = [*self.reports, result][-MOST_REPORTS:]
                    case Rejected():
                        self._refuse(result)
                    case Notice() if len(self.notices) < MOST_NOTICES:
                        self.notices[result] = None

    def _refuse(self, rejected: Rejected) -> None:
        self.refused[Reason(rejected.reason)] = rejected
