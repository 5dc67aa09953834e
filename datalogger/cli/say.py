"""Words for whoever listens: that nobody does any more changes no exit status."""

import os
import sys
from typing import IO

import click


def say(line: str, *, err: bool = False) -> None:
    """One line on standard output, or on standard error."""
    try:
        click.echo(line, err=err)
    except BrokenPipeError:
        silence(sys.stderr if err else sys.stdout)


def silence(stream: IO[str]) -> None:
    """Its reader is gone (`| head`): what is still written to it goes nowhere, also what Python flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
