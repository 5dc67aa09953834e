"""Questions and answers on a line that misbehaves: the right answer, or none."""

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalogger.errors import SourceError
from datalogger.protocol.modbus.answers import Request
from datalogger.sources.modbus.conversation import GAP, MOST_WAIT, Conversation, NoAnswer, Pace, Refused
from datalogger.sources.modbus.wire import Framing
from tests.sources.modbus.bus import SOUND, Bus, Deed, word
from tests.virtual_time import run

ONE, OTHER = Request(1, 4, 0x10, 6), Request(1, 4, 0x80, 6)
MARKS = [Request(1, 4, 0x10, count) for count in range(40, 8, -2)]
TIMEOUT = 1.0


async def ask(conversation: Conversation, request: Request = ONE) -> list[int]:
    return await conversation.ask(request, MARKS, timeout=TIMEOUT)


def answer(number: int, request: Request = ONE) -> list[int]:
    return [word(number, request.address + at) for at in range(request.count)]


def test_a_line_that_was_just_opened_is_asked_a_mark_first() -> None:
    async def scenario() -> None:
        bus = Bus()
        conversation = bus.conversation()
        await conversation.open()
        assert await ask(conversation) == answer(2)
        assert await ask(conversation, OTHER) == answer(3, OTHER)
        assert bus.requests == [MARKS[0], ONE, OTHER]
        assert bus.rejected == []

    run(scenario())


@pytest.mark.parametrize(
    ("form", "reasons"),
    [
        ("noise", ["noise"]),
        ("unit", ["wrong_unit"]),
        ("long", ["too_long"]),
        ("echo", ["padding"]),
        ("pieces", []),
    ],
)
def test_a_sound_answer_is_found_among_what_is_none(form: str, reasons: list[str]) -> None:
    async def scenario() -> None:
        bus = Bus([SOUND, Deed(form=form)])
        conversation = bus.conversation()
        assert await ask(conversation) == answer(2)
        assert bus.reasons == reasons

    run(scenario())


@pytest.mark.parametrize(
    ("form", "reason", "seconds"),
    [
        ("crc", "checksum", 0.0),  # as long as it has to be: waiting brings nothing
        ("short", "truncated", GAP),
        ("function", "wrong_function", TIMEOUT),
    ],
)
def test_what_is_no_answer_is_told_with_its_reason(form: str, reason: str, seconds: float) -> None:
    async def scenario() -> None:
        bus = Bus([SOUND, Deed(form=form)])
        conversation = bus.conversation()
        began = asyncio.get_running_loop().time()
        with pytest.raises(NoAnswer):
            await ask(conversation)
        assert reason in bus.reasons
        assert asyncio.get_running_loop().time() - began == pytest.approx(seconds + 0.02, abs=0.02)
        assert await ask(conversation, OTHER) == answer(len(bus.requests), OTHER)

    run(scenario())


@pytest.mark.parametrize("code", [*range(1, 12), 200])
def test_an_exception_answer_is_told_with_its_code(code: int) -> None:
    async def scenario() -> None:
        bus = Bus([SOUND, Deed(form="exception", code=code)])
        conversation = bus.conversation()
        with pytest.raises(Refused) as refused:
            await ask(conversation)
        assert refused.value.code == code
        assert bus.reasons == [f"exception_{code if code < 12 else 'other'}"]
        assert await ask(conversation, OTHER) == answer(len(bus.requests), OTHER)

    run(scenario())


@pytest.mark.parametrize("late", [1.2, 1.9, 2.5, 5.0, 30.0])
@pytest.mark.parametrize("framing", ["rtu", "tcp"])
def test_a_late_answer_is_not_taken_for_that_of_the_next_request(framing: Framing, late: float) -> None:
    """Both are of one length, on a line (and behind a gateway) that does not say which is which."""

    async def scenario() -> None:
        mark = [SOUND] if framing == "rtu" else []  # a new connection needs none
        bus = Bus([*mark, Deed(after=late)], framing=framing, stamps_late=True)
        conversation = bus.conversation()
        with pytest.raises(NoAnswer):
            await ask(conversation)
        for _ in range(40):
            try:
                words = await ask(conversation, OTHER)
            except NoAnswer:
                continue
            assert words == answer(len(bus.requests), OTHER)
            break
        else:
            raise AssertionError("it is never read again")
        assert "late" in bus.reasons or "noise" in bus.reasons

    run(scenario())


def test_a_unit_that_refuses_the_mark_is_listened_to_until_it_is_quiet() -> None:
    async def scenario() -> None:
        refuses = Deed(form="exception")
        bus = Bus([refuses, refuses, refuses])
        conversation = bus.conversation()
        began = asyncio.get_running_loop().time()
        assert await ask(conversation, OTHER) == answer(4, OTHER)
        assert asyncio.get_running_loop().time() - began == pytest.approx(TIMEOUT + 0.04)

    run(scenario())


def test_a_gateway_that_hears_nothing_is_asked_the_mark_only() -> None:
    async def scenario() -> None:
        gone = Deed(form="exception", code=11)
        bus = Bus([gone, gone, gone], framing="tcp")
        conversation = bus.conversation()
        for _ in range(3):
            with pytest.raises(Refused):
                await ask(conversation)
        assert bus.requests == [ONE, MARKS[0], MARKS[1]]
        assert await ask(conversation) == answer(5)

    run(scenario())


