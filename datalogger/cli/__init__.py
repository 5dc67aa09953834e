"""The command line: one small module a command, imported only when it is called."""

from importlib import import_module

import click

from datalogger import __version__

COMMANDS = {
    "run": "datalogger.cli.run:run",
    "check": "datalogger.cli.check:check",
    "decode": "datalogger.cli.decode:decode",
    "simulate": "datalogger.cli.simulate:simulate",
    "spool": "datalogger.cli.spool:spool",
}


class Commands(click.Group):
    """Loads a command's module when it is named, so that `run` never pays for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="datalogger")
def main() -> None:
    """Read smart meters and forward every reading to many servers, losing none.

    \b
    A first try, without a meter:     datalogger run --demo
    Is my configuration right?        datalogger check /etc/datalogger/datalogger.toml
    Run it:                           datalogger run /etc/datalogger/datalogger.toml
    What is waiting, what went wrong? datalogger spool status
    """
