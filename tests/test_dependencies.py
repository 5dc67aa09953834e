"""What the code imports is what an installation brings along, each by its own name."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]


def imported() -> set[str]:
    """The top-level packages that any module of datalogger imports, wherever in it."""
    found = set()
    for path in (ROOT / "datalogger").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            match node:
                case ast.Import(names=names):
                    found |= {alias.name.partition(".")[0] for alias in names}
                case ast.ImportFrom(module=str(module), level=0):
                    found.add(module.partition(".")[0])
    return found - sys.stdlib_module_names - {"datalogger"}


def test_every_imported_package_is_a_dependency_by_its_own_name() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    declared = {re.split(r"[<>=~!;\[ ]", line)[0].lower() for line in wanted}
    from_where = packages_distributions()
    missing = {name for name in imported() if not declared & {each.lower() for each in from_where.get(name, [])}}
    assert not missing
