"""Meters on Modbus that are not pymodbus: pyModbusTCP, modbus-tk on a pseudo-terminal, libmodbus in C.

An address that a unit does not have is answered with exception 2. A unit that is not there is silent on a serial line,
and answered with exception 11 on TCP, as by a gateway. `requests` is what the Python ones were asked, also of units and
addresses that are not there; `set` gives them other values while they run.
"""

import asyncio
import contextlib
import logging
import os
import pty
import select
import shutil
import socket
import struct
import subprocess
import threading
import tty
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Literal

import modbus_tk.modbus
import modbus_tk.modbus_rtu
import serial
from pyModbusTCP.server import DataHandler, ModbusServer

Image = Mapping[int, Mapping[int, int]]
"""Function → address → word, or 0 or 1."""

Units = Mapping[int, Image]

Request = tuple[int, int, int, int]
"""Unit, function, address, count; of a request that is no reading, what stands in the place of the last two."""

EXCEPTION_FUNCTION, EXCEPTION_ADDRESS, EXCEPTION_GATEWAY_TARGET = 1, 2, 11

STOP_WITHIN = 0.02  # seconds between the looks of pyModbusTCP whether it is to stop; its own are half a second

HERE = Path(__file__).parent

logging.getLogger("modbus_tk").addHandler(logging.NullHandler())  # else it tells the console of every bad check sum


class Held:
    """What the units of a peer hold, and what they were asked."""

    def __init__(self, units: Units) -> None:
        self.units = {
            unit: {function: dict(words) for function, words in image.items()} for unit, image in units.items()
        }
        self.requests: list[Request] = []

    def set(
        self,
        unit: int,
        *,
        coils: Mapping[int, int] | None = None,
        discretes: Mapping[int, int] | None = None,
        holding: Mapping[int, int] | None = None,
        inputs: Mapping[int, int] | None = None,
    ) -> None:
        """Other values at addresses that are there: those of one function all at once, so that no answer is torn."""
        for function, words in enumerate((coils, discretes, holding, inputs), 1):
            if not words:
                continue
            image = self.units[unit].get(function, {})
            if strange := sorted(words.keys() - image.keys()):
                raise KeyError(f"unit {unit} has nothing at {strange} of function {function}")
            self.units[unit][function] = image | dict(words)
            self._changed(unit, function)

    def _changed(self, unit: int, function: int) -> None:
        """For a server that holds the values itself."""

    def asked(self, unit: int, pdu: bytes) -> None:
        self.requests.append((unit, *struct.unpack(">BHH", pdu[:5].ljust(5, b"\0"))))


class TcpPeer(Held):
    """pyModbusTCP, in threads of its own."""

    def __init__(self, units: Units) -> None:
        super().__init__(units)
        self.port = 0

    async def __aenter__(self) -> "TcpPeer":
        self._server = _TcpServer(self)
        self._server.start()
        await asyncio.to_thread(self._server.serving.wait)
        self.port = self._server.port_bound
        return self

    async def __aexit__(self, *of: object) -> None:
        await asyncio.to_thread(self._server.stop)

    def words(self, unit: int, function: int, address: int, count: int) -> Any:
        if unit not in self.units:
            return DataHandler.Return(exp_code=EXCEPTION_GATEWAY_TARGET)
        image = self.units[unit].get(function, {})
        wanted = range(address, address + count)
        if not all(at in image for at in wanted):
            return DataHandler.Return(exp_code=EXCEPTION_ADDRESS)
        return DataHandler.Return(exp_code=0, data=[image[at] for at in wanted])


class _TcpServer(ModbusServer):  # type: ignore[misc] # it has no types
    """On a port that the system picks, quick to stop, and without a thread or a connection left behind."""

    def __init__(self, peer: TcpPeer) -> None:
        super().__init__("127.0.0.1", 0, no_block=True, data_hdl=_Handler(peer))
        self.serving: threading.Event = self._evt_running
        self._peer = peer
        self._connections: dict[threading.Thread, socket.socket] = {}
        connections = self._connections

        class Connection(ModbusServer.ModbusService):  # type: ignore[misc] # it has no types
            def setup(self) -> None:
                super().setup()
                connections[threading.current_thread()] = self.request

        self.ModbusService = Connection

    @property
    def port_bound(self) -> int:
        port: int = self._service.server_address[1]
        return port

    def _engine(self, session_data: Any) -> None:
        self._peer.asked(session_data.request.mbap.unit_id, session_data.request.pdu.raw)
        super()._engine(session_data)

    def _serve(self) -> None:
        self.serving.set()
        try:
            self._service.serve_forever(poll_interval=STOP_WITHIN)
        finally:
            self.serving.clear()

    def stop(self) -> None:
        super().stop()
        self._serve_th.join()
        for thread, connection in list(self._connections.items()):
            with contextlib.suppress(OSError):  # it has gone already
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()


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

    def write_coils(self, address: int, bits_l: list[bool], srv_info: Any) -> Any:
        return DataHandler.Return(exp_code=EXCEPTION_FUNCTION)

    def write_h_regs(self, address: int, words_l: list[int], srv_info: Any) -> Any:
        return DataHandler.Return(exp_code=EXCEPTION_FUNCTION)


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
            os.set_blocking(master, False)
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
                    with contextlib.suppress(BlockingIOError):  # nobody reads there: lost, as on a cable
                        os.write(other if ready == one else one, octets)
                elif events & select.POLLHUP:
                    threading.Event().wait(0.005)  # nobody has that end open (yet): poll would spin

    def close(self) -> None:
        os.write(self._stopped, b"x")
        self._thread.join()
        for descriptor in (*self._masters, self._stop, self._stopped):
            os.close(descriptor)
        self.ours.unlink(missing_ok=True)


