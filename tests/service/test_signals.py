"""Signals against real processes: one that waits for them as the daemon does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.slow

DAEMON = """
import asyncio, sys, time
from datalogger.service import log, signals

log.configure()

async def main():
    stop, reload = asyncio.Event(), asyncio.Event()
    signals.handle(stop, reload)
    print("ready", flush=True)
    while not stop.is_set():
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, reload)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if reload.is_set():
            reload.clear()
            print("reload", flush=True)
    print("stop", flush=True)
    END

asyncio.run(main())
"""


@contextmanager
def daemon(end: str, stderr: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON.replace("END", end)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        assert says(process) == "ready"
        yield process
    finally:
        process.kill()
        process.communicate()


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_stops_in_good_order(number: signal.Signals) -> None:
    with daemon("") as process:
        process.send_signal(number)
        assert says(process) == "stop"
        assert process.wait(30) == 0


@pytest.mark.parametrize("end", ["await asyncio.sleep(600)", "time.sleep(600)"], ids=["waiting", "loop blocked"])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_at_once_whatever_the_daemon_does(end: str, second: signal.Signals) -> None:
    with daemon(end) as process:
        process.send_signal(signal.SIGTERM)
        assert says(process) == "stop"
        process.send_signal(second)
        assert process.wait(30) == -second


def test_sighup_reloads_as_often_as_it_comes() -> None:
    with daemon("") as process:
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
            assert says(process) == "reload"
        process.send_signal(signal.SIGTERM)
        assert says(process) == "stop"


def test_sighup_on_a_terminal_reloads_while_it_is_there_and_stops_once_it_is_closed() -> None:
    ours, theirs = os.openpty()
    with daemon("", stderr=theirs) as process:
        os.close(theirs)
        process.send_signal(signal.SIGHUP)
        assert says(process) == "reload"
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert says(process) == "stop"
        assert process.wait(30) == 0
