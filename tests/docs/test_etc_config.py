"""etc/datalogger.toml holds every option there is, each with its default."""

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from datalogger import registry
from datalogger.config.lines import Lines
from datalogger.config.load import load
from datalogger.config.metering import MeterOptions
from datalogger.config.polling import UnitOptions
from datalogger.config.problems import ConfigProblems, Problems
from datalogger.config.schema import MetersOptions, ServiceOptions, SinkOptions, SpoolOptions
from datalogger.config.tables import TableReader
from datalogger.words import ByteSize

SAMPLE = Path(__file__).parents[2] / "etc" / "datalogger.toml"
OPTION = re.compile(
    r"(?P<off># )?(?P<name>[a-z_]+) = (?P<value>\"[^\"]*\"|\[[^]]*\]|\{[^}]*\}|[^#\s]+)(?:\s+# (?P<meaning>.+))?"
)
HEADER = re.compile(r"(?P<off># )?\[{1,2}(?P<path>[a-z0-9_.-]+)\]{1,2}")
ONE_KEY = {"key", "key_file", "key_env", "key_credential"}
ONE_AUTH_KEY = {f"auth_{name}" for name in ONE_KEY}
KEYS = {"key_file": "meter.key", "auth_key_file": "meter.auth.key"}
COMMON: dict[str, type[Struct]] = {"source": MeterOptions, "sink": SinkOptions}


class Option(NamedTuple):
    value: Any
    off: bool
    """Commented out."""
    meaning: str


def tables() -> dict[tuple[str, ...], dict[str, Option]]:
    """Every table of the sample, also those that are commented out, and all options in it."""
    found: dict[tuple[str, ...], dict[str, Option]] = {}
    table: dict[str, Option] = {}
    for line in SAMPLE.read_text().splitlines():
        if header := HEADER.fullmatch(line):
            path = tuple(header["path"].split("."))
            assert path not in found, f"[{header['path']}] stands there twice"
            table = found[path] = {}
        elif option := OPTION.fullmatch(line):
            assert option["name"] not in table, f"{option['name']} stands there twice in {path}"
            value = tomllib.loads(f"x = {option['value']}")["x"]
            table[option["name"]] = Option(value, bool(option["off"]), option["meaning"] or "")
    return found


TABLES = tables()


def config_type(path: tuple[str, ...]) -> type[Struct]:
    if path == ("spool",):
        return SpoolOptions
    if path == ("service",):
        return ServiceOptions
    if path == ("meters",):
        return MetersOptions
    if path[2:] == ("units",):
        return UnitOptions
    title, _ = path
    kinds = {"source": registry.SOURCES, "sink": registry.SINKS}[title]
    found: type[Struct] = registry.load(kinds[TABLES[path]["kind"].value]).config_type
    return found


EVERY_OPTION = [(path, name) for path, table in TABLES.items() for name in table]


def default_of(field: FieldInfo) -> Any:
    return (
        field.default_factory()
        if field.default is NODEFAULT and field.default_factory is not NODEFAULT
        else field.default
    )


def test_the_sample_as_it_stands_is_a_right_configuration() -> None:
    configuration, warnings = load(SAMPLE, read_secrets=False)
    assert [source.kind for source in configuration.sources.values()] == ["serial"]
    assert [sink.kind for sink in configuration.sinks.values()] == ["dsmr-v1"]
    assert warnings == ()


def test_every_line_of_the_sample_is_a_table_an_option_or_prose() -> None:
    """A line that looks like an option and is not read as one would escape these tests."""
    for number, line in enumerate(SAMPLE.read_text().splitlines(), start=1):
        if not (HEADER.fullmatch(line) or OPTION.fullmatch(line)):
            assert not line or line.startswith("#"), f"line {number}: {line}"
            assert not re.match(r"#?\s*\w+\s*=|#?\s*\[", line), f"line {number}: {line}"


@pytest.mark.parametrize("title", ["source", "sink"])
def test_every_kind_stands_in_the_sample(title: str) -> None:
    kinds = {"source": registry.SOURCES, "sink": registry.SINKS}[title]
    found = [table["kind"].value for path, table in TABLES.items() if path[0] == title and len(path) == 2]
    assert sorted(found) == sorted(kinds)


@pytest.mark.parametrize("path", TABLES, ids=".".join)
def test_every_option_of_a_table_stands_in_it(path: tuple[str, ...]) -> None:
    """What every source (sink) has stands in the first of them only."""
    there = set(TABLES[path])
    if "timeout" in there and path[0] == "source":  # every source that asks; its [[units]] stand behind the first
        there.add("units")
    if path[0] in COMMON and len(path) == 2:
        first = next(known for known in TABLES if known[0] == path[0])
        there |= set(TABLES[first]) & {field.name for field in fields(COMMON[path[0]])}
    assert {field.name for field in fields(config_type(path))} - there == set()


@pytest.mark.parametrize(("path", "name"), EVERY_OPTION, ids=str)
def test_an_option_stands_there_with_its_default(path: tuple[str, ...], name: str) -> None:
    """Read beside what its table must have; where it has no default, the example must be right."""
    known = {field.name: field for field in fields(config_type(path))}
    assert name in known, "there is no such option"
    option = TABLES[path][name]
    needed = {key: other.value for key, other in TABLES[path].items() if not other.off or known[key].required}
    for alternatives in (ONE_KEY, ONE_AUTH_KEY):
        if name in alternatives:
            needed = {key: value for key, value in needed.items() if key not in alternatives}
    if path[0] == "source" and name in {*ONE_AUTH_KEY, "policy"}:  # these are of no use without the encryption key
        needed |= {key: value for key, value in KEYS.items() if key not in ONE_AUTH_KEY or name == "policy"}
    if "units" in known:  # these have the map in them, in its place
        needed["map"] = TABLES[path]["map"].value
    problems = Problems(SAMPLE, Lines(""))
    reader = TableReader(problems, SAMPLE.parent, read_secrets=False)
    read = reader.read({**needed, name: option.value}, config_type(path), path)
    problems.raise_any()
    default = default_of(known[name])
    if default is NODEFAULT or default is None:
        assert name == "kind" or not option.off or "default" in option.meaning
    else:
        assert option.off, "a default is commented out"
        assert getattr(read, name) == default


@pytest.mark.parametrize("name", ["max_bytes", "memory_bytes"])
def test_the_least_size_that_is_named_is_the_least_that_is_taken(name: str) -> None:
    named = re.search(r"(\d+MB) or more", TABLES[("spool",)][name].meaning)
    assert named
    least = ByteSize.parse(named[1])
    for size in (least, ByteSize(least - 1)):
        problems = Problems(SAMPLE, Lines(""))
        TableReader(problems, SAMPLE.parent, read_secrets=False).read({name: str(size)}, SpoolOptions, ("spool",))
        if size < least:
            with pytest.raises(ConfigProblems, match=f"must be at least {least}"):
                problems.raise_any()
        else:
            problems.raise_any()


@pytest.mark.parametrize(("path", "name"), EVERY_OPTION, ids=str)
def test_an_option_says_what_it_means(path: tuple[str, ...], name: str) -> None:
    assert TABLES[path][name].meaning or name in ("kind", "path")
