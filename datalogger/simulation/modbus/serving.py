"""Puts Modbus units on lines: a serial port, a TCP port; they live there until they have answered enough."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from datalogger.simulation.lines import Client, Line, PtyLine, TcpLine
from datalogger.simulation.modbus.bus import Bus, Talk
from datalogger.simulation.modbus.wire import MOST_FRAME, Framing

LOOK = 0.02  # seconds between two looks whether somebody has opened the terminal


class PtyUnits(PtyLine):
    """RTU slaves at the other end of a serial port."""

    def __init__(self, bus: Bus, link: Path | None = None) -> None:
        super().__init__(link)
        self._bus = bus
        self._talk = self._new_talk()
        self._look: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        await super().open()
        self._talk = self._new_talk()
        self._wait()

    def _new_talk(self) -> Talk:
        return Talk(self._bus, "rtu", send=lambda octets: self.send(octets, begins=True), hang_up=lambda: None)

    def _wait(self) -> None:
        """A terminal tells nobody that it was opened."""
        loop = asyncio.get_running_loop()
        if self.heard:
            loop.add_reader(self._meter, self._read)
        else:
            self._look = loop.call_later(LOOK, self._wait)

    def _read(self) -> None:
        try:
            octets = os.read(self._meter, MOST_FRAME)
        except BlockingIOError:
            return
        except OSError:  # the reader has closed it
            octets = b""
        if octets:
            self._talk.hear(octets)
        else:
            asyncio.get_running_loop().remove_reader(self._meter)
            self._talk.forget()
            self._wait()

    async def disconnect(self) -> None:
        if self._look is not None:
            self._look.cancel()
        self._talk.end()
        if self._meter >= 0:
            asyncio.get_running_loop().remove_reader(self._meter)
        await super().disconnect()


class TcpUnits(TcpLine):
    """Modbus TCP, or RTU frames over TCP; any number of readers."""

    def __init__(self, bus: Bus, framing: Framing, host: str, port: int) -> None:
        super().__init__(host, port)
        self._bus = bus
        self._framing: Framing = framing

    def client(self) -> Client:
        return _Reader(self._clients, self._bus, self._framing)


class _Reader(Client):
    def __init__(self, clients: set[Client], bus: Bus, framing: Framing) -> None:
        super().__init__(clients)
        self._talk = Talk(bus, framing, send=self._answer, hang_up=self._close)

    def data_received(self, octets: bytes) -> None:
        self._talk.hear(octets)

    def connection_lost(self, exc: Exception | None) -> None:
        self._talk.end()
        super().connection_lost(exc)

    def _close(self) -> None:
        self._talk.end()
        self.transport.close()

    def _answer(self, octets: bytes) -> None:
        self.send(octets, begins=True)


async def serve(lines: Sequence[Line], bus: Bus, *, interval: float, announce: Callable[[Line], None]) -> None:
    """Until the units have answered enough, or it is cancelled; the lines are closed then.

    interval: seconds from one move of the values to the next
    announce: called for each line when it is open
    """
    try:
        for line in lines:
            await line.open()
            announce(line)
        clock = asyncio.get_running_loop().time
        moved = clock()
        while not bus.enough.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(moved + interval):
                    await bus.enough.wait()
            if clock() >= moved + interval:
                moved += interval
                bus.live(timedelta(seconds=interval))
    finally:
        for line in lines:
            await line.close()
