"""The units on real lines, and who asks them there."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from datalogger.meters import register_maps
from datalogger.protocol.modbus.answers import Answer, Event, Refusal, Request
from datalogger.simulation.lines import Line
from datalogger.simulation.modbus.bus import NO_SUCH_UNIT, Bus
from datalogger.simulation.modbus.device import Device
from datalogger.simulation.modbus.faults import AnswerFault, AnswerFaults, Reply
from datalogger.simulation.modbus.serving import PtyUnits, TcpUnits, serve
from datalogger.simulation.modbus.wire import Asked
from datalogger.sources.modbus.wire import Framing, Wire

SOON = 30  # seconds; a failure bound, never waited for
PAUSE = 0.05

VOLTAGES = Request(2, 4, 0, 6)
LINES = ["pty", "tcp", "rtu-over-tcp"]


class Reader:
    """One end of a line or connection."""

    def __init__(self, framing: Framing, kind: str, address: str) -> None:
        self.wire = Wire(framing)
        self._kind = kind
        self._address = address
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._terminal = -1

    async def open(self) -> None:
        if self._kind == "pty":
            self._terminal = os.open(self._address, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            asyncio.get_running_loop().add_reader(self._terminal, self._read)
        else:
            host, _, port = self._address.rpartition(":")
            self._stream, self._writer = await asyncio.open_connection(host, int(port))

    def _read(self) -> None:
        octets = b""
        with suppress(OSError):  # the units are gone
            octets = os.read(self._terminal, 4096)
        if not octets:
            asyncio.get_running_loop().remove_reader(self._terminal)
        self._heard.put_nowait(octets)

    def write(self, octets: bytes) -> None:
        if self._kind == "pty":
            os.write(self._terminal, octets)
        else:
            self._writer.write(octets)

    async def read(self) -> bytes:
        async with asyncio.timeout(SOON):
            return await (self._heard.get() if self._kind == "pty" else self._stream.read(4096))

    async def ask(self, request: Request) -> Event:
        octets, listening = self.wire.ask(request)
        self.write(octets)
        while True:
            got = await self.read()
            assert got, "the line ended"
            for event in listening.feed(got):
                return event

    def close(self) -> None:
        if self._kind == "pty":
            asyncio.get_running_loop().remove_reader(self._terminal)
            os.close(self._terminal)
        else:
            self._writer.close()


class Units:
    """Two meters, served on one line."""

    def __init__(self, kind: str, rates: Mapping[AnswerFault, float] | None = None, count: int | None = None) -> None:
        self.kind = kind
        self.framing: Framing = "tcp" if kind == "tcp" else "rtu"
        maps = register_maps.load()
        self.devices = [Device(1, maps["eastron-sdm120"]), Device(2, maps["eastron-sdm630"])]
        self.told: list[tuple[Asked, Reply | None]] = []
        faults = AnswerFaults(rates or {}, pause=PAUSE)
        self.bus = Bus(self.devices, faults, lambda *answered: self.told.append(answered), count)
        self.line: Line = PtyUnits(self.bus) if kind == "pty" else TcpUnits(self.bus, self.framing, "127.0.0.1", 0)
        self.ended = asyncio.Event()

    @asynccontextmanager
    async def serve(self, interval: float = 3600) -> AsyncIterator[Reader]:
        ready = asyncio.Event()
        task = asyncio.create_task(serve([self.line], self.bus, interval=interval, announce=lambda line: ready.set()))
        task.add_done_callback(lambda _: self.ended.set())
        await ready.wait()
        reader = Reader(self.framing, self.kind, self.line.address)
        await reader.open()
        try:
            yield reader
        finally:
            reader.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def voltages(units: Units) -> bytes:
    return units.devices[1].answer(bytes.fromhex("0400000006"))


@pytest.mark.parametrize("kind", LINES)
async def test_who_asks_is_answered(kind: str) -> None:
    units = Units(kind)
    async with units.serve() as reader:
        for _ in range(3):
            answer = await reader.ask(VOLTAGES)
            assert isinstance(answer, Answer)
            assert answer.pdu == voltages(units)
        refusal = await reader.ask(Request(1, 4, 0x200, 2))
        assert isinstance(refusal, Refusal) and refusal.code == 2
    assert [asked.unit for asked, _ in units.told] == [2, 2, 2, 1]


@pytest.mark.parametrize("kind", ["pty", "rtu-over-tcp"])
async def test_a_unit_that_is_not_there_says_nothing_on_a_serial_line(kind: str) -> None:
    units = Units(kind)
    async with units.serve() as reader:
        reader.write(reader.wire.ask(Request(9, 4, 0, 6))[0] + reader.wire.ask(Request(0, 4, 0, 6))[0])
        assert isinstance(await reader.ask(VOLTAGES), Answer)
    assert [(asked.unit, reply is None) for asked, reply in units.told] == [(9, True), (0, True), (2, False)]


async def test_a_unit_that_is_not_there_is_said_not_to_be_by_modbus_tcp() -> None:
    async with Units("tcp").serve() as reader:
        refusal = await reader.ask(Request(9, 4, 0, 6))
        assert isinstance(refusal, Refusal) and refusal.code == NO_SUCH_UNIT


@pytest.mark.parametrize("kind", LINES)
async def test_an_answer_that_is_late_comes_before_those_to_later_requests(kind: str) -> None:
    units = Units(kind, {AnswerFault.LATE: 1})
    async with units.serve() as reader:
        first, second = Request(2, 4, 0, 6), Request(2, 4, 0, 4)
        octets, listening = reader.wire.ask(first)
        reader.write(octets)
        others, later = reader.wire.ask(second)
        reader.write(others)
        began = asyncio.get_running_loop().time()
        heard = b""
        while len(heard) < sum(len(reply.octets) for _, reply in units.told if reply) or len(units.told) < 2:
            heard += await reader.read()
        assert asyncio.get_running_loop().time() - began >= 2 * PAUSE
        size = len(units.told[0][1].octets) if units.told[0][1] else 0
        assert isinstance(listening.feed(heard[:size])[0], Answer)
        assert isinstance(later.feed(heard[size:])[0], Answer)


@pytest.mark.parametrize("kind", ["tcp", "rtu-over-tcp"])
async def test_a_connection_that_is_closed_ends_in_the_middle_of_an_answer(kind: str) -> None:
    units = Units(kind, {AnswerFault.CLOSE: 1})
    async with units.serve() as reader:
        reader.write(reader.wire.ask(VOLTAGES)[0])
        heard = b""
        while octets := await reader.read():
            heard += octets
        assert 0 < len(heard) < len(voltages(units)) + 3


async def test_who_speaks_no_modbus_tcp_is_cut_off() -> None:
    async with Units("tcp").serve() as reader:
        reader.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""


@pytest.mark.parametrize("kind", LINES)
async def test_after_so_many_requests_it_ends_and_what_it_said_is_read(kind: str) -> None:
    units = Units(kind, count=2)
    async with units.serve() as reader:
        assert isinstance(await reader.ask(VOLTAGES), Answer)
        assert not units.ended.is_set()
        reader.write(reader.wire.ask(VOLTAGES)[0])
        heard = b""
        while octets := await reader.read():
            heard += octets
        assert voltages(units) in heard
        async with asyncio.timeout(SOON):
            await units.ended.wait()


async def test_the_values_move_while_it_is_served() -> None:
    units = Units("tcp")
    async with units.serve(interval=0.001) as reader:
        seen: set[bytes] = set()
        async with asyncio.timeout(SOON):
            while len(seen) < 3:
                answer = await reader.ask(VOLTAGES)
                assert isinstance(answer, Answer)
                seen.add(answer.pdu)


async def test_a_port_may_be_closed_and_opened_again(tmp_path: Path) -> None:
    units = Units("pty")
    async with units.serve() as reader:
        for _ in range(3):
            again = Reader("rtu", "pty", units.line.address)
            reader.write(reader.wire.ask(VOLTAGES)[0][:4])  # and half a request left behind
            reader.close()
            await again.open()
            assert isinstance(await again.ask(VOLTAGES), Answer)
            again.close()
            await reader.open()
            assert isinstance(await reader.ask(VOLTAGES), Answer)


async def test_two_readers_of_a_tcp_port_do_not_hear_each_other() -> None:
    units = Units("tcp")
    async with units.serve() as reader:
        other = Reader("tcp", "tcp", units.line.address)
        await other.open()
        reader.write(reader.wire.ask(VOLTAGES)[0][:5])
        assert isinstance(await other.ask(VOLTAGES), Answer)
        other.close()
