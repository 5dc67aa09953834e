"""Against real pseudo-terminals: the kernel's own serial ports, without a wire."""

import asyncio
import contextlib
import errno
import fcntl
import re
import struct
import termios
from pathlib import Path
from typing import Any

import pytest

from datalogger.clock import SystemClock
from datalogger.errors import SourceError
from datalogger.sources import serial_port
from datalogger.sources.serial_port import SerialPort, SerialPortConfig, settings
from tests.sources.conftest import Cable, opened_elsewhere

SOON = 10  # seconds; a failure bound, never waited for

TIOCGEXCL = 0x80045440


def config(port: str, **options: Any) -> SerialPortConfig:
    return SerialPortConfig(kind="serial", port=port, **options)


def source(port: str, **options: Any) -> SerialPort:
    return SerialPort("house", config(port, **options), SystemClock())


async def read(line: SerialPort, size: int) -> bytes:
    got = b""
    async with asyncio.timeout(SOON):
        while len(got) < size:
            got += await line.read()
    return got


def open_descriptors() -> set[str]:
    return {f"{entry.name} {entry.readlink()}" for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


# --- settings


def test_the_presets_are_dsmr_5_and_dsmr_2() -> None:
    assert settings(config("/dev/x")) == {
        "baudrate": 115200,
        "bytesize": 8,
        "parity": "N",
        "stopbits": 1,
        "xonxoff": False,
        "rtscts": False,
    }
    line = settings(config("/dev/x", preset="dsmr2"))
    assert (line["baudrate"], line["bytesize"], line["parity"], line["stopbits"]) == (9600, 7, "E", 1)


def test_what_is_written_overrides_the_preset() -> None:
    line = settings(config("/dev/x", preset="dsmr2", baud_rate=2400, bytesize=8, parity="odd", stopbits=2, rtscts=True))
    assert line == {
        "baudrate": 2400,
        "bytesize": 8,
        "parity": "O",
        "stopbits": 2,
        "xonxoff": False,
        "rtscts": True,
    }


@pytest.mark.parametrize(
    ("word", "letter"), [("N", "N"), ("E", "E"), ("O", "O"), ("none", "N"), ("even", "E"), ("odd", "O")]
)
def test_parity_is_a_letter_or_a_word(word: str, letter: str) -> None:
    assert settings(config("/dev/x", parity=word))["parity"] == letter


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"port": "ttyUSB0"}, 'port: expected a whole path, such as "/dev/ttyUSB0"'),
        ({"port": ""}, 'port: expected a whole path, such as "/dev/ttyUSB0"'),
        ({"port": "socket://dongle:23"}, 'port: a serial port is a path; for a port on the network kind = "tcp"'),
        ({"port": "/dev/x", "baud_rate": 0}, "baud_rate: expected 50 to 4000000"),
        ({"port": "/dev/x", "baud_rate": 5_000_000}, "baud_rate: expected 50 to 4000000"),
        ({"port": "/dev/x", "xonxoff": True, "rtscts": True}, "rtscts: beside xonxoff"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_key_and_the_mend(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        SerialPortConfig(kind="serial", **options)


async def test_the_settings_reach_the_terminal(cable: Cable) -> None:
    line = source(cable.port, baud_rate=9600, stopbits=2, xonxoff=True)
    await line.open()
    iflag, oflag, cflag, lflag, ispeed, ospeed, _ = termios.tcgetattr(cable.reader)
    assert (ispeed, ospeed) == (termios.B9600, termios.B9600)
    assert cflag & termios.CSTOPB
    assert not cflag & termios.CRTSCTS
    assert iflag & termios.IXON and iflag & termios.IXOFF
    assert not lflag & (termios.ICANON | termios.ECHO | termios.ISIG)
    assert not oflag & termios.OPOST
    await line.close()

    line = source(cable.port, rtscts=True)
    await line.open()
    iflag, _, cflag, _, ispeed, _, _ = termios.tcgetattr(cable.reader)
    assert ispeed == termios.B115200
    assert cflag & termios.CRTSCTS
    assert not cflag & termios.CSTOPB
    assert not iflag & (termios.IXON | termios.IXOFF)
    await line.close()


async def test_seven_bits_and_parity_are_asked_of_the_terminal(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(serial_port, "PTY_MAJORS", ())  # take it for a real port
    monkeypatch.setattr(termios, "tcsetattr", lambda fd, when, attributes: asked.append(attributes[2]))
    line = source(cable.port, preset="dsmr2")
    await line.open()
    await line.close()
    assert asked[0] & termios.CSIZE == termios.CS7
    assert asked[0] & termios.PARENB
    assert not asked[0] & termios.PARODD


async def test_the_preset_of_dsmr_2_opens_a_terminal_that_knows_no_parity(cable: Cable) -> None:
    line = source(cable.port, preset="dsmr2")
    await line.open()
    assert termios.tcgetattr(cable.reader)[4] == termios.B9600
    cable.send(b"/ISk5\\2MT382-1003\r\n")
    assert await read(line, 19) == b"/ISk5\\2MT382-1003\r\n"
    await line.close()


# --- reading


async def test_every_octet_passes_as_it_is(cable: Cable) -> None:
    line = source(cable.port)
    await line.open()
    sent = bytes(range(256)) * 8
    cable.send(sent)
    assert await read(line, len(sent)) == sent
    await line.close()


async def test_a_cancelled_read_loses_no_octet(cable: Cable) -> None:
    line = source(cable.port)
    await line.open()
    sent, got = bytes(range(256)) * 4, b""
    for at in range(0, len(sent), 64):
        waiting = asyncio.create_task(line.read())
        await asyncio.sleep(0)
        cable.send(sent[at : at + 64])
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            got += await waiting
    assert got + await read(line, len(sent) - len(got)) == sent
    await line.close()


async def test_what_lay_in_the_port_before_it_was_opened_is_not_read(cable: Cable) -> None:
    cable.send(b"stale")
    line = source(cable.port)
    await line.open()
    cable.send(b"fresh")
    assert await read(line, 5) == b"fresh"
    await line.close()


async def test_a_port_that_is_not_open_says_so(cable: Cable) -> None:
    line = source(cable.port)
    await line.close()
    with pytest.raises(SourceError, match="is not open"):
        await line.read()


# --- the cable is pulled


async def test_an_unplugged_cable_ends_the_read_that_waits(cable: Cable) -> None:
    line = source(cable.port)
    await line.open()
    waiting = asyncio.create_task(line.read())
    await asyncio.sleep(0)
    cable.unplug()
    async with asyncio.timeout(SOON):
        with pytest.raises(SourceError, match=rf"{cable.port} is gone \(unplugged\?\)"):
            await waiting
        await line.close()
        with pytest.raises(SourceError, match="no such port"):
            await line.open()


async def test_what_came_before_the_cable_was_pulled_is_still_read(cable: Cable) -> None:
    line = source(cable.port)
    await line.open()
    cable.send(b"the last telegram")
    got = await read(line, 3)
    cable.unplug()
    async with asyncio.timeout(SOON):
        with pytest.raises(SourceError):
            while True:
                got += await line.read()
    assert got == b"the last telegram"
    await line.close()


async def test_a_cable_plugged_in_again_under_another_number_is_found_behind_its_link(tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI_FT232R_USB_UART-if00-port0"
    first, second = Cable(), Cable()
    assert first.port != second.port
    link.symlink_to(first.port)
    line = source(str(link))
    await line.open()
    first.send(b"first")
    assert await read(line, 5) == b"first"

    link.unlink()
    first.unplug()
    async with asyncio.timeout(SOON):
        with pytest.raises(SourceError, match="is gone"):
            await line.read()
        await line.close()
        with pytest.raises(SourceError, match="no such port"):
            await line.open()

    link.symlink_to(second.port)
    await line.open()
    second.send(b"second")
    assert await read(line, 6) == b"second"
    await line.close()
    second.unplug()


# --- the port is let go


async def test_closing_frees_the_port_at_any_moment(cable: Cable) -> None:
    before = open_descriptors()
    line = source(cable.port)
    for turns in range(4):
        await line.open()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(SOON):
            await line.close()
            await line.close()
        assert open_descriptors() <= before
    fcntl.flock(cable.reader, fcntl.LOCK_EX | fcntl.LOCK_NB)  # and the lock is off


async def test_a_port_whose_cable_was_pulled_leaves_nothing_open() -> None:
    before = open_descriptors()
    cable = Cable()
    line = source(cable.port)
    await line.open()
    cable.unplug()
    async with asyncio.timeout(SOON):
        await line.close()
    assert open_descriptors() <= before


async def test_opening_an_open_port_again_leaves_nothing_behind(cable: Cable) -> None:
    before = open_descriptors()
    line = source(cable.port)
    await line.open()
    await line.open()
    cable.send(b"once")
    assert await read(line, 4) == b"once"
    await line.close()
    assert open_descriptors() <= before


async def test_a_port_that_could_not_be_opened_leaves_nothing_open(cable: Cable, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    before = open_descriptors()
    fcntl.flock(cable.reader, fcntl.LOCK_EX)
    for port in (str(plain), cable.port, "/dev/null"):
        with pytest.raises(SourceError):
            await source(port).open()
    assert open_descriptors() <= before


# --- one reader to a port


async def test_two_sources_cannot_share_a_port(cable: Cable) -> None:
    first, second = source(cable.port), source(cable.port)
    await first.open()
    with pytest.raises(SourceError, match=f"{cable.port} is already open in this program: give each port to one"):
        await second.open()
    await second.close()
    cable.send(b"undisturbed")
    assert await read(first, 11) == b"undisturbed"
    await first.close()
    await second.open()
    await second.close()


async def test_a_program_that_has_the_port_open_is_named(cable: Cable, tmp_path: Path) -> None:
    link = tmp_path / "meter"
    link.symlink_to(cable.port)
    line = source(str(link), baud_rate=2400)
    with opened_elsewhere(cable.port) as other:
        speed = termios.tcgetattr(cable.reader)[4]
        with pytest.raises(SourceError, match=rf"already open in another program \(pid {other}, .+\): stop it"):
            await line.open()
        assert termios.tcgetattr(cable.reader)[4] == speed  # the other program's port was left alone
    await line.open()
    await line.close()


async def test_nobody_else_can_open_a_real_port(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    def exclusive() -> bool:
        return bool(struct.unpack("i", fcntl.ioctl(cable.reader, TIOCGEXCL, bytes(4)))[0])

    line = source(cable.port)
    await line.open()
    # A terminal keeps the mark when its reader is killed: the next one would be kept out for ever.
    assert not exclusive()
    await line.close()
    monkeypatch.setattr(serial_port, "PTY_MAJORS", ())  # take it for a real port
    await line.open()
    assert exclusive()
    await line.close()


async def test_a_port_that_breaks_while_it_is_being_opened_is_given_back(
    cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(port: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    before = open_descriptors()
    monkeypatch.setattr(serial_port, "_keep_others_out", fail)
    with pytest.raises(SourceError, match="no hardware answers behind this port"):
        await source(cable.port).open()
    assert open_descriptors() <= before
