"""datalogger simulate: a meter without a meter."""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from datalogger.cli.arguments import duration
from datalogger.cli.simulate_dlms import dlms
from datalogger.cli.simulate_modbus import modbus
from datalogger.cli.simulating import (
    fault_rate,
    pause_option,
    pty_option,
    seed_option,
    serve_until_stopped,
    start_option,
    tcp_option,
    wait_option,
)
from datalogger.clock import SystemClock
from datalogger.line_settings import LineSettings
from datalogger.simulation import p1 as meter
from datalogger.simulation.faults import Fault, Faults
from datalogger.simulation.lines import Line, PtyLine, TcpLine
from datalogger.simulation.uart_pty import UartPtyLine
from datalogger.words import Duration

# What a person wants to see of a telegram: its time, the counters, the power.
_SHOWN = re.compile(rb"^(?:0-0:1\.0\.0|1-\d:[12]\.[78]\.\d)[^(\r]*\(([\w.*]+)\)", re.MULTILINE)


@click.group()
def simulate() -> None:
    """A meter on a serial port or a TCP port of this machine, without a meter."""


@simulate.command()
@pty_option
@click.option(
    "--settings",
    metavar="SETTINGS",
    help='The serial port is set so ("9600 7E1"): who reads at another speed hears nonsense.',
)
@tcp_option
@click.option(
    "--interval", type=duration, metavar="DURATION", default="1s", show_default=True, help="Between two telegrams."
)
@click.option(
    "--step",
    type=duration,
    metavar="DURATION",
    help="How far the meter's own clock goes meanwhile [default: as --interval]",
)
@start_option
@click.option("--count", type=click.IntRange(min=1), help="End after so many telegrams.")
@click.option("--telegram", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A telegram to live by.")
@click.option(
    "--fault",
    "rates",
    type=fault_rate(list(Fault)),
    metavar="KIND=RATE",
    multiple=True,
    help="How often something goes wrong; repeatable.",
)
@pause_option
@seed_option
@wait_option
@click.option("-v", "--verbose", is_flag=True, help="A line on standard error for each telegram.")
def p1(
    link: str | None,
    settings: str | None,
    tcp: tuple[str, int] | None,
    interval: Duration,
    step: Duration | None,
    start: datetime | None,
    count: int | None,
    telegram: Path | None,
    rates: Sequence[tuple[Fault, float]],
    pause: Duration,
    seed: int,
    wait: bool,
    verbose: bool,
) -> None:
    """A P1 meter, until Ctrl-C.

    What a reader has to open stands on standard output, one line for each port: the LINK where there
    is one, else the terminal; and HOST:PORT.

    \b
    A serial port under a lasting name, a telegram in 10 s, one in a hundred damaged:
      datalogger simulate p1 --pty /tmp/meter --interval 10s --fault flip=1%
    Your own meter's telegram, on the network:
      datalogger simulate p1 --tcp 127.0.0.1:8023 --telegram mine.txt

    \b
    Faults: flip a bit, drop an octet, cut the end off, noise between telegrams, crc (a wrong
    check sum), duplicate, silence, disconnect (in the middle; back after --pause), dribble.
    """
    lines: list[Line] = []
    if link is not None or settings is not None or tcp is None:
        lines.append(_port(Path(link) if link else None, settings))
    if tcp is not None:
        lines.append(TcpLine(*tcp))
    try:
        template = telegram.read_bytes() if telegram else meter.DSMR5
        telegrams = meter.telegrams(
            template,
            start=start or SystemClock().now(),
            interval=(step or interval).delta,
            seed=seed,
        )
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{telegram}: {error}" if telegram else str(error)) from error
    faults = Faults(dict(rates), seed=seed, pause=pause)
    try:
        describe = _describe if verbose else None
        asyncio.run(
            serve_until_stopped(lines, islice(telegrams, count), interval, faults, wait=wait, describe=describe)
        )
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error


def _port(link: Path | None, settings: str | None) -> Line:
    if settings is None:
        return PtyLine(link)
    try:
        return UartPtyLine(link, LineSettings.parse(settings))
    except ValueError as error:
        raise click.UsageError(f"--settings: {error}") from None


def _describe(telegram: bytes, struck: Sequence[Fault]) -> str:
    shown = b"  ".join(found[1] for found in _SHOWN.finditer(telegram)).decode()
    return f"{shown}  {len(telegram)} octets  {', '.join(struck)}"


simulate.add_command(dlms)
simulate.add_command(modbus)
