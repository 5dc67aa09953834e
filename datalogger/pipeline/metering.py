"""From what a source says of its meter to the framer and the decoder that read it."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from datalogger.config.metering import MeterOptions
from datalogger.meters.decoder import MeterDecoder
from datalogger.meters.meaning import Reading
from datalogger.protocol.dlms.security import Counters, Security
from datalogger.protocol.framers import FRAMERS
from datalogger.protocol.framing import Framer

if TYPE_CHECKING:
    from datalogger.meters.profiles import Profiles


def framer(options: MeterOptions) -> Callable[[], Framer]:
    """What makes the framer of each line of this source."""
    return FRAMERS[options.framing]


def decoder(options: MeterOptions, counters: Counters, profiles: "Profiles | None") -> Callable[[], MeterDecoder]:
    """What makes the decoder of each line of this source.

    profiles: None: the built-in ones, which are read when the first push comes, or now where nothing else can come
    """
    security = Security(
        options.keys,
        options.demanded,
        system_title=bytes.fromhex(options.system_title or ""),
        counters=counters,
        replay=options.replay_check,
    )

    def known() -> "Profiles":
        if profiles is not None:
            return profiles
        from datalogger.meters.profiles import load

        return load()

    if "p1" not in options.protocols:
        known()  # to read them takes as long as hundreds of pushes: that had better not hold up the first one

    def new() -> MeterDecoder:
        reading = Reading(
            zone=ZoneInfo(options.zone),
            clock=options.clock,
            scalers={scaling.name: (scaling.scaler, scaling.unit) for scaling in options.scalers},
            meter=options.meter,
            factor=options.factor,
        )
        return MeterDecoder(reading, security, known, options.profile)

    return new
