"""The line under test: octets, and what the receiver found faulty in them."""

import asyncio
import fcntl
import os
import re
import select
import termios
from pathlib import Path
from typing import NamedTuple, Protocol

import serial

from datalogger.clock import Clock
from datalogger.errors import SourceError
from datalogger.line_settings import LineSettings
from datalogger.sources.serial_faults import already_open, holder, why_ended, why_not_open
from datalogger.sources.serial_port import PTY_MAJORS
from datalogger.sources.tcp_client import TcpClient, TcpClientConfig

MOST_AT_ONCE = 4096  # octets

_BY_ID = Path("/dev/serial/by-id")


class Reading(NamedTuple):
    """faults: how many of the octets came with a wrong parity or stop bit, as far as the line tells"""

    octets: bytes
    faults: int = 0


class Line(Protocol):
    """SourceError from any of these names the port or host, what failed and the mend."""

    tunable: bool
    """Whether its settings can be changed from here."""
    shows_form: bool
    """Whether data bits and parity make a difference."""

    def open(self) -> None: ...

    def tune(self, settings: LineSettings) -> bool:
        """From now on so; what came before is thrown away. False where the port cannot do that."""

    def read(self, seconds: float) -> Reading:
        """What comes within `seconds`, as soon as it comes; empty where nothing does."""

    def close(self) -> None: ...


class SerialLine:
    """A port that is told to mark faulty octets, which the daemon does not: so a wrong parity shows."""

    tunable = True

    def __init__(self, port: str) -> None:
        self._port = port
        self._serial: serial.Serial | None = None
        self._marks = Marks()
        self.shows_form = True

    def open(self) -> None:
        # Before it is touched: to open a port sets its speed, also under another program's feet.
        if other := holder(self._port, besides=os.getpid()):
            raise SourceError(already_open(self._port, other))
        try:
            self._serial = serial.Serial(self._port, timeout=0, exclusive=True)
            self.shows_form = os.major(os.fstat(self._serial.fileno()).st_rdev) not in PTY_MAJORS
            if self.shows_form:
                fcntl.ioctl(self._serial.fileno(), termios.TIOCEXCL)
        except (OSError, ValueError, termios.error) as error:
            self.close()
            raise SourceError(why_not_open(self._port, error)) from error

    def tune(self, settings: LineSettings) -> bool:
        port = self._opened()
        form = settings if self.shows_form else LineSettings(settings.baud_rate)
        try:
            port.apply_settings(
                {
                    "baudrate": form.baud_rate,
                    "bytesize": form.bytesize,
                    "parity": form.parity,
                    "stopbits": form.stopbits,
                }
            )
            if self.shows_form:
                modes = termios.tcgetattr(port.fileno())
                modes[0] = modes[0] & ~(termios.IGNPAR | termios.IGNBRK | termios.BRKINT) | (
                    termios.INPCK | termios.PARMRK
                )
                termios.tcsetattr(port.fileno(), termios.TCSANOW, modes)
            port.reset_input_buffer()
        except (OSError, ValueError, termios.error) as error:
            if not Path(self._port).exists():
                raise SourceError(why_ended(self._port, error)) from error
            return False
        self._marks = Marks()
        return True

    def read(self, seconds: float) -> Reading:
        port = self._opened().fileno()
        try:
            ready, _, _ = select.select([port], [], [], seconds)
            if not ready:
                return Reading(b"")
            octets = os.read(port, MOST_AT_ONCE)
        except OSError as error:
            raise SourceError(why_ended(self._port, error)) from error
        if not octets:
            raise SourceError(why_ended(self._port, None))
        return self._marks.taken_out(octets) if self.shows_form else Reading(octets)

    def close(self) -> None:
        port, self._serial = self._serial, None
        if port is not None:
            port.close()

    def _opened(self) -> serial.Serial:
        if self._serial is None:
            raise SourceError(f"{self._port} is not open")
        return self._serial


class TcpLine:
    """A port server or a dongle: its far end is set by somebody else."""

    tunable = False
    shows_form = True

    def __init__(self, host: str, port: int, clock: Clock) -> None:
        self._client = TcpClient("probe", TcpClientConfig(kind="tcp", host=host, port=port), clock)
        self._runner = asyncio.Runner()

    def open(self) -> None:
        self._runner.run(self._client.open())

    def tune(self, settings: LineSettings) -> bool:
        return False

    def read(self, seconds: float) -> Reading:
        return Reading(self._runner.run(self._read(seconds)))

    async def _read(self, seconds: float) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await self._client.read()
        except TimeoutError:
            return b""

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


class Marks:
    """Takes out what PARMRK puts in (termios(3)): FF 00 before a faulty octet, FF FF for an octet FF."""

    _MARK = re.compile(rb"\xff(?:\x00(.)|(\xff))", re.DOTALL)

    def __init__(self) -> None:
        self._rest = b""

    def taken_out(self, octets: bytes) -> Reading:
        octets, faults, at = self._rest + octets, 0, 0
        self._rest = b""
        found = bytearray()
        while (begin := octets.find(b"\xff", at)) >= 0:
            found += octets[at:begin]
            mark = self._MARK.match(octets, begin)
            if mark is not None:
                faults += mark[1] is not None
                found += mark[1] or mark[2]
                at = mark.end()
            elif len(octets) - begin <= 2 and octets[begin + 1 :] in (b"", b"\x00"):
                self._rest = octets[begin:]
                at = len(octets)
            else:
                found.append(0xFF)  # no mark: a driver that does not double it
                at = begin + 1
        return Reading(bytes(found + octets[at:]), faults)


def lasting_name(port: str) -> str:
    """The link that stays when the port's number changes; the port as it was given where there is none."""
    if Path(port).parent != _BY_ID and _BY_ID.is_dir():
        device = os.path.realpath(port)
        for link in sorted(_BY_ID.iterdir()):
            if os.path.realpath(link) == device:
                return str(link)
    return port
