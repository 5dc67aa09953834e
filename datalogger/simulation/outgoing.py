"""Lines on which the meter calls: it sends its pushes to a server, as a meter with a modem does.

They never wait for who reads them: what nobody takes is lost, as on every `Line`.
"""

import socket
from contextlib import suppress

from datalogger.config.checks import host_and_port

PATIENCE = 2.0  # seconds that a server may take to accept a call; the meter stands still meanwhile


class UdpLine:
    """Each push is one datagram."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None

    @property
    def address(self) -> str:
        return host_and_port(self._host, self._port)

    @property
    def heard(self) -> bool:
        return True  # a datagram tells nobody whether it arrived

    async def open(self) -> None:
        try:
            family, kind, _, _, place = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
        except (OSError, UnicodeError) as error:  # UnicodeError: no host can have this name
            raise OSError(f"{self.address}: no such host: {error}") from error
        self._socket = socket.socket(family, kind)
        self._socket.setblocking(False)
        self._socket.connect(place)

    def send(self, octets: bytes, *, begins: bool) -> None:
        if self._socket is not None:
            with suppress(OSError):  # nobody listens, or not fast enough
                self._socket.send(octets)

    async def disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def close(self) -> None:
        await self.disconnect()


class CallLine:
    """A TCP connection to a server; called again with the next push after it was lost."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None

    @property
    def address(self) -> str:
        return host_and_port(self._host, self._port)

    @property
    def heard(self) -> bool:
        return self._socket is not None

    async def open(self) -> None:
        try:
            self._call()
        except UnicodeError as error:  # no host can have this name
            raise OSError(f"{self.address}: no such host") from error
        except OSError as error:
            raise OSError(
                f"{self.address} does not answer ({error.strerror or error}): start the server that listens there first"
            ) from error

    def send(self, octets: bytes, *, begins: bool) -> None:
        try:
            if self._socket is None:
                if not begins:
                    return  # a push goes out from its beginning, or not at all
                self._call()
            assert self._socket is not None
            self._socket.sendall(octets)
        except OSError:  # the server is gone, or takes nothing
            self._hang_up()

    async def disconnect(self) -> None:
        self._hang_up()

    async def close(self) -> None:
        self._hang_up()

    def _call(self) -> None:
        self._socket = socket.create_connection((self._host, self._port), timeout=PATIENCE)

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
