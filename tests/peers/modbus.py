"""Meters on Modbus that are not pymodbus: pyModbusTCP, modbus-tk on a pseudo-terminal, libmodbus in C.

An address that a unit does not have is answered with exception 2. A unit that is not there is silent on a serial line,
and answered with exception 11 on TCP, as by a gateway.
"""

import asyncio
import contextlib
import os
import pty
import select
import shutil
import socket
import subprocess
import threading
import tty
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Literal

import modbus_tk.modbus_rtu
import serial
from pyModbusTCP.server import DataHandler, ModbusServer

Image = Mapping[int, Mapping[int, int]]
"""Function → address → word, or 0 or 1."""

Units = Mapping[int, Image]

EXCEPTION_ADDRESS, EXCEPTION_GATEWAY_TARGET = 2, 11

HERE = Path(__file__).parent


class TcpPeer:
    """pyModbusTCP, in threads of its own."""

    def __init__(self, units: Units) -> None:
        self.units = {
            unit: {function: dict(words) for function, words in image.items()} for unit, image in units.items()
        }
        self.requests: list[tuple[int, int, int, int]] = []
        self.port = 0

    async def __aenter__(self) -> "TcpPeer":
        self.port = free_port()
        self._server = ModbusServer("127.0.0.1", self.port, no_block=True, data_hdl=_Handler(self))
        self._server.start()
        return self

    async def __aexit__(self, *of: object) -> None:
        self._server.stop()

    def words(self, unit: int, function: int, address: int, count: int) -> Any:
        self.requests.append((unit, function, address, count))
        if unit not in self.units:
            return DataHandler.Return(exp_code=EXCEPTION_GATEWAY_TARGET)
        image = self.units[unit].get(function, {})
        wanted = range(address, address + count)
        if not all(at in image for at in wanted):
            return DataHandler.Return(exp_code=EXCEPTION_ADDRESS)
        return DataHandler.Return(exp_code=0, data=[image[at] for at in wanted])


class _Handler(DataHandler):  # type: ignore[misc] # it has no types
    def __init__(self, peer: TcpPeer) -> None:
        super().__init__()
        self._peer = peer

    def read_coils(self, address: int, count: int, srv_info: Any) -> Any:
        return self._peer.words(srv_info.recv_frame.mbap.unit_id, 1, address, count)

    def read_d_inputs(self, address: int, count: int, srv_info: Any) -> Any:
        return self._peer.words(srv_info.recv_frame.mbap.unit_id, 2, address, count)

    def read_h_regs(self, address: int, count: int, srv_info: Any) -> Any:
        return self._peer.words(srv_info.recv_frame.mbap.unit_id, 3, address, count)

    def read_i_regs(self, address: int, count: int, srv_info: Any) -> Any:
        return self._peer.words(srv_info.recv_frame.mbap.unit_id, 4, address, count)


class PtyPair:
    """Two pseudo-terminals joined by a thread: what is said on one is heard on the other, as on a cable.

    ours: a link that leads to the end that the daemon opens · theirs: the end that the units open
    """

    def __init__(self, folder: Path, name: str = "ttyBus") -> None:
        self.ours = folder / name
        self._masters = []
        names = []
        for _ in range(2):
            master, slave = pty.openpty()
            tty.setraw(slave)
            names.append(os.ttyname(slave))
            self._masters.append(master)
            os.close(slave)
        self.theirs = names[1]
        self.ours.unlink(missing_ok=True)
        self.ours.symlink_to(names[0])
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._join, daemon=True)
        self._thread.start()

    def _join(self) -> None:
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        one, other = self._masters
        for master in self._masters:
            poll.register(master, select.POLLIN)
        while True:
            for ready, events in poll.poll():
                if ready == self._stop:
                    return
                octets = b""
                if events & select.POLLIN:
                    with contextlib.suppress(OSError):
                        octets = os.read(ready, 4096)
                if octets:
                    os.write(other if ready == one else one, octets)
                elif events & select.POLLHUP:
                    threading.Event().wait(0.005)  # nobody has that end open (yet): poll would spin

    def close(self) -> None:
        os.write(self._stopped, b"x")
        self._thread.join()
        for descriptor in (*self._masters, self._stop, self._stopped):
            os.close(descriptor)
        self.ours.unlink(missing_ok=True)


