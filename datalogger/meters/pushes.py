"""From the DLMS frames of one line to reports: what a decoder needs once the first of them has come."""

from collections.abc import Callable

import msgspec

from datalogger.errors import DecodeError
from datalogger.meters.meaning import Reading
from datalogger.meters.profile import Profile
from datalogger.meters.profiles import Profiles
from datalogger.meters.recognition import recognise
from datalogger.meters.report import build
from datalogger.model import Report
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms.items import Push, Telegram
from datalogger.protocol.dlms.push import PushDecoder
from datalogger.protocol.dlms.security import Opened, Security
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.p1.telegram import decode_telegram


class PushReader:
    """The part of a `MeterDecoder` that reads all frames but those of P1; arguments as there."""

    def __init__(
        self, reading: Reading, security: Security, profiles: Callable[[], Profiles], pinned: str | None
    ) -> None:
        self._reading = reading
        self._security = security
        self._profiles = profiles
        self._pinned = pinned
        self._last: Profile | None = None
        self._pushes = PushDecoder(security)

    def take(self, frame: Frame) -> list[Report | Rejected | Notice]:
        found: list[Report | Rejected | Notice] = []
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

    def _push(self, push: Push) -> list[Report | Notice]:
        profile, notices = recognise(push, self._profiles(), pinned=self._pinned, last=self._last)
        self._last = profile or self._last
        report, more = build(push, profile, self._reading)
        if self._pinned is not None and notices:  # it is not of the pinned one: another may well know it
            more = [notice for notice in more if notice.reason != "layout_unknown"]
        return [report, *notices, *more]

    def _ciphered_telegram(self, telegram: Telegram) -> Report | Rejected:
        """The report of the telegram inside, which is what the sinks are given."""
        try:
            report = decode_telegram(telegram.text, check=telegram.check, zone=self._reading.zone)
        except DecodeError as error:
            return Rejected(Reason(error.reason), telegram.octets, error.detail)
        if telegram.security is not None:
            self._security.remember(Opened(b"", telegram.security, telegram.counts))
        return msgspec.structs.replace(report, security=telegram.security)
