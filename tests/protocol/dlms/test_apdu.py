from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.errors import DecodeError
from datalogger.protocol.dlms import apdu
from datalogger.protocol.dlms.axdr import Incomplete
from datalogger.protocol.dlms.items import Data
from datalogger.protocol.dlms.messages import Block, DataNotification, Envelope, EventNotification, Message
from tests.protocol.dlms.corpus import case
from tests.protocol.dlms.values import values

DATE_TIME = bytes.fromhex("07E9031E07030005FFFF8880")
TITLE = b"KFM\x10\x00\x00\x00\x01"
WRAPPER_HEADER = 8


def _parse(octets: str) -> Message:
    encoded = bytes.fromhex(octets)
    message, end = apdu.parse(encoded)
    assert end == len(encoded) == apdu.end_of(encoded, 0)
    return message


def test_a_data_notification_has_a_time_or_none() -> None:
    assert _parse("0F 40000000 00 1105") == DataNotification(0x40000000, None, (17, 5), 6)
    assert _parse(f"0F 000014E5 0C {DATE_TIME.hex()} 1105") == DataNotification(0x14E5, DATE_TIME, (17, 5), 18)


def test_the_time_may_have_its_type_tag() -> None:
    message = _parse(f"0F 40000000 090C {DATE_TIME.hex()} 1105")
    assert message == DataNotification(0x40000000, DATE_TIME, (17, 5), 19, tagged=True)


@pytest.mark.parametrize("size", ["01", "05", "08", "09 09", "0B", "0D", "19", "81 0C"])
def test_a_time_of_another_length_is_refused(size: str) -> None:
    with pytest.raises(DecodeError, match="date-time") as caught:
        apdu.parse(bytes.fromhex(f"0F 40000000 {size} {DATE_TIME.hex()} 00 1105"))
    assert caught.value.reason == "length"


def test_an_event_notification_is_one_attribute() -> None:
    octets = case("event_notification_c2").octets[WRAPPER_HEADER:]
    value: Data = (6, 16)
    event = EventNotification(None, 1, bytes.fromhex("0000616214FF"), 2, value)
    assert apdu.parse(octets) == (event, len(octets))
    for flag in ("01 0C", "0C"):
        message = _parse(f"C2 {flag} {DATE_TIME.hex()} 0001 0000616214FF 02 0600000010")
        assert message == EventNotification(DATE_TIME, 1, bytes.fromhex("0000616214FF"), 2, value)


@pytest.mark.parametrize("length", ["0A", "810A", "82000A", "840000000A"])
@pytest.mark.parametrize("tag", [0xDB, 0xDC])
def test_a_ciphered_apdu_is_taken_apart_whatever_form_its_length_has(tag: int, length: str) -> None:
    message = _parse(f"{tag:02X} 08 {TITLE.hex()} {length} 30 00000102 AABBCCDDEE")
    assert message == Envelope(tag, TITLE, 0x30, 0x102, bytes.fromhex("AABBCCDDEE"))


def test_a_system_title_may_be_left_out() -> None:
    assert _parse("DB 00 06 20 00000001 AA") == Envelope(0xDB, b"", 0x20, 1, b"\xaa")


@pytest.mark.parametrize(
    ("octets", "detail"),
    [
        ("DB 07 00000000000000 06 20 00000001 AA", "system title of 7 octets"),
        ("DB 08 0000000000000000 04 20 000001", "content of 4 octets"),
        ("DB 08 0000000000000000 07 20 00000001 AA", "content of 7 octets at octet 11, and 6 left"),
        ("DB 08 0000000000000000 84 7FFFFFFF 20 00000001 AA", "content of 2147483647 octets"),
        ("DB 84 FFFFFFFF 00", "system title of 4294967295 octets"),
        ("E0 C0 0001 0000 05 00", "block of 5 octets"),
        ("E0 C0 0001", "inside the APDU E0"),
        ("0F 4000", "inside the APDU 0F"),
        ("0F 40000000 0C 07E9", "inside the APDU 0F"),
        ("C2 00 0001 0000", "inside the APDU C2"),
        ("", "before its tag"),
    ],
)
def test_a_length_that_does_not_agree_is_refused(octets: str, detail: str) -> None:
    with pytest.raises(DecodeError, match=detail) as caught:
        apdu.parse(bytes.fromhex(octets))
    assert caught.value.reason == "length"


