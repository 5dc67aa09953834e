"""The file itself: there, readable, UTF-8 and TOML; or the line and the mend."""

import re
import tomllib
from pathlib import Path
from typing import Any

from datalogger.config.problems import ConfigProblems, one_line

SAMPLE = "etc/datalogger.toml of the datalogger project, with every option in it"

# The name that a line gives a value to, or would (YAML has a colon there). In the letters of our own names only, and
# not before a "=" at the end: the line may be a key itself, in a file that is no configuration.
_NAME = re.compile(r"\s*([a-z_]{1,20}(?:\.[a-z_]{1,20}){0,2})(?:\s*=(?=\s*[^=\s])|\s+=(?!=)|:\s)")

# A value that is no number, true or false, and stands there without quotes.
_BARE_TEXT = re.compile(r"=\s*(?!true\b|false\b|inf\b|nan\b)(\d+ *)?[A-Za-z/$]")

# tomllib's words → plainer ones.
_PLAINER = {
    "Cannot overwrite a value": "this key is there already",
    "Expected newline or end of document after a statement": "this goes on where it should end",
    "Illegal character '\\n'": "a closing quote is missing",
    "Found invalid character '\\n'": "a closing quote is missing",
    "Unterminated string": "a closing quote is missing",
    'Expected "\'"': "a closing quote is missing",
}


class NoDocument(ConfigProblems):
    """Another file is meant, or none is there."""


def read_document(path: Path) -> tuple[dict[str, Any], str]:
    """What is written, and the text it is written in; ConfigProblems where it cannot be read."""
    text = _read(path)
    return _parse(text, path), text


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise NoDocument([one_line(f"{path}: no such file; write one after {SAMPLE}, or name another")]) from None
    except IsADirectoryError:
        raise NoDocument([one_line(f"{path}: a directory; name the file in it")]) from None
    except PermissionError:
        what = (
            "this user may not read it; look as the user datalogger runs as: "
            f"sudo -u datalogger datalogger check {path}"
        )
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        octet = error.object[error.start : error.start + 1].hex().upper()
        raise ConfigProblems([f"{path}:{line}: octet {octet} is not UTF-8: save the file as UTF-8"]) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        what = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    raise ConfigProblems([one_line(f"{path}: {what}")])


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigProblems([_syntax_problem(text, path, str(error))]) from None
    except RecursionError:
        raise ConfigProblems([f"{path}: lists or tables stand too deep in one another"]) from None
    except ValueError:  # Python's own bound
        raise ConfigProblems([f"{path}: not TOML: a number has thousands of digits"]) from None


def _syntax_problem(text: str, path: Path, told: str) -> str:
    """tomllib's sentence, with file, line and column before it, and behind it whose value it is. Never a value:
    a line that cannot be parsed may hold a key anywhere."""
    found = re.search(r"\s*\(at line (\d+), column (\d+)\)$", told)
    if found is None:
        what = told.replace(" (at end of document)", "")
        return f"{path}:{len(text.splitlines())}: not TOML: {_PLAINER.get(what, what)}, at the end of the file"
    number, column = int(found[1]), int(found[2])
    lines = text.replace("\r\n", "\n").split("\n")
    before = "\n".join(lines[: number - 1])
    line = lines[number - 1] if number <= len(lines) else ""
    if (before.count('"""') + before.count("'''")) % 2:
        line = ""  # a piece of a longer text: nobody knows what is in it
    name = _NAME.match(line)
    what = _PLAINER.get(told[: found.start()], told[: found.start()])
    if name and ":" in name[0]:
        what = "a value stands behind =, not behind :"
    elif name and _BARE_TEXT.match(line, name.end() - 1):
        what += " (a text stands in quotes)"
    return one_line(f"{path}:{number}:{column}: not TOML: {what}{f' in: {name[1]}' if name else ''}")
