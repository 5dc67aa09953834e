"""A directory in which a person keeps files of their own: profiles, register maps."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from datalogger.errors import ConfigError

Read = TypeVar("Read")


def read_each(directory: Path, endings: Sequence[str], read: Callable[[Path], Read], what: str) -> list[Read]:
    """Every file with one of these endings, by name; ConfigError names all that cannot be read, a line a fault.

    what: they are, in a sentence
    """
    try:
        files = sorted(path for path in directory.iterdir() if path.suffix in endings)
    except OSError as error:
        raise ConfigError(f"{directory}: no directory of {what}: {error.strerror}") from None
    found: list[Read] = []
    faults: list[str] = []
    for path in files:
        try:
            found.append(read(path))
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    return found


def text_of(path: Path) -> str:
    """ConfigError names the file and the mend."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8: save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