@pytest.mark.parametrize("key_info", ["00", "01 00 00"])
def test_general_ciphering_has_five_header_fields(key_info: str) -> None:
    header = f"02 0001 08 {TITLE.hex()} 00 0C {DATE_TIME.hex()} 03 010203"
    message = _parse(f"DD {header} {key_info} 06 30 00000007 AA")
    assert message == Envelope(0xDD, TITLE, 0x30, 7, b"\xaa", bytes.fromhex(header))


@pytest.mark.parametrize("key_info", ["01 00 01", "01 01 00 00", "01 02 01 00 00"])
def test_another_key_than_the_unicast_one_is_refused(key_info: str) -> None:
    with pytest.raises(DecodeError, match="key-info") as caught:
        apdu.parse(bytes.fromhex(f"DD 00 08 {TITLE.hex()} 00 00 00 {key_info} 06 30 00000007 AA"))
    assert caught.value.reason == "policy"


def test_a_block_says_whether_it_is_the_last() -> None:
    assert _parse("E0 40 0001 0000 02 0F00") == Block(1, False, b"\x0f\x00")
    assert _parse("E0 C0 0102 0000 02 0F00") == Block(258, True, b"\x0f\x00")
    assert _parse("E0 80 0003 0000 00") == Block(3, True, b"")


@pytest.mark.parametrize("tag", sorted(set(range(256)) - apdu.TAGS))
def test_another_kind_of_apdu_is_refused(tag: int) -> None:
    with pytest.raises(DecodeError, match=f"APDU tag {tag:02X}") as caught:
        apdu.parse(bytes((tag, 0, 0, 0, 0, 0, 0, 0)))
    assert caught.value.reason == "apdu_tag"
    assert not isinstance(caught.value, Incomplete)


_date_times = st.none() | st.just(DATE_TIME)
_czech_entry = st.tuples(
    st.just(2), st.tuples(st.tuples(st.just(9), st.binary(min_size=8, max_size=8).map(b"\0".__add__)), values).map(list)
)
_czech = st.lists(_czech_entry, min_size=1, max_size=4).map(lambda entries: (2, [(22, 1), (1, entries)]))
_title = st.sampled_from([b"", TITLE])
_octet, _counter, _content = (
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=20) | st.just(bytes(300)),
)
_messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(DataNotification, _counter, st.none(), values, st.just(6)),
    st.builds(DataNotification, _counter, st.just(DATE_TIME), values, st.just(18)),
    st.builds(DataNotification, _counter, st.just(DATE_TIME), values, st.just(19), st.just(True)),
    st.builds(DataNotification, _counter, st.none(), _czech, st.just(6), st.just(False), st.just(True)),
    st.builds(EventNotification, _date_times, st.integers(0, 65535), st.binary(min_size=6, max_size=6),
              st.integers(-128, 127), values),
    st.builds(Envelope, st.sampled_from([0xDB, 0xDC]), _title, _octet, _counter, _content),
    st.builds(Block, st.integers(0, 65535), st.booleans(), _content),
    st.builds(Envelope, st.just(0xDD), st.just(TITLE), _octet, _counter, _content,
              st.just(b"\x01\x05\x08" + TITLE + b"\0\0\0")),
)  # fmt: skip


@given(_messages)
def test_what_is_built_parses_back(message: Message) -> None:
    octets = apdu.build(message)
    assert apdu.parse(octets) == (message, len(octets))
    assert apdu.parse(b"\xe6\xe7\x00" + octets + b"\x0f", 3)[1] == len(octets) + 3
    assert apdu.end_of(octets + b"\x0f", 0) == len(octets)


@given(_messages)
def test_an_apdu_cut_short_is_incomplete(message: Message) -> None:
    octets = apdu.build(message)
    for cut in range(0, len(octets), 1 + len(octets) // 20):
        for read in (apdu.parse, apdu.end_of):
            with pytest.raises(Incomplete):
                read(octets[:cut], 0)


@given(st.sampled_from(sorted(apdu.TAGS)), st.binary(max_size=60))
def test_any_octets_give_an_apdu_or_a_decode_error(tag: int, rest: bytes) -> None:
    octets = bytes((tag,)) + rest
    with suppress(DecodeError):
        _, end = apdu.parse(octets)
        assert 0 < end <= len(octets)
        assert apdu.end_of(octets, 0) == end
