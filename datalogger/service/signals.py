"""What the daemon does when it is signalled."""

import asyncio
import os
import signal
import sys

import structlog

log = structlog.get_logger()

STOP = (signal.SIGTERM, signal.SIGINT)


def handle(stop: asyncio.Event, reload: asyncio.Event) -> None:
    """Within a running loop: SIGTERM and SIGINT set `stop`, SIGHUP sets `reload`.

    The second SIGTERM or SIGINT ends the process at once. The kernel does that, by the signal's default action, so it
    works where the loop is blocked too; nothing is lost by it that `kill -9` would not lose.
    """
    loop = asyncio.get_running_loop()
    on_terminal = _on_terminal()

    def stopped(number: signal.Signals) -> None:
        for each in STOP:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        log.info("stopping; a second signal ends at once", signal=number.name)
        stop.set()

    def hung_up() -> None:
        if on_terminal and not _on_terminal():
            # The terminal was closed: nobody is left to see what this does.
            stopped(signal.SIGHUP)
        else:
            reload.set()

    for number in STOP:
        loop.add_signal_handler(number, stopped, number)
    loop.add_signal_handler(signal.SIGHUP, hung_up)


def _on_terminal() -> bool:
    """Asked of the file itself each time: a terminal that hung up is no terminal any more."""
    try:
        return os.isatty(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # no standard error at all, or a closed one
        return False
