"""The five rules of the stream contract, over every framer: a new one is one entry in FRAMERS."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalogger.protocol import bare, detect, wrapper
from datalogger.protocol.hdlc import framer as hdlc
from datalogger.protocol.hdlc.segments import LLC
from datalogger.protocol.mbus import framer as mbus
from datalogger.protocol.p1 import framer as p1
from tests.protocol.hdlc.corpus import hdlc_frames
from tests.protocol.invariants import PLACES, Speaker, cut, events_of, joined, noise, payloads, streams
from tests.protocol.mbus.corpus import mbus_frames
from tests.protocol.p1.corpus import telegram
from tests.protocol.pushes import CIPHER_BLOCKS, PUSHES

P1 = Speaker(
    name="p1",
    framer=p1.P1Framer,
    frames=(
        telegram("nl-dsmr50_iskra-am550e_bus2"),
        telegram("at-sagemcom_minimum"),
        telegram("lu-smarty_dsmrreader"),
        telegram("be-emucs_fluvius_units-without-star"),
    ),
    tokens=(
        *(b"/", b"/ABC5\r\n", b"\n", b"\r", b"\r\n", b"!", b"!\r\n", b"\n!\r\n", b"\n!1234\r\n", b"/ABC5\n!\n"),
        *(b"(", b")", b"0-0:1.0.0(", b"\0"),
    ),
    bound=p1.MAX_TELEGRAM + p1.MAX_HEADER + p1.MAX_SLICE,
    dispensable=2,
    covered=lambda telegram: b" ".join(telegram.upper().split()),  # not the line end, nor the digits' letter case
)
HDLC = Speaker(
    name="hdlc",
    framer=hdlc.HdlcFramer,
    frames=(
        *hdlc_frames("no_aidon_list3_3ph_hourly"),
        *hdlc_frames("no_kaifa_ma304h3e_list1"),
        *hdlc_frames("ch_iskra_am550_hdlc_seg3"),
        *hdlc_frames("flag_in_payload"),
    ),
    tokens=(
        *(b"\x7e", b"\xa0", b"\x7e\xa0", b"\x7e\xa7\xff", b"\x7e\xa0\x07", b"\x7e\xa0\x02\x7e", b"\xe6\xe7\x00"),
        *(b"\x7e\xa7\xfd\x03\x03\x13\xdd\x0e", b"\x7e\xa0\x10\x41\x08\x83\x13", b"\x7e\xa0\x10\x02\x02\x02\x02"),
    ),
    bound=hdlc.MAX_BUFFER,
    payload=lambda frame: frame[1:-1],
    dispensable=1,  # the closing flag: the next frame opens with one
)
MBUS = Speaker(
    name="mbus",
    framer=mbus.MbusFramer,
    frames=(
        *mbus_frames("at_kaifa_ma309_netznoe_enc"),
        *mbus_frames("pl_kaifa_ma309_enc_suite1"),
        mbus.enclose(bytes(range(256)) + b"\x68"),  # longer than L can say
    ),
    tokens=(
        *(b"\x68", b"\x16", b"\xe5", b"\x68\x05\x05\x68", b"\x68\xff\xff\x68", b"\x68\x01\x01\x68\x53\x53\x16"),
        *(b"\x10\x7b\xfe\x79\x16", b"\x10\x7b\xfe\x78\x16", b"\x68\x10\x11\x68", b"\x68\x00\x00\x68\x00\x16"),
    ),
    bound=mbus.MAX_BUFFER,
    payload=lambda frame: frame[4:-2],
)
WRAPPER = Speaker(
    name="wrapper",
    framer=wrapper.WrapperFramer,
    frames=tuple(wrapper.enclose(apdu) for apdu in PUSHES),
    tokens=(b"\0", b"\0\1", b"\0\2", b"\0\1\0\1\0\x10\0\0", b"\0\1\0\1\0\x10\0\1", b"\0\1\0\1\0\x10\xff\xff"),
    bound=wrapper.MAX_BUFFER,
    payload=lambda pdu: pdu[8:],
    checked=False,
)
BARE = Speaker(
    name="apdu",
    framer=bare.ApduFramer,
    frames=PUSHES,
    tokens=(
        *(b"\x0f", b"\xdb", b"\xdb\x08", b"\xe6", b"\xe6\xe7", b"\xe6\xe7\0", b"\xe6\xe7\0\x0f", b"\xe6\xe7\0\xdb\0"),
        *(b"\x0f\0\0\0\0\0\1\x7f", b"\x09\x0a\x0f\0\0\0\0\0\1\x82\xff\xff", b"\xdd\0", b"\x02\x02"),
        *(b"\xdb\0\x82\xff\xff\x30", b"\xe0\x40\0\1\0\0\x7f", b"\xc2\0\0\1\0\0\x61\x62\x14\xff\2\6"),
    ),
    bound=bare.MAX_BUFFER,
    checked=False,
)
CIPHERED = BARE._replace(
    name="apdu-ciphered",
    framer=lambda: bare.ApduFramer(only_ciphered=True),
    frames=CIPHER_BLOCKS,
    tokens=tuple(token for token in BARE.tokens if not token.endswith(LLC)),  # behind it a block is another's
)


def unknown(speaker: Speaker) -> Speaker:
    """The same line, and nobody has said which framing it speaks."""
    bound = detect.MAX_BUFFER
    return speaker._replace(name=f"auto-{speaker.name}", framer=detect.AutoFramer, bound=bound)


FRAMERS = [P1, HDLC, MBUS, WRAPPER, BARE, CIPHERED, *map(unknown, (P1, HDLC, MBUS, CIPHERED))]


def _over(speakers: list[Speaker]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("speaker", speakers, ids=lambda speaker: speaker.name)


every_framer = _over(FRAMERS)
every_searching_framer = _over([speaker for speaker in FRAMERS if speaker.searches])
every_checking_framer = _over([speaker for speaker in FRAMERS if speaker.checked])
TRIES = settings(max_examples=60, deadline=None)


@every_framer
@TRIES
@given(data=st.data())
def test_no_byte_is_lost(speaker: Speaker, data: st.DataObject) -> None:
    stream = data.draw(streams(speaker))
    assert joined(events_of(speaker.framer(), [stream])) == stream


@every_framer
@TRIES
@given(data=st.data())
def test_chunking_does_not_matter(speaker: Speaker, data: st.DataObject) -> None:
    stream = data.draw(streams(speaker))
    parts = cut(stream, data.draw(PLACES))
    assert events_of(speaker.framer(), parts) == events_of(speaker.framer(), [stream])


@every_framer
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_byte_by_byte_is_the_same_as_all_at_once(speaker: Speaker, data: st.DataObject) -> None:
    stream = data.draw(streams(speaker))
    assert events_of(speaker.framer(), cut(stream, range(len(stream)))) == events_of(speaker.framer(), [stream])


@every_framer
@TRIES
@given(data=st.data())
def test_a_framer_after_idle_is_as_good_as_new(speaker: Speaker, data: st.DataObject) -> None:
    framer, frame = speaker.framer(), speaker.frames[0]
    events_of(framer, [data.draw(streams(speaker))])
    assert events_of(framer, [frame]) == events_of(speaker.framer(), [frame])
    assert payloads(events_of(framer, [frame])) == [speaker.payload(frame)]


@every_searching_framer
def test_a_torn_frame_costs_only_itself_wherever_it_is_cut(speaker: Speaker) -> None:
    for torn, sound in zip(speaker.frames, speaker.frames[1:] + speaker.frames[:1], strict=True):
        one = speaker.payload(sound)
        for length in range(1, len(torn)):
            events = events_of(speaker.framer(), [sound, torn[:length], sound, sound])
            found = payloads(events)
            assert found[:1] + found[-2:] == [one] * 3, length
            if length < len(torn) - speaker.dispensable:
                assert len(found) == 3, length
                assert noise(events) or length == 1, length  # one octet alone may be a filler


@every_searching_framer
def test_a_frame_without_its_beginning_costs_only_itself(speaker: Speaker) -> None:
    torn, sound = speaker.frames[:2]
    for begin in range(1, len(torn)):
        assert payloads(events_of(speaker.framer(), [torn[begin:], sound])) == [speaker.payload(sound)], begin


@every_checking_framer
@TRIES
@given(data=st.data())
def test_a_flipped_bit_never_passes_and_costs_no_other(speaker: Speaker, data: st.DataObject) -> None:
    first, second, third = (data.draw(st.sampled_from(speaker.frames)) for _ in range(3))
    place = data.draw(st.integers(0, len(second) - 1))
    damaged = bytearray(second)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    found = payloads(events_of(speaker.framer(), [first, bytes(damaged), third]))
    assert found[0] == speaker.payload(first)
    assert found[-1] == speaker.payload(third)
    for payload in found[1:-1]:
        assert speaker.covered(payload) == speaker.covered(speaker.payload(second))


@every_searching_framer
def test_noise_is_an_event(speaker: Speaker) -> None:
    events = events_of(speaker.framer(), [b"\xff\xf1\x00 noise", speaker.frames[0]])
    assert [event.octets for event in noise(events)] == [b"\xff\xf1\x00 noise"]
    assert payloads(events) == speaker.payloads[:1]


@every_framer
def test_the_buffer_is_bounded(speaker: Speaker) -> None:
    for filler in (b"\xff", b"\x00", b"a", *speaker.tokens):
        framer = speaker.framer()
        # Whoever keeps what it should not is over its bound by the end of twice as much.
        stream = speaker.frames[0][:50] + filler * (2 * speaker.bound // len(filler))
        given_back = taken = 0
        for begin in range(0, len(stream), 1000):
            chunk = stream[begin : begin + 1000]
            taken += len(chunk)
            given_back += len(joined(framer.feed(chunk)))
            assert taken - given_back <= speaker.bound, filler
        if not speaker.searches:
            framer.idle()
        assert payloads(events_of(framer, speaker.frames[1:2]))[-1:] == speaker.payloads[1:2], filler
