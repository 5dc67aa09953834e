"""What stands between framer and hub: frames in, reports out."""

from typing import Protocol

from msgspec import Struct

from datalogger.model import Report
from datalogger.protocol.framing import Frame, Rejected


class Notice(Struct, frozen=True, gc=False):
    """Nothing was lost, but a person should know. `reason` is bounded: it is a metric label."""

    reason: str
    detail: str


class Decoder(Protocol):
    """Reads the frames of one line; remembers what the line's own protocol spreads over several frames.

    Never raises: what cannot be read is Rejected.
    """

    def take(self, frame: Frame) -> list[Report | Rejected | Notice]:
        """What this frame completes."""

    def damaged(self, rejected: Rejected) -> list[Rejected]:
        """Between two frames stood this: a part of what is half-joined may be lost with it, so give that up."""

    def idle(self) -> list[Rejected]:
        """The line went quiet: give up what is half-joined."""
