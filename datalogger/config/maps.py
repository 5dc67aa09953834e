"""Register maps as the configuration names them: are they there, are they right, and do they have these registers?"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datalogger.config.checks import nearest
from datalogger.config.polling import UnitOptions
from datalogger.config.problems import Problems, Where, shown
from datalogger.errors import ConfigError

if TYPE_CHECKING:
    from datalogger.meters.register_maps import RegisterMaps

# The kinds of source that ask, and the addresses that a unit may have there.
POLLED = {"modbus-rtu": range(1, 248), "modbus-tcp": range(256)}

# What names registers of the map.
_OF_REGISTERS = ("registers", "intervals", "deadbands")


def judge_maps(sources: Mapping[str, Mapping[str, Any]], directory: Path | None, problems: Problems) -> None:
    """sources: tables of the text, so that it is said beside what else is wrong with them.

    No map is read where no meter is asked.
    """
    polled = {name: table for name, table in sources.items() if table.get("kind") in tuple(POLLED)}
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
    for name, table in polled.items():
        _warn_of_speeds(name, table, known, problems)
        owners: dict[int, Where] = {}
        for where, unit in _units(name, table):
            _judge_unit(where, unit, known, problems)
            address = _address(unit.get("unit"), unit.get("map"), known)
            if address is None:
                continue
            owner = owners.setdefault(address, where)
            if owner != where:
                shown_address = address if "unit" in unit else f"{address}, the default,"
                problems.add(
                    (*where, "unit"),
                    f"{shown_address} is taken by {'.'.join(owner)} already: each meter has its own address",
                )
            allowed = POLLED[table["kind"]]
            if address not in allowed:
                problems.add((*where, "unit"), f"{address}: expected {allowed.start} to {allowed.stop - 1}")


def _warn_of_speeds(name: str, table: Mapping[str, Any], known: "RegisterMaps", problems: Problems) -> None:
    """Where the maps of one serial line want it set otherwise each, and nobody says how it is set."""
    if table.get("kind") != "modbus-rtu" or table.get("baud_rate") is not None:
        return
    maps = [unit.get("map") for _, unit in _units(name, table)]
    said = [known[one].option.serial for one in maps if isinstance(one, str) and one in known]
    speeds = list(dict.fromkeys(one.lower() for one in said if one is not None))
    if len(speeds) > 1:
        problems.warn(
            ("source", name),
            f"its maps say {' and '.join(speeds)}, and one line has one setting: it is read at {speeds[0]}; "
            "set all meters so, and write baud_rate and parity, which hold for all",
        )


def address_of(unit: UnitOptions, known: "RegisterMaps") -> int:
    """Of this unit, or its map's own, or 1."""
    address = _address(unit.unit, unit.map, known)
    assert address is not None  # the configuration was judged
    return address


def _address(unit: object, name: object, known: "RegisterMaps") -> int | None:
    """None where what is written is no address."""
    if unit is not None:
        return unit if isinstance(unit, int) else None
    found = known.get(name) if isinstance(name, str) else None
    return int(found.option.address) if found is not None and found.option.address is not None else 1


def _units(name: str, table: Mapping[str, Any]) -> Iterator[tuple[Where, Mapping[str, Any]]]:
    """Each unit of a source, and where it stands."""
    units = table.get("units")
    if not isinstance(units, list):
        yield ("source", name), table
        return
    for number, unit in enumerate(units, start=1):
        if isinstance(unit, dict):
            yield ("source", name, "units", str(number)), unit


def _judge_unit(where: Where, unit: Mapping[str, Any], known: "RegisterMaps", problems: Problems) -> None:
    from datalogger.meters.register_maps import SUNSPEC, sunspec_models

    name = unit.get("map")
    if not isinstance(name, str):  # which is said of the table itself
        return
    if name == SUNSPEC:
        names = {register.name for model in sunspec_models().values() for register in model.reg}
    elif (found := known.get(name)) is not None:
        names = {register.name for register in found.reg}
    else:
        mend = nearest(name, (*known, SUNSPEC)) or "; see `datalogger maps list`"
        problems.add((*where, "map"), f"no register map {shown(name)}{mend}")
        return
    for key in _OF_REGISTERS:
        wanted = unit.get(key)
        for one in wanted if isinstance(wanted, list | dict) else ():
            if isinstance(one, str) and one not in names:
                mend = nearest(one, names) or f"; see `datalogger maps show {name}`"
                problems.add((*where, key), f"no register {shown(one)} in {name}{mend}")
