"""docs/register-maps.md names every key there is, and its examples are maps."""

import re
from pathlib import Path

import pytest
from msgspec.structs import fields

from datalogger.meters import register_map_lint, register_maps
from datalogger.protocol.modbus.register_map import Limits, Options, Register, RegisterMap
from datalogger.protocol.modbus.register_types import TYPES

TEXT = (Path(__file__).parents[2] / "docs" / "register-maps.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(toml|json)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("ending", "example"), EXAMPLES, ids=[ending for ending, _ in EXAMPLES])
def test_an_example_is_a_right_map(ending: str, example: str) -> None:
    found = register_maps.parse(example, "docs", f"mine.{ending}")
    assert len(found.reg) == 2
    assert register_map_lint.faults(found) == []


def test_both_forms_are_shown() -> None:
    assert [ending for ending, _ in EXAMPLES] == ["json", "toml"]


@pytest.mark.parametrize("struct", [Register, RegisterMap, Options, Limits])
def test_every_key_is_said(struct: type) -> None:
    keys = {field.encode_name for field in fields(struct)} - {"reg"}
    assert {key for key in keys if f"`{key}`" not in TEXT} == set()


def test_every_type_is_said() -> None:
    assert {name for name in TYPES if f"`{name}`" not in TEXT} == set()
