"""The keys of a meter on the command line: the same six options wherever a command deciphers."""

import functools
from collections.abc import Callable
from pathlib import Path

import click

from datalogger.cli.say import say
from datalogger.config.secrets import checked, read_environment, read_named_file
from datalogger.protocol.dlms.keys import Keys, parse_key

Command = Callable[..., None]

_OPTIONS = [
    click.option("--key", metavar="HEX", help="Encryption key: 32 hex digits. Others can see it in the process list."),
    click.option("--key-file", metavar="FILE", type=click.Path(path_type=Path), help="File that holds it."),
    click.option("--key-env", metavar="NAME", help="Environment variable that holds it."),
    click.option("--auth-key", metavar="HEX", help="Authentication key, where the meter has one."),
    click.option("--auth-key-file", metavar="FILE", type=click.Path(path_type=Path), help="File that holds it."),
    click.option("--auth-key-env", metavar="NAME", help="Environment variable that holds it."),
]


def key_options(command: Command) -> Command:
    """Adds --key, --auth-key and their -file and -env forms; the command is given `keys: Keys | None`.

    A key that cannot be read is a wrong use, said without the key.
    """

    @functools.wraps(command)
    def with_keys(
        key: str | None,
        key_file: Path | None,
        key_env: str | None,
        auth_key: str | None,
        auth_key_file: Path | None,
        auth_key_env: str | None,
        **others: object,
    ) -> None:
        encryption = _read("--key", key, key_file, key_env)
        authentication = _read("--auth-key", auth_key, auth_key_file, auth_key_env)
        if encryption is None and authentication is not None:
            raise click.UsageError("--auth-key deciphers nothing by itself: give the encryption key as well (--key)")
        command(keys=None if encryption is None else Keys(encryption, authentication), **others)

    decorated: Command = with_keys
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _read(option: str, text: str | None, file: Path | None, variable: str | None) -> bytes | None:
    given = [suffix for suffix, value in (("", text), ("-file", file), ("-env", variable)) if value is not None]
    if len(given) > 1:
        raise click.UsageError(f"give one of {' and '.join(option + suffix for suffix in given)}, not both")
    try:
        if file is not None:
            return parse_key(read_named_file(str(file), file, warn=lambda words: say(words, err=True)).reveal())
        if variable is not None:
            return parse_key(read_environment(variable).reveal())
        return None if text is None else parse_key(checked(text, option).reveal())
    except ValueError as error:
        raise click.UsageError(f"{option}{given[0]}: {error}") from None
