"""Every configuration in README.md loads, and every register map."""

import re
import tomllib
from pathlib import Path

import pytest

from datalogger.config.load import load
from datalogger.meters import register_map_lint, register_maps

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.DOTALL | re.MULTILINE)

# A block may show a source without a sink, a sink without a source, or neither: then these stand in.
STAND_INS = {
    "source": '\n[source.house]\nkind = "serial"\nport = "/dev/ttyUSB0"\n',
    "sink": '\n[sink.archive-of-the-test]\nkind = "file"\npath = "archive-of-the-test"\n',
}


def blocks() -> list[str]:
    return BLOCK.findall(README.read_text(encoding="utf-8"))


MAPS = [block for block in blocks() if block.startswith("[[reg]]")]
CONFIGURATIONS = [block for block in blocks() if block not in MAPS]


@pytest.mark.parametrize("block", [pytest.param(block, id=f"block {n}") for n, block in enumerate(CONFIGURATIONS, 1)])
def test_a_configuration_in_the_readme_loads(block: str, tmp_path: Path) -> None:
    written = tomllib.loads(block)
    path = tmp_path / "datalogger.toml"
    path.write_text(block + "".join(text for title, text in STAND_INS.items() if title not in written))
    configuration, _ = load(path, read_secrets=False)
    assert configuration.sources
    assert configuration.sinks


@pytest.mark.parametrize("block", [pytest.param(block, id=f"map {n}") for n, block in enumerate(MAPS, 1)])
def test_a_register_map_in_the_readme_is_right(block: str) -> None:
    assert register_map_lint.faults(register_maps.parse(block, "README.md", "mine.toml")) == []


def test_no_block_is_missed() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(blocks()) == text.count("```toml")
