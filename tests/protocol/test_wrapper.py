"""What TCP and UDP connections do to the wrapper, beyond the stream contract."""

import pytest

from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.wrapper import HEADER_SIZE, MAX_APDU, MAX_REJECTED, WrapperFramer, enclose
from tests.protocol.dlms.corpus import MALFORMED, METERS, SEED, SYNTHETIC, Case, case
from tests.protocol.invariants import events_of, joined, payloads

WRAPPED = [found for found in METERS + SEED + SYNTHETIC + MALFORMED if found.octets.startswith(b"\0\1\0\1\0\x10")]
PDU = case("seed_wpdu_plain").octets
EMPTY = enclose(b"")


def reasons(octets: bytes) -> list[str]:
    return [event.reason for event in events_of(WrapperFramer(), [octets]) if isinstance(event, Rejected)]


@pytest.mark.parametrize("found", WRAPPED, ids=lambda found: found.name)
def test_every_wrapped_case_of_the_corpus_is_whole_pdus(found: Case) -> None:
    apdus = payloads(events_of(WrapperFramer(), [found.octets]))
    assert b"".join(map(enclose, apdus)) == found.octets.removeprefix(EMPTY)


def test_a_frame_is_the_apdu_and_has_no_check_sum_of_its_own() -> None:
    assert events_of(WrapperFramer(), [PDU]) == [Frame(PDU[HEADER_SIZE:], PDU, check=False, framing="wrapper")]


def test_a_frame_comes_with_the_header_behind_it_or_when_the_line_is_quiet() -> None:
    framer = WrapperFramer()
    assert framer.feed(PDU + PDU[:8]) == []
    assert payloads(framer.feed(PDU[8:9])) == [PDU[HEADER_SIZE:]]
    assert framer.feed(PDU[9:]) == []
    assert payloads(framer.idle()) == [PDU[HEADER_SIZE:]]


def test_any_ports_will_do() -> None:
    assert payloads(events_of(WrapperFramer(), [enclose(b"\x0f", source=0x66, destination=0x40)])) == [b"\x0f"]
    assert enclose(b"\x0f", source=0x66, destination=0x40) == bytes.fromhex("0001 0066 0040 0001 0F")


def test_an_empty_pdu_is_rejected_and_the_next_one_comes_out() -> None:
    first, second = events_of(WrapperFramer(), [EMPTY + PDU])
    assert first == Rejected(Reason.LENGTH, EMPTY, "a wrapper PDU of length 0: 0001000100100000")
    assert payloads([second]) == [PDU[HEADER_SIZE:]]


def test_the_longest_pdu_comes_out_and_a_longer_one_cannot_be_made() -> None:
    apdu = b"\x0f" + bytes(MAX_APDU - 1)
    assert payloads(events_of(WrapperFramer(), [enclose(apdu) + PDU])) == [apdu, PDU[HEADER_SIZE:]]
    with pytest.raises(ValueError, match="65536"):
        enclose(apdu + b"\0")


@pytest.mark.parametrize("cut", range(1, len(PDU), 50))
def test_what_is_torn_when_the_line_goes_quiet_costs_only_itself(cut: int) -> None:
    framer = WrapperFramer()
    *whole, torn = framer.feed(PDU + PDU[:cut]) + framer.idle()
    assert payloads(whole) == [PDU[HEADER_SIZE:]]
    assert isinstance(torn, Rejected)
    assert (torn.reason, torn.octets) == (Reason.TRUNCATED, PDU[:cut])
    assert payloads(framer.feed(PDU) + framer.idle()) == [PDU[HEADER_SIZE:]]


@pytest.mark.parametrize("cut", range(1, len(PDU)))
def test_a_torn_pdu_does_not_take_its_missing_octets_from_the_next(cut: int) -> None:
    events = events_of(WrapperFramer(), [PDU[:cut] + PDU])
    assert payloads(events) == [PDU[HEADER_SIZE:]]
    assert joined(events) == PDU[:cut] + PDU


def test_a_pdu_that_holds_the_octets_of_a_header_is_whole_all_the_same() -> None:
    whole = enclose(b"\x0f\0\0\0\1\0\x09\x0b" + enclose(b"\x0f\0\0"))
    assert payloads(events_of(WrapperFramer(), [whole, whole])) == [whole[HEADER_SIZE:]] * 2


@pytest.mark.parametrize("version", [2, 3, 255])
def test_a_wrapper_of_another_version_is_believed_in_nothing_until_the_connection_is_dropped(version: int) -> None:
    framer = WrapperFramer()
    assert not framer.broken
    assert framer.feed(bytes((0, version)) + PDU[2:]) == []
    assert framer.broken
    assert framer.feed(PDU) == []
    (wrong,) = framer.idle()
    assert isinstance(wrong, Rejected)
    assert (wrong.reason, wrong.octets) == (Reason.VERSION, bytes((0, version)) + PDU[2:] + PDU)
    assert not framer.broken
    assert payloads(framer.feed(PDU) + framer.idle()) == [PDU[HEADER_SIZE:]]


@pytest.mark.parametrize("noise", [b"\1", b"\x7e", b"/", b"\0\0", b"\0\2", b"\0\2\0\1\0\x10\0\x40\x99"])
def test_what_is_no_header_at_all_is_noise_and_what_follows_comes_out(noise: bytes) -> None:
    events = events_of(WrapperFramer(), [noise + PDU])
    assert [event.reason for event in events if isinstance(event, Rejected)] == [Reason.NOISE]
    assert payloads(events) == [PDU[HEADER_SIZE:]]


def test_a_stranger_who_goes_on_sending_is_rejected_in_bounded_pieces() -> None:
    stream = b"GET / HTTP/1.1\r\n" * 1000
    events = events_of(WrapperFramer(), [stream])
    assert joined(events) == stream
    assert max(len(event.octets) for event in events) == MAX_REJECTED
    assert set(reasons(stream)) == {Reason.NOISE}
    assert set(reasons(b"\0\2" + PDU[2:] * 20)) == {Reason.VERSION}
