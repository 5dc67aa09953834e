import logging
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from datalogger.config.concealment import Concealment
from datalogger.service import log
from datalogger.service.lines_out import LinesOut


class ManualClock:
    """Goes only where it is told."""

    trusted = True

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 10, 0, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000)

    def monotonic(self) -> float:
        return self.seconds

    def witness(self, meter_time: datetime) -> None:
        pass

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def own_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `log.configure` changes in the process is as before afterwards."""
    before, configured = structlog.get_config(), structlog.is_configured()
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(log, "_repeats", None)
    monkeypatch.setattr(log, "_out", LinesOut())
    monkeypatch.setattr(log, "_hidden", set())
    monkeypatch.setattr(log, "_conceal", Concealment([]))
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    if configured:
        structlog.configure(**before)
    else:
        structlog.reset_defaults()
