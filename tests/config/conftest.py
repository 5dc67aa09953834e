from collections.abc import Callable
from pathlib import Path

import pytest

from datalogger import registry
from tests.config import kinds

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def own_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SOURCES", kinds.SOURCES)
    monkeypatch.setattr(registry, "SINKS", kinds.SINKS)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration file and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "d.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
