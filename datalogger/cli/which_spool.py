"""Which spool a command means: a configuration names it, or its file is given."""

from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from datalogger.cli import configuration
from datalogger.config.load import load
from datalogger.errors import ConfigError

Command = Callable[..., None]
Where = Callable[[], Path]


class Subcommand(click.Command):
    """Says what a superfluous argument may have been meant for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            meant = _option_meant(ctx.args[0])
            ctx.fail(f"unexpected extra argument {ctx.args[0]}{f': did you mean {meant}?' if meant else ''}")
        return ctx.args


class Group(click.Group):
    command_class = Subcommand


def _option_meant(argument: str) -> str | None:
    options = {".toml": "-c", ".db": "--spool"}
    option = options.get(Path(argument).suffix)
    return f"{option} {argument}" if option else None


def _spool_path(config: Path, given: Path | None) -> Path:
    """--spool, else [spool] of the configuration."""
    if given is not None:
        return given
    try:
        options = load(config, read_secrets=False)[0].spool
    except ConfigError as error:
        configuration.refuse(error)
    if options.durability == "memory":
        raise click.ClickException(
            f'{config}: [spool] has durability = "memory": it lives in the daemon, there is no file to look at'
        )
    return options.path


def which_spool(command: Command) -> Command:
    """The two options that say which spool is meant; the command gets `where`, to be called when its usage is right.

    Who forgot an option should not read of a configuration that was never named.
    """

    @click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path, readable=False),
        envvar=configuration.VARIABLE,
        default=configuration.DEFAULT,
        show_default=True,
        show_envvar=True,
        help="The configuration that names the spool.",
    )
    @click.option(
        "--spool",
        "path",
        type=click.Path(path_type=Path, readable=False),
        help="The spool's file itself, instead of a configuration.",
    )
    @wraps(command)
    def told(config: Path, path: Path | None, **rest: Any) -> None:
        if (meant := _option_meant(rest.get("sink") or "")) is not None:
            raise click.UsageError(f"{rest['sink']} is no sink: did you mean {meant}?")
        command(where=partial(_spool_path, config, path), **rest)

    return told
