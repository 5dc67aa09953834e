"""datalogger probe modbus: which meters answer on this line, and which lines of configuration read them?"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from datalogger.cli.arguments import duration
from datalogger.cli.probe import source_name
from datalogger.cli.say import say
from datalogger.clock import SystemClock
from datalogger.config.checks import host_and_port, listen_address
from datalogger.errors import ConfigError, SourceError
from datalogger.line_settings import LineSettings
from datalogger.meters.register_maps import SUNSPEC, load, sunspec_models
from datalogger.model import Record
from datalogger.probing.lines import lasting_name
from datalogger.probing.modbus import places, scan
from datalogger.probing.modbus.block import block
from datalogger.probing.modbus.hints import Kind, hint
from datalogger.probing.modbus.identification import Finding
from datalogger.protocol.framing import Rejected
from datalogger.sources.modbus.conversation import Conversation
from datalogger.sources.modbus.rtu import ModbusRtu, ModbusRtuConfig
from datalogger.sources.modbus.tcp import PORT, ModbusTcp, ModbusTcpConfig
from datalogger.words import Duration

# How long a unit may take. On a serial line meters answer within a tenth of a second, a few need three; over the
# network a gateway asks them first.
SERIAL_TIMEOUT = Duration(0.4)
NETWORK_TIMEOUT = Duration(1)


class Server(tuple[str, int]):
    """Host and port."""

    def __str__(self) -> str:
        return host_and_port(*self)


def _server(text: str) -> Server:
    for written in (text, f"{text}:{PORT}"):
        try:
            found = listen_address(written)
        except ValueError:
            continue
        if found is not None and found[1]:
            return Server(found)
    raise click.BadParameter(f'{text!r}: expected HOST or HOST:PORT, such as "192.168.1.50:{PORT}"')


def _units(text: str) -> tuple[int, ...]:
    try:
        return places.parse_units(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _settings(text: str) -> LineSettings:
    try:
        return places.rtu_settings(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    epilog="""\b
Examples:
  datalogger probe modbus /dev/ttyUSB0
  datalogger probe modbus /dev/ttyUSB0 --units 1-247 --settings "9600 8N1"
  datalogger probe modbus --tcp 192.168.1.50 --name main >> /etc/datalogger/datalogger.toml

