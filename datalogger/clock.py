"""The only module that tells the time."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What the rest of the program may know about time; tests bring their own."""

    def now(self) -> datetime:
        """The wall clock, UTC. May jump: a Raspberry Pi has no clock battery."""

    def monotonic(self) -> float:
        """Seconds that only ever go forward; every timer runs on these."""

    @property
    def trusted(self) -> bool:
        """Whether the wall clock is known to be right (see `SystemClock`)."""

    def witness(self, meter_time: datetime) -> None:
        """A meter just said that it is `meter_time` (zone-aware)."""


# systemd-timesyncd, the time service of Raspberry Pi OS, touches this file each time it has set the clock.
SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")

# How often the kernel and the file are asked again. Seconds.
LOOK = 60.0

# A meter's clock may be off by a minute and its telegram a while on the way; a Raspberry Pi that wakes with the time
# it was switched off at is off by more than this in every case that matters.
AGREEMENT = 300.0  # seconds

# A quartz drifts by seconds a day, so for a day a clock that was right still is, unless somebody sets it.
TESTIMONY = 86400.0  # seconds


class SystemClock:
    """The machine's own clocks.

    Without battery and network a Raspberry Pi starts with the time it was switched off at, or 1970. Whoever would
    delete by age on such a clock deletes what is still wanted, so `trusted` is False until one of three says yes:

    * systemd-timesyncd has set the clock since the machine started;
    * the kernel says that some time service (chrony, ntpd) keeps the clock;
    * a meter's own clock agreed with it within the last day, and nobody has set it since. This serves a logger
      that never sees the internet, and a container, where the first two cannot be asked.
    """

    def __init__(self, synchronized: Path = SYNCHRONIZED) -> None:
        self._synchronized = synchronized
        self._looked_at = -LOOK
        self._kept = False
        self._agreed: tuple[float, float] | None = None  # monotonic time, and how far the wall clock was ahead of it

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    @property
    def trusted(self) -> bool:
        return self._witnessed() or self._kept_by_a_service()

    def witness(self, meter_time: datetime) -> None:
        if abs((meter_time - self.now()).total_seconds()) <= AGREEMENT:
            self._agreed = (self.monotonic(), self._ahead())

    def _witnessed(self) -> bool:
        if self._agreed is None:
            return False
        at, ahead = self._agreed
        return self.monotonic() - at <= TESTIMONY and abs(self._ahead() - ahead) <= AGREEMENT

    def _kept_by_a_service(self) -> bool:
        now = self.monotonic()
        if now - self._looked_at >= LOOK:
            self._looked_at = now
            self._kept = self._synchronized.exists() or kernel_says_synchronized()
        return self._kept

    def _ahead(self) -> float:
        """Changes only when the wall clock is set (or the machine slept)."""
        return self.now().timestamp() - self.monotonic()


def kernel_says_synchronized() -> bool:
    """adjtimex(2), reading only; False also where a sandbox forbids it or the C library has none."""
    import ctypes  # loaded only where timesyncd is absent

    TIME_ERROR = 5  # STA_UNSYNC is set: no time service has set the clock, or none for too long
    timex = ctypes.create_string_buffer(512)  # over twice what struct timex takes anywhere; all zero: change nothing
    try:
        state = int(ctypes.CDLL(None).adjtimex(timex))
    except (AttributeError, OSError):
        return False
    return 0 <= state != TIME_ERROR
