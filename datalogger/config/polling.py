"""What a source may say about the meters that it asks: which units, by which register map, how often."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from datalogger.config.checks import POSITIVE
from datalogger.config.schema import SourceOptions
from datalogger.words import Duration

LEAST_INTERVAL = Duration(0.1)
MOST_DEADBAND = Decimal("1e15")  # in any unit more than there is


class UnitOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several meters on one line: [[source.NAME.units]]. What is not given is as the source says."""

    unit: int | None = None
    """Its address on the line, which `maps.py` judges; None: the default of the map, else 1."""
    map: str
    """The register map (`datalogger maps list`), or "sunspec"."""
    meter: Annotated[str, Meta(max_length=64)] = ""
    """Its identifier, where it does not say its serial number."""
    interval: Duration | None = None
    """From one poll to the next."""
    registers: tuple[str, ...] = ()
    """Names of the registers that are wanted; empty: all of the map."""
    intervals: Mapping[str, Duration] = {}
    """Registers that are wanted less often: { energy_import = "1m" }."""
    deadbands: Mapping[str, Decimal] = {}
    """Registers that are reported only when they have changed by more than this, in the unit of the map."""

    def __post_init__(self) -> None:
        if problems := unit_problems(self.intervals, self.deadbands, self.interval):
            raise ValueError(*problems)


class PollOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every source has that asks its meters."""

    map: str | None = None
    """The register map of the one meter there is (`datalogger maps list`), or "sunspec"."""
    unit: int | None = None
    """The meter's address; None: the default of the map, else 1."""
    meter: Annotated[str, Meta(max_length=64)] = ""
    """Its identifier, where it does not say its serial number."""
    interval: Annotated[Duration, POSITIVE] = Duration(10)
    """From one poll to the next."""
    timeout: Annotated[Duration, POSITIVE] = Duration(1)
    """The longest that a meter may take to begin its answer."""
    registers: tuple[str, ...] = ()
    intervals: Mapping[str, Duration] = {}
    deadbands: Mapping[str, Decimal] = {}
    units: tuple[UnitOptions, ...] = ()
    """Several meters on one line, in place of map and unit."""

    def __post_init__(self) -> None:
        problems = [*unit_problems(self.intervals, self.deadbands, self.interval), *self.line_problems()]
        if not self.units and self.map is None:
            problems.append('map: is missing: the meter\'s register map (`datalogger maps list`), or "sunspec"')
        if self.units:
            alone = [
                name for name in ("map", "unit", "meter", "registers", "intervals", "deadbands") if self._says(name)
            ]
            problems += [f"{name}: beside units: it stands in [[units]] of each meter then" for name in alone]
        if problems:
            raise ValueError(*problems)

    def _says(self, name: str) -> bool:
        return bool(getattr(self, name)) or (name == "unit" and self.unit is not None)

    def line_problems(self) -> list[str]:
        """What a kind of source has to say of its own options."""
        return []

    @property
    def protocols(self) -> frozenset[str]:
        return frozenset({"modbus"})

    @property
    def meters(self) -> tuple[UnitOptions, ...]:
        """All of them, also the only one."""
        if self.units:
            return self.units
        assert self.map is not None  # or there would have been a problem
        return (
            UnitOptions(
                unit=self.unit,
                map=self.map,
                meter=self.meter,
                registers=self.registers,
                intervals=self.intervals,
                deadbands=self.deadbands,
            ),
        )


def unit_problems(
    intervals: Mapping[str, Duration], deadbands: Mapping[str, Decimal], interval: Duration | None
) -> list[str]:
    problems = []
    if interval is not None and not interval >= LEAST_INTERVAL:
        problems.append(f"interval: expected at least {LEAST_INTERVAL}")
    problems += [f"intervals: {name}: must be more than 0" for name, seconds in intervals.items() if seconds <= 0]
    problems += [
        f"deadbands: {name}: expected 0 or more, and no more than {MOST_DEADBAND:g}"
        for name, most in deadbands.items()
        if not (most.is_finite() and 0 <= most <= MOST_DEADBAND)
    ]
    return problems
