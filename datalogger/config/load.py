"""TOML → `Configuration`. The whole file is judged before anything is touched."""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from datalogger import registry
from datalogger.config.checks import nearest, nearest_of
from datalogger.config.document import read_document
from datalogger.config.lines import Lines
from datalogger.config.maps import judge_maps
from datalogger.config.ports import judge_ports
from datalogger.config.problems import Problems, Where, shown
from datalogger.config.schema import (
    Configuration,
    MetersOptions,
    ServiceOptions,
    SinkOptions,
    SourceOptions,
    SpoolOptions,
)
from datalogger.config.secrets import places
from datalogger.config.tables import TableReader
from datalogger.errors import ConfigError

# The spool keeps one bit a sink in a signed 64-bit number.
MAX_SINKS = 63

# What only one source or one sink can have at a time: table, kinds, and the key that names it.
EXCLUSIVE = (("source", ("serial", "modbus-rtu"), "port"), ("sink", ("file",), "path"))

TABLES = ("source", "sink", "spool", "service", "meters")
_NAME = re.compile(r"[A-Za-z0-9_-]+")

Options = TypeVar("Options", SourceOptions, SinkOptions)


def load_configuration(path: Path) -> Configuration:
    """The configuration in `path`; ConfigProblems (a ConfigError) names everything wrong with it."""
    return load(path)[0]


def load(path: Path, *, read_secrets: bool = True) -> tuple[Configuration, tuple[str, ...]]:
    """The configuration and what a person should know about it (warnings, one line each).

    Without `read_secrets` only the form is judged: no key file, variable or credential is looked at.
    """
    path = path.absolute()
    document, text = read_document(path)
    problems = Problems(path, Lines(text))
    reader = TableReader(problems, path.parent, read_secrets=read_secrets)

    for name in document:
        if name not in TABLES:
            problems.add((name,), f"unknown table{nearest(name, TABLES) or '; there is ' + ', '.join(TABLES)}")
    sources = _read_named("source", registry.SOURCES, SourceOptions, document, reader, problems)
    sinks = _read_named("sink", registry.SINKS, SinkOptions, document, reader, problems)
    spool = reader.read(_table(document, ("spool",), "[spool]", problems), SpoolOptions, ("spool",))
    service = reader.read(_table(document, ("service",), "[service]", problems), ServiceOptions, ("service",))
    meters = reader.read(_table(document, ("meters",), "[meters]", problems), MetersOptions, ("meters",))
    _judge_together(document, path.parent, problems)
    judge_ports(_tables_in(document, "source"), service, problems)
    _judge_profiles(document, meters, problems)
    judge_maps(_tables_in(document, "source"), None if meters is None else meters.maps, problems)
    problems.raise_any()
    assert spool is not None and service is not None and meters is not None  # or there would be problems
    configuration = Configuration(file=path, sources=sources, sinks=sinks, spool=spool, service=service, meters=meters)
    _warn(configuration, problems)
    return configuration, problems.warnings


def _table(tables: Mapping[str, Any], where: Where, form: str, problems: Problems) -> dict[str, Any]:
    """The table of this name; empty where there is none."""
    table = tables.get(where[-1], {})
    if isinstance(table, dict):
        return table
    problems.add(where, f"expected a table, written {form}")
    return {}


def _read_named(
    title: str,
    kinds: Mapping[str, str],
    common: type[Options],
    document: Mapping[str, Any],
    reader: TableReader,
    problems: Problems,
) -> dict[str, Options]:
    """Every [source.NAME], or every [sink.NAME], that is right."""
    found: dict[str, Options] = {}
    tables = _table(document, (title,), f"[{title}.NAME]", problems)
    if tables and not any(isinstance(table, dict) for table in tables.values()):
        problems.add((title,), f"has no name: write [{title}.NAME], with a name of your own")
        return found
    if not tables and isinstance(document.get(title, {}), dict):
        problems.add((), f"no {title}: write a table [{title}.NAME], with a kind of {_quoted(kinds)}")
    for name in tables:
        where = (title, name)
        if not _NAME.fullmatch(name):
            problems.add(where, "a name is of letters A-Z a-z, digits, _ and -")
        table = _table(tables, where, f"[{title}.NAME]", problems)
        if not isinstance(tables[name], dict):
            continue
        config_type = _config_type(table, kinds, where, problems)
        if config_type is None:
            reader.read_common(table, common, where)
        elif (options := reader.read(table, config_type, where)) is not None:
            found[name] = options
    return found


