"""What is wrong with a configuration: all of it, one line each, none with a secret in it."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from datalogger.config.lines import Lines
from datalogger.errors import ConfigError

Where = tuple[str, ...]
"""Table and key, from the outside in: ("sink", "attic", "timeout")."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_USER_INFORMATION = re.compile(r"(?<=://)[^/\s\"']*@|[^/\s\"':]+:[^/\s\"'@]+@")
_METER_KEY = re.compile(r"[0-9A-Fa-f](?:[ :-]?[0-9A-Fa-f]){23,}")  # or most of one, pasted where it does not belong
_LONGEST_VALUE = 80  # characters of an offending value that are shown


class ConfigProblems(ConfigError):
    """Every problem of one configuration, in the order of the file."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Problems:
    """Gathers what is wrong with one file, and what is only worth knowing."""

    def __init__(self, file: Path, lines: Lines) -> None:
        self._file = file
        self._lines = lines
        self._problems: list[tuple[int, str]] = []
        self._warnings: list[tuple[int, str]] = []

    def add(self, where: Where, what: str) -> None:
        self._problems.append(self._entry(where, what))

    def warn(self, where: Where, what: str) -> None:
        self._warnings.append(self._entry(where, what))

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(text for _, text in sorted(self._warnings))

    def raise_any(self) -> None:
        """ConfigProblems where there is at least one."""
        if self._problems:
            raise ConfigProblems(dict.fromkeys(text for _, text in sorted(self._problems)))

    def _entry(self, where: Where, what: str) -> tuple[int, str]:
        number = self._lines.of(where)
        place = f"{self._file}:{number}" if number else str(self._file)
        path = ".".join(part if _BARE_KEY.fullmatch(part) else json.dumps(part) for part in where)
        return number or 0, one_line(f"{place}: {path}: {what}" if path else f"{place}: {what}")


def one_line(text: str) -> str:
    """Without line ends, and without the user and password of an URL."""
    return _USER_INFORMATION.sub("***@", " ".join(text.splitlines()))


def shown(value: object) -> str:
    """A value as TOML writes it, shortened and without what may be a meter's key; of lists and tables only what they
    are."""
    match value:
        case bool():
            return str(value).lower()
        case int() if abs(value) >= 2**63:  # Python refuses to print the really long ones
            return "a number of more than 64 bits"
        case str():
            text = _METER_KEY.sub("***", json.dumps(value, ensure_ascii=not value.isprintable()))
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
