"""Every framing by the word for it, as configuration and command line write it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from datalogger.protocol.bare import ApduFramer
from datalogger.protocol.detect import AutoFramer
from datalogger.protocol.framing import Framer
from datalogger.protocol.hdlc.framer import HdlcFramer
from datalogger.protocol.mbus.framer import MbusFramer
from datalogger.protocol.p1.framer import P1Framer
from datalogger.protocol.wrapper import WrapperFramer

FRAMERS: Mapping[str, Callable[[], Framer]] = MappingProxyType(
    {
        "auto": AutoFramer,
        "p1": P1Framer,
        "hdlc": HdlcFramer,
        "mbus": MbusFramer,
        "wrapper": WrapperFramer,
        "apdu": ApduFramer,
    }
)
