"""datalogger check: is the configuration right, and what would run?"""

import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from datalogger.cli import configuration
from datalogger.cli.say import say
from datalogger.config.load import load
from datalogger.config.problems import ConfigProblems, one_line
from datalogger.config.schema import Configuration
from datalogger.config.secrets import Secret, places
from datalogger.words import ByteSize, Duration


@click.command()
@configuration.argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def check(config: Path, as_json: bool) -> None:
    """Say what CONFIG would run, or everything that is wrong with it.

    Nothing is started, opened or written; key files are read, and no key is shown.
    Without CONFIG it is $DATALOGGER_CONFIG, else /etc/datalogger/datalogger.toml.

    \b
    Exit status:  0  the configuration is right (warnings do not count)
                 78  it is not

    \b
    As the user of the service, who may read the key files:
        sudo -u datalogger datalogger check
    """
    try:
        found, warnings = load(config)
    except ConfigProblems as error:
        if not as_json:
            configuration.refuse(error)
        answer = {"file": str(config.absolute()), "right": False, "problems": error.problems, "warnings": []}
        say(json.dumps(answer, ensure_ascii=False))
        sys.exit(configuration.EX_CONFIG)
    if as_json:
        say(json.dumps(_as_json(found, warnings), ensure_ascii=False))
        return
    for line in describe(found):
        say(line)
    for warning in warnings:
        say(f"warning: {warning}", err=True)


def describe(found: Configuration) -> list[str]:
    """What would run, one line each, for a person. Options at their default are left out."""
    width = max(len(name) for name in (*found.sources, *found.sinks))
    lines = [f"{found.file} is right. It would run:"]
    for name, source in found.sources.items():
        lines.append(f"  source   {name:{width}}  {source.kind}: {_said(source)}")
    for name, sink in found.sinks.items():
        fed_from = "every source" if sink.sources is None else " and ".join(sink.sources) or "no source"
        lines.append(
            f"  sink     {name:{width}}  {sink.kind}: {_said(sink, without=('sources',))}; fed from {fed_from}"
        )
    spool, service = found.spool, found.service
    in_memory = spool.durability == "memory"
    where = "in memory only" if in_memory else f"{spool.path}, {spool.durability}"
    most = spool.memory_bytes if in_memory else spool.max_bytes
    lines.append(f"  spool    {where}; keeps at most {most} and {spool.max_age} for a sink that is away")
    status = f"http://{service.listen}/healthz, /readyz and /metrics" if service.listen else "no status port"
    lines.append(f"  service  {status}; logs {service.log_level} and up")
    if found.meters.profiles is not None:
        lines.append(f"  meters   profiles of your own from {found.meters.profiles}")
    if found.meters.maps is not None:
        lines.append(f"  meters   register maps of your own from {found.meters.maps}")
    return lines


def _said(options: Struct, without: tuple[str, ...] = ()) -> str:
    """`url http://attic.local, key_file /etc/…`: what was set, the indispensable first, and no secret."""
    said = [
        f"{field.name} {_shown(value)}"
        for field in sorted(fields(options), key=lambda field: not field.required)
        if field.name not in ("kind", *without)
        and (value := getattr(options, field.name)) != _default(field)
        and not (isinstance(value, Secret) and _read_elsewhere(options, field.name))
    ]
    return ", ".join(said) or "as it is"


def _default(field: FieldInfo) -> object:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()


def _read_elsewhere(options: Struct, name: str) -> bool:
    return any(getattr(options, place, None) is not None for place in places(name))


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], Struct):
        return " and ".join(f"({_said(one)})" for one in value)
    plain = _plain(value)
    if isinstance(plain, dict):
        return " ".join(f"{name}={one}" for name, one in plain.items())
    if isinstance(plain, list):
        return " ".join(f'"{one}"' if " " in str(one) else str(one) for one in plain) or "none"
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _as_json(found: Configuration, warnings: tuple[str, ...]) -> dict[str, Any]:
    return {
        "file": str(found.file),
        "right": True,
        "sources": {name: _plain(options) for name, options in found.sources.items()},
        "sinks": {name: _plain(options) for name, options in found.sinks.items()},
        "spool": _plain(found.spool),
        "service": _plain(found.service),
        "meters": _plain(found.meters),
        "problems": [],
        "warnings": list(warnings),
    }


def _plain(value: Any) -> Any:
    """As JSON has it: durations and sizes in the words of the file, secrets as ***."""
    match value:
        case Struct():
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case Duration() | ByteSize() | Secret() | Path():
            return str(value)
        case list() | tuple():
            return [_plain(one) for one in value]
        case Mapping():
            return {name: _plain(one) for name, one in value.items()}
        case Decimal():
            return int(value) if value == int(value) else float(value)
        case str():
            return one_line(value)
        case _:
            return value
