"""Keys, passwords and tokens: where they are read from, and that nobody sees them.

A secret NAME of a configuration struct is a field `NAME: Secret | None` with three more beside it:
`NAME_file`, `NAME_env` and `NAME_credential`. At most one of the four is written; the loader reads
it and puts the text into NAME, so that whoever uses the struct looks at one field only.
"""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from datalogger.config.schema import SinkOptions

# A key is a line; more than this is the wrong file.
MAX_SECRET = 4096  # octets


class Secret:
    """A text that shows itself only to who calls `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not written to anywhere")


NOT_READ = Secret("not read")
"""Stands where a secret is named and was not looked at, or could not be read."""


def places(name: str) -> tuple[str, str, str]:
    """The keys of a table that say where the secret `name` stands."""
    return f"{name}_file", f"{name}_env", f"{name}_credential"


class KeyOptions(SinkOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a sink has that shows its receiver a key. Give one of the four; `key` holds the text then."""

    key: Secret | None = None
    """The key itself; a file is better, because this one is read by many."""
    key_file: Path | None = None
    """File that holds the key and nothing else."""
    key_env: str | None = None
    """Environment variable that holds the key."""
    key_credential: str | None = None
    """Name of a systemd credential (LoadCredential=) that holds the key."""


# People paste the key where its place belongs. What does not look like a place is not shown, then.
_PATH = re.compile(r"/[^/]+/.*|.*\.[a-z]{1,10}", re.DOTALL)
_VARIABLE = re.compile(r"(?=.{1,20}$|.*_)[A-Z_][A-Z0-9_]*")  # a key in capitals is longer, and without _


def read_named_file(written: str, path: Path, warn: Callable[[str], None]) -> Secret:
    """The text of the file `path`, which stands in the configuration as `written`; ValueError with the mend."""
    if not (_PATH.fullmatch(written) or os.access(path, os.F_OK)):
        raise ValueError("no such file (is that the key itself? then write it into a file, and name the file)")
    return read_file(path, warn)


def read_file(path: Path, warn: Callable[[str], None]) -> Secret:
    """The text of a file without white space around it; ValueError with the mend."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{path} is no file: name the file that holds the key")
        with path.open("rb") as file:
            octets = file.read(MAX_SECRET + 1)
    except FileNotFoundError:
        raise ValueError(f"no file {path}: write the key into it, then chmod 600 {path}") from None
    except PermissionError:
        raise ValueError(
            f"{path} may not be read by this user: chown it to the user datalogger runs as and chmod 600 {path}, "
            "or look as that user: sudo -u datalogger datalogger check"
        ) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    if mode & stat.S_IROTH:
        warn(f"every user of this machine can read {path}: chmod 600 {path} (its owner: the user datalogger runs as)")
    if len(octets) > MAX_SECRET:
        raise ValueError(
            f"{path} holds more than {MAX_SECRET} octets: name the file that holds the key and nothing else"
        )
    try:
        text = octets.decode("utf-8-sig")  # some editors put a mark before the first character
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text: it holds the key and nothing else, in UTF-8") from None
    return checked(text, f"file {path}")


def read_environment(name: str) -> Secret:
    """The text of an environment variable; ValueError with the mend."""
    text = os.environ.get(name)
    if text is not None:
        return checked(text, f"environment variable {name}")
    if _VARIABLE.fullmatch(name):
        raise ValueError(f"no environment variable {name}: set it where datalogger is started, or use a key file")
    raise ValueError(
        "no such environment variable; a name is such as ATTIC_KEY "
        "(is that the key itself? then write it into a file, and name the file)"
    )


def read_credential(name: str) -> Secret:
    """The text of a systemd credential; ValueError with the mend, without the name: it may be the key itself."""
    line = "LoadCredential=NAME:/path/to/file"
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        raise ValueError(
            f"no systemd credentials here: $CREDENTIALS_DIRECTORY is set only under systemd, by {line} in the unit"
        )
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise ValueError("that is no name of a systemd credential")
    path = Path(directory, name)
    if not os.access(path, os.F_OK):
        raise ValueError(f"no systemd credential of this name: add {line} to the unit")
    return read_file(path, warn=lambda _: None)


def checked(text: str, where: str) -> Secret:
    """ValueError, without the text, where it can be no key."""
    text = text.strip()
    if not text:
        raise ValueError(f"{where} is empty: write the key into it")
    if not text.isprintable():
        raise ValueError(f"{where} holds more than one line, or control characters: it holds the key and nothing else")
    return Secret(text)
