"""The peers, asked with frames made by hand: they are judged by the standard, not by our own program."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import serial

from tests.peers.modbus import LibmodbusPeer, PtyPair, RtuOverTcpPeer, RtuPeer, TcpPeer, libmodbus, runs

UNITS = {
    1: {3: {0x10: 0x0102, 0x11: 0x0304}, 4: {0: 0x4366, 1: 0x8000, 5: 7}, 1: {3: 1, 4: 0, 5: 1}},
    17: {4: {0: 0xABCD}},
}

# Request and answer on TCP, with transaction 0005; on a serial line without the first six octets, with a check sum.
HOLDING = ("000500000006010300100002", "00050000000701030401020304")
INPUT = ("000500000006010400000002", "00050000000701040443668000")
OTHER_UNIT = ("000500000006110400000001", "0005000000051104 02ABCD".replace(" ", ""))
HOLE = ("000500000006010400000003", "000500000003018402")
COILS = ("000500000006010100030003", "00050000000401010105")

needs_libmodbus = pytest.mark.skipif(libmodbus() is None, reason="libmodbus-dev, pkg-config or cc is not installed")


def crc(octets: bytes) -> bytes:
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return register.to_bytes(2, "little")


def rtu(frame: str) -> bytes:
    octets = bytes.fromhex(frame)[6:]
    return octets + crc(octets)


ON_A_LINE = [HOLDING, INPUT, OTHER_UNIT, HOLE, COILS]
WRITE = "000500000006010600101234"
SERVED_BY_NOBODY = "000500000006020400000001"

ON_TCP: list[Any] = [
    pytest.param(lambda folder: TcpPeer(UNITS), id="pyModbusTCP"),
    pytest.param(lambda folder: LibmodbusPeer(UNITS, "tcp", folder), id="libmodbus", marks=needs_libmodbus),
]
ON_LINES: list[Any] = [
    pytest.param(lambda folder: RtuPeer(UNITS, folder), id="modbus-tk"),
    pytest.param(lambda folder: LibmodbusPeer(UNITS, "rtu", folder), id="libmodbus", marks=needs_libmodbus),
]
IN_PYTHON: list[Any] = [
    pytest.param(lambda folder: TcpPeer(UNITS), id="TCP"),
    pytest.param(lambda folder: RtuPeer(UNITS, folder), id="RTU"),
    pytest.param(lambda folder: RtuOverTcpPeer(UNITS, folder), id="RTU over TCP"),
]

Make = Callable[[Path], Any]


def test_the_check_sum_of_these_tests_is_that_of_the_well_known_example() -> None:
    """Of 02 07 it is 1241, on the wire 41 12."""
    assert crc(b"\x02\x07") == b"\x41\x12"


def ask_tcp(port: int, octets: bytes, length: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(octets)
        answer = b""
        while len(answer) < length:
            answer += connection.recv(length - len(answer)) or pytest.fail("closed")
        return answer


def ask_line(port: Path, octets: bytes, length: int) -> bytes:
    with serial.Serial(str(port), 115200, timeout=5) as line:
        line.write(octets)
        return bytes(line.read(length))


async def ask(peer: Any, asked: str, wanted: str) -> None:
    """In the framing that the peer has; where its port is a number, over TCP."""
    on_tcp = isinstance(peer.port, int)
    framed = rtu if not on_tcp or isinstance(peer, RtuOverTcpPeer) else bytes.fromhex
    by: Callable[..., bytes] = ask_tcp if on_tcp else ask_line
    answer = await asyncio.to_thread(by, peer.port, framed(asked), len(framed(wanted)))
    assert answer.hex() == framed(wanted).hex()


@pytest.mark.parametrize(("asked", "wanted"), [HOLDING, INPUT, OTHER_UNIT, HOLE, COILS])
@pytest.mark.parametrize("make", ON_TCP)
async def test_a_peer_on_tcp_answers_as_the_standard_says(make: Make, asked: str, wanted: str, tmp_path: Path) -> None:
    async with make(tmp_path) as peer:
        await ask(peer, asked, wanted)


@pytest.mark.parametrize("make", ON_TCP)
async def test_a_unit_that_is_not_there_is_told_on_tcp_as_by_a_gateway(make: Make, tmp_path: Path) -> None:
    async with make(tmp_path) as peer:
        await ask(peer, SERVED_BY_NOBODY, "00050000000302840B")


@pytest.mark.parametrize(("asked", "wanted"), ON_A_LINE)
async def test_modbus_tk_answers_on_a_line_as_the_standard_says(asked: str, wanted: str, tmp_path: Path) -> None:
    async with RtuPeer(UNITS, tmp_path) as peer:
        await ask(peer, asked, wanted)


@pytest.mark.parametrize(("asked", "wanted"), [HOLDING, INPUT, HOLE, COILS])
@needs_libmodbus
async def test_libmodbus_answers_on_a_line_as_the_standard_says(asked: str, wanted: str, tmp_path: Path) -> None:
    """It is but one unit there."""
    async with LibmodbusPeer(UNITS, "rtu", tmp_path) as peer:
        await ask(peer, asked, wanted)


@pytest.mark.parametrize(("asked", "wanted"), ON_A_LINE)
async def test_a_serial_port_server_hands_the_frames_of_the_line_on(asked: str, wanted: str, tmp_path: Path) -> None:
    async with RtuOverTcpPeer(UNITS, tmp_path) as peer:
        await ask(peer, asked, wanted)


@pytest.mark.parametrize("make", ON_LINES)
async def test_a_frame_that_is_written_out_whole_is_answered_on_a_line(make: Make, tmp_path: Path) -> None:
    """The check sums stand here as octets: 71CB is printed in every manual of an Eastron SDM."""
    async with make(tmp_path) as peer:
        answer = await asyncio.to_thread(ask_line, peer.port, bytes.fromhex("01 04 00 00 00 02 71 CB"), 9)
        assert answer == bytes.fromhex("01 04 04 43 66 80 00 6F DF")
        answer = await asyncio.to_thread(ask_line, peer.port, bytes.fromhex("01 04 00 00 00 03 B0 0B"), 5)
        assert answer == bytes.fromhex("01 84 02 C2 C1")


@pytest.mark.parametrize("make", ON_LINES)
async def test_a_unit_that_is_not_there_is_silent_on_a_line(make: Make, tmp_path: Path) -> None:
    """The next request, of one that is there, is the first to be answered."""
    async with make(tmp_path) as peer:

        def both() -> bytes:
            with serial.Serial(str(peer.port), 115200, timeout=0.1) as line:
                line.write(rtu(SERVED_BY_NOBODY))
                assert line.read(1) == b""
                line.timeout = 5
                line.write(rtu(INPUT[0]))
                return bytes(line.read(len(rtu(INPUT[1]))))

        assert await asyncio.to_thread(both) == rtu(INPUT[1])


async def test_a_unit_that_is_not_there_is_silent_behind_a_serial_port_server(tmp_path: Path) -> None:
    async with RtuOverTcpPeer(UNITS, tmp_path) as peer:

        def both() -> bytes:
            with socket.create_connection(("127.0.0.1", peer.port), timeout=0.1) as connection:
                connection.sendall(rtu(SERVED_BY_NOBODY))
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                connection.settimeout(5)
                connection.sendall(rtu(INPUT[0]))
                return connection.recv(len(rtu(INPUT[1])), socket.MSG_WAITALL)

        assert await asyncio.to_thread(both) == rtu(INPUT[1])
        assert peer.requests == [(2, 4, 0, 1), (1, 4, 0, 2)]


@pytest.mark.parametrize("make", IN_PYTHON)
async def test_what_a_peer_holds_may_change_and_what_it_was_asked_is_known(make: Make, tmp_path: Path) -> None:
    async with make(tmp_path) as peer:
        await ask(peer, *INPUT)
        peer.set(1, inputs={1: 0x0001}, holding={0x10: 0xFFFF}, coils={4: True})
        await ask(peer, INPUT[0], "00050000000701040443660001")
        await ask(peer, HOLDING[0], "000500000007010304FFFF0304")
        await ask(peer, COILS[0], "00050000000401010107")
        await ask(peer, *HOLE)
        assert peer.requests == [(1, 4, 0, 2), (1, 4, 0, 2), (1, 3, 16, 2), (1, 1, 3, 3), (1, 4, 0, 3)]
    assert UNITS[1][4][1] == 0x8000, "what it was made of is another's"


@pytest.mark.parametrize("make", IN_PYTHON)
async def test_no_value_is_set_where_a_peer_holds_nothing(make: Make, tmp_path: Path) -> None:
    async with make(tmp_path) as peer:
        with pytest.raises(KeyError, match=r"unit 1 has nothing at \[2\] of function 4"):
            peer.set(1, inputs={1: 5, 2: 6})
        await ask(peer, *INPUT)


@pytest.mark.parametrize("make", IN_PYTHON)
async def test_who_writes_to_a_peer_is_found_out(make: Make, tmp_path: Path) -> None:
    async with make(tmp_path) as peer:
        refused = isinstance(peer, TcpPeer)  # modbus-tk obeys
        await ask(peer, WRITE, "000500000003018601" if refused else WRITE)
        assert peer.requests == [(1, 6, 0x10, 0x1234)]


@pytest.mark.parametrize("make", [*IN_PYTHON, *ON_TCP[1:], *ON_LINES[1:]])
async def test_a_peer_that_is_stopped_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    """Not even where somebody is still connected."""
    async with make(tmp_path) as peer:  # what the loop, a thread of it and a child process need for the first time
        await ask(peer, *INPUT)
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    async with make(tmp_path) as peer:
        connection = None
        if isinstance(peer.port, int):
            connection = socket.create_connection(("127.0.0.1", peer.port), timeout=5)
        await ask(peer, *INPUT)
    if connection is not None:
        connection.close()
    assert {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio")} <= threads
    assert open_descriptors() == descriptors
    assert not list(tmp_path.glob("tty*"))


def open_descriptors() -> set[str]:
    return {descriptor.name for descriptor in Path("/proc/self/fd").iterdir()}


def test_a_pair_of_terminals_carries_octets_both_ways(tmp_path: Path) -> None:
    pair = PtyPair(tmp_path)
    try:
        with serial.Serial(str(pair.ours), timeout=5) as one, serial.Serial(pair.theirs, timeout=5) as other:
            one.write(b"\x00\x0a\x0d\xff")
            assert other.read(4) == b"\x00\x0a\x0d\xff"
            other.write(b"back")
            assert one.read(4) == b"back"
    finally:
        pair.close()
    assert not os.path.lexists(pair.ours)


def test_runs_end_at_holes() -> None:
    assert list(runs({5: 1, 3: 2, 4: 3, 8: 4})) == [(3, [2, 3, 1]), (8, [4])]
