"""datalogger probe: what speaks on this line, how is it set, and which lines of configuration read it?"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from datalogger.cli.arguments import address, duration, zone
from datalogger.cli.key_options import key_options
from datalogger.cli.say import say
from datalogger.clock import Clock, SystemClock
from datalogger.encoding.one_line import render
from datalogger.errors import ConfigError, SourceError
from datalogger.meters.decoder import MeterDecoder
from datalogger.meters.meaning import Reading
from datalogger.meters.profiles import Profiles, load
from datalogger.model import Record, Report
from datalogger.probing import search
from datalogger.probing.block import ELSEWHERE, block, machine_zone, zone_of
from datalogger.probing.candidates import candidates
from datalogger.probing.ear import Ear, Verdict
from datalogger.probing.findings import Finding, finding
from datalogger.probing.hints import hint
from datalogger.probing.lines import Line, SerialLine, TcpLine, lasting_name
from datalogger.protocol.detect import AutoFramer
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.security import MemoryCounters, Security
from datalogger.protocol.framing import Framer, Reason
from datalogger.protocol.wrapper import WrapperFramer
from datalogger.words import Duration

MOST_ROWS = 40  # of a table of values; a telegram with a history of months has more than a screen

FRAMINGS = {
    "p1": "P1 telegrams",
    "hdlc": "HDLC",
    "mbus": "M-Bus",
    "wrapper": "DLMS wrapper",
    "apdu": "bare APDUs or cipher blocks",
}

# Version 1 of the DLMS wrapper. A stream that begins so is one; inside serial data these octets say nothing.
WRAPPER = b"\x00\x01"

SENSE = {
    Verdict.SILENT: "nothing heard",
    Verdict.FOREIGN: "no sense in them",
    Verdict.DAMAGED: "damaged frames",
    Verdict.SOUND: "sound frames",
    Verdict.READ: "understood",
}

_KEY_OPTIONS = ("key_file", "key_env", "auth_key_file", "auth_key_env")


def source_name(ctx: click.Context, param: click.Parameter, text: str) -> str:
    if text and text.replace("-", "_").replace("_", "a").isalnum() and text.isascii():
        return text
    raise click.BadParameter(f"{text!r}: a name is of letters A-Z a-z, digits, _ and -")


@click.command(
    epilog="""\b
Examples:
  datalogger probe /dev/ttyUSB0
  datalogger probe /dev/ttyUSB0 --name house >> /etc/datalogger/datalogger.toml
  datalogger probe --tcp 192.168.1.40:23 --key-file meter.key

