"""Modbus: from words to records, many units over TCP, what a slow line allows, and whose answer is taken for whose;
beside pymodbus, pyModbusTCP and minimalmodbus.
"""

import asyncio
import contextlib
import logging
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.client.mixin import ModbusClientMixin

from bench.daemon import schedule_seconds
from bench.figures import Figure, show
from bench.peers import ROUNDS, Peer, in_turns
from datalogger.clock import SystemClock
from datalogger.meters import register_maps
from datalogger.protocol.checksum import crc16_modbus
from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.decoding import BlockDecoder, decoded
from datalogger.protocol.modbus.read_plan import plan
from datalogger.sources.modbus.conversation import Conversation, NoAnswer, Pace
from datalogger.sources.modbus.wire import Wire
from datalogger.sources.tcp_client import TcpLine
from datalogger.words import Duration
from tests.e2e.harness import Process

MAP = "eastron-sdm630"
PEER_VENV = ".venv-peer"
MINIMALMODBUS, PYMODBUSTCP = "minimalmodbus==2.1.1", "pyModbusTCP==0.3.1"

UNITS = 32
SECONDS = 30
BAUD_RATE = 9600
OCTET = 10 / BAUD_RATE  # 8N1
LATE_REQUESTS = 50
TIMEOUT = 0.2  # seconds
REGISTERS = 80
TIMES = 50  # a round

REST = """\
[sink.archive]
kind = "file"
path = "archive"
[spool]
path = "spool.db"
min_free = "1MB"
[service]
listen = "127.0.0.1:0"
"""


def figures() -> list[Figure]:
    return [
        _decoding(),
        asyncio.run(_there_and_back()),
        *asyncio.run(_many_units()),
        *asyncio.run(_slow_line()),
        asyncio.run(_late_answers()),
    ]


