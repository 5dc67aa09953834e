"""The units on one line, and one side of a conversation with them: in come requests, out go answers, in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta

from datalogger.simulation.modbus.device import EXCEPTION, Device
from datalogger.simulation.modbus.faults import AnswerFaults, Reply
from datalogger.simulation.modbus.wire import Asked, Ear, Framing

NO_SUCH_UNIT = 11  # a gateway's exception: nobody answers there

Tell = Callable[[Asked, Reply | None], None]
"""Called with each request when its answer goes out; None: it was to a unit that is not here."""


class Bus:
    """devices: no two of one unit
    count:   how many requests to them are answered; None: any number
    """

    def __init__(self, devices: Iterable[Device], faults: AnswerFaults, tell: Tell, count: int | None = None) -> None:
        self._devices = {device.unit: device for device in devices}
        self._faults = faults
        self._tell = tell
        self._left = count
        self.enough = asyncio.Event()
        """So many were answered; no more are."""

    def live(self, time: timedelta) -> None:
        for device in self._devices.values():
            device.live(time)

    def reply(self, asked: Asked, ear: Ear, framing: Framing) -> Reply | None:
        """None where nobody here is meant. Behind Modbus TCP a gateway says so; on a serial line that is silence."""
        device = self._devices.get(asked.unit)
        if device is not None:
            return self._faults.apply(asked.unit, device.answer(asked.pdu), lambda *answer: ear.write(asked, *answer))
        if framing == "tcp" and asked.pdu:
            pdu = bytes((asked.pdu[0] | EXCEPTION, NO_SUCH_UNIT))
            return Reply(ear.write(asked, asked.unit, pdu))
        return None

    def done(self, asked: Asked, reply: Reply | None) -> None:
        """The answer is on its way."""
        self._tell(asked, reply)
        if self._left is not None and asked.unit in self._devices:
            self._left -= 1
            if self._left == 0:
                self.enough.set()


class Talk:
    """With one reader.

    send, hang_up: what its line or connection does
    """

    def __init__(
        self, bus: Bus, framing: Framing, *, send: Callable[[bytes], None], hang_up: Callable[[], None]
    ) -> None:
        self._bus = bus
        self._framing: Framing = framing
        self._ear = Ear(framing)
        self._send = send
        self._hang_up = hang_up
        self._waiting: deque[tuple[float, Asked, Reply | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def hear(self, octets: bytes) -> None:
        if self._over or self._bus.enough.is_set():
            return
        loop = asyncio.get_running_loop()
        for asked in self._ear.feed(octets):
            reply = self._bus.reply(asked, self._ear, self._framing)
            # A unit that is late with one answer answers the next ones after it.
            free = max(loop.time(), self._waiting[-1][0] if self._waiting else 0.0)
            self._waiting.append((free + (reply.after if reply else 0.0), asked, reply))
        self._go_on()
        if self._ear.broken:
            self._hang_up()

    def forget(self) -> None:
        """The reader of a serial line is gone; who comes next may still hear what is late."""
        self._ear.forget()

    def end(self) -> None:
        """No connection any more."""
        self._over = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        """Send what is due, and come back for the rest."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and not self._bus.enough.is_set():
            due, asked, reply = self._waiting[0]
            if due > loop.time():
                self._timer = loop.call_at(due, self._go_on)
                return
            self._waiting.popleft()
            if reply is not None and reply.octets:
                self._send(reply.octets)
            self._bus.done(asked, reply)
            if reply is not None and reply.closes:
                self._hang_up()
