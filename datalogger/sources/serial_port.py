"""A serial port: a P1 cable, an infrared head, an RS-485 adapter."""

import asyncio
import fcntl
import os
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import serial

from datalogger.clock import Clock
from datalogger.config.metering import MeterOptions
from datalogger.config.schema import SourceOptions
from datalogger.errors import SourceError
from datalogger.sources.incoming import Incoming
from datalogger.sources.serial_faults import already_open, holder, why_ended, why_not_open

PIECE = 4096  # octets taken at once: all that the kernel holds of a line

# Baud rate, data bits, parity.
PRESETS = {
    "dsmr5": (115200, 8, "N"),  # DSMR 4 and 5, e-MUCS, Smarty, Nordic, Hungarian
    "dsmr2": (9600, 7, "E"),  # DSMR 2.2 and 3
}

# Major numbers of the slave ends of pseudo-terminals on Linux.
PTY_MAJORS = range(136, 144)


class SerialPortConfig(MeterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind = "serial". What is not given comes from the preset."""

    port: str
    """The device; best a link in /dev/serial/by-id, which stays when the number changes."""
    preset: Literal["dsmr5", "dsmr2"] = "dsmr5"
    """dsmr5: 115200 8N1 · dsmr2: 9600 7E1"""
    baud_rate: int | None = None
    bytesize: Literal[7, 8] | None = None
    parity: Literal["N", "E", "O", "none", "even", "odd"] | None = None
    stopbits: Literal[1, 2] = 1
    xonxoff: bool = False
    rtscts: bool = False

    def line_problems(self) -> list[str]:
        problems = port_problems(self.port, self.baud_rate, on_network="tcp")
        if self.xonxoff and self.rtscts:
            problems.append("rtscts: beside xonxoff: a line has one flow control or none")
        return problems


def port_problems(port: str, baud_rate: int | None, *, on_network: str) -> list[str]:
    """on_network: the kind of source for a port that is no path."""
    problems = []
    if "://" in port:
        problems.append(
            f'port: a serial port is a path; for a port on the network kind = "{on_network}", with host and port'
        )
    elif not port.startswith("/") or "\0" in port:
        problems.append(f'port: expected a whole path, such as "/dev/{port or "ttyUSB0"}"')
    if baud_rate is not None and not 50 <= baud_rate <= 4_000_000:
        problems.append("baud_rate: expected 50 to 4000000, such as 9600 or 115200")
    return problems


def settings(config: SerialPortConfig) -> dict[str, Any]:
    """The line settings, in pyserial's words."""
    baud_rate, bytesize, parity = PRESETS[config.preset]
    return {
        "baudrate": config.baud_rate or baud_rate,
        "bytesize": config.bytesize or bytesize,
        "parity": (config.parity or parity)[0].upper(),
        "stopbits": config.stopbits,
        "xonxoff": config.xonxoff,
        "rtscts": config.rtscts,
    }


class SerialLine:
    """Opens the path anew each time: behind a by-id link may stand another number by then.

    settings: in pyserial's words
    """

    def __init__(self, port: str, settings: Mapping[str, Any]) -> None:
        self._port = port
        self._settings = dict(settings)
        self._incoming: Incoming | None = None
        self._opened: serial.Serial | None = None

    async def open(self) -> None:
        await self.close()
        # Before it is touched: to open a port sets its speed, also under another program's feet.
        if other := holder(self._port, besides=os.getpid()):
            raise SourceError(already_open(self._port, other))
        try:
            self._opened = self._open()
        except (OSError, ValueError, termios.error) as error:
            raise SourceError(why_not_open(self._port, error)) from error
        incoming = Incoming(lambda error: why_ended(self._port, error))
        incoming.connection_made(_Line(self._opened, incoming))
        self._incoming = incoming

    def _open(self) -> serial.Serial:
        settings = self._settings
        if _is_pty(self._port):
            # A pseudo-terminal carries whole octets: it knows no parity, and refuses to be asked for one.
            settings = {**settings, "bytesize": 8, "parity": "N"}
        opened = serial.Serial(self._port, **settings, timeout=0, write_timeout=0, exclusive=True)
        try:
            _keep_others_out(opened.fileno())
        except OSError:
            opened.close()
            raise
        return opened

    async def read(self) -> bytes:
        return await self._being_read().read()

    def pending(self) -> bytes:
        """What came in and was not read yet."""
        return self._being_read().pending()

    @property
    def ended(self) -> bool:
        """Nothing will come any more on what was opened."""
        return self._being_read().ended

    def write(self, octets: bytes) -> None:
        """At once: what a line is asked is far shorter than what the kernel holds for it. SourceError when it fails."""
        self._being_read()
        assert self._opened is not None
        try:
            if os.write(self._opened.fileno(), octets) == len(octets):
                return
            why = "takes no octets"
        except BlockingIOError:
            why = "takes no octets (is its flow control on, and nobody at the other end?)"
        except (OSError, serial.SerialException) as error:
            raise SourceError(why_ended(self._port, error)) from error
        raise SourceError(f"{self._port} {why}")

    def _being_read(self) -> Incoming:
        if self._incoming is None:
            raise SourceError(f"{self._port} is not open")
        return self._incoming

    async def close(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            await incoming.close()
        self._opened = None


class SerialPort(SerialLine):
    """A meter that speaks by itself."""

    config_type: ClassVar[type[SourceOptions]] = SerialPortConfig

    def __init__(self, name: str, config: SerialPortConfig, clock: Clock) -> None:
        super().__init__(config.port, settings(config))


class _Line(asyncio.ReadTransport):
    """An open port that is read from as it becomes readable.

    serial_asyncio would do; but a telegram comes in a dozen pieces, and each costs half as much here.
    """

    def __init__(self, port: serial.Serial, incoming: Incoming) -> None:
        super().__init__()
        self._port = port
        self._incoming = incoming
        self._loop = asyncio.get_running_loop()
        self.resume_reading()

    def pause_reading(self) -> None:
        self._loop.remove_reader(self._port.fileno())

    def resume_reading(self) -> None:
        self._loop.add_reader(self._port.fileno(), self._read)

    def close(self) -> None:
        self._end(None)

    def _read(self) -> None:
        try:
            octets = os.read(self._port.fileno(), PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if octets:
            self._incoming.data_received(octets)
        else:
            self._end(OSError("readable, but nothing comes: unplugged, or read by another program too"))

    def _end(self, error: OSError | None) -> None:
        if self._port.is_open:
            self.pause_reading()
            self._port.close()
            self._incoming.connection_lost(error)


def _is_pty(port: str) -> bool:
    return Path(port).exists() and os.major(Path(port).stat().st_rdev) in PTY_MAJORS


def _keep_others_out(port: int) -> None:
    """Beyond pyserial's lock, which only the polite ask for: nobody else (but root) can open the port now.

    Not on a pseudo-terminal: there the mark would outlive a killed process and keep its successor out.
    """
    if os.major(os.fstat(port).st_rdev) not in PTY_MAJORS:
        fcntl.ioctl(port, termios.TIOCEXCL)
