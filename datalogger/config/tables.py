"""One table of the file → one configuration struct, or every reason why not."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from datalogger.config.checks import Check, nearest
from datalogger.config.problems import Problems, Where, one_line, shown
from datalogger.config.secrets import Secret, checked, read_credential, read_environment, read_file
from datalogger.config.words import ByteSize, Duration

Options = TypeVar("Options", bound=msgspec.Struct)

# What msgspec calls a type → what a person calls it.
_PLAIN = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "datetime": "a date",
    "date": "a date",
    "time": "a time of day",
}


class TableReader:
    """Reads tables of one file. Without `read_secrets` each secret that is named becomes a stand-in."""

    def __init__(self, problems: Problems, directory: Path, *, read_secrets: bool) -> None:
        self._problems = problems
        self._directory = directory
        self._read_secrets = read_secrets

    def read(self, table: Mapping[str, Any], config_type: type[Options], where: Where) -> Options | None:
        """None where something is wrong; the problems then say what."""
        known = {field.name: field for field in fields(config_type)}
        for name in table:
            if name not in known:
                self._problems.add((*where, name), f"unknown key{nearest(name, known) or _list_of(known)}")
        values, sound = self._values(table, known, where)
        for name in [name for name, field in known.items() if _is_secret(field)]:
            sound &= self._resolve(name, values, where)
        if not sound:
            return None
        try:
            return config_type(**values)
        except ValueError as error:
            for problem in error.args:
                name, colon, what = str(problem).partition(": ")
                if colon and name in known:
                    self._problems.add((*where, name), what)
                else:
                    self._problems.add(where, str(problem))
            return None

    def read_common(self, table: Mapping[str, Any], config_type: type[msgspec.Struct], where: Where) -> None:
        """Judge the keys that every kind has, of a table whose kind is unknown."""
        self._values(table, {field.name: field for field in fields(config_type) if field.name != "kind"}, where)

    def _values(
        self, table: Mapping[str, Any], known: Mapping[str, FieldInfo], where: Where
    ) -> tuple[dict[str, Any], bool]:
        """The value of every key that is written, and whether all keys are there and right."""
        values: dict[str, Any] = {}
        sound = True
        for name, field in known.items():
            if name not in table and field.required:
                self._problems.add(where, f"{name} is missing")
                sound = False
                continue
            try:
                if name in table:
                    value = values[name] = self._convert(table[name], field.type)
                else:
                    value = field.default
                if value is not None:
                    _check(value, field.type)
            except (ValueError, OverflowError, msgspec.ValidationError) as error:
                told = "" if _is_secret(field) else f"{shown(table.get(name, field.default))}: "
                self._problems.add((*where, name), f"{told}{_reason(error, table.get(name), field.type)}")
                sound = False
        return values, sound

    def _convert(self, value: Any, kind: Any) -> Any:
        return msgspec.convert(value, kind, dec_hook=self._from_toml)

    def _from_toml(self, kind: type, value: object) -> object:
        if issubclass(kind, Duration | ByteSize):
            return kind.parse(value)
        if not isinstance(value, str):
            raise ValueError("expected a text in quotes")
        if issubclass(kind, Secret):
            return checked(value, "the text")
        if issubclass(kind, Path):
            if not value or "\0" in value:
                raise ValueError("expected a path")
            return self._directory / value
        raise NotImplementedError(f"no configuration value is a {kind}")

    def _resolve(self, name: str, values: dict[str, Any], where: Where) -> bool:
        """Read the secret `name` from where the table says; False where that fails."""
        written = [key for key in (name, f"{name}_file", f"{name}_env", f"{name}_credential") if key in values]
        if len(written) > 1:
            self._problems.add((*where, written[1]), f"beside {written[0]}: give only one of the two")
            return False
        if not written:
            return True
        key = written[0]
        if key == name:
            mend = f"{name}_file names a file that only datalogger can read"
            self._problems.warn((*where, key), f"whoever reads this file sees it; {mend}")
            return True
        if not self._read_secrets:
            values[name] = Secret("not read")
            return True
        try:
            if key.endswith("_file"):
                values[name] = read_file(values[key], lambda text: self._problems.warn((*where, key), text))
            elif key.endswith("_env"):
                values[name] = read_environment(values[key])
            else:
                values[name] = read_credential(values[key])
        except ValueError as error:
            self._problems.add((*where, key), str(error))
            values[name] = Secret("not read")  # so that what else is wrong with the table is said too
            return False
        return True


def _is_secret(field: FieldInfo) -> bool:
    return Secret in _alternatives(field.type)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The types of a union, without what `Annotated` says of them."""
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    return get_args(kind) if get_origin(kind) is not Literal and type(None) in get_args(kind) else (kind,)


def _check(value: Any, kind: Any) -> None:
    if get_origin(kind) is Annotated:
        for note in kind.__metadata__:
            if isinstance(note, Check):
                note.allow(value)


def _reason(error: Exception, value: object, kind: Any) -> str:
    """What msgspec or a check said, in a person's words."""
    for alternative in _alternatives(kind):
        if get_origin(alternative) is Literal:
            words = [str(word) for word in get_args(alternative)]
            return f"expected {_one_of(words)}{nearest(value, words) if isinstance(value, str) else ''}"
    text = re.sub(r" - at `\$.*`$", "", one_line(str(error)))
    plain = re.sub(r"`([a-z]+)(?: \| null)?`", lambda found: _PLAIN.get(found[1], found[1]), text)
    reason = plain[0].lower() + plain[1:].partition(", got ")[0] if plain.startswith("Expected") else plain
    if isinstance(value, str) and reason == "expected a list":
        return f"{reason}: write [{shown(value)}]"
    return reason


def _one_of(words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _list_of(known: Mapping[str, object]) -> str:
    return f"; known here: {', '.join(known)}"