class RtuPeer(Held):
    """modbus-tk's server on one end of a pair of pseudo-terminals. `port` is the other end."""

    def __init__(self, units: Units, folder: Path, name: str = "ttyBus") -> None:
        super().__init__(units)
        self._folder = folder
        self._name = name
        self.port = folder / name

    async def __aenter__(self) -> "RtuPeer":
        self._pair = PtyPair(self._folder, self._name)
        line = serial.Serial(self._pair.theirs, 115200)
        self._server = modbus_tk.modbus_rtu.RtuServer(line, databank=_Databank(self))
        for unit, image in self.units.items():
            slave = self._server.add_slave(unit)
            for function, words in image.items():
                for first, run in runs(words):
                    # Its block types are numbered as the functions.
                    slave.add_block(f"{function}/{first}", function, first, len(run))
                self._changed(unit, function)
        self._server.start()
        return self

    def _changed(self, unit: int, function: int) -> None:
        slave = self._server.get_slave(unit)
        for first, run in runs(self.units[unit][function]):
            slave.set_values(f"{function}/{first}", first, run)

    async def __aexit__(self, *of: object) -> None:
        await asyncio.to_thread(self._server.stop)
        self._pair.close()


class _Databank(modbus_tk.modbus.Databank):  # type: ignore[misc] # it has no types
    def __init__(self, peer: RtuPeer) -> None:
        super().__init__(error_on_missing_slave=False)
        self._peer = peer

    def handle_request(self, query: Any, request: bytes) -> Any:
        with contextlib.suppress(modbus_tk.modbus.ModbusInvalidRequestError):  # that is no request
            self._peer.asked(*query.parse_request(request))
        return super().handle_request(query, request)


class RtuOverTcpPeer:
    """A serial port server: what comes over TCP goes to the line on which modbus-tk serves, and back."""

    def __init__(self, units: Units, folder: Path) -> None:
        self._rtu = RtuPeer(units, folder, "ttyBehindServer")
        self.requests = self._rtu.requests
        self.set = self._rtu.set
        self.port = 0
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> "RtuOverTcpPeer":
        await self._rtu.__aenter__()
        self._line = os.open(self._rtu.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._line, self._hear)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def _hear(self) -> None:
        octets = os.read(self._line, 4096)
        for client in self._clients.values():
            client.write(octets)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        try:
            while octets := await reader.read(4096):
                os.write(self._line, octets)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            del self._clients[task]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def __aexit__(self, *of: object) -> None:
        self._server.close()
        asyncio.get_running_loop().remove_reader(self._line)
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
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
        if self._transport == "rtu":
            self._pair = PtyPair(self._folder)
        self._process = await asyncio.create_subprocess_exec(
            program,
            self._transport,
            "0" if self._pair is None else self._pair.theirs,
            image,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        said = await self._process.stdout.readline()
        if not said.startswith(b"ready "):
            await self.__aexit__(None, None, None)
            raise RuntimeError(f"libmodbus does not serve: exit status {self._process.returncode}, {said!r}")
        self.port = int(said.split()[1]) if self._pair is None else self._pair.ours
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
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
    program = Path(_folder_of_this_session().name) / "server"
    command = [compiler, "-Wall", "-Werror", "-O1", "-o", str(program), str(HERE / "libmodbus_server.c")]
    subprocess.run([*command, *flags.stdout.split()], check=True)
    return program


@lru_cache(maxsize=1)
def _folder_of_this_session() -> TemporaryDirectory[str]:
    """Gone with this process."""
    return TemporaryDirectory(prefix="libmodbus-")


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
