import asyncio
import os
import socket
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from datalogger.clock import SystemClock
from datalogger.errors import SourceError
from datalogger.simulation.lines import MOST_WAITING, PtyLine, TcpLine
from datalogger.sources.serial_port import SerialPort, SerialPortConfig
from datalogger.sources.tcp_client import TcpClient, TcpClientConfig

SOON = 10  # seconds; a failure bound, never waited for


def serial_port(port: str | Path) -> SerialPort:
    return SerialPort("house", SerialPortConfig(kind="serial", port=str(port)), SystemClock())


async def client(line: TcpLine) -> TcpClient:
    """Connected, and known to the line."""
    host, _, port = line.address.rpartition(":")
    source = TcpClient("dongle", TcpClientConfig(kind="tcp", host=host, port=int(port)), SystemClock())
    known = len(line._clients)
    await source.open()
    async with asyncio.timeout(SOON):
        while len(line._clients) == known:  # noqa: ASYNC110 a line tells nobody of its clients
            await asyncio.sleep(0)
    return source


async def read(source: SerialPort | TcpClient, size: int) -> bytes:
    got = b""
    async with asyncio.timeout(SOON):
        while len(got) < size:
            got += await source.read()
    return got


# --- a terminal


@pytest.fixture
async def terminal() -> AsyncIterator[PtyLine]:
    line = PtyLine()
    await line.open()
    yield line
    await line.close()


async def test_a_terminal_is_a_serial_port_that_passes_every_octet(terminal: PtyLine) -> None:
    source = serial_port(terminal.address)
    await source.open()
    sent = bytes(range(256)) * 4
    terminal.send(sent, begins=True)
    assert await read(source, len(sent)) == sent
    await source.close()


async def test_a_terminal_is_raw_before_anybody_has_set_it(terminal: PtyLine) -> None:
    reader = os.open(terminal.address, os.O_RDONLY | os.O_NOCTTY)
    try:
        terminal.send(b"\r\n\x03\x04\x11\x13\xff", begins=True)
        assert os.read(reader, 100) == b"\r\n\x03\x04\x11\x13\xff"
        assert not termios.tcgetattr(reader)[3] & termios.ECHO
    finally:
        os.close(reader)


async def test_what_nobody_hears_is_lost(terminal: PtyLine) -> None:
    assert not terminal.heard
    terminal.send(b"unheard", begins=True)
    reader = os.open(terminal.address, os.O_RDONLY | os.O_NOCTTY)
    try:
        assert terminal.heard
        terminal.send(b"heard", begins=True)
        assert os.read(reader, 100) == b"heard"
    finally:
        os.close(reader)
    assert not terminal.heard


async def test_a_reader_that_sleeps_does_not_stop_the_meter(terminal: PtyLine) -> None:
    reader = os.open(terminal.address, os.O_RDONLY | os.O_NOCTTY)
    try:
        for _ in range(200):
            terminal.send(bytes(1000), begins=True)  # 200 kB; the kernel takes some 20
        assert len(os.read(reader, 1000)) > 0
    finally:
        os.close(reader)


async def test_a_link_leads_to_the_terminal_and_goes_with_it(tmp_path: Path) -> None:
    link = tmp_path / "ttyMeter"
    line = PtyLine(link)
    await line.open()
    assert str(link.readlink()) == line.terminal
    assert line.address == str(link)
    await line.close()
    assert not link.is_symlink()
    await line.close()


async def test_a_link_left_by_a_simulator_that_was_killed_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "ttyMeter"
    link.symlink_to("/dev/pts/99999")
    line = PtyLine(link)
    await line.open()
    assert str(link.readlink()) == line.terminal
    assert line.address == str(link)
    await line.close()


async def test_what_is_not_our_link_is_left_alone(tmp_path: Path) -> None:
    plain, elsewhere = tmp_path / "plain", tmp_path / "elsewhere"
    plain.write_text("precious")
    elsewhere.symlink_to(plain)
    for path in (plain, elsewhere):
        line = PtyLine(path)
        with pytest.raises(FileExistsError, match=f"{path} .*choose another path"):
            await line.open()
        await line.close()
    assert plain.read_text() == "precious"
    assert elsewhere.readlink() == plain


async def test_a_link_that_cannot_be_made_is_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    for directory in ("none", "plain"):
        link = tmp_path / directory / "ttyMeter"
        line = PtyLine(link)
        with pytest.raises(OSError, match=f"^{link} cannot be made .*: choose a path in a directory that is there"):
            await line.open()
        await line.close()


async def test_a_link_that_another_meter_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    link = tmp_path / "ttyMeter"
    first, second = PtyLine(link), PtyLine(link)
    await first.open()
    await second.open()
    await first.close()
    assert str(link.readlink()) == second.terminal
    await second.close()


