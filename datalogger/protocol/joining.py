"""One message may come in several frames: what joins them."""

from typing import Protocol

from msgspec import Struct

from datalogger.protocol.framing import Frame, Rejected


class Joined(Struct, frozen=True, gc=False):
    """One whole message: `data` from its LLC header (HDLC) or APDU tag on, `octets` all the frames it came in."""

    data: bytes
    octets: bytes


class Joiner(Protocol):
    """Puts the segments of a message together. A message of which a part is lost never comes out.

    Never raises: whatever a sound frame may hold gives Joined or Rejected.
    """

    def take(self, frame: Frame) -> list[Joined | Rejected]:
        """The messages this frame completes, and what it shows to be lost."""

    def idle(self) -> list[Rejected]:
        """The line went quiet: give up what is half-joined."""
