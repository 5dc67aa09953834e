from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Cable


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path)
    yield cable
    cable.close()
