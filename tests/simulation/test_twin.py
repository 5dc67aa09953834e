import pytest
from msgspec.structs import replace

from datalogger.protocol.bare import ApduFramer
from datalogger.protocol.dlms import apdu
from datalogger.protocol.dlms.items import Push, Telegram
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.messages import Block
from datalogger.protocol.framing import Reason
from datalogger.protocol.hdlc import framer, header
from datalogger.protocol.p1.framer import P1Framer
from datalogger.simulation import meters
from datalogger.simulation.template import Template
from datalogger.simulation.twin import Capture
from tests.protocol.dlms.corpus import Case, case
from tests.simulation.pushes import EVERY, SOUND, keys_of, pushes, read, values

KEYS = Keys(bytes(range(16)), bytes(range(16, 32)))


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("one", cases, ids=[one.name for one in cases])


@named(EVERY)
def test_what_is_not_changed_is_put_together_as_it_was(one: Case) -> None:
    capture = Capture(one.octets, keys_of(one))
    assert capture.render() == one.octets
    if not capture.left_out:
        assert capture.only(capture.messages) == one.octets


@named(SOUND)
def test_every_message_of_a_sound_push_is_found(one: Case) -> None:
    capture = Capture(one.octets, keys_of(one))
    assert len(capture.messages) == one.messages_out
    assert capture.left_out == []
    (wanted,) = pushes(one.octets, keys_of(one))
    (message,) = capture.messages
    assert message.counter == (wanted.security and wanted.security.invocation_counter)
    assert message.title.hex().upper() == (wanted.security.system_title if wanted.security else "")


@named([one for one in SOUND if one.expected["messages"][0]["header_time"]])
def test_an_edited_text_is_read_back_through_every_framing(one: Case) -> None:
    capture = Capture(one.octets, keys_of(one))
    (message,) = capture.messages
    (before,) = pushes(one.octets, keys_of(one))
    assert before.date_time is not None
    moved = before.date_time[:6] + bytes((before.date_time[6] ^ 1,)) + before.date_time[7:]
    counter = None if message.counter is None else message.counter + 1
    keys = KEYS if len(one.key or b"") == 16 else keys_of(one)  # suite 2 wants 32 octets
    if not one.auth_key:
        keys = Keys(keys.encryption) if one.key else Keys()
    edited = replace(message, text=message.text.replace(before.date_time, moved, 1), counter=counter)
    octets = capture.render([edited], keys=keys)
    (after,) = pushes(octets, keys)
    assert after.date_time == moved
    assert len(octets) == len(one.octets)
    assert [item.data[0] for item in after.items] == [item.data[0] for item in before.items]
    if after.security is not None:
        assert after.security.invocation_counter == counter
        if one.auth_key:
            assert after.security.tag == "verified"


def test_another_system_title_deciphers() -> None:
    one = case("dk_kamstrup_omnipower_enc_auth_testkey")
    capture = Capture(one.octets, keys_of(one))
    octets = capture.render([replace(capture.messages[0], title=b"KAM12345")])
    (push,) = pushes(octets, keys_of(one))
    assert push.security is not None
    assert push.security.system_title == b"KAM12345".hex().upper()
    assert push.security.tag == "verified"
    assert values(push) == values(pushes(one.octets, keys_of(one))[0])


def test_a_ciphered_telegram_is_edited_in_place() -> None:
    model = meters.built_in("lu-smarty")
    capture = Capture(model.octets, model.keys)
    (message,) = capture.messages
    text = Template(message.text.replace(b"kWh", b"MWh")).written(lambda field: field.text)  # its own CRC, too
    (telegram,) = read(capture.render([replace(message, text=text)]), model.keys)
    assert isinstance(telegram, Telegram)
    assert telegram.text == text


def test_two_pushes_in_one_capture_are_edited_each_by_itself() -> None:
    one = case("si_iskra_am550_ljubljana_5s")
    capture = Capture(one.octets + one.octets, None)
    first, second = capture.messages
    octets = capture.render([replace(second, text=second.text[:-1] + b"\x07")])
    assert octets[: len(one.octets)] == one.octets
    before, after = pushes(octets)
    assert values(before)[:-1] == values(after)[:-1]
    assert values(after)[-1] == (6, values(before)[-1][1] & ~0xFF | 7)
    assert first.text == second.text


def test_a_flag_that_two_frames_share_is_kept_and_comes_back_where_one_of_them_is_left_out() -> None:
    one = case("si_iskra_am550_ljubljana_5s")
    capture = Capture(one.octets + one.octets[1:], None)
    assert len(capture.messages) == 2
    assert capture.render() == one.octets + one.octets[1:]
    assert capture.only(capture.messages) == one.octets + one.octets[1:]
    assert capture.only(capture.messages[1:]) == one.octets


def test_a_telegram_in_clear_is_a_message_too() -> None:
    telegram = b"/ABC5X\r\n\r\n1-0:1.8.0(000001*kWh)\r\n!\r\n"
    capture = Capture(telegram, framer=P1Framer())
    assert [message.text for message in capture.messages] == [telegram]
    assert capture.render() == telegram


def test_without_the_key_a_ciphered_push_is_left_out_and_says_so() -> None:
    one = case("at_kaifa_netznoe_doc_sample")
    capture = Capture(one.octets)
    assert capture.messages == []
    assert {rejected.reason for rejected in capture.left_out} == {Reason.NO_KEY}
    assert capture.only([]) == b""


def test_a_frame_of_which_a_part_cannot_be_read_is_left_out_with_all_that_is_in_it() -> None:
    body = case("no_kaifa_amshan_no_list_1").octets
    octets = case("seed_single_hdlc").octets
    both = framer.enclose(header.build(b"\x01", b"\x03", 0x13, body + body[:3] + b"\x0f\x00\x00\x00\x00\x00\x63"))
    capture = Capture(both + octets)
    assert len(capture.messages) == 1
    assert capture.only(capture.messages) == octets
    assert sum(len(rejected.octets) for rejected in capture.left_out) == len(both)


def test_a_text_of_another_length_is_refused() -> None:
    one = case("si_iskra_am550_ljubljana_5s")
    capture = Capture(one.octets)
    with pytest.raises(ValueError, match="a text of 115 octets where 116 were"):
        capture.render([replace(capture.messages[0], text=capture.messages[0].text[:-1])])


def test_a_lost_frame_takes_its_message_with_it() -> None:
    one = case("ch_iskra_am550_hdlc_seg3")
    capture = Capture(one.octets)
    for number in capture.messages[0].frames:
        assert not any(isinstance(found, Push) for found in read(capture.without(one.octets, number)))


def test_blocks_within_blocks_without_end_are_refused() -> None:
    nested = bytes.fromhex("0F00000000000201")
    for _ in range(800):
        nested = apdu.build(Block(1, True, nested))
    capture = Capture(nested, framer=ApduFramer())
    assert not capture.messages
    assert [rejected.reason for rejected in capture.left_out] == [Reason.APDU_TAG]