\b
Exit status: 0 found; 1 no meter that is known; 2 wrong usage.
"""
)
@click.argument("port", required=False)
@click.option("--tcp", type=_server, metavar="HOST[:PORT]", help="A device or a gateway that speaks Modbus TCP.")
@click.option("--rtu-over-tcp", type=_server, metavar="HOST[:PORT]", help="A serial port server with meters behind it.")
@click.option(
    "--units",
    type=_units,
    metavar="LIST",
    help="Which addresses, such as 1-247 or 1-10,31, the likeliest first. One that is not there costs two timeouts. "
    f"[default: {places.shown(places.NEAR)}; with --tcp {places.shown(places.ON_NETWORK)}]",
)
@click.option(
    "--settings",
    type=_settings,
    multiple=True,
    metavar="TEXT",
    help='Of the serial line, such as "9600 8N1"; may be given again. It stops at the first at which somebody answers. '
    "[default: those that meters have, most usual first]",
)
@click.option(
    "--timeout",
    type=duration,
    metavar="DURATION",
    help=f"The longest that a unit may take. [default: {SERIAL_TIMEOUT}; over the network {NETWORK_TIMEOUT}]",
)
@click.option(
    "--time", "budget", type=duration, metavar="DURATION", default="10m", show_default=True, help="At most so long."
)
@click.option("--only-first", is_flag=True, help="Stop at the first meter.")
@click.option(
    "--name", callback=source_name, default="meters", show_default=True, help="Of the source in the configuration."
)
@click.option(
    "--maps",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Register maps of your own.",
)
def probe_modbus(
    port: str | None,
    tcp: Server | None,
    rtu_over_tcp: Server | None,
    units: tuple[int, ...] | None,
    settings: tuple[LineSettings, ...],
    timeout: Duration | None,
    budget: Duration,
    only_first: bool,
    name: str,
    directory: Path | None,
) -> None:
    """Find the Modbus meters on serial PORT (or over the network), and print the configuration that reads them.

    It asks every address for registers, and writes nothing to any meter. The block for the configuration goes to
    standard output, all else to standard error. Ctrl-C ends it with what is known so far. A line has one reader: stop
    the daemon meanwhile.
    """
    server = tcp or rtu_over_tcp
    if [port, tcp, rtu_over_tcp].count(None) != 2:
        raise click.UsageError("give a serial port, such as /dev/ttyUSB0, or --tcp HOST, or --rtu-over-tcp HOST:PORT")
    if settings and server is not None:
        raise click.UsageError("--settings is of a serial port of this machine; a port server is set where it is")
    if port is not None and units and max(units) > places.MOST_UNIT:
        raise click.UsageError(f"--units: on a serial line there are addresses from 1 to {places.MOST_UNIT}")
    try:
        maps = load(directory)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    kind: Kind = "rtu" if port is not None else "tcp" if tcp is not None else "rtu-over-tcp"
    asked = units or (places.ON_NETWORK if kind == "tcp" else places.NEAR)
    console = Console(stderr=True, highlight=False)
    what = port or str(server)
    with _watched(console, what) as watch:
        scanning = scan.Scan(
            _serial(port) if port is not None else _network(server, kind),
            (settings or places.settings(maps.values())) if port is not None else (None,),
            asked,
            maps,
            sunspec_models(),
            SystemClock(),
            timeout=timeout or (SERIAL_TIMEOUT if port is not None else NETWORK_TIMEOUT),
            seconds=budget,
            only_first=only_first,
            watch=watch,
        )
        ended = _run(scanning)
    if ended:
        console.print(Text(ended), soft_wrap=True)
    for sentence in _left_over(scanning, kind, asked, failed=bool(ended)):
        console.print(Text(f"{what}: {sentence}"), soft_wrap=True)
    where: dict[str, str | int] = (
        {"kind": "modbus-rtu", "port": lasting_name(str(Path(port).absolute()))}
        if port is not None
        else _of_server(server, kind)
    )
    text = block(name, where, scanning.settings, scanning.meters)
    if not text:
        sys.exit(1)
    ours = {finding.candidates[0].map for finding in scanning.meters if finding.candidates} - {*load(), SUNSPEC}
    if directory is not None and ours:
        needed = f'[meters] maps = "{directory.absolute()}"'
        console.print(
            Text(f"{' and '.join(sorted(ours))}: of your own, so the configuration needs {needed}"), soft_wrap=True
        )
    say(text.rstrip("\n"))


def _run(scanning: scan.Scan) -> str:
    """What ended it before its end; "" where nothing did."""
    try:
        asyncio.run(scanning.run())
    except KeyboardInterrupt:
        return "interrupted"
    except SourceError as error:
        return str(error)
    return "time is up: --time gives it more" if scanning.time_is_up else ""


def _serial(port: str) -> scan.OpenLine:
    def line(settings: LineSettings | None, reject: Callable[[Rejected], None]) -> Conversation:
        config = ModbusRtuConfig(kind="modbus-rtu", port=str(Path(port).absolute()), map="")
        return ModbusRtu("probe", config, SystemClock()).conversation(settings, None, reject)

    return line


def _network(server: Server | None, kind: Kind) -> scan.OpenLine:
    assert server is not None  # the usage was checked
    host, port = server
    config = ModbusTcpConfig(
        kind="modbus-tcp", host=host, port=port, framing="rtu" if kind == "rtu-over-tcp" else "tcp", map=""
    )

    def line(settings: LineSettings | None, reject: Callable[[Rejected], None]) -> Conversation:
        return ModbusTcp("probe", config, SystemClock()).conversation(None, None, reject)

    return line


def _of_server(server: Server | None, kind: Kind) -> dict[str, str | int]:
    assert server is not None
    where: dict[str, str | int] = {"kind": "modbus-tcp", "host": server[0], "port": server[1]}
    return where | ({"framing": "rtu"} if kind == "rtu-over-tcp" else {})


def _left_over(scanning: scan.Scan, kind: Kind, units: tuple[int, ...], *, failed: bool) -> Iterator[str]:
    """What is still to be said, of those who are not in the block."""
    if scanning.tried:
        for settings, error in scanning.refused.items():
            yield f"{settings} left out: {error}"
    if scanning.answering is not None:
        yield f"unit {scanning.answering} answers; there was no time to find out which meter it is"
    if scanning.has_no_address:
        yield "it answers at every address as the same meter: the first does, and no others were asked"
    elif not scanning.findings and scanning.answering is None and (scanning.asked or not failed):
        yield hint(scanning, kind, units)
    if scanning.findings and scanning.unreadable:
        yield (
            f"unit {places.shown(scanning.unreadable)} answers, and nobody can read it: are there two meters with the "
            "same address?"
        )
    if scanning.findings and not any(finding.candidates for finding in scanning.findings):
        yield (
            "none of the meters that are known (datalogger maps list): with its table of registers a map of your own "
            "reads it (datalogger maps show --toml eastron-sdm120 shows the form)"
        )


class _Teller:
    """Says which meters were found, as they are found; and on no terminal at which settings they are looked for."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._told: list[str] = []

    def asking(self, progress: scan.Progress) -> None:
        text = f"asking unit {places.shown(progress.units)}{_at(progress)}"
        if text not in self._told:
            self._told.append(text)
            self._console.print(Text(f"{self._what}: {text}"), soft_wrap=True)

    def found(self, finding: Finding) -> None:
        for head, text in _facts(finding):
            self._console.print(Text.assemble((f"{head:14}", "bold"), text), soft_wrap=True)


