"""Register maps as the configuration names them: are they there, are they right, and do they have these registers?"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from datalogger.config.checks import nearest
from datalogger.config.polling import PollOptions, UnitOptions
from datalogger.config.problems import Problems, Where, shown
from datalogger.config.schema import SourceOptions
from datalogger.errors import ConfigError

if TYPE_CHECKING:
    from datalogger.meters.register_maps import RegisterMaps

BROADCAST = 0


def judge_maps(sources: Mapping[str, SourceOptions], directory: Path | None, problems: Problems) -> None:
    """Nothing is read where nothing is asked for."""
    polled = {name: options for name, options in sources.items() if isinstance(options, PollOptions)}
    if not polled and directory is None:
        return
    if directory is not None and not directory.is_dir():
        problems.add(("meters", "maps"), f"no directory {directory}: make it, or leave maps out")
        return
    from datalogger.meters.register_maps import load  # most configurations ask no meter

    try:
        known = load(directory)
    except ConfigError as error:
        for problem in str(error).splitlines():
            problems.add(("meters", "maps"), problem)
        return
    for name, options in polled.items():
        _judge_source(name, options, known, problems)


def _judge_source(name: str, options: PollOptions, known: "RegisterMaps", problems: Problems) -> None:
    owners: dict[int, str] = {}
    for number, unit in enumerate(options.meters, start=1):
        where: Where = ("source", name, "units", str(number)) if options.units else ("source", name)
        _judge_unit(unit, where, known, problems)
        address = address_of(unit, known)
        owner = owners.setdefault(address, ".".join(where))
        if owner != ".".join(where):
            problems.add((*where, "unit"), f"{address} is taken by {owner} already: each meter has its own address")
        if address == BROADCAST and options.kind == "modbus-rtu":
            problems.add((*where, "unit"), "0 is for all at once, and nobody answers to it: expected 1 to 247")


def address_of(unit: UnitOptions, known: "RegisterMaps") -> int:
    """Of this unit, or its map's own, or 1."""
    if unit.unit is not None:
        return unit.unit
    found = known.get(unit.map)
    return int(found.option.address) if found is not None and found.option.address is not None else 1


def _judge_unit(unit: UnitOptions, where: Where, known: "RegisterMaps", problems: Problems) -> None:
    from datalogger.meters.register_maps import SUNSPEC, sunspec_models

    if unit.map == SUNSPEC:
        names = {register.name for model in sunspec_models().values() for register in model.reg}
    elif (found := known.get(unit.map)) is None:
        mend = nearest(unit.map, (*known, SUNSPEC)) or "; see `datalogger maps list`"
        problems.add((*where, "map"), f"no register map {shown(unit.map)}{mend}")
        return
    else:
        names = {register.name for register in found.reg}
    for key, wanted in (("registers", unit.registers), ("intervals", unit.intervals), ("deadbands", unit.deadbands)):
        for name in wanted:
            if name not in names:
                mend = nearest(name, names) or f"; see `datalogger maps show {unit.map}`"
                problems.add((*where, key), f"no register {shown(name)} in {unit.map}{mend}")
