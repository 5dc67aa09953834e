"""Which configuration file a command means, and what it says when that file cannot be used."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import NoReturn

import click

from datalogger.cli.say import say
from datalogger.config.document import NoDocument
from datalogger.config.load import load
from datalogger.config.schema import Configuration
from datalogger.errors import ConfigError

DEFAULT = Path("/etc/datalogger/datalogger.toml")
VARIABLE = "DATALOGGER_CONFIG"
EX_CONFIG = 78  # sysexits.h

# Not `readable`: click would refuse the file with a sentence that names no mend.
_FILE = click.Path(path_type=Path, readable=False)


def argument(command: Callable[..., None]) -> Callable[..., None]:
    """[CONFIG] or -c CONFIG of a command: as written, else $DATALOGGER_CONFIG, else /etc/datalogger/datalogger.toml."""

    @click.argument("config", type=_FILE, required=False)
    @click.option("-c", "--config", "named", type=_FILE, help="The same as CONFIG.")
    @wraps(command)
    def told(config: Path | None, named: Path | None, **rest: object) -> None:
        if config is not None and named is not None:
            raise click.UsageError(f"one configuration file, please: {config} or {named}?")
        found = config or named or Path(os.environ.get(VARIABLE) or DEFAULT)
        command(config=found, **rest)

    return told


def _how_to_name_one() -> str:
    """In the words of the command that was given."""
    context = click.get_current_context()
    as_argument = any(
        parameter.param_type_name == "argument" and parameter.name == "config" for parameter in context.command.params
    )
    return f": {context.command_path} {'' if as_argument else '-c '}FILE"


def load_or_exit(path: Path) -> tuple[Configuration, tuple[str, ...]]:
    """Configuration and warnings; or every problem on standard error, and exit 78."""
    try:
        return load(path)
    except ConfigError as error:
        refuse(error)


def refuse(error: ConfigError) -> NoReturn:
    """Every problem on standard error, then exit 78."""
    say(f"{error}{_how_to_name_one() if isinstance(error, NoDocument) else ''}", err=True)
    sys.exit(EX_CONFIG)