async def test_a_terminal_that_is_pulled_out_comes_back_behind_its_link(tmp_path: Path) -> None:
    link = tmp_path / "ttyMeter"
    line = PtyLine(link)
    await line.open()
    source = serial_port(link)
    await source.open()
    await line.disconnect()
    assert not link.is_symlink()
    async with asyncio.timeout(SOON):
        with pytest.raises(SourceError, match="unplugged"):
            await source.read()
    await source.close()
    await line.open()
    await source.open()
    line.send(b"back", begins=True)
    assert await read(source, 4) == b"back"
    await source.close()
    await line.close()


async def test_the_last_telegram_is_not_thrown_away_at_the_end(terminal: PtyLine) -> None:
    reader = os.open(terminal.address, os.O_RDONLY | os.O_NOCTTY)
    terminal.send(b"the last telegram", begins=True)
    closing = asyncio.create_task(terminal.close())
    await asyncio.sleep(0)
    assert os.read(reader, 100) == b"the last telegram"
    os.close(reader)
    async with asyncio.timeout(SOON):
        await closing


# --- TCP


@pytest.fixture
async def port() -> AsyncIterator[TcpLine]:
    line = TcpLine("127.0.0.1", 0)
    await line.open()
    yield line
    await line.close()


async def test_every_client_gets_every_telegram_from_its_first_on(port: TcpLine) -> None:
    assert not port.heard
    port.send(b"unheard", begins=True)
    first = await client(port)
    assert port.heard
    port.send(b"one", begins=True)
    second = await client(port)
    port.send(b"two", begins=True)
    assert await read(first, 6) == b"onetwo"
    assert await read(second, 3) == b"two"
    await first.close()
    await second.close()


async def test_a_client_that_comes_in_the_middle_hears_nothing_before_the_next_telegram(port: TcpLine) -> None:
    first = await client(port)
    port.send(b"/one", begins=True)
    late = await client(port)
    port.send(b"!\r\n", begins=False)
    port.send(b"/two!\r\n", begins=True)
    assert await read(first, 14) == b"/one!\r\n/two!\r\n"
    assert await read(late, 7) == b"/two!\r\n"
    await first.close()
    await late.close()


async def test_a_client_that_does_not_read_loses_whole_telegrams_and_stops_nobody(port: TcpLine) -> None:
    lazy = await client(port)
    (sleeper,) = port._clients
    telegram = b"/" + bytes(10_000) + b"!\r\n"
    for _ in range(2000):  # 20 MB; nothing on the way holds as much
        port.send(telegram, begins=True)
    assert sleeper.transport.get_write_buffer_size() <= MOST_WAITING + len(telegram)
    busy = await client(port)
    port.send(b"/busy!\r\n", begins=True)
    assert await read(busy, 8) == b"/busy!\r\n"
    got = b""
    async with asyncio.timeout(SOON):
        while sleeper.transport.get_write_buffer_size():
            got += await lazy.read()
        port.send(b"/end!\r\n", begins=True)
        while not got.endswith(b"/end!\r\n"):
            got += await lazy.read()
    whole, rest = divmod(len(got), len(telegram))
    assert 0 < whole < 2000
    assert got == telegram * whole + b"/end!\r\n" and rest == 7
    await lazy.close()
    await busy.close()


async def test_a_pulled_line_ends_every_connection_and_comes_back_at_its_port(port: TcpLine) -> None:
    address = port.address
    source = await client(port)
    await port.disconnect()
    async with asyncio.timeout(SOON):
        with pytest.raises(SourceError, match="closed the connection"):
            await source.read()
    await source.close()
    with pytest.raises(SourceError, match="nothing listens"):
        await source.open()
    await port.open()
    assert port.address == address
    again = await client(port)
    port.send(b"back", begins=True)
    assert await read(again, 4) == b"back"
    await again.close()


async def test_a_port_that_cannot_be_had_is_named_with_the_mend(port: TcpLine) -> None:
    host, _, number = port.address.rpartition(":")
    with pytest.raises(OSError, match=f"^{port.address} is taken already: choose another port, or 0 for any free one$"):
        await TcpLine(host, int(number)).open()
    with pytest.raises(OSError, match=r"^192.0.2.1:0 is no address of this machine: choose 127.0.0.1, or 0.0.0.0 for"):
        await TcpLine("192.0.2.1", 0).open()
    with pytest.raises(OSError, match=r"^no..host:0: no such host: choose 127.0.0.1, or 0.0.0.0 for"):
        await TcpLine("no..host", 0).open()


async def test_a_host_that_nobody_knows_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(OSError, match=r"^nohost:0: no such host: choose 127.0.0.1, or 0.0.0.0 for"):
        await TcpLine("nohost", 0).open()


async def test_at_the_end_a_client_has_all_that_was_sent(port: TcpLine) -> None:
    source = await client(port)
    port.send(bytes(100_000), begins=True)
    closing = asyncio.create_task(port.close())
    assert len(await read(source, 100_000)) == 100_000
    await closing
    await source.close()
