"""`make run`: the main job without a meter."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import until

pytestmark = pytest.mark.slow

LINE = re.compile(r"\d\d:\d\d:\d\d meter E0{16}  import \d+\.\d{3} kWh, .*power \d+\.\d{3} kW, .*\(35 records\)")


async def test_the_demonstration_shows_a_line_for_each_telegram_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "datalogger", "run", "--demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(2)]
            await until(lambda: list(tmp_path.glob("*/archive/*")), "what is shown is stored, too")
            (archive,) = tmp_path.glob("*/archive/*")
            assert archive.read_text().startswith('{"protocol":"p1","source":"meter","meter":"E0000000000000000"')
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: the simulated meter gets it too
            assert process.wait(timeout=30) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert all(LINE.match(line) for line in lines), lines
    assert list(tmp_path.iterdir()) == []