class RtuPeer:
    """modbus-tk's server on one end of a pair of pseudo-terminals. `port` is the other end."""

    def __init__(self, units: Units, folder: Path, name: str = "ttyBus") -> None:
        self._units = units
        self._pair = PtyPair(folder, name)
        self.port = self._pair.ours

    async def __aenter__(self) -> "RtuPeer":
        line = serial.Serial(self._pair.theirs, 115200)
        self._server = modbus_tk.modbus_rtu.RtuServer(line, error_on_missing_slave=False)
        for unit, image in self._units.items():
            slave = self._server.add_slave(unit)
            for function, words in image.items():
                for first, run in runs(words):
                    name = f"{function}/{first}"
                    slave.add_block(name, function, first, len(run))  # its block types are numbered as the functions
                    slave.set_values(name, first, run)
        self._server.start()
        return self

    async def __aexit__(self, *of: object) -> None:
        await asyncio.to_thread(self._server.stop)
        self._pair.close()


class RtuOverTcpPeer:
    """A serial port server: what comes over TCP goes to the line on which modbus-tk serves, and back."""

    def __init__(self, units: Units, folder: Path) -> None:
        self._rtu = RtuPeer(units, folder, "ttyBehindServer")
        self.port = 0

    async def __aenter__(self) -> "RtuOverTcpPeer":
        await self._rtu.__aenter__()
        self._line = os.open(self._rtu.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._clients: list[asyncio.StreamWriter] = []
        asyncio.get_running_loop().add_reader(self._line, self._hear)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def _hear(self) -> None:
        octets = os.read(self._line, 4096)
        for client in self._clients:
            client.write(octets)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.append(writer)
        try:
            while octets := await reader.read(4096):
                os.write(self._line, octets)
        except (ConnectionError, OSError):
            pass
        finally:
            self._clients.remove(writer)
            writer.close()

    async def __aexit__(self, *of: object) -> None:
        self._server.close()
        asyncio.get_running_loop().remove_reader(self._line)
        for client in self._clients:
            client.close()
        os.close(self._line)
        await self._rtu.__aexit__()


class LibmodbusPeer:
    """libmodbus in a process of its own (`libmodbus_server.c`), on TCP or on a pseudo-terminal. Needs `libmodbus()`.

    On a pseudo-terminal it is the first of the units only.
    """

    def __init__(self, units: Units, transport: Literal["tcp", "rtu"], folder: Path) -> None:
        self._units = units
        self._transport = transport
        self._folder = folder
        self._pair: PtyPair | None = None
        self.port: int | Path = 0

    async def __aenter__(self) -> "LibmodbusPeer":
        program = libmodbus()
        assert program is not None
        image = self._folder / "image.txt"
        image.write_text(
            "".join(
                f"{unit} {function} {address} {word}\n"
                for unit, functions in self._units.items()
                for function, words in functions.items()
                for address, word in words.items()
            )
        )
        if self._transport == "tcp":
            where = str(free_port())
            self.port = int(where)
        else:
            self._pair = PtyPair(self._folder)
            where, self.port = self._pair.theirs, self._pair.ours
        self._process = await asyncio.create_subprocess_exec(
            program, self._transport, where, image, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        await self._process.wait()
        if self._pair is not None:
            self._pair.close()


@lru_cache(maxsize=1)
def libmodbus() -> Path | None:
    """The program, compiled once; None where there is no compiler, or no libmodbus to compile it with."""
    compiler = shutil.which("cc")
    if compiler is None or shutil.which("pkg-config") is None:
        return None
    asked = ["pkg-config", "--cflags", "--libs", "libmodbus"]
    flags = subprocess.run(asked, capture_output=True, text=True, check=False)
    if flags.returncode != 0:
        return None
    program = Path(mkdtemp(prefix="libmodbus-")) / "server"
    command = [compiler, "-Wall", "-Werror", "-O1", "-o", str(program), str(HERE / "libmodbus_server.c")]
    subprocess.run([*command, *flags.stdout.split()], check=True)
    return program


def runs(words: Mapping[int, int]) -> Iterator[tuple[int, list[int]]]:
    """First address and words of every run of addresses without a hole."""
    run: list[int] = []
    first = 0
    for address in sorted(words):
        if run and address == first + len(run):
            run.append(words[address])
            continue
        if run:
            yield first, run
        first, run = address, [words[address]]
    if run:
        yield first, run


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
