"""The decoder of every source whose meter speaks by itself: P1 telegrams and DLMS pushes, ciphered or not."""

from collections.abc import Callable

import msgspec

from datalogger.errors import DecodeError
from datalogger.meters.profile import Profile
from datalogger.meters.profiles import Profiles
from datalogger.meters.recognition import recognise
from datalogger.meters.report import Reading, build
from datalogger.model import Report
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms.items import Push, Telegram
from datalogger.protocol.dlms.push import PushDecoder
from datalogger.protocol.dlms.security import Opened, Policy, Security
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.p1.telegram import decode_telegram

Event = Report | Rejected | Notice


class MeterDecoder:
    """A `Decoder` for one line.

    reading:  what the configuration says of the meter's values; it remembers, so every line has its own
    profiles: the meter profiles, looked at when the first push comes
    pinned:   the profile that the configuration names
    """

    def __init__(
        self, reading: Reading, security: Security, profiles: Callable[[], Profiles], pinned: str | None = None
    ) -> None:
        self._reading = reading
        self._security = security
        self._profiles = profiles
        self._pinned = pinned
        self._last: Profile | None = None
        self._pushes = PushDecoder(security)

    def take(self, frame: Frame) -> list[Event]:
        if frame.framing == "p1":
            return [self._plain_telegram(frame)]
        found: list[Event] = []
        for one in self._pushes.take(frame):
            match one:
                case Push():
                    found += self._push(one)
                case Telegram():
                    found.append(self._ciphered_telegram(one))
                case Rejected():
                    found.append(one)
        return found

    def damaged(self, rejected: Rejected) -> list[Rejected]:
        return self._pushes.damaged(rejected)

    def idle(self) -> list[Rejected]:
        return self._pushes.idle()

    def _push(self, push: Push) -> list[Event]:
        profile, notices = recognise(push, self._profiles(), pinned=self._pinned, last=self._last)
        self._last = profile or self._last
        report, more = build(push, profile, self._reading)
        return [report, *notices, *more]

    def _plain_telegram(self, frame: Frame) -> Report | Rejected:
        if self._security.policy is Policy.AUTHENTICATED:
            detail = "a telegram in the clear, though both keys are configured: anybody on the line can write one"
            return Rejected(Reason.POLICY, frame.octets, detail)
        try:
            return decode_telegram(frame.payload, check=frame.check, zone=self._reading.zone)
        except DecodeError as error:
            return Rejected(Reason(error.reason), frame.octets, error.detail)

    def _ciphered_telegram(self, telegram: Telegram) -> Report | Rejected:
        """The report of the telegram inside, which is what the sinks are given."""
        try:
            report = decode_telegram(telegram.text, check=telegram.check, zone=self._reading.zone)
        except DecodeError as error:
            return Rejected(Reason(error.reason), telegram.octets, error.detail)
        if telegram.security is not None:
            self._security.remember(Opened(b"", telegram.security, telegram.counts))
        return msgspec.structs.replace(report, security=telegram.security)
