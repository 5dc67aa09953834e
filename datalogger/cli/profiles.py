"""datalogger profiles: which meters are known, and is a profile of one's own right?"""

import sys
from pathlib import Path

import click

from datalogger.cli.configuration import EX_CONFIG
from datalogger.cli.say import say
from datalogger.config.checks import nearest
from datalogger.errors import ConfigError
from datalogger.meters import lint as rules
from datalogger.meters import overview
from datalogger.meters.profiles import Profiles, as_written, load

_own = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help="A directory with profiles of your own; they stand before the built-in ones.",
)


@click.group()
def profiles() -> None:
    """Meter profiles: what the pushes of one family of meters mean."""


@profiles.command("list")
@_own
def list_profiles(directory: Path | None) -> None:
    """Every profile: its id, maker, models, countries and which key it needs."""
    for line in overview.listing(_load(directory).values()):
        say(line)


@profiles.command()
@click.argument("name", metavar="ID")
@click.option("--toml", "as_file", is_flag=True, help="As its file, to begin one of your own with.")
@_own
def show(name: str, as_file: bool, directory: Path | None) -> None:
    """Everything that the profile ID says.

    \b
    A profile of your own, from the nearest one (its id is the name of the file):
      datalogger profiles show --toml lg-e450 > profiles/my-meter.toml
    """
    known = _load(directory)
    if name not in known:
        raise click.BadParameter(f'no profile "{name}"{nearest(name, known) or "; see datalogger profiles list"}')
    if as_file:
        say(as_written(name, directory).rstrip("\n"))
        return
    for line in overview.described(known[name]):
        say(line)


@profiles.command()
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
def lint(directory: Path | None) -> None:
    """Are the built-in profiles, or those of DIR beside them, right?

    \b
    Exit status:  0  they are
                  1  something is wrong with one, or two of them cannot be told apart
                 78  a file is no profile
    """
    known = _load(directory)
    faults = [f"{profile.id}: {fault}" for profile in known.values() for fault in rules.faults(profile)]
    faults += rules.conflicts(known.values())
    for fault in faults:
        say(fault)
    if faults:
        sys.exit(1)
    say(f"{len(known)} profiles, nothing wrong")


@profiles.command()
@_own
def table(directory: Path | None) -> None:
    """Which meters work, from which country, with which settings and keys, as Markdown."""
    for line in overview.markdown(_load(directory).values()).splitlines():
        say(line)


def _load(directory: Path | None) -> Profiles:
    try:
        return load(directory)
    except ConfigError as error:
        for line in str(error).splitlines():
            say(line, err=True)
        sys.exit(EX_CONFIG)
