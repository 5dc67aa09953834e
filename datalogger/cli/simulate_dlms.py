"""datalogger simulate dlms: a meter that pushes DLMS, without one."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from datalogger.cli.arguments import address, duration
from datalogger.cli.captured import read_capture
from datalogger.cli.key_options import key_options
from datalogger.cli.say import say
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
from datalogger.config.checks import nearest, time_zone
from datalogger.line_settings import LineSettings
from datalogger.protocol.dlms.keys import Keys
from datalogger.simulation import meters
from datalogger.simulation.dlms import Pushes, PushFault
from datalogger.simulation.faults import Fault, Faults
from datalogger.simulation.lines import Line, PtyLine, TcpLine
from datalogger.simulation.meters import Model
from datalogger.simulation.outgoing import CallLine, UdpLine
from datalogger.simulation.twin import Capture
from datalogger.simulation.uart_pty import UartPtyLine
from datalogger.words import Duration

# A wrong check sum alone is a matter of P1: every bit that is wrong in a frame makes its check sum wrong.
_ON_THE_LINE = [fault for fault in Fault if fault is not Fault.CRC]


@click.command()
@click.argument("meter", metavar="[NAME|FILE]", required=False)
@click.option("--list", "wants_list", is_flag=True, help="The meters there are, with their lines and keys.")
@pty_option
@click.option(
    "--settings",
    is_flag=False,
    flag_value="",
    metavar="[SETTINGS]",
    help='The serial port is set so ("2400 8E1", or the meter\'s own): who reads at another speed hears nonsense.',
)
@tcp_option
@click.option("--call", type=address, metavar="HOST:PORT", help="Call a TCP server, as a meter with a modem does.")
@click.option("--udp", type=address, metavar="HOST:PORT", help="Send each push there as a datagram.")
@click.option("--every", type=duration, metavar="DURATION", help="Between two pushes [default: as the meter does]")
@click.option(
    "--step",
    type=duration,
    metavar="DURATION",
    help="How far the meter's own clock goes meanwhile [default: as --every]",
)
@start_option
@click.option("--zone", metavar="NAME", help="Where the meter's clock is [default: the meter's country]")
@click.option(
    "--counter", type=click.IntRange(0, 2**32 - 1), help="The first invocation counter [default: by the clock]"
)
@click.option("--count", type=click.IntRange(min=1), help="End after so many pushes.")
@key_options
@click.option(
    "--fault",
    "rates",
    type=fault_rate([*_ON_THE_LINE, *PushFault]),
    metavar="KIND=RATE",
    multiple=True,
    help="How often something goes wrong; repeatable.",
)
@pause_option
@seed_option
@wait_option
@click.option("-v", "--verbose", is_flag=True, help="A line on standard error for each push.")
def dlms(
    meter: str | None,
    wants_list: bool,
    link: str | None,
    settings: str | None,
    tcp: tuple[str, int] | None,
    call: tuple[str, int] | None,
    udp: tuple[str, int] | None,
    every: Duration | None,
    step: Duration | None,
    start: datetime | None,
    zone: str | None,
    counter: int | None,
    count: int | None,
    keys: Keys | None,
    rates: Sequence[tuple[Fault | PushFault, float]],
    pause: Duration,
    seed: int,
    wait: bool,
    verbose: bool,
) -> None:
    """A meter that pushes DLMS, until Ctrl-C.

    NAME is one of the built-in meters; FILE is a capture of any other (bytes or hex text). It is sent
    again and again: its clock goes, its energies rise, powers and voltages move, and the invocation
    counter rises. All that is not known by its name or by a meter profile stays as it was.

    What a reader has to open stands on standard output, one line for each port. The keys of a built-in
    meter are public; they stand on standard error, as the comments that other commands understand.
    With --key and --auth-key it uses yours instead; a capture needs those it was made with.

    \b
    Which meters are there, how are they connected, and with what keys?
      datalogger simulate dlms --list
    An Austrian meter, ciphered, on a serial port under a lasting name:
      datalogger simulate dlms kaifa-at --pty /tmp/meter
    A meter that calls a server (DLMS wrapper), every tenth push a replay:
      datalogger simulate dlms seed-wrapper --call 127.0.0.1:4059 --every 2s
      datalogger simulate dlms wrapper-enc --udp 127.0.0.1:4059 --fault replay=10%

    \b
    Faults: flip a bit, drop an octet, cut the end off, noise before the push, duplicate, silence,
    disconnect (in the middle; back after --pause), dribble (small pieces), replay (the last push
    again), wrong-key, lost-segment (of a push in several frames).
    """
    if wants_list:
        _print_list()
        return
    if meter is None:
        raise click.UsageError("which meter? Name one of --list, or a file with a capture")
    model = _model(meter)
    own = model.keys if model.keys.encryption is not None else keys or Keys()
    try:
        pushes = Pushes(
            Capture(model.octets, own, system_title=model.system_title),
            start=start or SystemClock().now(),
            interval=(step or every or model.interval).delta,
            zone=time_zone(zone or model.zone),
            standard_time=model.standard_time,
            counter=counter,
            keys=keys or own,
            faults={fault: rate for fault, rate in rates if isinstance(fault, PushFault)},
            seed=seed,
        )
        lines = _lines(model, link, settings, tcp, call, udp)
    except ValueError as error:
        raise click.ClickException(f"{meter}: {error}") from error
    if keys is None and not Path(meter).exists():
        for line in _key_lines(own):
            say(line, err=True)
    line_faults = {fault: rate for fault, rate in rates if isinstance(fault, Fault)}
    faults = Faults(line_faults, seed=seed, pause=pause)

    def describe(octets: bytes, struck: Sequence[Fault]) -> str:
        return f"{pushes.now:%Y-%m-%d %H:%M:%S}  {len(octets)} octets  {', '.join([*struck, *pushes.struck])}"

    interval = every or model.interval
    try:
        asyncio.run(
            serve_until_stopped(
                lines, islice(pushes, count), interval, faults, wait=wait, describe=describe if verbose else None
            )
        )
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error


def _model(name: str) -> Model:
    """A built-in meter, or that of a capture."""
    if name in meters.names():
        return meters.built_in(name)
    path = Path(name)
    if not path.is_file():
        raise click.UsageError(
            f"no meter and no file {name!r}{nearest(name, meters.names()) or '; --list shows the meters'}"
        )
    captured = read_capture(path)
    try:
        return meters.described(name, captured.text, captured.octets)
    except ValueError as error:
        raise click.ClickException(f"{name}: {error}") from error


def _lines(
    model: Model,
    link: str | None,
    settings: str | None,
    tcp: tuple[str, int] | None,
    call: tuple[str, int] | None,
    udp: tuple[str, int] | None,
) -> list[Line]:
    """ValueError where the settings are none, or nobody knows them."""
    lines: list[Line] = []
    if link is not None or settings is not None or (tcp, call, udp) == (None, None, None):
        where = Path(link) if link else None
        if settings is None:
            lines.append(PtyLine(where))
        elif wanted := settings or model.line:
            lines.append(UartPtyLine(where, LineSettings.parse(wanted)))
        else:
            raise ValueError('nobody knows how its line is set: --settings "2400 8E1"')
    if tcp is not None:
        lines.append(TcpLine(*tcp))
    if call is not None:
        lines.append(CallLine(*call))
    if udp is not None:
        lines.append(UdpLine(*udp))
    return lines


def _key_lines(keys: Keys) -> list[str]:
    named = (("key", keys.encryption), ("auth-key", keys.authentication))
    return [f"# {name}: {key.hex().upper()}" for name, key in named if key is not None]


def _print_list() -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "meter", "line", "every", "framing", "keys (public)"):
        table.add_column(column, overflow="fold", no_wrap=column in ("name", "line", "every"))
    for name in meters.names():
        model = meters.built_in(name)
        message = Capture(model.octets, model.keys).messages[0]
        frames = len(message.frames)
        framing = f"{message.framing}, {frames} frames" if frames > 1 else message.framing
        keys = "\n".join(line.removeprefix("# ") for line in _key_lines(model.keys))
        table.add_row(name, model.title, model.line, str(model.interval), framing, keys)
    console = Console()
    console.print(table) if console.is_terminal else Console(width=200).print(table)
