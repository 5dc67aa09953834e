"""What the simulated meters have in common on the command line."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TypeVar

import click

from datalogger.cli.arguments import address, duration
from datalogger.cli.say import say
from datalogger.simulation.faults import Fault, Faults
from datalogger.simulation.lines import Line
from datalogger.simulation.serve import serve

Kind = TypeVar("Kind", bound=StrEnum)

pty_option = click.option(
    "--pty",
    "link",
    is_flag=False,
    flag_value="",
    metavar="[LINK]",
    help="A serial port (the default); LINK leads to it.",
)
tcp_option = click.option(
    "--tcp", type=address, metavar="HOST:PORT", help="A TCP port, as of ser2net or a network dongle."
)
start_option = click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]),
    metavar="TIME",
    help="The meter's first time, such as 2026-03-29T01:59:50+0100 [default: now]",
)
pause_option = click.option(
    "--pause", type=duration, metavar="DURATION", default="5s", show_default=True, help="How long such a silence lasts."
)
seed_option = click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed, the same meter and faults."
)
wait_option = click.option("--wait", is_flag=True, help="Say nothing before somebody listens.")


def fault_rate(kinds: Sequence[Kind]) -> Callable[[str], tuple[Kind, float]]:
    """Reads KIND=RATE, KIND one of these."""

    def read(text: str) -> tuple[Kind, float]:
        word, _, rate = text.partition("=")
        kind = next((kind for kind in kinds if kind == word), None)
        try:
            share = float(rate[:-1]) / 100 if rate.endswith("%") else float(rate)
        except ValueError:
            share = -1
        if kind is None or not 0 <= share <= 1:
            raise click.BadParameter(
                f"{text!r}: expected KIND=RATE such as {kinds[0]}=0.01 or {kinds[1]}=5%, KIND one of {', '.join(kinds)}"
            )
        return kind, share

    return read


async def serve_until_stopped(
    lines: Sequence[Line],
    telegrams: Iterable[bytes],
    interval: float,
    faults: Faults,
    *,
    wait: bool,
    describe: Callable[[bytes, Sequence[Fault]], str] | None,
) -> None:
    """Until the telegrams end or somebody says stop; both are a clean end.

    describe: what to say of each telegram on standard error; None: nothing
    """
    main = asyncio.current_task()
    assert main is not None
    for stop in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(stop, main.cancel)

    def announce(line: Line) -> None:
        say(line.address)

    def tell(telegram: bytes, struck: Sequence[Fault]) -> None:
        if describe is not None:
            say(describe(telegram, struck).rstrip(), err=True)

    try:
        await serve(lines, telegrams, interval=interval, faults=faults, announce=announce, tell=tell, wait=wait)
    except asyncio.CancelledError:
        return
