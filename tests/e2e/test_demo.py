"""`make run`: the main job without a meter."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LINE = re.compile(r"\d\d:\d\d:\d\d meter E0{16}  import \d+\.\d{3} kWh, .*power \d+\.\d{3} kW, .*\(35 records\)")


def test_the_demonstration_shows_a_line_for_each_telegram_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "datalogger", "run", "--demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        (folder,) = tmp_path.iterdir()
        (archive,) = (folder / "archive").iterdir()
        assert archive.read_text().startswith('{"protocol":"p1","source":"meter","meter":"E0000000000000000"')
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: the simulated meter gets it too
        assert process.wait(timeout=30) == 0
    assert all(LINE.match(line) for line in lines), lines
    assert list(tmp_path.iterdir()) == []
