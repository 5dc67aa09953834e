"""What a simulated meter measures. Pure, and in integers only: a meter counts, it does not estimate."""

import random
from datetime import UTC, datetime, timedelta

# W·µs in a Wh.
WATT_HOUR = 3600 * 1_000_000

# How often a gas, water or heat meter tells its main meter a new value.
CAPTURE = timedelta(minutes=5)

MOST_LOAD = 5_000  # W per phase; a 25 A fuse takes a little more
MOST_FEED_IN = -3_000  # W per phase, of solar panels
LEAST_LOAD = 40  # W, where nothing can be fed in

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class House:
    """Its loads and voltages, and what it has used since the beginning.

    loads:    W per phase; less than 0 while the phase feeds in
    voltages: mV per phase
    imported, exported: energy in W·µs
    volumes:  per M-Bus channel, 10⁻⁶ of its unit
    captured: when the channels were read last
    """

    def __init__(self, *, start: datetime, seed: int, phases: int, feeds_in: bool, channels: int) -> None:
        self._random = random.Random(seed)
        self._least = MOST_FEED_IN if feeds_in else LEAST_LOAD
        self.now = start
        self.loads = [self._random.randint(100, 900) for _ in range(phases)]
        self.voltages = [self._random.randint(228_000, 234_000) for _ in range(phases)]
        self.imported = 0
        self.exported = 0
        self.volumes = [0] * channels
        self.captured = start - (start - _EPOCH) % CAPTURE

    @property
    def load(self) -> int:
        """W over all phases, as the meter's registers count it: phases that feed in set off those that take."""
        return sum(self.loads)

    def live(self, time: timedelta) -> None:
        """Let `time` pass at the present load; then somebody switches something."""
        energy = self.load * (time // _MICROSECOND)
        self.imported += max(energy, 0)
        self.exported += max(-energy, 0)
        self.now += time
        while self.captured + CAPTURE <= self.now:
            self.captured += CAPTURE
            self.volumes = [volume + self._random.randrange(0, 80_000) for volume in self.volumes]
        self.loads = [self._moved(load) for load in self.loads]
        self.voltages = [
            min(max(voltage + self._random.randint(-400, 400), 222_000), 241_000) for voltage in self.voltages
        ]

    def _moved(self, load: int) -> int:
        """A little; now and then an appliance goes on or off."""
        step = 2_000 if self._random.randrange(40) == 0 else 60
        return min(max(load + self._random.randint(-step, step), self._least), MOST_LOAD)
