"""datalogger simulate modbus: meters that are asked, without one."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from datalogger.cli.arguments import address, duration
from datalogger.cli.say import say
from datalogger.cli.simulating import fault_rate, pty_option, seed_option
from datalogger.config.checks import nearest
from datalogger.errors import ConfigError
from datalogger.meters.register_maps import SUNSPEC, RegisterMaps, load
from datalogger.simulation.lines import Line
from datalogger.simulation.modbus.bus import Bus
from datalogger.simulation.modbus.device import Device
from datalogger.simulation.modbus.faults import NEEDS_CHECKSUM, NEEDS_CONNECTION, AnswerFault, AnswerFaults, Reply
from datalogger.simulation.modbus.serving import PtyUnits, TcpUnits, serve
from datalogger.simulation.modbus.sunspec import SunSpecDevice, known_models
from datalogger.simulation.modbus.wire import Asked
from datalogger.words import Duration

LAST_UNIT = 255  # from 248 on only behind TCP, where some meters want just that

_SUNSPEC = f"{SUNSPEC}:"  # before the models


@click.command()
@click.argument("meters", metavar="MAP[@UNIT]...", nargs=-1)
@click.option("--list", "wants_list", is_flag=True, help="The maps there are, with their lines.")
@click.option(
    "--maps",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Register maps of one's own, beside the built-in ones.",
)
@pty_option
@click.option("--tcp", type=address, metavar="HOST:PORT", help="Modbus TCP.")
@click.option(
    "--rtu-over-tcp", "raw", type=address, metavar="HOST:PORT", help="RTU frames over TCP, as of a serial port server."
)
@click.option(
    "--interval", type=duration, metavar="DURATION", default="1s", show_default=True, help="How often the values move."
)
@click.option("--count", type=click.IntRange(min=1), help="End after so many requests.")
@click.option(
    "--fault",
    "rates",
    type=fault_rate(list(AnswerFault)),
    metavar="KIND=RATE",
    multiple=True,
    help="How often something goes wrong; repeatable.",
)
@click.option(
    "--pause", type=duration, metavar="DURATION", default="1.5s", show_default=True, help="How late a late answer is."
)
@seed_option
@click.option("-v", "--verbose", is_flag=True, help="A line on standard error for each request.")
def modbus(
    meters: Sequence[str],
    wants_list: bool,
    directory: Path | None,
    link: str | None,
    tcp: tuple[str, int] | None,
    raw: tuple[str, int] | None,
    interval: Duration,
    count: int | None,
    rates: Sequence[tuple[AnswerFault, float]],
    pause: Duration,
    seed: int,
    verbose: bool,
) -> None:
    """A Modbus line with one or several meters, until Ctrl-C.

    MAP is a register map of --list, or sunspec:103, or a chain of SunSpec models: sunspec:103+203. UNIT
    is its address [default: 1, 2, 3 and so on]. What its registers say fits together: powers, currents
    and voltages move, and counters count them. Nothing can be written.

    What a reader has to open stands on standard output, one line for each port: the LINK where there
    is one, else the terminal; and HOST:PORT.

    \b
    Which meters are there?
      datalogger simulate modbus --list
    Two meters on a serial port (RTU) under a lasting name:
      datalogger simulate modbus eastron-sdm630 carlo-gavazzi-et112@7 --pty /tmp/bus
    An inverter with a meter behind it, over Modbus TCP, one answer in ten 2 s late:
      datalogger simulate modbus sunspec:103+203 --tcp 127.0.0.1:5020 --fault late=10% --pause 2s

    \b
    Faults: exception (2, 4 or 6), silence, unit (another one's number), function (another one),
    late (after --pause; the next answers come behind it), crc (a bit is wrong; not with --tcp),
    short (the end is missing), long (octets behind it), noise (octets before it), close (the
    connection ends in the middle of it; not with --pty).
    """
    try:
        maps = load(directory)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    if wants_list:
        _print_list(maps)
        return
    if not meters:
        raise click.UsageError("which meter? Name one of --list, such as eastron-sdm630 or sunspec:103")
    devices = _devices(meters, maps, seed)
    on_pty = link is not None or (tcp, raw) == (None, None)
    _refuse_in_vain([fault for fault, rate in rates if rate], on_pty, tcp is not None)

    def tell(asked: Asked, reply: Reply | None) -> None:
        if verbose:
            say(_described(asked, reply), err=True)

    bus = Bus(devices, AnswerFaults(dict(rates), seed=seed, pause=pause), tell, count)
    lines: list[Line] = []
    if on_pty:
        lines.append(PtyUnits(bus, Path(link) if link else None))
    if tcp is not None:
        lines.append(TcpUnits(bus, "tcp", *tcp))
    if raw is not None:
        lines.append(TcpUnits(bus, "rtu", *raw))
    try:
        asyncio.run(_until_stopped(lines, bus, interval))
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error


async def _until_stopped(lines: Sequence[Line], bus: Bus, interval: float) -> None:
    """Until enough is answered or somebody says stop; both are a clean end."""
    main = asyncio.current_task()
    assert main is not None
    for stop in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(stop, main.cancel)
    try:
        await serve(lines, bus, interval=interval, announce=lambda line: say(line.address))
    except asyncio.CancelledError:
        return


def _devices(meters: Sequence[str], maps: RegisterMaps, seed: int) -> list[Device]:
    units = _units(meters)
    return [_device(word.partition("@")[0], unit, maps, seed) for word, unit in zip(meters, units, strict=True)]


def _units(meters: Sequence[str]) -> list[int]:
    """Those that are named, and 1, 2, 3 and so on for the others."""
    named = [_unit(word) for word in meters]
    taken = [unit for unit in named if unit is not None]
    if len(meters) > LAST_UNIT:
        raise click.UsageError(f"{len(meters)} meters on one line: no more than {LAST_UNIT} have an address")
    free = iter(sorted(set(range(1, LAST_UNIT + 1)) - set(taken)))
    for word, unit in zip(meters, named, strict=True):
        if unit is not None and taken.count(unit) > 1:
            raise click.UsageError(
                f"unit {unit} is there twice: give one of them another: {word.partition('@')[0]}@{next(free)}"
            )
    return [next(free) if unit is None else unit for unit in named]


def _unit(word: str) -> int | None:
    _, at, text = word.partition("@")
    if not at:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= LAST_UNIT):
        raise click.UsageError(f"{word!r}: expected a unit from 1 to {LAST_UNIT} behind the @")
    return int(text)


def _device(name: str, unit: int, maps: RegisterMaps, seed: int) -> Device:
    if name == SUNSPEC or name.startswith(_SUNSPEC):
        return SunSpecDevice(unit, _models(name), seed)
    if name not in maps:
        known = [*maps, *(f"{_SUNSPEC}{model}" for model in known_models())]
        raise click.UsageError(f"no map {name!r}{nearest(name, known) or '; --list shows the maps'}")
    return Device(unit, maps[name], seed)


def _models(name: str) -> list[int]:
    known = known_models()
    there = ", ".join(map(str, known))
    numbers = name.removeprefix(SUNSPEC).removeprefix(":").split("+")
    if numbers == [""]:
        raise click.UsageError(f"{SUNSPEC}: of which model? There is {there}: such as {_SUNSPEC}103 or 103+203")
    for number in numbers:
        if number not in map(str, known):
            raise click.UsageError(f"{name}: no model {number!r}; there is {there}")
    return [int(number) for number in numbers]


def _refuse_in_vain(faults: Sequence[AnswerFault], on_pty: bool, on_tcp: bool) -> None:
    """A fault that one of the lines cannot have."""
    for fault in faults:
        if fault in NEEDS_CHECKSUM and on_tcp:
            raise click.UsageError(f"{fault}: Modbus TCP has no check sum: --pty or --rtu-over-tcp instead of --tcp")
        if fault in NEEDS_CONNECTION and on_pty:
            raise click.UsageError(f"{fault}: a serial port has no connection: --tcp or --rtu-over-tcp, without --pty")


def _described(asked: Asked, reply: Reply | None) -> str:
    if reply is None:
        return f"{asked}  no such unit here"
    return f"{asked}  {len(reply.octets)} octets  {', '.join(reply.struck)}".rstrip()


def _print_list(maps: RegisterMaps) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("map", "meter", "line", "registers"):
        table.add_column(column, overflow="fold", no_wrap=column in ("map", "line"))
    for name, found in maps.items():
        table.add_row(name, found.title, found.option.serial or "", str(len(found.reg)))
    for number, title in known_models().items():
        table.add_row(f"{_SUNSPEC}{number}", title, "", "")
    console = Console()
    console.print(table) if console.is_terminal else Console(width=200).print(table)