def test_the_answer_that_comes_twice_is_taken_once() -> None:
    async def scenario() -> None:
        bus = Bus([SOUND, Deed(form="twice")])
        conversation = bus.conversation(pace=Pace(0.001))
        assert await ask(conversation) == answer(2)
        assert await ask(conversation, OTHER) == answer(3, OTHER)
        assert bus.reasons == ["noise"]

    run(scenario())


def test_the_line_is_silent_before_each_request_for_three_and_a_half_octets() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        octet = 11 / 9600
        bus = Bus()
        conversation = bus.conversation(pace=Pace(octet))
        await conversation.open()
        times: list[float] = []
        write = bus.write

        def note(octets: bytes) -> None:
            times.append(loop.time())
            write(octets)

        bus.write = note  # type: ignore[method-assign]
        for _ in range(3):
            await ask(conversation)
        assert times[0] - 1000 == pytest.approx(3.5 * octet)
        # The answer came 10 ms after the request.
        assert [b - a for a, b in itertools.pairwise(times[1:])] == pytest.approx([0.01 + 3.5 * octet] * 2)

    run(scenario())


def test_a_line_that_ends_before_the_answer_is_told_and_ends_the_asking() -> None:
    async def scenario() -> None:
        bus = Bus([SOUND, Deed(after=None)])
        conversation = bus.conversation()
        asyncio.get_running_loop().call_later(0.5, bus.fail, "the cable is out")
        with pytest.raises(SourceError, match="the cable is out"):
            await ask(conversation)
        assert bus.reasons == ["closed"]

    run(scenario())


def test_what_is_no_modbus_tcp_ends_the_connection() -> None:
    async def scenario() -> None:
        bus = Bus([Deed(form="crc")], framing="tcp")
        conversation = bus.conversation()
        asyncio.get_running_loop().call_later(0.001, bus._say, b"raw" + b"\x01\x04\x02\x00\x01\x78\xf0", 1, 1)
        with pytest.raises(SourceError, match="no Modbus as it is configured"):
            await ask(conversation)
        assert bus.reasons == ["malformed"]

    run(scenario())


def test_half_an_answer_on_tcp_ends_the_connection() -> None:
    """What comes behind it begins nobody knows where."""

    async def scenario() -> None:
        bus = Bus([Deed(after=None)], framing="tcp")
        conversation = bus.conversation()
        asyncio.get_running_loop().call_later(0.1, bus._say, b"raw" + b"\0\1\0\0\0\x0f\1\4", 1, 1)
        with pytest.raises(SourceError, match="half an answer"):
            await ask(conversation)
        assert bus.reasons == ["truncated"]

    run(scenario())


def test_an_answer_on_tcp_may_pause_in_the_middle() -> None:
    async def scenario() -> None:
        bus = Bus([Deed(after=None)], framing="tcp")
        conversation = bus.conversation()
        whole = b"\0\1\0\0\0\x0f\1\4\x0c" + bytes(range(12))
        for at, later in ((slice(0, 7), 0.1), (slice(7, None), 0.8)):
            asyncio.get_running_loop().call_later(later, bus._say, b"raw" + whole[at], 1, 1)
        assert await ask(conversation) == [0x0001, 0x0203, 0x0405, 0x0607, 0x0809, 0x0A0B]

    run(scenario())


def test_a_line_that_is_never_quiet_is_given_up() -> None:
    async def scenario() -> None:
        bus = Bus()
        conversation = bus.conversation(pace=Pace(11 / 2400))

        def babble() -> None:
            bus._say(b"raw\x55\xaa", 1, 1)
            asyncio.get_running_loop().call_later(0.002, babble)

        babble()
        began = asyncio.get_running_loop().time()
        with pytest.raises(SourceError, match="never quiet"):
            await ask(conversation)
        assert asyncio.get_running_loop().time() - began < MOST_WAIT + 1

    run(scenario())


def test_who_refuses_every_mark_beside_another_master_is_asked_all_the_same() -> None:
    async def scenario() -> None:
        bus = Bus([Deed(form="exception")] * 3)
        conversation = bus.conversation()

        def babble() -> None:
            bus._say(b"raw\x55\xaa", 1, 1)
            asyncio.get_running_loop().call_later(0.8, babble)

        babble()
        assert await ask(conversation) == answer(4)
        assert asyncio.get_running_loop().time() - 1000 < MOST_WAIT + 3

    run(scenario())


FORMS = ["sound", "crc", "short", "long", "noise", "unit", "function", "pieces"]
AFTER = st.one_of(st.none(), st.sampled_from([0.01, 0.01, 0.01, 0.5, 1.01, 1.5, 3.7]))
deeds = st.one_of(
    st.builds(Deed, after=AFTER, form=st.sampled_from(FORMS), code=st.just(2)),
    st.builds(Deed, after=st.sampled_from([0.01, 0.5]), form=st.just("exception"), code=st.sampled_from([2, 4, 6, 11])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(deeds, max_size=12), st.sampled_from(["rtu", "tcp"]))
def test_whatever_befalls_the_line_an_answer_is_that_of_its_request_and_it_is_read_again(
    befalls: list[Deed], framing: Framing
) -> None:
    async def scenario() -> None:
        bus = Bus(befalls, framing=framing, stamps_late=True)
        conversation = bus.conversation(pace=Pace(11 / 9600) if framing == "rtu" else None)
        read_again = 0
        for at in range(200):
            request = (ONE, OTHER)[at % 2]
            try:
                words = await ask(conversation, request)
            except (NoAnswer, Refused):
                read_again = 0
                continue
            assert words == answer(len(bus.requests), request)
            read_again += 1
            if read_again == 4 and not bus.deeds:
                return
        raise AssertionError("it is never read again")

    run(scenario())
