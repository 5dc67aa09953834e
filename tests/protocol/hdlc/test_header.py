import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.errors import DecodeError
from datalogger.protocol.framing import Reason
from datalogger.protocol.hdlc.header import MAX_LENGTH, Header, build, parse
from tests.protocol.dlms.corpus import case
from tests.protocol.hdlc.corpus import HDLC, frames


def addresses() -> st.SearchStrategy[bytes]:
    """1, 2 or 4 octets, of which only the last is odd."""
    return st.sampled_from((0, 1, 3)).flatmap(
        lambda even: st.builds(
            lambda first, last: bytes([octet & 0xFE for octet in first] + [last | 1]),
            st.binary(min_size=even, max_size=even),
            st.integers(0, 255),
        )
    )


HEADERS = st.builds(
    Header,
    destination=addresses(),
    source=addresses(),
    control=st.integers(0, 255),
    segmented=st.booleans(),
    information=st.binary(max_size=300),
)


def built(header: Header) -> bytes:
    return build(header.destination, header.source, header.control, header.information, header.segmented)


@given(HEADERS)
def test_what_was_built_is_parsed(header: Header) -> None:
    assert parse(built(header)) == header


def test_every_frame_of_the_corpus_is_built_again_from_its_header() -> None:
    payloads = [frame[1:-1] for capture in HDLC for frame in frames(capture.octets)]
    assert [built(parse(payload)) for payload in payloads] == payloads


@pytest.mark.parametrize(
    ("name", "destination", "source", "control", "segmented"),
    [
        ("no_aidon_list3_3ph_hourly", "41", "0883", 0x13, False),
        ("no_kaifa_ma304h3e_list1", "01", "0201", 0x10, False),
        ("at_siemens_im350_enc", "CF", "00020023", 0x13, False),
        ("ch_iskra_am550_hdlc_seg3", "CF", "0223", 0x03, True),
        ("ch_lg_e450_gbt3_plain", "CEFF", "03", 0x13, False),
    ],
)
def test_addresses_have_one_two_or_four_octets(
    name: str, destination: str, source: str, control: int, segmented: bool
) -> None:
    header = parse(frames(case(name).octets)[0][1:-1])
    assert (header.destination.hex().upper(), header.source.hex().upper()) == (destination, source)
    assert (header.control, header.segmented) == (control, segmented)
    assert header.information.startswith(bytes.fromhex("E6E700"))


def test_without_information_there_is_no_header_check_sum() -> None:
    payload = build(b"\x03", b"\x21", 0x93, b"")
    assert len(payload) == 7
    assert parse(payload) == Header(b"\x03", b"\x21", 0x93, False, b"")


@given(st.binary(max_size=40))
def test_any_octets_are_a_header_or_an_error(payload: bytes) -> None:
    try:
        parse(payload)
    except DecodeError as error:
        assert error.reason == Reason.MALFORMED


def test_an_address_of_three_octets_is_an_error() -> None:
    with pytest.raises(DecodeError, match="1, 2 or 4"):
        parse(bytes.fromhex("A010 020203 21 13") + bytes(10))


@pytest.mark.parametrize(("destination", "source"), [("02", "03"), ("0303", "03"), ("03", ""), ("03", "020203")])
def test_addresses_that_cannot_be_read_again_are_not_built(destination: str, source: str) -> None:
    with pytest.raises(ValueError, match="only the last is odd"):
        build(bytes.fromhex(destination), bytes.fromhex(source), 0x13, b"x")


def test_a_frame_longer_than_its_length_field_can_say_is_not_built() -> None:
    room = MAX_LENGTH - 9
    assert len(build(b"\x03", b"\x03", 0x13, b"x" * room)) == MAX_LENGTH
    with pytest.raises(ValueError, match="2048 octets"):
        build(b"\x03", b"\x03", 0x13, b"x" * (room + 1))
