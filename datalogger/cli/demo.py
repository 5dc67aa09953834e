"""The main job without a meter: a simulated one on a real pseudo-terminal."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

CONFIGURATION = """\
[source.meter]
kind = "serial"
port = "{port}"

[sink.archive]
kind = "file"
path = "archive"

[spool]
path = "spool.db"

[service]
listen = "127.0.0.1:0"
"""


@contextmanager
def demonstration() -> Iterator[Path]:
    """A running simulated meter; yields the configuration file that reads it. Both end together."""
    with tempfile.TemporaryDirectory(prefix="datalogger-demo-") as name:
        folder = Path(name)
        port, path = folder / "ttyMeter", folder / "datalogger.toml"
        path.write_text(CONFIGURATION.format(port=port))
        meter = subprocess.Popen(
            [sys.executable, "-m", "datalogger", "simulate", "p1", "--pty", str(port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert meter.stdout is not None
            meter.stdout.readline()  # the port is there once the simulator has named it
            click.echo(
                f"A simulated meter sends a telegram a second on {port}.\n"
                f"Its configuration: {path}; its readings: {folder / 'archive'}\n"
                "Ctrl-C ends it, and removes what it has written.",
                err=True,
            )
            yield path
        finally:
            meter.terminate()
            meter.wait(timeout=10)
