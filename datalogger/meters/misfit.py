"""What msgspec says of a document that does not fit its form, in a person's words: `key: what is wrong; the mend`."""

import difflib
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`")
_INVALID = re.compile(r"Invalid enum value .*", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_TYPE = re.compile(r"`([a-z]+)(?: \| null)?`")

# What msgspec calls a type → what a person calls it.
_PLAIN = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number such as 0.1",
    "str": "a text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")


def as_it_is(path: str, document: Any) -> str:
    return path.lstrip(".")


def told(error: str, document: dict[str, Any], form: type[Struct], named: Callable[[str, Any], str] = as_it_is) -> str:
    """error: msgspec's sentence · form: what the document should have been
    named: how a person calls the place that msgspec calls ".reg[3].scale"; "" for the whole
    """
    found = _PLACE.match(error)
    assert found is not None  # the pattern takes every text
    what, path = found["what"], found["path"] or ""
    place = named(path, document)
    if unknown := _UNKNOWN.fullmatch(what):
        inner = f"{path}.{unknown['name']}"
        return f"{named(inner, document)}: unknown key; {_instead(unknown['name'], _known_keys(path, form))}"
    if missing := _MISSING.fullmatch(what):
        inner = f"{path}.{missing['name']}"
        return f"{named(inner, document)}: is missing"
    value = _value_at(path, document)
    shown = "" if value is None or isinstance(value, dict | list) else f"{_as_written(value)}: "
    what = _plain(what)
    if _INVALID.fullmatch(what) and isinstance(value, str | int) and (words := [*map(str, _words_at(path, form))]):
        what = f"not known; {_instead(str(value), words)}"
    return f"{place}: {shown}{what}".removeprefix(": ")


def _plain(what: str) -> str:
    """Without msgspec's names of types."""
    plain = _TYPE.sub(lambda found: _PLAIN.get(found[1], found[1]), what).partition(", got ")[0]
    return f"{plain[0].lower()}{plain[1:]}" if plain.startswith("Expected") else plain


def _as_written(value: object) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def _instead(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"there is {', '.join(known)}"


def _walk(path: str, form: type[Struct]) -> tuple[type[Struct], Any]:
    """The table in which this path ends, and the type of its last key."""
    struct, annotation = form, None
    for step in _STEP.finditer(path):
        if step["key"]:
            annotation = next((one.type for one in fields(struct) if one.encode_name == step["key"]), None)
            struct = next(_structs_in(annotation), struct)
    return struct, annotation


def _known_keys(path: str, form: type[Struct]) -> list[str]:
    """The keys that the table at `path` may have."""
    return [one.encode_name for one in fields(_walk(path, form)[0])]


def _words_at(path: str, form: type[Struct]) -> Iterator[object]:
    """What the key at `path` may say."""
    pending = [_walk(path, form)[1]]
    while pending:
        for argument in get_args(pending.pop()):
            if isinstance(argument, str | int):
                yield argument
            else:
                pending.append(argument)


def _structs_in(annotation: Any) -> Iterator[type[Struct]]:
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, Struct):
        yield annotation
    for argument in get_args(annotation):
        yield from _structs_in(argument)


def _value_at(path: str, document: Any) -> Any:
    """What stands there; None where the path does not say exactly."""
    for step in _STEP.finditer(path):
        try:
            document = document[step["key"]] if step["key"] else document[int(step["index"])]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return document
