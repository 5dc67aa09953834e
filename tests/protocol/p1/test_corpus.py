"""Every telegram and every stream of the corpus, through framer and decoder, against its JSON."""

import pytest

from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.p1.framer import P1Framer
from datalogger.protocol.p1.telegram import decode_telegram
from tests.protocol.p1.corpus import STREAMS, TELEGRAMS, Case, agrees, telegram

telegrams = pytest.mark.parametrize("case", TELEGRAMS, ids=lambda case: case.name)
streams = pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)


def events_of(octets: bytes) -> list[Frame | Rejected]:
    framer = P1Framer()
    return framer.feed(octets) + framer.idle()


def test_the_corpus_is_here() -> None:
    assert (len(TELEGRAMS), len(STREAMS)) == (76, 12)


@telegrams
def test_the_framer_judges_the_check_sum_as_the_corpus_says(case: Case) -> None:
    first, *trailer = events_of(case.octets)
    assert all(isinstance(event, Rejected) and event.reason is Reason.PADDING for event in trailer)
    match case.expected["checksum"]:
        case "wrong":
            assert isinstance(first, Rejected)
            assert first.reason is Reason.CHECKSUM
        case check:
            assert isinstance(first, Frame)
            assert first.check is (check == "ok")


@telegrams
def test_every_record_of_the_corpus_is_found_in_order(case: Case) -> None:
    report = decode_telegram(case.octets, check=True, zone=case.zone)
    assert report.identification == case.expected["identification"]
    found = iter(record for record in report.records if record.obis)
    for expected in case.expected["records"]:
        record = next((r for r in found if r.obis in (expected["obis"], expected.get("also_obis"))), None)
        assert record is not None, expected
        assert agrees(record, expected, case.zone), (record, expected)


@telegrams
def test_only_lines_that_are_damaged_are_odd(case: Case) -> None:
    damaged = {"nl-dsmr40_iskra-mt382_spec-pdf-copy_wrapped-line": 3, "nl-esmr50_sagemcom-t210d_wire-damaged_dr483": 1}
    report = decode_telegram(case.octets, check=True, zone=case.zone)
    assert report.odd_lines == damaged.get(case.name, 0)


@streams
def test_the_sound_telegrams_come_out_of_a_bad_stream_in_order(case: Case) -> None:
    events = events_of(case.octets)
    frames = [event.payload for event in events if isinstance(event, Frame)]
    assert frames == [telegram(name) for name in case.expected["valid"]]
    rejected = [event for event in events if isinstance(event, Rejected) and event.reason is not Reason.PADDING]
    assert len(rejected) >= case.expected["rejected_at_least"]