def _decoding() -> Figure:
    """Of a whole poll; pymodbus makes bare numbers of the same words."""
    found = register_maps.load()[MAP]
    dice = random.Random(630)
    answers = []
    for block in plan(found.reg, found.limits, found.forbidden):
        octets = b"".join(struct.pack(">f", dice.uniform(-500, 500)) for _ in range(block.count // 2 + 1))
        answers.append((BlockDecoder(block), list(struct.unpack(f">{block.count}H", octets[: 2 * block.count]))))
    convert, kind = ModbusClientMixin.convert_from_registers, ModbusClientMixin.DATATYPE.FLOAT32

    def ours() -> float:
        began = time.perf_counter()
        for _ in range(20):
            decoded(answers)
        return (time.perf_counter() - began) / 20

    def theirs() -> float:
        began = time.perf_counter()
        for _ in range(20):
            for block, words in zip(blocks, answers, strict=True):
                for register in block.registers:
                    at = register.addr - block.address
                    convert(words[1][at : at + register.words], kind)
        return (time.perf_counter() - began) / 20

    blocks = plan(found.reg, found.limits, found.forbidden)
    our, their, ratio = in_turns(ours, theirs)
    count = len(found.reg)
    return Figure(
        f"a poll of an SDM630 to records ({count} registers)",
        f"{our * 1e6:.0f} µs, {ratio:.1f} × pymodbus to numbers ({their * 1e6:.0f} µs)",
        "at most 60 µs",
        our <= 60e-6,
    )


@contextlib.contextmanager
def _spoken(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(script)), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _many_units() -> list[Figure]:
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder, _spoken("modbus_units.py", str(port)) as units:
        assert units.stdin is not None and units.stdout is not None
        units.stdout.readline()
        sources = [
            f'[source.unit{unit}]\nkind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n'
            f'unit = {unit}\nmap = "{MAP}"\ninterval = "1s"\n'
            for unit in range(1, UNITS + 1)
        ]
        path = Path(folder) / "datalogger.toml"
        path.write_text("".join(sources) + REST)
        async with Process(path) as daemon:
            await asyncio.sleep(3)
            began, before = time.time(), schedule_seconds(daemon.pid)
            await asyncio.sleep(SECONDS)
            cost, ended = schedule_seconds(daemon.pid) - before, time.time()
        units.stdin.close()
        asked: defaultdict[int, list[float]] = defaultdict(list)
        for line in units.stdout:
            unit, moment = line.split()
            if began <= float(moment) <= ended:
                asked[int(unit)].append(float(moment))
    polls = sum(map(len, asked.values()))
    # The grid is that of whole seconds.
    late = sorted(moment % 1 for moments in asked.values() for moment in moments)
    p50, p99 = late[len(late) // 2] * 1000, late[int(len(late) * 0.99)] * 1000
    share = cost / (ended - began) * 100
    return [
        Figure(f"{UNITS} TCP units at 1 s, one process", f"{share:.1f} % of a core", "under 15 %", share < 15),
        Figure(
            f"… {polls} polls, from their second to the request at the unit",
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            "p99 under 20 ms",
            p99 < 20 and polls >= UNITS * (SECONDS - 1),
        ),
    ]


async def _there_and_back() -> Figure:
    """80 registers over TCP from a server in a process of its own, one request behind the other."""
    port = _free_port()
    with _spoken("modbus_units.py", str(port)) as units:
        assert units.stdout is not None
        units.stdout.readline()
        line = TcpLine("127.0.0.1", port, Duration(5))
        conversation = Conversation(line, Wire("tcp"), SystemClock(), pace=Pace(), reject=lambda rejected: None)
        await conversation.open()
        request, marks = Request(1, 4, 0, REGISTERS), [Request(1, 4, 0, 2)]
        await conversation.ask(request, marks, timeout=5)
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        await client.connect()
        ours, theirs, others = [], [], []
        with Peer(PEER_VENV, (PYMODBUSTCP,), "peer_pymodbustcp.py", str(port), str(REGISTERS), str(TIMES)) as peer:
            for _ in range(ROUNDS):
                began = time.perf_counter()
                for _ in range(TIMES):
                    await conversation.ask(request, marks, timeout=5)
                middle = time.perf_counter()
                for _ in range(TIMES):
                    await client.read_input_registers(0, count=REGISTERS)
                ours.append((middle - began) / TIMES)
                theirs.append((time.perf_counter() - middle) / TIMES)
                others.append(await asyncio.to_thread(peer.round, "ask") / TIMES)
        client.close()
        await conversation.close()
    our, their, other = (statistics.median(each) * 1e6 for each in (ours, theirs, others))
    return Figure(
        f"{REGISTERS} registers over TCP, there and back",
        f"{our:.0f} µs, pymodbus {their:.0f} µs, pyModbusTCP {other:.0f} µs (without asyncio)",
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def _slow_line() -> list[Figure]:
    """Four units, asked for more than the line can carry, so that it is never idle."""
    with tempfile.TemporaryDirectory() as folder, _spoken("modbus_line.py", str(OCTET)) as line:
        assert line.stdin is not None and line.stdout is not None
        terminal = line.stdout.readline().strip()
        units = "".join(f'[[source.bus.units]]\nmap = "{MAP}"\nunit = {unit}\n' for unit in range(1, 5))
        path = Path(folder) / "datalogger.toml"
        path.write_text(
            f'[source.bus]\nkind = "modbus-rtu"\nport = "{terminal}"\nbaud_rate = {BAUD_RATE}\ninterval = "1s"\n{units}'
            + REST
        )
        async with Process(path):
            await asyncio.sleep(SECONDS)
        line.stdin.close()
        count, least, passed = line.stdout.readline().split()
    ours = float(least) / float(passed)
    theirs = await asyncio.to_thread(_minimalmodbus)
    return [
        Figure(
            f"an RTU line at {BAUD_RATE} baud, {count} requests",
            f"{ours * 100:.1f} % of what it allows, minimalmodbus {theirs * 100:.1f} %",
            "at least 90 %",
            ours >= 0.9,
        )
    ]


def _minimalmodbus() -> float:
    """The same registers, asked by a master of minimalmodbus, one request behind the other."""
    with _spoken("modbus_line.py", str(OCTET)) as line:
        assert line.stdin is not None and line.stdout is not None
        terminal = line.stdout.readline().strip()
        found = register_maps.load()[MAP]
        blocks = [f"{block.address},{block.count}" for block in plan(found.reg, found.limits)]
        with Peer(PEER_VENV, (MINIMALMODBUS,), "peer_minimalmodbus.py", terminal, str(BAUD_RATE), *blocks) as peer:
            for _ in range(10):
                peer.round("poll")
        line.stdin.close()
        _, least, passed = line.stdout.readline().split()
    return float(least) / float(passed)


async def _late_answers() -> Figure:
    """RTU frames over TCP, as behind a serial port server; every fifth answer comes after the time-out, in order."""
    addresses = [10 * number for number in range(LATE_REQUESTS)]
    ours = theirs = 0
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    async with _late_server() as port:
        client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=FramerType.RTU, timeout=TIMEOUT, retries=0)
        await client.connect()
        for address in addresses:
            with contextlib.suppress(ModbusException):
                theirs += (await client.read_input_registers(address, count=2)).registers != [address, address + 1]
        client.close()
    async with _late_server() as port:
        line = TcpLine("127.0.0.1", port, Duration(5))
        conversation = Conversation(line, Wire("rtu"), SystemClock(), pace=Pace(), reject=lambda rejected: None)
        await conversation.open()
        marks = [Request(1, 4, 0, count) for count in range(4, 36, 2)]
        for address in addresses:
            with contextlib.suppress(NoAnswer):
                words = await conversation.ask(Request(1, 4, address, 2), marks, timeout=TIMEOUT)
                ours += words != [address, address + 1]
        await conversation.close()
    return Figure(
        f"{LATE_REQUESTS} requests, every fifth answered late: wrong values taken",
        f"{ours}, pymodbus {theirs}",
        "0",
        ours == 0,
    )


@contextlib.asynccontextmanager
async def _late_server() -> AsyncIterator[int]:
    """Each register holds its own address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served = 0
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked = await reader.readexactly(8)
                first, count = struct.unpack(">HH", asked[2:6])
                served += 1
                await asyncio.sleep(1.5 * TIMEOUT if served % 5 == 0 else 0.005)
                answer = asked[:2] + bytes((2 * count,)) + struct.pack(f">{count}H", *range(first, first + count))
                writer.write(answer + crc16_modbus(answer).to_bytes(2, "little"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


if __name__ == "__main__":
    show("Modbus", figures())
