"""One table of the file → one configuration struct, or every reason why not."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from datalogger.config.checks import Check, nearest, nearest_of
from datalogger.config.problems import Problems, Where, one_line, shown
from datalogger.config.secrets import (
    NOT_READ,
    Secret,
    checked,
    places,
    read_credential,
    read_environment,
    read_named_file,
)

Options = TypeVar("Options", bound=msgspec.Struct)

# No secret is so short. Characters.
MAX_HARMLESS = 4

# What msgspec calls a type → what a person calls it.
_PLAIN = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "decimal": "a number",
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
        """None where none can be made; the problems say what is wrong."""
        known = {field.name: field for field in fields(config_type)}
        for name in table:
            if name not in known:
                self._problems.add((*where, name), f"unknown key{nearest(name, known) or _list_of(known)}")
        meant = _meant(table, known)
        values, wrong = self._values(table, known, where, meant)
        hidden = _hidden(known)
        origins = {name: self._resolve(name, values, table, where) for name in known if _is_secret(known[name])}
        if wrong - values.keys():
            return None
        # A value of the right type may still be a wrong one; what else is wrong with the table is said all the same.
        try:
            return config_type(**values)
        except ValueError as error:
            for problem in error.args:
                name, colon, what = str(problem).partition(": ")
                if not colon or name not in known:
                    self._problems.add(where, str(problem))
                elif name not in wrong and (name in table or name not in meant):
                    told = _told(table[name], known[name], hidden) if name in table else ""
                    if what.startswith(told.removesuffix(": ")):
                        told = ""
                    self._problems.add((*where, origins.get(name, name)), f"{told}{what}")
            return None

    def read_common(self, table: Mapping[str, Any], config_type: type[msgspec.Struct], where: Where) -> None:
        """Judge the keys that every kind has, of a table whose kind is unknown."""
        self._values(table, {field.name: field for field in fields(config_type) if field.name != "kind"}, where, set())

    def _values(
        self, table: Mapping[str, Any], known: Mapping[str, FieldInfo], where: Where, meant: set[str]
    ) -> tuple[dict[str, Any], set[str]]:
        """The value of every key that is written and of its type; and which keys are missing or wrong."""
        values: dict[str, Any] = {}
        wrong = set()
        hidden = _hidden(known)
        for name, field in known.items():
            if name not in table and field.required:
                if name not in meant:
                    self._problems.add(where, f"{name} is missing")
                wrong.add(name)
                continue
            if name in table and (inner := _struct_of_list(field.type)) is not None:
                read = self._list_of_tables(table[name], inner, (*where, name))
                if read is None:
                    wrong.add(name)
                else:
                    values[name] = read
                continue
            try:
                if name in table:
                    values[name] = self._convert(table[name], field.type)
                value = values.get(name, field.default)
                for check in _checks(field.type) if value not in (None, msgspec.NODEFAULT) else ():
                    check.allow(value)
            except (ValueError, OverflowError, msgspec.ValidationError) as error:
                told = _told(table.get(name, field.default), field, hidden)
                reason = self._of_an_entry(table.get(name), field.type) or _reason(error, table.get(name), field.type)
                self._problems.add((*where, name), f"{told}{reason}")
                wrong.add(name)
        return values, wrong

    def _of_an_entry(self, value: Any, kind: Any) -> str:
        """What is wrong with one entry of an inline table, with its key; "" where the table itself is none."""
        if not isinstance(value, dict) or get_origin(kind) is not Mapping:
            return ""
        for key, one in value.items():
            try:
                self._convert(one, get_args(kind)[1])
            except (ValueError, OverflowError, msgspec.ValidationError) as error:
                return f"{key}: {shown(one)}: {_reason(error, one, get_args(kind)[1])}"
        return ""

    def _list_of_tables(
        self, tables: Any, config_type: type[msgspec.Struct], where: Where
    ) -> tuple[msgspec.Struct, ...] | None:
        """Each is told by its number, the first is 1."""
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            self._problems.add(where, f"expected a list of tables: write [[{'.'.join(where)}]] for each")
            return None
        read = [self.read(one, config_type, (*where, str(number))) for number, one in enumerate(tables, start=1)]
        found = tuple(one for one in read if one is not None)
        return found if len(found) == len(read) else None

    def _convert(self, value: Any, kind: Any) -> Any:
        return msgspec.convert(value, kind, dec_hook=self._from_toml)

    def _from_toml(self, kind: type, value: object) -> object:
        if parse := getattr(kind, "parse", None):  # Duration, ByteSize, Scaling
            return parse(value)
        if not isinstance(value, str):
            raise ValueError("expected a text in quotes")
        if issubclass(kind, Secret):
            return checked(value, "the text")
        if issubclass(kind, Path):
            if not value or "\0" in value:
                raise ValueError("expected a path")
            if value.startswith("~"):
                raise ValueError("a path is written out, without ~: a service has no home")
            return self._directory / value
        raise NotImplementedError(f"no configuration value is a {kind}")

    def _resolve(self, name: str, values: dict[str, Any], table: Mapping[str, Any], where: Where) -> str:
        """Read the secret `name` from where the table says, and say which key of the table that is. A stand-in is
        put where that fails, so that what else is wrong with the table is said too."""
        written = [key for key in (name, *places(name)) if key in values]
        if len(written) > 1:
            self._problems.add((*where, written[1]), f"beside {written[0]}: give only one of the two")
        if not written:
            return name
        key = written[0]
        if key == name:
            mend = f"{name}_file names a file that only datalogger can read"
            self._problems.warn((*where, key), f"whoever reads this file sees it; {mend}")
            return key
        values[name] = NOT_READ
        if not self._read_secrets:
            return key
        try:
            if key.endswith("_file"):
                values[name] = read_named_file(
                    table[key], values[key], lambda text: self._problems.warn((*where, key), text)
                )
            elif key.endswith("_env"):
                values[name] = read_environment(values[key])
            else:
                values[name] = read_credential(values[key])
        except ValueError as error:
            self._problems.add((*where, key), str(error))
        return key


def _meant(table: Mapping[str, Any], known: Mapping[str, FieldInfo]) -> set[str]:
    """The keys that stand there misspelt. That they are missing needs no second line."""
    meant = {near for name in table if name not in known and (near := nearest_of(name, known))}
    for name, field in known.items():
        one_secret = {name, *places(name)}
        if _is_secret(field) and meant & one_secret:
            meant |= one_secret
    return meant


def _hidden(known: Mapping[str, FieldInfo]) -> set[str]:
    """The keys whose value is not shown: secrets, and where one may stand by mistake: their places, and in the
    same table what takes one of a few words (`auth`)."""
    secrets = [name for name, field in known.items() if _is_secret(field)]
    choices = [name for name, field in known.items() if secrets and _words(field.type)]
    return {*secrets, *(place for name in secrets for place in places(name)), *choices}


def _told(value: object, field: FieldInfo, hidden: set[str]) -> str:
    """The offending value, before what is said of it. Where a secret may stand in place of a word: only what is nearly
    that word, or too short for a secret."""
    if isinstance(value, dict):  # what is said of it names the key
        return ""
    words = _words(field.type)
    harmless = words and isinstance(value, str) and (len(value) <= MAX_HARMLESS or nearest_of(value, words))
    return "" if field.name in hidden and not harmless else f"{shown(value)}: "


def _struct_of_list(kind: Any) -> type[msgspec.Struct] | None:
    """Of `tuple[Struct, ...]`."""
    item = get_args(kind)[0] if get_origin(kind) is tuple else None
    return item if isinstance(item, type) and issubclass(item, msgspec.Struct) else None


def _is_secret(field: FieldInfo) -> bool:
    return Secret in _alternatives(field.type)


def _alternatives(kind: Any) -> Iterator[Any]:
    """The types of a union, without what `Annotated` says of them."""
    if get_origin(kind) is Annotated:
        yield from _alternatives(kind.__origin__)
    elif get_origin(kind) in (Union, UnionType):
        for alternative in get_args(kind):
            yield from _alternatives(alternative)
    else:
        yield kind


def _choices(kind: Any) -> tuple[Any, ...]:
    """The words that `Literal` allows; none where there is no such thing."""
    return next((get_args(one) for one in _alternatives(kind) if get_origin(one) is Literal), ())


def _words(kind: Any) -> list[str]:
    return [word for word in _choices(kind) if isinstance(word, str)]


def _checks(kind: Any) -> Iterator[Check]:
    if get_origin(kind) is Annotated:
        yield from (note for note in kind.__metadata__ if isinstance(note, Check))
        yield from _checks(kind.__origin__)
    elif get_origin(kind) in (Union, UnionType):
        for alternative in get_args(kind):
            yield from _checks(alternative)


def _reason(error: Exception, value: object, kind: Any) -> str:
    """What msgspec or a check said, in a person's words."""
    if words := _choices(kind):
        near = nearest(value, _words(kind)) if isinstance(value, str) else ""
        unquoted = ", without quotes" if value in [str(word) for word in words] and value not in words else ""
        return f"expected {_one_of([shown(word) for word in words])}{unquoted}{near}"
    text, _, place = one_line(str(error)).partition(" - at `$")
    plain = re.sub(r"`([a-z]+)(?: \| null)?`", lambda found: _PLAIN.get(found[1], found[1]), text)
    reason = plain[0].lower() + plain[1:].partition(", got ")[0] if plain.startswith("Expected") else plain
    if isinstance(value, str) and reason == "expected a list":
        return f"{reason}: write [{shown(value)}]"
    item = re.match(r"\[(\d+)\]", place)
    return f"item {int(item[1]) + 1}: {reason}" if item else reason


def _one_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _list_of(known: Mapping[str, object]) -> str:
    return f"; known here: {', '.join(known)}"
