"""The decoder of every source whose meter speaks by itself: P1 telegrams and DLMS pushes, ciphered or not.

What only pushes need is imported when the first of them comes: most lines never see one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from datalogger.errors import DecodeError
from datalogger.meters.meaning import Reading
from datalogger.model import Report
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms.security import Policy, Security
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.p1.telegram import decode_telegram

if TYPE_CHECKING:
    from datalogger.meters.profiles import Profiles
    from datalogger.meters.pushes import PushReader

Event = Report | Rejected | Notice


class MeterDecoder:
    """A `Decoder` for one line.

    reading:  what the configuration says of the meter's values; it remembers, so every line has its own
    profiles: the meter profiles, looked at when the first push comes
    pinned:   the profile that the configuration names
    """

    def __init__(
        self, reading: Reading, security: Security, profiles: "Callable[[], Profiles]", pinned: str | None = None
    ) -> None:
        self._reading = reading
        self._security = security
        self._profiles = profiles
        self._pinned = pinned
        self._pushes: PushReader | None = None

    def take(self, frame: Frame) -> list[Event]:
        if frame.framing == "p1":
            return [self._telegram(frame)]
        if self._pushes is None:
            from datalogger.meters.pushes import PushReader

            self._pushes = PushReader(self._reading, self._security, self._profiles, self._pinned)
        return self._pushes.take(frame)

    def damaged(self, rejected: Rejected) -> list[Rejected]:
        return [] if self._pushes is None else self._pushes.damaged(rejected)

    def idle(self) -> list[Rejected]:
        return [] if self._pushes is None else self._pushes.idle()

    def _telegram(self, frame: Frame) -> Report | Rejected:
        if self._security.policy is Policy.AUTHENTICATED:
            detail = "a telegram in the clear, though both keys are configured: anybody on the line can write one"
            return Rejected(Reason.POLICY, frame.octets, detail)
        try:
            return decode_telegram(frame.payload, check=frame.check, zone=self._reading.zone)
        except DecodeError as error:
            return Rejected(Reason(error.reason), frame.octets, error.detail)
