"""The command line: one small module a command, imported only when it is called."""

from importlib import import_module

import click

from datalogger import __version__

# Where it is, and what it does: known here, so that the help loads none of them.
COMMANDS = {
    "run": ("datalogger.cli.run:run", "Read every meter and serve every server until told to stop."),
    "check": ("datalogger.cli.check:check", "Is the configuration right, and what would run?"),
    "decode": ("datalogger.cli.decode:decode", "Print captured telegrams as JSON, one object a line."),
    "probe": ("datalogger.cli.probe:probe", "What speaks on this line, and which configuration reads it?"),
    "simulate": ("datalogger.cli.simulate:simulate", "Be a meter on a serial or TCP port, without a meter."),
    "neutralise": ("datalogger.cli.neutralise:command", "Make a capture fit to be shown: other numbers, same form."),
    "profiles": ("datalogger.cli.profiles:profiles", "Which meters are known, and is a profile of one's own right?"),
    "maps": ("datalogger.cli.maps:maps", "Which Modbus meters are known, and is a map of one's own right?"),
    "spool": ("datalogger.cli.spool:spool", "What is waiting, and what was refused: look, replay, drop, export."),
    "meter": ("datalogger.cli.meter:meter", "How far each meter that encrypts has counted; have one forgotten."),
}

# Of a command that takes an argument, and so is no group: loaded in its place where this word is the first argument.
BESIDE: dict[tuple[str, ...], str] = {("probe", "modbus"): "datalogger.cli.probe_modbus:probe_modbus"}


class Commands(click.Group):
    """Loads a command's module when it is named, so that `run` never pays for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return _loaded(COMMANDS[name][0])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if (beside := BESIDE.get((name, *args[1:2]))) is not None:
            return " ".join(args[:2]), _loaded(beside), args[2:]
        if name not in COMMANDS and name[:1].isalnum():
            from datalogger.config.checks import nearest  # a command that is right never needs it

            ctx.fail(f"No such command {name!r}{nearest(name, COMMANDS) or '; there is ' + ', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)


def _loaded(place: str) -> click.Command:
    module, _, attribute = place.partition(":")
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
