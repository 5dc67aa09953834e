"""The classic mistakes are each told with their mend."""

import pytest

from datalogger.line_settings import LineSettings
from datalogger.meters.profiles import load
from datalogger.model import Report
from datalogger.probing.ear import Ear
from datalogger.probing.hints import hint
from datalogger.probing.search import Attempt
from datalogger.protocol.decoder import Decoder, Notice
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.p1.framer import P1Framer
from datalogger.simulation.p1 import DSMR5, telegrams
from datalogger.simulation.uart import receive
from tests.probing.meter import Time
from tests.protocol.dlms.corpus import case

PROFILES = load().values()
P1 = next(telegrams(DSMR5, start=Time().now()))
HDLC = case("no_kaifa_ma304h3e_list2").octets


class Deaf(Decoder):
    """Reads nothing."""

    def take(self, frame: Frame) -> list[Report | Rejected | Notice]:
        return [Rejected(Reason.MALFORMED, frame.octets)]

    def damaged(self, rejected: Rejected) -> list[Rejected]:
        return []

    def idle(self) -> list[Rejected]:
        return []


def attempt(octets: bytes, sent: str, heard: str, *, inverted: bool = False) -> Attempt:
    settings = LineSettings.parse(heard)
    tried = Attempt(settings, Ear(P1Framer(), Deaf()), 0.0)
    got = receive(octets, LineSettings.parse(sent), settings, inverted=inverted)
    if got:
        tried.take(bytes(each.octet for each in got), sum(each.fault is not None for each in got), 0.0)
    return tried


@pytest.mark.parametrize(
    "octets, sent, heard, inverted, tunable, told",
    [
        (P1, "9600 7E1", "9600 8N1", False, True, "even parity: this is 7E1, read as 8N1; use 7E1"),
        (P1, "9600 7O1", "9600 8N1", False, True, "odd parity: this is 7O1"),
        (P1, "9600 7E1", "9600 8N1", False, False, "set the port server to 7E1"),
        (P1 * 2, "115200 8N1", "115200 8N1", True, True, "the signal is inverted"),
        (HDLC, "2400 8E1", "115200 8N1", False, True, "only NULs at 115200 8N1"),
        (HDLC, "2400 8E1", "9600 8N1", False, True, "it looks like 2400 baud"),
        (HDLC, "2400 8E1", "9600 8N1", False, False, "4 times too fast"),
        (HDLC, "2400 8E1", "2400 8N1", False, True, "8E1 read as 8N1"),
        (HDLC, "2400 8N1", "2400 8N1", False, True, "no P1 telegram, HDLC or M-Bus frame"),
        (b"", "2400 8N1", "2400 8N1", False, True, "request line"),
        (b"", "2400 8N1", "2400 8N1", False, False, "does the port server hear the meter"),
    ],
)
def test_a_mistake_is_told(octets: bytes, sent: str, heard: str, inverted: bool, tunable: bool, told: str) -> None:
    assert told in hint(attempt(octets, sent, heard, inverted=inverted), PROFILES, tunable=tunable)


def test_a_wrong_check_sum_is_told_from_a_wrong_setting() -> None:
    damaged = P1.replace(b"1-0:1.7.0(", b"1-0:1.7.1(")
    told = hint(attempt(damaged, "115200 8N1", "115200 8N1"), PROFILES, tunable=True)
    assert told.startswith("115200 8N1 is right: frames come, but the check sum of 1 of them was wrong")


def test_silence_names_the_meters_that_speak_seldom_as_the_profiles_know_them() -> None:
    told = hint(None, PROFILES, tunable=True)
    assert "1 min" in told or "60 s" in told or "15 min" in told
    assert "10 s" not in told.partition("Some speak seldom")[2]
