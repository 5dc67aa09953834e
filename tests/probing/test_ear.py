"""What an ear makes of frames: how much sense is in them, and when it has heard enough."""

from collections.abc import Sequence

import pytest

from datalogger.model import Record, Report
from datalogger.obis import Obis
from datalogger.probing.ear import ALIKE, MOST_REPORTS, Ear, Verdict
from datalogger.protocol.decoder import Decoder, Notice
from datalogger.protocol.framing import Frame, Framer, Framing, Reason, Rejected

Result = Report | Rejected | Notice


class Scripted(Framer, Decoder):
    """Framer and decoder in one: each octet fed is what becomes of it."""

    def __init__(self, results: Sequence[Result] = (), *, framing: Framing = "hdlc", check: bool = True) -> None:
        self._results = list(results)
        self._framing = framing
        self._check = check

    def feed(self, data: bytes) -> list[Frame | Rejected]:
        made: list[Frame | Rejected] = []
        for octet in data:
            one = bytes((octet,))
            match one:
                case b"F":
                    made.append(Frame(one, one, check=self._check, framing=self._framing))
                case b"C":
                    made.append(Rejected(Reason.CHECKSUM, one))
                case _:
                    made.append(Rejected(Reason.NOISE, one))
        return made

    def take(self, frame: Frame) -> list[Result]:
        return self._results

    def damaged(self, rejected: Rejected) -> list[Rejected]:
        return []

    def idle(self) -> list[Rejected]:  # type: ignore[override]  # of both: neither has anything to give up
        return []


def report(records: int = 5, meter: str = "M1") -> Report:
    return Report(protocol="dlms", meter=meter, records=(Record(obis=Obis("1-0:1.7.0*255"), value=1),) * records)


def ear(*results: Result, framing: Framing = "hdlc", check: bool = True) -> Ear:
    both = Scripted(results, framing=framing, check=check)
    return Ear(both, both)


NO_KEY = Rejected(Reason.NO_KEY, b"F")


@pytest.mark.parametrize(
    "heard, octets, verdict",
    [
        (ear(), b"", Verdict.SILENT),
        (ear(), b"??", Verdict.FOREIGN),
        (ear(), b"?C", Verdict.DAMAGED),
        (ear(), b"CF", Verdict.SOUND),
        (ear(Rejected(Reason.AXDR, b"F")), b"F", Verdict.SOUND),
        (ear(report()), b"F", Verdict.READ),
        (ear(report(), check=False), b"F", Verdict.READ),
        # Noise may look like a cipher block: one alone is no evidence.
        (ear(NO_KEY, framing="apdu"), b"F", Verdict.FOREIGN),
        (ear(NO_KEY, framing="apdu"), b"FF", Verdict.SOUND),
    ],
)
def test_the_verdict_follows_the_frames(heard: Ear, octets: bytes, verdict: Verdict) -> None:
    heard.take(octets)
    assert heard.verdict is verdict


def test_a_meter_with_its_name_and_values_is_enough() -> None:
    heard = ear(report())
    assert not heard.content
    heard.take(b"F")
    assert heard.content


def test_a_first_value_alone_is_not_enough() -> None:
    heard = ear(report(1))
    heard.take(b"F" * 10)
    assert not heard.content


def test_a_meter_without_a_name_is_enough_once_it_repeats_itself() -> None:
    heard = ear(report(meter=""))
    heard.take(b"F" * (ALIKE - 1))
    assert not heard.content
    heard.take(b"F")
    assert heard.content


def test_a_message_that_nobody_can_open_is_enough() -> None:
    heard = ear(NO_KEY)
    heard.take(b"F")
    assert heard.content


def test_what_is_kept_is_bounded() -> None:
    heard = ear(report(), Notice("unscaled", "1-0:1.7.0*255"))
    heard.take(b"F" * (MOST_REPORTS + 20))
    assert len(heard.reports) == MOST_REPORTS
    assert len(heard.notices) == 1
