"""Which configuration file a command means, and what it says when that file cannot be used."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from datalogger.config.load import load
from datalogger.config.schema import Configuration
from datalogger.errors import ConfigError

DEFAULT = Path("/etc/datalogger/datalogger.toml")
VARIABLE = "DATALOGGER_CONFIG"
EX_CONFIG = 78  # sysexits.h

# Not `readable`: click would refuse the file with a sentence that names no mend.
_FILE = click.Path(path_type=Path, readable=False)

argument = click.argument("config", type=_FILE, envvar=VARIABLE, default=DEFAULT)
"""[CONFIG] of a command: as written, else $DATALOGGER_CONFIG, else /etc/datalogger/datalogger.toml."""

option = click.option(
    "--config",
    type=_FILE,
    envvar=VARIABLE,
    default=DEFAULT,
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
"""The same as --config, for commands whose arguments are other things."""


def load_or_exit(path: Path) -> tuple[Configuration, tuple[str, ...]]:
    """Configuration and warnings; or every problem on standard error, and exit 78."""
    try:
        return load(path)
    except ConfigError as error:
        refuse(error)


def refuse(error: ConfigError) -> NoReturn:
    """Every problem on standard error, then exit 78."""
    click.echo(str(error), err=True)
    sys.exit(EX_CONFIG)
