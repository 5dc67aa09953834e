"""What lines without a link layer do to a framer, beyond the stream contract."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalogger.protocol import bare
from datalogger.protocol.bare import MAX_APDU, ApduFramer, begins_push
from datalogger.protocol.dlms import apdu
from datalogger.protocol.dlms.messages import Block, Envelope
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.hdlc.segments import LLC
from tests.protocol.dlms.corpus import Case, case
from tests.protocol.invariants import Event, cut, events_of, joined, payloads
from tests.protocol.pushes import BARE_CASES, CIPHER_BLOCKS, PUSHES

PUSH = case("at_kaifa_salzburg_plain_apdu").octets
LED = case("no_aidon_amshan_no_list_1").octets
BLOCK = CIPHER_BLOCKS[0]
HEAD_LINE = b"/ELS5\\2GAMA350\r\n\r\n"

every_bare_case = pytest.mark.parametrize("found", BARE_CASES, ids=lambda found: found.name)
every_push = pytest.mark.parametrize("push", PUSHES, ids=lambda push: push[:12].hex())


def run(*parts: bytes) -> list[Event]:
    return events_of(ApduFramer(), parts)


def reasons(events: list[Event]) -> list[Reason]:
    return [event.reason for event in events if isinstance(event, Rejected)]


@every_bare_case
def test_every_bare_case_of_the_corpus_is_one_frame(found: Case) -> None:
    assert run(found.octets) == [Frame(found.octets.removeprefix(LLC), found.octets, check=False, framing="apdu")]
    assert run(*cut(found.octets, range(len(found.octets)))) == run(found.octets)


@every_bare_case
def test_a_push_of_the_corpus_cut_anywhere_costs_only_itself(found: Case) -> None:
    whole = LED if found.octets.startswith(LLC) else PUSH
    for place in range(len(found.octets)):
        events = run(found.octets[:place], whole)
        assert payloads(events) == [whole.removeprefix(LLC)], place
        assert joined(events) == found.octets[:place] + whole


@every_bare_case
def test_a_push_of_the_corpus_without_its_beginning_costs_only_itself(found: Case) -> None:
    own = len(LLC) if found.octets.startswith(LLC) else 0  # without its LLC header it is still a whole APDU
    for place in range(own + 1, len(found.octets)):
        assert payloads(run(found.octets[place:], PUSH)) == [PUSH], place


@every_push
def test_a_push_comes_out_when_the_line_goes_quiet(push: bytes) -> None:
    framer = ApduFramer()
    assert framer.feed(push) == []
    assert payloads(framer.idle()) == [push]


@every_push
def test_a_push_torn_where_the_line_goes_quiet_never_comes_out(push: bytes) -> None:
    for place in range(1, len(push)):
        assert payloads(run(push[:place])) == [], place


def test_pushes_in_a_row_are_as_many_frames_before_the_line_is_quiet() -> None:
    framer = ApduFramer()
    stream = b"".join([*PUSHES, LED, LED])
    found = payloads(framer.feed(stream))
    assert found == list(PUSHES)[: len(found)]
    assert len(found) >= len(PUSHES) - 1
    assert found + payloads(framer.idle()) == [*PUSHES, LED[3:], LED[3:]]


@pytest.mark.parametrize("behind", [b"\xde\xad", b"\0", b"\x0d\x0a", b"\x02\x02\x16\x1b"])
@every_push
def test_a_push_with_octets_too_many_does_not_come_out(push: bytes, behind: bytes) -> None:
    events = run(push, behind)
    assert payloads(events) == []
    assert reasons(events)[0] in (Reason.LENGTH, Reason.TRUNCATED)  # the latter if there is a start inside
    assert payloads(run(push, behind, PUSH)) == [PUSH]


@every_push
def test_behind_a_pause_noise_costs_nothing(push: bytes) -> None:
    framer = ApduFramer()
    found = [payloads(events_of(framer, [part])) for part in (push, b"\0\xff\0 noise", push)]
    assert found == [[push], [], [push]]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_behind_a_pause_a_flipped_bit_costs_no_other_push(data: st.DataObject) -> None:
    first, second, third = (data.draw(st.sampled_from(PUSHES)) for _ in range(3))
    damaged = bytearray(second)
    damaged[data.draw(st.integers(0, len(second) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    framer = ApduFramer()
    found = [payloads(events_of(framer, [part])) for part in (first, bytes(damaged), third)]
    assert (found[0], found[2]) == ([first], [third])


@given(st.lists(st.sampled_from([*PUSHES, LED]), min_size=1, max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_each_push_that_is_cut_short_is_missing_and_no_other(pushes: list[bytes], data: st.DataObject) -> None:
    parts, whole = [], []
    for push in pushes:
        place = data.draw(st.one_of(st.none(), st.integers(bare.MAX_HEADER, max(bare.MAX_HEADER, len(push) - 1))))
        parts.append(push if place is None else push[:place])
        if place is None or place >= len(push):
            whole.append(push.removeprefix(LLC))
    assert payloads(run(*parts)) == whole


def test_a_torn_push_that_the_next_one_mends_by_chance_is_not_believed() -> None:
    # Its last member is missing, and the next push fits there: an octet string takes in its header, and its
    # body stands where the last member belongs.
    torn = bytes.fromhex("0F00112233 00 0202 0907")
    inner = bytes.fromhex("0F00112244 00 0203 110111021103")
    assert apdu.end_of(torn[:-1] + b"\x06" + inner, 0) == len(torn + inner)
    assert payloads(run(torn[:-1] + b"\x06" + inner)) == [inner]


def test_a_cipher_block_that_ends_with_the_next_one_of_its_meter_is_not_believed() -> None:
    short, long = (apdu.build(Envelope(0xDB, b"ABC12345", 0x30, size, b"\x5a" * size)) for size in (40, 100))
    torn = long[: len(long) - len(short)]
    assert apdu.end_of(torn + short, 0) == len(torn + short)
    assert payloads(run(torn, short)) == [short]


def test_a_push_that_takes_the_header_of_a_block_for_its_own_end_is_not_believed() -> None:
    block = apdu.build(Block(1, False, PUSH[:100]))
    torn = bytes.fromhex("0F00112233 00 0202 1101 09 07")  # it ends where the data of the block begins
    assert apdu.end_of(torn + block, 0) == len(torn) + 7
    assert payloads(run(torn, block)) == [block]


def test_what_is_wrong_is_said() -> None:
    assert reasons(run(PUSH[:100])) == [Reason.TRUNCATED]
    assert reasons(run(PUSH[:100], PUSH)) == [Reason.TRUNCATED]
    assert reasons(run(bytes.fromhex("0F00112233 00 0202 6300 6300"))) == [Reason.AXDR]
    assert reasons(run(PUSH, b"\xde\xad")) == [Reason.LENGTH]
    assert reasons(run(b"\xde\xad", PUSH)) == [Reason.NOISE]


def test_a_length_beyond_the_bound_is_given_up_before_the_line_is_quiet() -> None:
    framer = ApduFramer()
    events = framer.feed(bytes.fromhex("DB00 84 0000FFFF 20") + b"\x55" * MAX_APDU)
    assert reasons(events)[0] is Reason.TOO_LONG
    assert payloads(framer.feed(BLOCK) + framer.idle()) == [BLOCK]


def test_the_longest_telegram_fits_into_a_cipher_block() -> None:
    block = apdu.build(Envelope(apdu.GENERAL_GLO_CIPHERING, b"SAG51234", 0x30, 1, b"\x55" * 8192))
    assert payloads(run(block, block)) == [block, block]


def test_a_month_that_does_not_exist_and_unused_fields_do_not_hide_a_push() -> None:
    for name in ("bad_month", "dt_wildcards"):
        hdlc = case(name).octets
        push = hdlc[hdlc.index(LLC) + len(LLC) : -3]
        assert payloads(run(push)) == [push], name


@pytest.mark.parametrize("length", ["46", "8146", "820046", "83000046", "8400000046"])
def test_the_length_of_a_cipher_block_may_have_any_form(length: str) -> None:
    block = BLOCK[:10] + bytes.fromhex(length) + BLOCK[11 : 11 + 0x46].ljust(0x46, b"\x5a")
    assert payloads(run(block, PUSH)) == [block, PUSH]


def test_the_first_line_of_a_telegram_before_each_block_is_padding() -> None:
    events = run(HEAD_LINE, CIPHER_BLOCKS[3], HEAD_LINE, CIPHER_BLOCKS[3])
    assert payloads(events) == [CIPHER_BLOCKS[3]] * 2
    assert set(reasons(events)) == {Reason.PADDING}


def test_among_unknown_octets_only_cipher_blocks_are_looked_for() -> None:
    framer = ApduFramer(only_ciphered=True)
    assert payloads(events_of(framer, [PUSH])) == []
    assert payloads(events_of(framer, [LLC + BLOCK])) == []  # an LLC header: the inside of another framing
    assert payloads(events_of(framer, [BLOCK, BLOCK])) == [BLOCK, BLOCK]


def test_starts_within_starts_cost_no_more_than_their_octets() -> None:
    # Each twelve octets are a start from which all that follows can be walked.
    nested = b"\x09\x0a\x0f\0\0\0\0\0\1\x82\xff\xff" * 6000
    framer = ApduFramer()
    walked = 0

    def counting(octets: bytes, start: int) -> int:
        nonlocal walked
        walked += len(octets) - start
        return end_of(octets, start)

    end_of = apdu.end_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apdu, "end_of", counting)
        events = framer.feed(nested) + framer.idle()
    assert joined(events) == nested
    assert len(nested) < walked <= bare.WALKS * len(nested) + 2 * bare.MAX_CREDIT
    assert payloads(events_of(framer, [PUSH])) == [PUSH]


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_octets_are_pushes_or_reasons(octets: bytes) -> None:
    assert joined(run(octets)) == octets
    assert joined(run(b"\xdb" + octets)) == b"\xdb" + octets


def test_what_begins_a_push() -> None:
    assert all(begins_push(push) for push in [*PUSHES, LED])
    assert not any(begins_push(octets) for octets in (b"", b"\x0f", b"/ABC5\r\n", b"\x7e" + LED, b"\0" + PUSH))
