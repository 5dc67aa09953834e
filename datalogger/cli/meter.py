"""datalogger meter: how far each meter that encrypts has counted. Works beside a running daemon."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from datalogger.cli.which_spool import Group, Where, which_spool
from datalogger.meters import counters
from datalogger.protocol.dlms.security import maker

SHOWN = 20  # titles in one sentence; `list` has them all

_BETWEEN = str.maketrans("", "", " :-")


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """A file that cannot be used is one line on standard error and exit status 1."""
    try:
        yield
    except counters.Damaged as error:
        raise click.ClickException(f"{error}; the daemon sets it aside when it starts, and begins a new one") from error
    except PermissionError as error:
        raise click.ClickException(
            f"{path}: {error.strerror}: be the user that the daemon runs as (sudo -u datalogger datalogger meter ...)"
        ) from error
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from error


@click.group(cls=Group, short_help="Invocation counters of meters that encrypt: look, forget.")
def meter() -> None:
    """Look at the invocation counters of meters that encrypt, and have them forgotten.

    Every message of such a meter has a number higher than the one before; what has not is refused as
    a replay. The counters stand beside the spool, in spool.counters.json, and survive a restart.

    \b
    Which meters, and how far are they?     datalogger meter list
    This meter began to count anew          datalogger meter forget KFM104B79A973
    """


@meter.command("list", short_help="Every system title and key, its counter, and when it was seen.")
@which_spool
@click.option("--json", "as_json", is_flag=True, help="For machines: JSON, one object a line.")
def list_meters(where: Where, as_json: bool) -> None:
    """Every meter that encrypts, by its system title: its last counter under each key, and when that came.

    The key is shown as a fingerprint, which tells keys apart and gives nothing away. A running daemon
    writes its counters once a minute: it may be further than is shown here.
    """
    path = counters.beside(where())
    with _said(path):
        known = counters.read(path)
    table = Table("system title", "maker", "key", "counter", "last seen", box=None, pad_edge=False, header_style="bold")
    for (title, key), (counter, at) in sorted((meter, (seen.counter, seen.seen)) for meter, seen in known.items()):
        letters = maker(bytes.fromhex(title))
        if as_json:
            row = {"title": title, "maker": letters, "key": key, "counter": counter, "seen": at.isoformat()}
            click.echo(json.dumps(row))
        else:
            table.add_row(title, letters or "-", key, str(counter), f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}")
    if table.row_count:
        Console(highlight=False).print(table)
    elif not known:
        click.echo(f"no meter that encrypts is known yet ({path})", err=as_json)


@meter.command(short_help="Let a meter count anew.")
@click.argument("titles", metavar="[TITLE]...", nargs=-1)
@which_spool
@click.option("--all", "everything", is_flag=True, help="Every meter.")
def forget(where: Where, titles: tuple[str, ...], everything: bool) -> None:
    """Forget the counters of the meters with these system TITLEs (see list), or of --all: the next message passes.

    TITLE is 16 hex digits (4B464D104B79A973), or the maker's letters and the rest in hex
    (KFM104B79A973). Needed where a meter began to count anew with the same key; a new meter has
    another title, and a new key counts for itself. A running daemon takes notice at once.
    """
    if bool(titles) == everything:
        raise click.UsageError("say which: the system titles (see `datalogger meter list`), or --all")
    path = counters.beside(where())
    with _said(path):
        known = sorted({title for title, _ in counters.read(path)})
        meant = known if everything else [title for text in titles for title in _meant(text, known, path)]
        gone = counters.forget(path, meant) if meant else set()
    for title in sorted(gone):
        click.echo(f"forgotten: {title}")
    if not gone:
        click.echo(f"no meter that encrypts is known ({path})")


def _meant(text: str, known: list[str], path: Path) -> list[str]:
    """The known system titles that a person means by this."""
    wanted = text.translate(_BETWEEN).upper()
    found = [title for title in known if wanted in _forms(title)]
    if not found:
        more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
        there = f"there is {', '.join(known[:SHOWN])}{more}" if known else "there is none"
        raise click.ClickException(f"{path} has no counter of {text}: {there}")
    return found


def _forms(title: str) -> set[str]:
    """How people write a system title, in capitals: all of it in hex, or its first three or four octets as letters."""
    octets = bytes.fromhex(title)
    forms = {title}
    for letters in (3, 4):
        if octets[:letters].isalpha():
            forms.add(octets[:letters].decode("ascii").upper() + title[2 * letters :])
    return forms
