"""The peers, asked with frames made by hand: they are judged by the standard, not by our own program."""

import asyncio
import os
import socket
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


@pytest.mark.parametrize(("asked", "wanted"), [HOLDING, INPUT, OTHER_UNIT, HOLE, COILS])
@pytest.mark.parametrize("kind", [TcpPeer, pytest.param(LibmodbusPeer, marks=needs_libmodbus)])
async def test_a_peer_on_tcp_answers_as_the_standard_says(
    kind: Callable[..., Any], asked: str, wanted: str, tmp_path: Path
) -> None:
    peer = kind(UNITS) if kind is TcpPeer else kind(UNITS, "tcp", tmp_path)
    async with peer:
        answer = await asyncio.to_thread(ask_tcp, peer.port, bytes.fromhex(asked), len(wanted) // 2)
    assert answer.hex().upper() == wanted


@pytest.mark.parametrize("kind", [TcpPeer, pytest.param(LibmodbusPeer, marks=needs_libmodbus)])
async def test_a_unit_that_is_not_there_is_told_on_tcp_as_by_a_gateway(
    kind: Callable[..., Any], tmp_path: Path
) -> None:
    peer = kind(UNITS) if kind is TcpPeer else kind(UNITS, "tcp", tmp_path)
    async with peer:
        answer = await asyncio.to_thread(ask_tcp, peer.port, bytes.fromhex("000500000006020400000001"), 9)
    assert answer.hex().upper() == "00050000000302840B"


@pytest.mark.parametrize(("asked", "wanted"), [HOLDING, INPUT, OTHER_UNIT, HOLE, COILS])
async def test_modbus_tk_answers_on_a_line_as_the_standard_says(asked: str, wanted: str, tmp_path: Path) -> None:
    async with RtuPeer(UNITS, tmp_path) as peer:
        answer = await asyncio.to_thread(ask_line, peer.port, rtu(asked), len(rtu(wanted)))
    assert answer == rtu(wanted)


@pytest.mark.parametrize(("asked", "wanted"), [INPUT, HOLE])
@needs_libmodbus
async def test_libmodbus_answers_on_a_line_as_the_standard_says(asked: str, wanted: str, tmp_path: Path) -> None:
    async with LibmodbusPeer(UNITS, "rtu", tmp_path) as peer:
        assert isinstance(peer.port, Path)
        answer = await asyncio.to_thread(ask_line, peer.port, rtu(asked), len(rtu(wanted)))
    assert answer == rtu(wanted)


@pytest.mark.parametrize(("asked", "wanted"), [HOLDING, HOLE])
async def test_a_serial_port_server_hands_the_frames_of_the_line_on(asked: str, wanted: str, tmp_path: Path) -> None:
    async with RtuOverTcpPeer(UNITS, tmp_path) as peer:
        answer = await asyncio.to_thread(ask_tcp, peer.port, rtu(asked), len(rtu(wanted)))
    assert answer == rtu(wanted)


async def test_a_unit_that_is_not_there_is_silent_on_a_line(tmp_path: Path) -> None:
    """The next request, of one that is there, is the first to be answered."""
    async with RtuPeer(UNITS, tmp_path) as peer:

        def both() -> bytes:
            with serial.Serial(str(peer.port), 115200, timeout=0.1) as line:
                line.write(rtu("000500000006020400000001"))
                assert line.read(1) == b""
                line.timeout = 5
                line.write(rtu(INPUT[0]))
                return bytes(line.read(len(rtu(INPUT[1]))))

        assert await asyncio.to_thread(both) == rtu(INPUT[1])


async def test_what_a_tcp_peer_holds_may_change_and_what_it_was_asked_is_known() -> None:
    async with TcpPeer(UNITS) as peer:
        peer.units[1][4][0] = 0x0001
        answer = await asyncio.to_thread(ask_tcp, peer.port, bytes.fromhex(INPUT[0]), 13)
        assert answer.hex().upper() == "00050000000701040400018000"
        assert peer.requests == [(1, 4, 0, 2)]


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
