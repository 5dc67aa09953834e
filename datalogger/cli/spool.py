"""datalogger spool: what is waiting, what was refused, and what to do about it. Works beside a running daemon."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from datalogger.cli.which_spool import Group, Where, which_spool
from datalogger.clock import SystemClock
from datalogger.encoding.report_json import encode_report
from datalogger.errors import SpoolError
from datalogger.spool import requests
from datalogger.spool.inspection import Inspection, SinkStatus, Status
from datalogger.spool.requests import Selector
from datalogger.words import ByteSize, Duration

WORTH_A_BAR = 1000  # records: about a second of work


as_json = click.option("--json", "as_json", is_flag=True, help="For machines: JSON, one object a line.")
pending = click.option("--pending", "what", flag_value="pending", help="What a sink has still to get.")
quarantined = click.option(
    "--quarantined", "what", flag_value="quarantined", help="What a server refused for good, with its answer."
)


@contextmanager
def _said() -> Iterator[None]:
    """A SpoolError is one line on standard error and exit status 1; a closed pipe is the end."""
    try:
        yield
    except SpoolError as error:
        raise click.ClickException(str(error)) from error
    except BrokenPipeError:
        sys.stdout = None  # so that Python does not flush it at exit
        sys.exit(0)


@click.group(cls=Group, short_help="Look into the spool; replay, drop, export.")
def spool() -> None:
    """Look into the spool, replay what was refused, drop or export what is there.

    Every command works while the daemon runs, and without it. Reports younger than the window
    (one second) are in the daemon's memory only, and are not seen here.

    \b
    What is waiting, for whom?              datalogger spool status
    Why did the server refuse it?           datalogger spool list attic
    The server is mended: send it again     datalogger spool replay attic --all
    Never mind what is older than a week    datalogger spool drop attic --pending --older 7d
    Take everything along                   datalogger spool export attic -o backlog.jsonl
    """


@spool.command(short_help="What is waiting for whom, what is in quarantine.")
@which_spool
@as_json
def status(where: Where, as_json: bool) -> None:
    """Depth, octets and age of every sink's backlog, and what is in quarantine.

    A sink that is configured no more is an orphan: its backlog is kept for 14 days.
    """
    with _said(), Inspection(where()) as inspection:
        found = inspection.status()
    now = SystemClock().now()
    if as_json:
        click.echo(json.dumps(_status_json(found, now), ensure_ascii=False))
        return
    console = Console(highlight=False)
    table = Table(
        "sink", "waiting", "octets", "oldest", "quarantined", "", box=None, pad_edge=False, header_style="bold"
    )
    for sink in found.sinks:
        table.add_row(
            Text(sink.name),
            str(sink.depth),
            _octets(sink.octets),
            _age(sink.oldest, now),
            ", ".join(f"{count} {reason}" for reason, count in sorted(sink.quarantined.items())) or "-",
            f"orphan since {sink.orphaned:%Y-%m-%d}" if sink.orphaned else "",
        )
    console.print(table)
    daemon = "a daemon is running" if found.daemon else "no daemon is running"
    click.echo(f"{found.path}: {_octets(found.octets)} on disk; {daemon}")
    for file in found.set_aside:
        click.echo(f"set aside, kept for you to look at: {file}")


@spool.command("list", short_help="Records in quarantine, or waiting.")
@click.argument("sink", required=False)
@which_spool
@quarantined
@pending
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many records.")
@as_json
def list_records(where: Where, sink: str | None, what: str | None, limit: int, as_json: bool) -> None:
    """Records in quarantine with the server's answer, or (--pending) those still waiting, oldest first."""
    with _said(), Inspection(where()) as inspection:
        if sink is not None:
            _known(inspection, sink)
        rows = _rows(inspection, what or "quarantined", sink)
        count = 0
        for count, (row, _) in enumerate(rows, 1):
            if count > limit:
                click.echo(f"and more; --limit {limit * 10} shows more of them", err=True)
                break
            click.echo(json.dumps(row, ensure_ascii=False) if as_json else _line(row))
        if count == 0 and not as_json:
            click.echo("nothing is waiting" if what == "pending" else "nothing is in quarantine")


@spool.command(short_help="Send records in quarantine again.")
@click.argument("sink")
@click.argument("sequences", nargs=-1, type=int)
@which_spool
@click.option("--all", "everything", is_flag=True, help="Everything in quarantine for this sink.")
@as_json
def replay(where: Where, sink: str, sequences: tuple[int, ...], everything: bool, as_json: bool) -> None:
    """Send records in quarantine again to SINK: those with these SEQUENCES (see list), or --all.

    They are queued behind what is waiting. No freshness rule applies to them: you asked for it.
    """
    if bool(sequences) == everything:
        raise click.UsageError("say which: the sequences (see `datalogger spool list`), or --all")
    selector = Selector("quarantined", None if everything else sequences)
    _carry_out(where, "replay", sink, selector, as_json, "replayed")


