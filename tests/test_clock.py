import ctypes
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from datalogger import clock
from datalogger.clock import AGREEMENT, LOOK, TESTIMONY, SystemClock


class Set(SystemClock):
    """The system's clocks, set forward by hand; neither kernel nor timesyncd vouches for them."""

    def __init__(self, synchronized: Path) -> None:
        super().__init__(synchronized)
        self.wall = 0.0
        self.passed = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.wall + self.passed)

    def monotonic(self) -> float:
        return super().monotonic() + self.passed


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    monkeypatch.setattr(clock, "kernel_says_synchronized", lambda: False)
    return Set(tmp_path / "synchronized")


def test_a_clock_nobody_vouches_for_is_not_trusted(alone: Set) -> None:
    assert not alone.trusted


def test_the_file_of_systemd_timesyncd_vouches(alone: Set, tmp_path: Path) -> None:
    assert not alone.trusted
    (tmp_path / "synchronized").touch()
    assert not alone.trusted  # looked at a moment ago
    alone.passed += LOOK
    assert alone.trusted


def test_the_kernel_vouches_and_is_asked_once_a_minute(alone: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def vouch() -> bool:
        asked.append(True)
        return True

    monkeypatch.setattr(clock, "kernel_says_synchronized", vouch)
    assert alone.trusted
    for _ in range(1000):
        assert alone.trusted
    assert len(asked) == 1


def test_a_meter_that_agrees_vouches_for_a_day(alone: Set) -> None:
    alone.witness(alone.now() - timedelta(seconds=AGREEMENT - 10))
    assert alone.trusted
    alone.passed += TESTIMONY - 10
    assert alone.trusted
    alone.passed += 20
    assert not alone.trusted


def test_a_meter_that_disagrees_vouches_for_nothing(alone: Set) -> None:
    alone.witness(alone.now() + timedelta(seconds=AGREEMENT + 10))
    alone.witness(alone.now() - timedelta(days=3650))
    assert not alone.trusted


@pytest.mark.parametrize("jump", [3600.0, -86400.0 * 365])
def test_a_clock_that_is_set_after_a_meter_agreed_is_trusted_no_more(alone: Set, jump: float) -> None:
    alone.witness(alone.now())
    alone.wall += jump
    assert not alone.trusted
    alone.witness(alone.now())
    assert alone.trusted


class Library:
    """A C library with this adjtimex."""

    def __init__(self, answer: int) -> None:
        self._answer = answer

    def adjtimex(self, timex: object) -> int:
        return self._answer


@pytest.mark.parametrize(
    ("state", "synchronized"),
    [(0, True), (1, True), (4, True), (5, False), (-1, False)],
    ids=["ok", "leap second ahead", "leap second over", "unsynchronised", "forbidden by a sandbox"],
)
def test_the_kernels_state_is_read(state: int, synchronized: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library(state))
    assert clock.kernel_says_synchronized() is synchronized


def test_a_c_library_without_adjtimex_vouches_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not clock.kernel_says_synchronized()


def test_the_real_kernel_can_be_asked_and_agrees_with_the_status_bit_it_reports() -> None:
    timex = ctypes.create_string_buffer(512)
    state = ctypes.CDLL(None).adjtimex(timex)
    if state < 0:
        pytest.skip("a sandbox forbids adjtimex here")
    status = ctypes.c_int.from_buffer(timex, 5 * ctypes.sizeof(ctypes.c_long)).value
    STA_UNSYNC = 0x40
    assert clock.kernel_says_synchronized() is not bool(status & STA_UNSYNC)
