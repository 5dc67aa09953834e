"""datalogger run"""

import asyncio
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click

from datalogger.cli.configuration import argument, load_or_exit
from datalogger.cli.say import silence
from datalogger.errors import SpoolError
from datalogger.model import Report

EX_TEMPFAIL = 75  # sysexits.h: somebody else has the spool now; later it may be free


@click.command()
@argument
@click.option("--demo", is_flag=True, help="A simulated meter on a pseudo-terminal instead of a configuration.")
@click.option("--show", is_flag=True, help="Print one readable line per telegram.")
def run(config: Path, demo: bool, show: bool) -> None:
    """Read every meter and serve every server of CONFIG until it is told to stop.

    Without CONFIG it is $DATALOGGER_CONFIG, else /etc/datalogger/datalogger.toml.

    \b
    Ctrl-C or SIGTERM   stop: sources close, the spool is written, servers get 5 s; a second one ends at once
    SIGHUP              read the configuration again; what did not change keeps running

    \b
    Exit status:  0  stopped as told
                 75  another datalogger has the spool
                 78  the configuration is not right
    """
    if demo:
        from datalogger.cli.demo import demonstration

        with demonstration() as prepared:
            _run(prepared, show=True)
    else:
        _run(config, show=show)


def _run(path: Path, *, show: bool) -> None:
    # First, for it keeps rich out of the daemon: structlog, which the configured modules import, would load it.
    import_module("datalogger.service")
    configuration, warnings = load_or_exit(path)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    # Imported late: `run --help` and a refused configuration need none of it.
    from datalogger.app import serve

    watchers: list[Callable[[Report], None]] = [_shower()] if show else []
    try:
        asyncio.run(serve(configuration, watchers=watchers))
    except SpoolError as error:
        click.echo(str(error), err=True)
        sys.exit(EX_TEMPFAIL)


def _shower() -> Callable[[Report], None]:
    """Prints a line for each report. A reader that stands still or goes away stops no reading."""
    from datalogger.encoding.one_line import render
    from datalogger.service.lines_out import LinesOut

    out = LinesOut()

    def show(report: Report) -> None:
        try:
            out.write(sys.stdout, render(report))
        except BrokenPipeError:
            silence(sys.stdout)

    return show
