import asyncio
import socket

import pytest

from datalogger.simulation.outgoing import CallLine, UdpLine

SOON = 10  # seconds; a failure bound, never waited for


async def test_each_push_is_a_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(SOON)
        line = UdpLine("127.0.0.1", server.getsockname()[1])
        await line.open()
        assert line.heard
        assert line.address == f"127.0.0.1:{server.getsockname()[1]}"
        line.send(b"one", begins=True)
        line.send(b"two", begins=True)
        assert [server.recv(99), server.recv(99)] == [b"one", b"two"]
        await line.close()
        line.send(b"three", begins=True)  # goes nowhere, and nothing is raised


async def test_a_datagram_that_nobody_takes_is_lost_in_silence() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = UdpLine("127.0.0.1", port)
    await line.open()
    for _ in range(3):
        line.send(b"push", begins=True)
    await line.close()


async def test_a_call_that_was_cut_off_is_made_again_with_the_next_whole_push() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SOON)
        line = CallLine("127.0.0.1", server.getsockname()[1])
        await line.open()
        assert line.heard
        first, _ = await asyncio.to_thread(server.accept)
        line.send(b"one", begins=True)
        assert first.recv(99) == b"one"
        await line.disconnect()
        assert not line.heard
        assert first.recv(99) == b""
        first.close()
        line.send(b"the rest of one", begins=False)
        line.send(b"two", begins=True)
        second, _ = await asyncio.to_thread(server.accept)
        second.settimeout(SOON)
        assert second.recv(99) == b"two"
        await line.close()
        assert second.recv(99) == b""
        second.close()


async def test_a_server_that_is_not_there_is_named_with_the_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = CallLine("127.0.0.1", port)
    with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port} does not answer .*: start the server"):
        await line.open()
    line.send(b"one", begins=True)
    assert not line.heard