def _config_type(table: Mapping[str, Any], kinds: Mapping[str, str], where: Where, problems: Problems) -> Any:
    """The configuration struct of this table's kind; None where there is none."""
    kind = table.get("kind")
    if kind is None and (misspelt := next((name for name in table if nearest_of(name, ["kind"])), None)):
        problems.add((*where, misspelt), f'unknown key; did you mean "kind"? There is {_quoted(kinds)}')
        return None
    if not isinstance(kind, str) or kind not in kinds:
        near = nearest(kind, kinds) if isinstance(kind, str) else ""
        told = "is missing" if kind is None else f"unknown kind {shown(kind)}{near}"
        problems.add((*where, "kind"), f"{told}{' There' if near else '; there'} is {_quoted(kinds)}")
        return None
    try:
        return registry.load(kinds[kind]).config_type
    except ImportError as error:
        mend = f": pip install {error.name}" if error.name else ""
        problems.add((*where, "kind"), f'"{kind}" cannot be used here: {error}{mend}')
        return None


def _judge_together(document: Mapping[str, Any], directory: Path, problems: Problems) -> None:
    """What no table can know alone; from the text, so that it is said beside what else is wrong."""
    sources, sinks = _tables_in(document, "source"), _tables_in(document, "sink")
    for name, table in sinks.items():
        fed_from = table.get("sources")
        for source in fed_from if isinstance(fed_from, list) else ():
            if isinstance(source, str) and source not in sources:
                known = nearest(source, sources) or f"; there is {_quoted(sources)}"
                problems.add(("sink", name, "sources"), f"no source {shown(source)}{known}")
    if len(sinks) > MAX_SINKS:
        problems.add(("sink",), f"{len(sinks)} sinks are too many: at most {MAX_SINKS}")
    for title, kinds, key in EXCLUSIVE:
        owners: dict[str, str] = {}
        for name, table in (sources if title == "source" else sinks).items():
            value = table.get(key)
            if table.get("kind") in kinds and isinstance(value, str) and "\0" not in value:
                owner = owners.setdefault(os.path.realpath(directory / value), name)
                if owner != name:
                    problems.add((title, name, key), f"{shown(value)} is taken by {title}.{owner} already")


def _judge_profiles(document: Mapping[str, Any], meters: MetersOptions | None, problems: Problems) -> None:
    """A person's own profiles, and the names of profiles, from the text: looked at only where there are any."""
    named = {
        name: profile
        for name, table in _tables_in(document, "source").items()
        if isinstance(profile := table.get("profile"), str)
    }
    directory = None if meters is None else meters.profiles
    if not named and directory is None:
        return
    if directory is not None and not directory.is_dir():
        problems.add(("meters", "profiles"), f"no directory {directory}: make it, or leave profiles out")
        return
    from datalogger.meters.profiles import load as load_profiles  # most configurations name none, and need them never

    try:
        known = load_profiles(directory)
    except ConfigError as error:
        for problem in str(error).splitlines():
            problems.add(("meters", "profiles"), problem)
        return
    for name, profile in named.items():
        if profile not in known:
            mend = nearest(profile, known) or "; see `datalogger profiles list`"
            problems.add(("source", name, "profile"), f"no profile {shown(profile)}{mend}")


def _tables_in(document: Mapping[str, Any], title: str) -> dict[str, dict[str, Any]]:
    tables = document.get(title)
    if not isinstance(tables, dict):
        return {}
    return {name: table for name, table in tables.items() if isinstance(table, dict)}


def _warn(configuration: Configuration, problems: Problems) -> None:
    for name, source in configuration.sources.items():
        for text in source.worth_knowing():
            field, _, what = text.partition(": ")
            written = next((key for key in places(field) if getattr(source, key, None) is not None), field)
            problems.warn(("source", name, written), what)
    for name, sink in configuration.sinks.items():
        _warn_of_what_is_not_sent(name, sink, configuration.sources, problems)
        if sink.sources == ():
            problems.warn(("sink", name, "sources"), "empty: no source feeds this sink")
        url = getattr(sink, "url", None)
        if isinstance(url, str) and getattr(sink, "key", None) is not None and _crosses_the_internet(url):
            problems.warn(("sink", name, "url"), "the key goes over the internet unencrypted: use https://")


def _warn_of_what_is_not_sent(
    name: str, sink: SinkOptions, sources: Mapping[str, SourceOptions], problems: Problems
) -> None:
    """Where nothing that feeds this sink can be sent to it."""
    feeding = [sources[source] for source in (sources if sink.sources is None else sink.sources)]
    given = frozenset[str]().union(*(source.protocols for source in feeding))
    if sink.accepts is None or not feeding or not sink.accepts.isdisjoint(given):
        return
    takes, gives = (" and ".join(sorted(names)).upper() for names in (sink.accepts, given))
    problems.warn(
        ("sink", name, "kind" if sink.sources is None else "sources"),
        f'nothing can be sent to it: "{sink.kind}" takes {takes} only, and what feeds it gives {gives} only',
    )


def _crosses_the_internet(url: str) -> bool:
    """Whether this is plain HTTP to a host that is not known to be near."""
    try:
        address = urlsplit(url)
        host = address.hostname or ""
    except ValueError:  # no URL at all: that is for the sink to say
        return False
    if address.scheme != "http":
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".lan", ".home", ".internal", ".home.arpa"))


def _quoted(names: Mapping[str, object] | list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
