"""Programs of others that the bench runs beside: each in a process, and with a virtual environment, of its own."""

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).parent
ROUNDS = 15


def in_turns(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float, float]:
    """Medians: ours and theirs in seconds a round, and their time over ours round by round, which a machine
    that is faster now and slower then disturbs least. The first round of each only warms up.
    """
    rounds = [(ours(), theirs()) for _ in range(ROUNDS + 1)][1:]
    ratio = statistics.median(their / our for our, their in rounds)
    return statistics.median(our for our, _ in rounds), statistics.median(their for _, their in rounds), ratio


class Peer:
    """`script`, run by the Python of a virtual environment with `packages`; it answers a line on stdin with one.

    packages: pinned, as pip takes them; those that do not agree on what they need go into environments of their own
    """

    def __init__(self, environment: str, packages: tuple[str, ...], script: str, *arguments: str) -> None:
        """OSError or subprocess.CalledProcessError where a package cannot be had."""
        command = [str(_python(HERE.parent / environment, packages)), str(HERE / script), *arguments]
        self._script = script
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def hear(self) -> str:
        """What it says next; OSError where it has ended (its stderr is ours)."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise OSError(f"{self._script} has ended")
        return line

    def round(self, what: str) -> float:
        """Seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return float(self.hear())


def _python(environment: Path, packages: tuple[str, ...]) -> Path:
    python = environment / "bin" / "python"
    for package in packages:
        installed = environment / f".{package}"
        if not installed.exists():
            if not python.exists():
                subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
            subprocess.run(pip, check=True)
            installed.touch()
    return python
