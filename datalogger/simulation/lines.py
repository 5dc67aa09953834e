"""Lines to put a simulated meter on: a pseudo-terminal, a TCP port. They never wait for who reads them."""

import asyncio
import errno
import fcntl
import os
import select
import socket
import struct
import termios
import tty
from pathlib import Path
from typing import Protocol

from datalogger.config.checks import host_and_port
from datalogger.config.ports import why_not_bound

# What a client that does not read may let wait; telegrams beyond it are lost to it, each as a whole.
MOST_WAITING = 64 * 1024

# The last telegram may lie unread for LOOKS × LOOK seconds before the line is closed over it.
LOOK = 0.01
LOOKS = 100
EMPTY_LOOKS = 15  # so many looks that find nothing: it is read

_HOSTS = "choose 127.0.0.1, or 0.0.0.0 for every address it has"
_TERMINALS = "/dev/pts/"


class Line(Protocol):
    """One way out of the meter."""

    async def open(self) -> None:
        """OSError where that is impossible."""

    @property
    def address(self) -> str:
        """What a reader has to open."""

    @property
    def heard(self) -> bool:
        """Whether somebody listens."""

    def send(self, octets: bytes, *, begins: bool) -> None:
        """Now or never. Who comes later hears nothing before something `begins`."""

    async def disconnect(self) -> None:
        """As if the cable were pulled; `open` plugs it in again."""

    async def close(self) -> None:
        """Let what was sent be read, then end."""


class PtyLine:
    """The meter's end of a pseudo-terminal; the other end is a serial port to whoever opens it.

    link: a path that always leads to the present terminal, as a by-id link does.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._link = link
        self._meter = -1  # our end
        self._poll = select.poll()
        self.terminal = ""

    @property
    def address(self) -> str:
        return str(self._link or self.terminal)

    async def open(self) -> None:
        self._meter, reader = os.openpty()
        try:
            tty.setraw(reader)  # nobody may find an echo, or a CR turned into LF
            self.terminal = os.ttyname(reader)
        finally:
            # Held by nobody but the reader: so its coming and going is seen, and no port looks taken.
            os.close(reader)
        os.set_blocking(self._meter, False)
        self._poll = select.poll()
        self._poll.register(self._meter, 0)
        if self._link is not None:
            self._set_link(self._link)

    def _set_link(self, link: Path) -> None:
        if link.is_symlink():
            if not str(link.readlink()).startswith(_TERMINALS):
                raise FileExistsError(f"{link} leads to {link.readlink()}, which is no terminal: choose another path")
        elif link.exists():
            raise FileExistsError(f"{link} exists and is no link to a terminal: choose another path")
        beside = link.with_name(f"{link.name}.{os.getpid()}")
        try:
            beside.symlink_to(self.terminal)
            beside.replace(link)  # in one step: a reader finds the old one or the new one
        except OSError as error:
            raise OSError(
                f"{link} cannot be made ({error.strerror}): choose a path in a directory that is there, "
                "and that this user may write to"
            ) from error

    @property
    def heard(self) -> bool:
        return not any(events & select.POLLHUP for _, events in self._poll.poll(0))

    def send(self, octets: bytes, *, begins: bool) -> None:
        if not self.heard:
            return  # the kernel would keep it for who comes later; a cable does not
        try:
            while octets:
                octets = octets[os.write(self._meter, octets) :]
        except BlockingIOError:
            return  # a reader that is too slow: overrun

    async def disconnect(self) -> None:
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self.terminal:
            self._link.unlink()
        if self._meter >= 0:
            os.close(self._meter)
            self._meter = -1

    async def close(self) -> None:
        empty = 0
        # Several looks: what the kernel has not yet carried across is seen at neither end.
        for _ in range(LOOKS):
            if self._meter < 0 or not self.heard or empty == EMPTY_LOOKS:
                break
            empty = 0 if self._unread() else empty + 1
            await asyncio.sleep(LOOK)
        await self.disconnect()

    def _unread(self) -> int:
        """Octets that the reader has not taken; to close now would throw them away."""
        try:
            reader = os.open(self.terminal, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return 0
        try:
            (count,) = struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, bytes(4)))
            return int(count)
        finally:
            os.close(reader)


class TcpLine:
    """A TCP port with any number of readers, each from its first whole telegram on."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._clients: set[Client] = set()

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self.client, self._host, self._port)
        except (OSError, UnicodeError) as error:  # UnicodeError: no host can have this name
            raise OSError(f"{self.address}{_why_not(error)}") from error
        self._port = self._server.sockets[0].getsockname()[1]  # 0 means any; the same again after a disconnect

    def client(self) -> "Client":
        """For a reader that connects."""
        return Client(self._clients)

    @property
    def address(self) -> str:
        return host_and_port(self._host, self._port)

    @property
    def heard(self) -> bool:
        return bool(self._clients)

    def send(self, octets: bytes, *, begins: bool) -> None:
        for client in self._clients:
            client.send(octets, begins=begins)

    async def disconnect(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in list(self._clients):
            client.transport.close()

    async def close(self) -> None:
        await self.disconnect()
        for _ in range(LOOKS):
            if not self._clients:
                return
            await asyncio.sleep(LOOK)
        for client in list(self._clients):
            client.transport.abort()


def _why_not(error: OSError | UnicodeError) -> str:
    """Why no port can be had, and the mend."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return f": no such host: {_HOSTS}"
    match why_not_bound(error):
        case errno.EADDRINUSE:
            return " is taken already: choose another port, or 0 for any free one"
        case errno.EADDRNOTAVAIL:
            return f" is no address of this machine: {_HOSTS}"
        case errno.EACCES:
            return " may not be had by this user: choose a port from 1024 on"
    return f": {error.strerror or error}"


class Client(asyncio.Protocol):
    """One reader of a TCP port, and all that are connected."""

    def __init__(self, clients: "set[Client]") -> None:
        self._clients = clients
        self._follows = False  # whether it has the beginning of what is being sent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        self._clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.discard(self)

    def send(self, octets: bytes, *, begins: bool) -> None:
        if begins:
            self._follows = self.transport.get_write_buffer_size() < MOST_WAITING
        if self._follows and not self.transport.is_closing():
            self.transport.write(octets)
