"""datalogger neutralise: a capture becomes a twin that can be shown to anybody."""

import random
from pathlib import Path

import click

from datalogger.cli.arguments import system_title as title_in_hex
from datalogger.cli.captured import read_capture
from datalogger.cli.hex_text import keys_named, title_named
from datalogger.cli.key_options import key_options
from datalogger.cli.say import say
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.framing import Reason
from datalogger.simulation.neutral import Twin, neutralise
from datalogger.simulation.twin import Capture

OCTETS_A_LINE = 48


@click.command(
    name="neutralise",
    epilog="""\b
Examples:
  timeout 60 cat /dev/ttyUSB0 | datalogger neutralise > twin.hex
  datalogger neutralise --key-file meter.key capture.bin > twin.hex
  datalogger decode twin.hex

\b
Exit status: 0 a twin was written; 1 there was nothing to make one of; 2 wrong usage.
""",
)
@key_options
@click.option(
    "--system-title", metavar="HEX", type=title_in_hex, help="Of a meter that leaves its own out: 16 hex digits."
)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
def command(keys: Keys | None, system_title: bytes | None, files: tuple[Path, ...]) -> None:
    """Make a twin of what is in FILEs (or standard input), to send to somebody who has to understand your meter.

    Several FILEs are one capture, one behind the other, of one meter.

    The twin has the same framing, layout and types, and its check sums and tags are right. But numbers
    of five digits and more, in names and values, are others (the same one the same everywhere); values
    are of similar size; times are moved by some weeks; system title, invocation counter and keys are
    new. Models, list names, units and what is zero stay. The twin's own keys stand in its first lines.

    What cannot be read is left out, never passed on. Look at the twin before you send it: text that a
    person wrote into the meter, without digits, may look like the name of a model.

    A ciphered meter needs its key here, once: the key does not leave this machine.
    """
    octets = b""
    for path in files or (Path("-"),):
        captured = read_capture(path)
        octets += captured.octets
        keys = keys or keys_named(captured.text)
        system_title = system_title or title_named(captured.text)
    capture = Capture(octets, keys, system_title=system_title or b"")
    named = ", ".join(map(str, files)) or "standard input"
    try:
        twin = neutralise(capture, random.SystemRandom())
    except ValueError as error:
        raise click.ClickException(f"{named}: {error}") from error
    if not twin.messages:
        raise click.ClickException(f"{named}: no twin: {_why_not(capture, twin)}")
    for line in _lines(twin):
        say(line)


def _why_not(capture: Capture, twin: Twin) -> str:
    for rejected in capture.left_out:
        if rejected.reason in (Reason.NO_KEY, Reason.WRONG_KEY, Reason.TAG, Reason.POLICY):
            return f"{rejected.detail} (--key, --auth-key)"
    if not capture.octets:
        return "it is empty"
    reasons = ", ".join(f"{octets} octets of {reason}" for reason, octets in twin.left_out.items())
    return f"nothing in it could be read ({reasons}), and what cannot be read is not passed on"


def _lines(twin: Twin) -> list[str]:
    replaced = ", ".join(f"{count} × {what}" for what, count in twin.replaced.items()) or "nothing"
    lines = [
        "# A neutral twin: framing, layout and types of a capture; other numbers, names, times and keys.",
        f"# messages: {twin.messages}",
        f"# replaced: {replaced}",
        *(f"# {octets} octets left out: {reason}" for reason, octets in twin.left_out.items()),
    ]
    secrets = (("key", twin.keys.encryption), ("auth-key", twin.keys.authentication))
    lines += [f"# {name}: {key.hex().upper()}" for name, key in secrets if key is not None]
    if twin.system_title:
        lines.append(f"# system-title: {twin.system_title.hex().upper()}")
    text = twin.octets.hex().upper()
    return lines + [text[at : at + 2 * OCTETS_A_LINE] for at in range(0, len(text), 2 * OCTETS_A_LINE)]
