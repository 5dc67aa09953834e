"""The register maps: those that come along, and a person's own in a directory, which stand before them.

A file is TOML, or JSON as the eGauge exports it.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache, partial
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from datalogger.errors import ConfigError
from datalogger.meters import misfit
from datalogger.meters import register_map_lint as lint
from datalogger.meters.own_files import read_each, text_of
from datalogger.protocol.modbus.register_map import RegisterMap
from datalogger.protocol.modbus.sunspec import Model

RegisterMaps = Mapping[str, RegisterMap]
"""id → map, in the order of the ids."""

SUNSPEC = "sunspec"
"""In place of a map: the device says by itself what it holds."""

ENDINGS = (".toml", ".json")

Form = TypeVar("Form", bound=Struct)

_REGISTER = re.compile(r"\.reg\[(?P<index>\d+)\](?:\.(?P<key>.*))?")


def load(directory: Path | None = None) -> RegisterMaps:
    """The built-in maps, and those of `directory` before them: a file of the same name replaces the built-in one.

    ConfigError names every file that cannot be used, the register, the value and the mend.
    """
    return _built_in() if directory is None else dict(sorted({**_built_in(), **read_directory(directory)}.items()))


def read_directory(directory: Path) -> dict[str, RegisterMap]:
    """Every map that a person put there; ConfigError as in `load`."""
    found = read_each(directory, ENDINGS, read, "register maps")
    names = Counter(one.id for one in found)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ConfigError("\n".join(f"{directory / name}.toml: there is {name}.json too: keep one" for name in twice))
    return {one.id: one for one in found}


def read(path: Path) -> RegisterMap:
    """One map of a person's own; ConfigError names the file, and everything that is wrong in it."""
    found = parse(text_of(path), str(path), path.name)
    if faults := lint.faults(found):
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return found


def parse(text: str, origin: str, file_name: str) -> RegisterMap:
    """The map that this text spells; ConfigError names `origin`, register, value and mend."""
    name, _, ending = file_name.rpartition(".")
    if not name.isprintable():
        raise ConfigError(f"{origin!r}: give the file a name that can be printed: it is the id of the map")
    if name == SUNSPEC:
        raise ConfigError(f'{origin}: map = "{SUNSPEC}" means what a device says of itself: give the file another name')
    found = _convert(_document(text, origin, ending), RegisterMap, origin)
    if found.id not in ("", name):
        raise ConfigError(
            f'{origin}: id: "{found.id}" in a file named {file_name}: leave id out, the file\'s name is it'
        )
    return RegisterMap(**{**{key: getattr(found, key) for key in found.__struct_fields__}, "id": name})


def as_written(name: str, directory: Path | None = None) -> str:
    """The file of a map that `load` gave, to be copied."""
    for ending in ENDINGS if directory else ():
        assert directory is not None
        if (own := directory / f"{name}{ending}").exists():
            return own.read_text("utf-8-sig")
    return (_folder() / f"{name}.toml").read_text("utf-8")


@lru_cache(maxsize=1)
def _built_in() -> dict[str, RegisterMap]:
    found = (parse(text, origin, file_name) for text, origin, file_name in _files(_folder()))
    return {one.id: one for one in sorted(found, key=lambda one: one.id)}


@lru_cache(maxsize=1)
def sunspec_models() -> Mapping[int, Model]:
    """number → model, in the order of the numbers."""
    found = (
        _convert(_document(text, origin, "toml"), Model, origin) for text, origin, _ in _files(_folder() / SUNSPEC)
    )
    return {model.model: model for model in sorted(found, key=lambda model: model.model)}


def _files(folder: Traversable) -> Iterator[tuple[str, str, str]]:
    """Text, origin and name."""
    for file in folder.iterdir():
        if file.name.endswith(".toml"):
            yield file.read_text("utf-8"), str(file), file.name


def _folder() -> Traversable:
    return resources.files("datalogger.meters") / "modbus"


def _document(text: str, origin: str, ending: str) -> dict[str, Any]:
    """Numbers with a point as Decimal: 0.1 is a tenth."""
    try:
        if ending == "json":
            document = json.loads(text, parse_float=Decimal)
        else:
            document = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:  # of both parsers
        raise ConfigError(f"{origin}: not {ending.upper()}: {error}") from None
    try:
        json.dumps(document, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{origin}: half a character (a lone surrogate) stands in a text of it") from None
    except RecursionError:
        raise ConfigError(f"{origin}: not {ending.upper()}: tables stand too deep in one another") from None
    if not isinstance(document, dict):
        raise ConfigError(f'{origin}: expected {{"option": …, "reg": […]}}')
    return document


def _convert(document: dict[str, Any], form: type[Form], origin: str) -> Form:
    try:
        return msgspec.convert(document, form)
    except msgspec.ValidationError as error:
        told = list(_faults(document, form)) or [misfit.told(str(error), document, form, _called)]
        raise ConfigError("\n".join(f"{origin}: {one}" for one in told)) from None


def _faults(document: dict[str, Any], form: type[Struct]) -> Iterator[str]:
    """What msgspec tells of the whole is the first fault alone: here of the head, and of every register."""
    registers = document.get("reg")
    if form is not RegisterMap or not isinstance(registers, list):
        return
    for first, some in [(0, []), *((number, [register]) for number, register in enumerate(registers))]:
        part = {**({} if some else document), "reg": some}
        try:
            msgspec.convert(part, form)
        except msgspec.ValidationError as error:
            yield misfit.told(str(error), part, form, partial(_called, first=first))


def _called(path: str, document: Any, first: int = 0) -> str:
    """`register "power": scale` of ".reg[3].scale"; everything else as it is.

    first: how many registers stand before those of the document
    """
    found = _REGISTER.match(path)
    if found is None:
        return misfit.as_it_is(path, document)
    register = document["reg"][int(found["index"])]
    name = register.get("name") if isinstance(register, dict) else None
    called = f'register "{name}"' if isinstance(name, str) else f"register number {int(found['index']) + 1 + first}"
    return f"{called}: {found['key']}" if found["key"] else called