class _Bar(_Teller):
    """The same beside a bar."""

    def __init__(self, console: Console, what: str, bar: Progress, task: TaskID) -> None:
        super().__init__(console, what)
        self._bar = bar
        self._task = task

    def asking(self, progress: scan.Progress) -> None:
        self._bar.update(
            self._task,
            completed=progress.done,
            total=progress.total,
            description=f"unit {progress.unit}{_at(progress)}",
            found=f"{progress.found} found",
        )


@contextmanager
def _watched(console: Console, what: str) -> Iterator[scan.Watch]:
    if not console.is_terminal:
        yield _Teller(console, what)
        return
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[found]}")
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Bar(console, what, bar, bar.add_task("opening", total=None, found=""))


def _at(progress: scan.Progress) -> str:
    return "" if progress.settings is None else f" at {progress.settings}"


def _facts(finding: Finding) -> Iterator[tuple[str, str]]:
    head = f"unit {finding.unit}"
    if not finding.candidates:
        yield head, "answers, and is none of the meters that are known"
    for candidate in finding.candidates:
        yield head, f"{'' if candidate.sure else 'perhaps '}{candidate.title} ({candidate.map}): {candidate.why}"
        head = ""
    if finding.serial:
        yield "serial number", finding.serial
    if finding.values:
        yield "it says", ", ".join(map(_value, finding.values))
    for note in finding.notes:
        yield "note", note


def _value(record: Record) -> str:
    """As the meter's display has it: energy in kWh."""
    number, unit = record.physical, record.unit or ""
    if number is None:
        text = f"{record.value} unscaled"
    elif unit.endswith("h"):
        text, unit = f"{number / 1000:.2f}", f"k{unit}"
    else:
        text = f"{float(number):.6g}"
    return " ".join(filter(None, (record.name, text, unit)))