@spool.command(short_help="Give up records.")
@click.argument("sink")
@click.argument("sequences", nargs=-1, type=int)
@which_spool
@quarantined
@pending
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--older", metavar="DURATION", help='Those that came in longer ago than this, such as "7d".')
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def drop(
    where: Where,
    sink: str,
    sequences: tuple[int, ...],
    what: str | None,
    everything: bool,
    older: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Give up records for SINK: --pending or --quarantined; by SEQUENCES, --older, or --all.

    Other sinks keep theirs. There is no way back; `export` them first.
    """
    if what is None:
        raise click.UsageError("say which: --pending or --quarantined")
    if [bool(sequences), older is not None, everything].count(True) != 1:
        raise click.UsageError("say one of: the sequences (see `datalogger spool list`), --older, or --all")
    before = None
    if older is not None:
        try:
            before = SystemClock().now() - Duration.parse(older).delta
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--older") from error
    selector = Selector("pending" if what == "pending" else "quarantined", sequences or None, before)
    question = None if yes else f"Drop {what} records of {sink} for good?"
    _carry_out(where, "drop", sink, selector, as_json, "dropped", question)


@spool.command(short_help="Write records to a file.")
@click.argument("sink")
@which_spool
@quarantined
@pending
@click.option("-o", "--output", type=click.File("wb"), default="-", help="A file; standard output if not given.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["report", "telegram"]),
    default="report",
    show_default=True,
    help="Report JSON, one object a line; or the telegrams as the meter sent them.",
)
def export(where: Where, sink: str, what: str | None, output: BinaryIO, form: str) -> None:
    """Write what waits for SINK (or is in its quarantine) to a file, and change nothing.

    Telegrams can be read again by a source of kind "replay", or by `datalogger decode`.
    """
    what = what or "pending"
    with _said(), Inspection(where()) as inspection:
        _known(inspection, sink)
        damaged = 0
        with _bar("exporting", inspection.count(what, sink)) as told:
            for count, (_, report) in enumerate(_rows(inspection, what, sink), 1):
                if report is None:
                    damaged += 1
                elif form == "report":
                    output.write(encode_report(report) + b"\n")
                else:
                    output.write(report.frame)
                told(count)
        output.flush()
    if damaged:
        raise click.ClickException(f"{damaged} records are damaged and were left out")


def _known(inspection: Inspection, sink: str) -> None:
    known = inspection.sinks()
    if sink not in known and not inspection.count("quarantined", sink):
        raise SpoolError(requests.no_sink(inspection.path, sink, known))


def _carry_out(
    where: Where, verb: str, sink: str, selector: Selector, as_json: bool, done: str, question: str | None = None
) -> None:
    """question: to be asked first. Sequences that are not there are named, after the others are done; exit status 1."""
    path = where()
    missing: list[int] = []
    with _said():
        with Inspection(path) as inspection:
            _known(inspection, sink)
            if selector.sequences is None:
                total = inspection.count(selector.what, sink)
            else:
                present = inspection.present(selector.what, sink, selector.sequences)
                missing, total = sorted(set(selector.sequences) - present), len(present)
        if not missing or total:
            if question is not None:
                click.confirm(question, abort=True, err=True)
            with _bar(verb, total) as told:
                count = requests.carry_out(path, verb, sink, selector, clock=SystemClock(), told=told)
            click.echo(json.dumps({"sink": sink, done: count}) if as_json else f"{done} {count} of {sink}")
    if missing:
        place, option = ("waiting", " --pending") if selector.what == "pending" else ("in quarantine", "")
        named = ", ".join(map(str, missing))
        raise click.ClickException(f"not {place} for {sink}: {named} (see `datalogger spool list {sink}{option}`)")


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, for long work before people's eyes."""
    console = Console(stderr=True)
    if total < WORTH_A_BAR or not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.update(task, completed=count)


def _rows(inspection: Inspection, what: str, sink: str | None) -> Iterator[tuple[dict[str, Any], Any]]:
    """(row for people and machines, report or None)"""
    if what == "quarantined":
        for aside in inspection.quarantined(sink):
            row = {
                "sink": aside.sink,
                "sequence": aside.sequence,
                "source": aside.source,
                "received_at": aside.received.isoformat(),
                "set_aside_at": aside.at.isoformat(),
                "reason": aside.reason,
                "answer": aside.answer,
            }
            yield row, aside.report
        return
    for name in [sink] if sink is not None else inspection.sinks():
        for waiting in inspection.pending(name):
            row = {
                "sink": name,
                "sequence": waiting.sequence,
                "source": waiting.source,
                "received_at": waiting.received.isoformat(),
                "forced": waiting.forced,
                "damaged": waiting.report is None,
            }
            yield row, waiting.report


def _line(row: dict[str, Any]) -> str:
    shown = f"{row['sink']}  {row['sequence']}  {row['received_at'][:19]}  {row['source']}"
    if "reason" in row:
        return f"{shown}  {row['reason']}: {' '.join(row['answer'].split())}"
    return shown + ("  damaged" if row["damaged"] else "") + ("  replayed" if row["forced"] else "")


def _status_json(status: Status, now: datetime) -> dict[str, Any]:
    def shown(sink: SinkStatus) -> dict[str, Any]:
        return {
            "sink": sink.name,
            "depth": sink.depth,
            "octets": sink.octets,
            "oldest": sink.oldest.isoformat() if sink.oldest else None,
            "oldest_age_seconds": (now - sink.oldest).total_seconds() if sink.oldest else None,
            "orphaned": sink.orphaned.isoformat() if sink.orphaned else None,
            "quarantined": sink.quarantined,
        }

    return {
        "path": str(status.path),
        "octets": status.octets,
        "daemon": status.daemon,
        "sinks": [shown(sink) for sink in status.sinks],
        "set_aside": [str(file) for file in status.set_aside],
    }


def _octets(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return str(ByteSize(count))


def _age(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "-"
    seconds = (now - moment).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= size:
            return f"{seconds / size:.1f} {unit} ago"
    return f"{seconds:.0f} s ago"
