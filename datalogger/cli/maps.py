"""datalogger maps: which Modbus meters are known, and is a register map of one's own right?"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import click

from datalogger.cli.configuration import EX_CONFIG
from datalogger.cli.say import say
from datalogger.config.checks import nearest
from datalogger.errors import ConfigError
from datalogger.meters import register_map_lint as rules
from datalogger.meters import register_map_overview as overview
from datalogger.meters.register_maps import (
    ENDINGS,
    SUNSPEC,
    RegisterMaps,
    as_written,
    load,
    parse,
    read,
    read_directory,
    sunspec_models,
)

_PATH = click.Path(path_type=Path)

_own = click.option(
    "--dir",
    "directory",
    type=_PATH,
    help="A directory with maps of your own; they stand before the built-in ones.",
)


@click.group()
def maps() -> None:
    """Register maps: what the registers of one kind of Modbus meter mean."""


@maps.command("list")
@_own
def list_maps(directory: Path | None) -> None:
    """Every map: its id, maker, models, usual line settings, registers, and how sure it is.

    Devices that speak SunSpec need no map: they are read with map = "sunspec".
    """
    for line in overview.listing(_load(directory).values(), sunspec_models().values()):
        say(line)


@maps.command()
@click.argument("name", metavar="ID")
@click.option("--toml", "as_file", is_flag=True, help="As its file, to begin one of your own with.")
@_own
def show(name: str, as_file: bool, directory: Path | None) -> None:
    """Everything that the map ID says: "sunspec" and "sunspec:103" too.

    \b
    A map of your own, from the nearest one (its id is the name of the file):
      datalogger maps show --toml eastron-sdm630 > maps/my-meter.toml
    """
    known = _load(directory)
    models = {overview.name_of(model): model for model in sunspec_models().values()}
    if name != SUNSPEC and name not in known and name not in models:
        near = nearest(name, [*known, SUNSPEC, *models])
        raise click.BadParameter(f'no register map "{name}"{near or "; see datalogger maps list"}')
    if as_file and name not in known:
        raise click.BadParameter(
            f"{name} has no file to begin with: where a SunSpec device has its registers, it says by itself"
        )
    if as_file:
        lines = as_written(name, directory).rstrip("\n").splitlines()
    elif name == SUNSPEC:
        lines = overview.described_models(models.values())
    elif name in models:
        lines = overview.described_model(models[name])
    else:
        lines = overview.described(known[name])
    for line in lines:
        say(line)


@maps.command()
@click.argument("path", metavar="[DIR|FILE]", required=False, type=_PATH)
def lint(path: Path | None) -> None:
    """Are the built-in maps right, or those of DIR, or the one in FILE?

    \b
    Exit status:  0  they are
                  1  something is wrong with one
                 78  a file is no register map
    """
    if path is None:
        count, faults = _built_in()
    else:
        if path.is_file() and path.suffix not in ENDINGS:
            raise click.BadParameter(f"{path}: a register map is a file that ends in {' or '.join(ENDINGS)}")
        count, faults = _ones_own(path)
    for fault in faults:
        say(fault)
    if faults:
        sys.exit(1)
    say(f"{count} register map{'' if count == 1 else 's'}, nothing wrong")


def _built_in() -> tuple[int, list[str]]:
    found = [*_load(None).values(), *map(overview.as_map, sunspec_models().values())]
    return len(found), [f"{one.id}: {fault}" for one in found for fault in rules.faults(one)]


def _ones_own(path: Path) -> tuple[int, list[str]]:
    """How many maps, and what is wrong with them. What is none ends the command."""
    files = [path]
    try:
        if path.is_file():
            read(path)
        elif path.exists():
            files = sorted(one for one in path.iterdir() if one.suffix in ENDINGS)
            read_directory(path)
        else:
            _refuse([f"{path}: no such file or directory; a built-in map is shown by datalogger maps show"])
    except ConfigError as error:
        faults = str(error).splitlines()
        if all(map(_is_map, files)):
            return len(files), faults
        _refuse(faults)
    except OSError as error:
        _refuse([f"{path}: {error.strerror}"])
    if not files:
        _refuse([f"{path}: no register map in it: a file that ends in {' or '.join(ENDINGS)}"])
    return len(files), []


def _is_map(path: Path) -> bool:
    """Whatever may be wrong in it."""
    try:
        parse(path.read_text("utf-8-sig"), str(path), path.name)
    except (ConfigError, OSError, ValueError):
        return False
    return True


def _load(directory: Path | None) -> RegisterMaps:
    try:
        return load(directory)
    except ConfigError as error:
        _refuse(str(error).splitlines())


def _refuse(faults: Iterable[str]) -> NoReturn:
    for fault in faults:
        say(fault, err=True)
    sys.exit(EX_CONFIG)