\b
Exit status: 0 found; 1 nothing recognised; 2 wrong usage.
"""
)
@click.argument("port", required=False)
@click.option("--tcp", type=address, metavar="HOST:PORT", help="A port server or a network dongle instead of a port.")
@key_options
@click.option(
    "--time",
    "budget",
    type=duration,
    metavar="DURATION",
    default="60s",
    show_default=True,
    help="At most so long; it ends as soon as it knows enough.",
)
@click.option(
    "--name", callback=source_name, default="meter", show_default=True, help="Of the source in the configuration block."
)
@click.option("--zone", "given_zone", type=zone, metavar="NAME", help="The meter's [default: of its country]")
@click.option(
    "--profiles",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Meter profiles of your own.",
)
def probe(
    port: str | None,
    tcp: tuple[str, int] | None,
    keys: Keys | None,
    budget: Duration,
    name: str,
    given_zone: ZoneInfo | None,
    directory: Path | None,
) -> None:
    """Find out what speaks on serial PORT (or over --tcp), and print the configuration that reads it.

    It only listens. The block for the configuration goes to standard output, all else to standard
    error. Ctrl-C ends it with what is known so far.

    \b
    Modbus meters do not speak unless they are asked:  datalogger probe modbus PORT
    """
    if (port is None) == (tcp is None):
        raise click.UsageError("give a serial port, such as /dev/ttyUSB0, or --tcp HOST:PORT")
    console = Console(stderr=True, highlight=False)
    try:
        profiles = load(directory)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    clock = SystemClock()
    line: Line = SerialLine(port) if port is not None else TcpLine(*_host(tcp), clock)
    home = given_zone or ZoneInfo(machine_zone() or ELSEWHERE)
    try:
        found = _search(line, profiles, keys or Keys(), home, budget, clock, console, port or _shown(tcp))
    except SourceError as error:
        raise click.ClickException(str(error)) from error
    finally:
        line.close()
    if found is None:
        sys.exit(1)
    _tell(found, console)
    where: dict[str, str | int] = (
        {"kind": "serial", "port": lasting_name(str(Path(port).absolute()))}
        if port is not None
        else {"kind": "tcp", "host": _host(tcp)[0], "port": _host(tcp)[1]}
    )
    at = str(given_zone) if given_zone is not None else zone_of(found.countries, machine_zone())
    say(block(name, where, found, _given_keys(name), zone=at).rstrip("\n"))


def _host(tcp: tuple[str, int] | None) -> tuple[str, int]:
    assert tcp is not None  # the usage was checked
    return tcp


def _shown(tcp: tuple[str, int] | None) -> str:
    return "{}:{}".format(*_host(tcp))


def _search(
    line: Line,
    profiles: Profiles,
    keys: Keys,
    home: ZoneInfo,
    budget: Duration,
    clock: Clock,
    console: Console,
    what: str,
) -> Finding | None:
    """What was found; None, after a hint, where nothing was. SourceError where the line fails."""

    def ear(keys: Keys, framer: Framer) -> Ear:
        security = Security(keys, counters=MemoryCounters(), replay=False)
        return Ear(framer, MeterDecoder(Reading(zone=home), security, lambda: profiles))

    line.open()
    settings = candidates(profiles.values(), shows_form=line.shows_form)
    with _watched(console, what, budget) as watch:
        looking = search.Search(line, settings, lambda: ear(keys, AutoFramer()), clock, seconds=budget, watch=watch)
        interrupted = False
        try:
            looking.run()
        except KeyboardInterrupt:
            interrupted = True
    best = looking.best
    if best is not None and not line.tunable and best.octets.startswith(WRAPPER):
        best.hear_again(ear(keys, WrapperFramer()))
    if best is not None and best.ear.refused.keys() == {Reason.POLICY}:
        # It sends in the clear, or no tag: a key that is not needed shall not hide it.
        best.hear_again(ear(Keys(keys.encryption), AutoFramer()))
    found = best and finding(best, profiles, tunable=line.tunable, shows_form=line.shows_form)
    if not found:
        ended = "interrupted: " if interrupted else ""
        told = hint(best, profiles.values(), tunable=line.tunable)
        console.print(Text(f"{ended}{what}: {told}"), soft_wrap=True)
        return None
    return found


@contextmanager
def _watched(console: Console, what: str, budget: Duration) -> Iterator[Callable[[search.Progress], None]]:
    """A bar on a terminal; elsewhere a line for each setting that is tried."""
    if not console.is_terminal:
        tried: list[str] = []

        def tell(progress: search.Progress) -> None:
            if (now := _trying(progress)) not in tried[-1:]:
                tried.append(now)
                console.print(Text(f"{what}: {now}"), soft_wrap=True)

        yield tell
        return
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[heard]}")
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=float(budget), heard="")
        yield lambda progress: bar.update(
            task,
            completed=progress.elapsed,
            description=f"{what}: {_trying(progress)}",
            heard=f"{progress.octets} octets, {SENSE[progress.verdict]}",
        )


def _trying(progress: search.Progress) -> str:
    return "listening" if progress.settings is None else f"listening at {progress.settings}"


def _given_keys(name: str) -> dict[str, str]:
    """Where the keys came from, as the configuration says it. One on the command line has no place yet."""
    given = click.get_current_context().params
    places = {}
    for option in _KEY_OPTIONS:
        if (value := given.get(option)) is not None:
            places[option] = str(value.absolute()) if isinstance(value, Path) else str(value)
    for option, ending in (("key", "key"), ("auth_key", "auth.key")):
        if given.get(option) is not None:
            places[f"{option}_file"] = f"/etc/datalogger/{name}.{ending}"
    return places


def _tell(found: Finding, console: Console) -> None:
    for what, text in _facts(found):
        console.print(Text.assemble((f"{what:14}", "bold"), text), soft_wrap=True)
    if found.report is not None:
        console.print(_values(found.report))


def _facts(found: Finding) -> Iterator[tuple[str, str]]:
    if found.settings is not None:
        unseen = " (parity as is usual for it: a pseudo-terminal shows none)" if found.form_unseen else ""
        yield "line", f"{found.settings}{unseen}"
    yield "framing", FRAMINGS[found.framing]
    if found.needs_key:
        yield "meter", found.maker or "of a maker not known here"
        for family in found.families:
            yield "perhaps", f"{family.title} ({', '.join(family.countries)})"
    elif found.families:
        for family in found.families:
            yield "meter", f"{family.title} ({', '.join(family.countries)})"
    elif found.report is not None:
        identification = found.report.identification
        yield "meter", identification or "no profile knows this family; what it names itself is read all the same"
    else:
        yield "meter", "not known yet"
    if found.meter:
        yield "id", found.meter
    if found.system_title:
        yield "system title", found.system_title
    yield "key", found.key or ("none needed" if found.report is not None else "not known yet")
    if found.report is not None:
        yield "heard", render(found.report)
    for notice in found.notices:
        yield "note", notice.detail
    for unread in found.unread:
        yield "unread", unread


def _values(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("object")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for record in report.records[:MOST_ROWS]:
        name = record.obis or f"position {record.position}"
        table.add_row(name, Text(_value(record)), "unscaled" if record.unscaled else record.unit or "")
    if len(report.records) > MOST_ROWS:
        table.add_row(f"… {len(report.records) - MOST_ROWS} more", "", "")
    return table


def _value(record: Record) -> str:
    if record.not_measured:
        return "not measured"
    if record.real is not None:
        return f"{record.real * 10**record.scaler:.7g}"  # a float has seven digits, and its decimal form a dozen more
    if record.value is not None:
        return f"{record.physical:f}" if record.physical is not None else str(record.value)
    if record.text is not None:
        return record.text
    if record.octets is not None:
        return record.octets.hex().upper()
    if record.time:
        return record.time.isoformat(" ")
    if record.entries is not None:
        return f"{len(record.entries)} entries"
    return ""
