"""The configuration as structs: what every source, every sink, the spool and the service may say.

What only one kind of source or sink knows stands in that source's or sink's own module, in a
struct derived from `SourceOptions` or `SinkOptions` (`KeyOptions` for a sink that shows a key).
A value is checked beside its field (`Annotated`, see checks.py); what concerns several fields in
`__post_init__`, by ValueError("FIELD: what is wrong and the mend", …), one argument a problem.
The loader puts file, line, table and the value before it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Struct

from datalogger.config.checks import ADDRESS, NO_DIRECTORY, POSITIVE, ZONE, at_least
from datalogger.words import ByteSize, Duration

# Below twice its journal (4 MB, spool/database.py) the spool could not keep within what it was given.
LEAST_ON_DISK = at_least(ByteSize(10_000_000), "of which SQLite's journal takes 4MB")
LEAST_IN_MEMORY = at_least(ByteSize(1_000_000), "a quarter of an hour of one meter")


class SourceOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every source has."""

    kind: str
    zone: Annotated[str, ZONE] = "Europe/Amsterdam"
    """Zone of meter times that carry no summer/winter flag."""
    silence: Annotated[Duration, POSITIVE] = Duration(120)
    """No octet for this long: the line is closed and opened again."""

    @property
    def protocols(self) -> frozenset[str]:
        """Of the reports that can come of it."""
        return frozenset({"p1", "dlms"})

    def worth_knowing(self) -> list[str]:
        """What is right and may surprise all the same, one line each: "FIELD: what, and the mend"."""
        return []


class SinkOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every sink has; the forwarder and the spool keep these rules, not the sink."""

    kind: str
    sources: tuple[str, ...] | None = None
    """Names of the sources it is fed from; None: every source."""
    every: Annotated[Duration | None, POSITIVE] = None
    """At most one report per meter, and list of it, in this time; None: every report."""
    timeout: Annotated[Duration, POSITIVE] = Duration(20)
    """The longest that one delivery may take."""
    order: Literal["fifo", "live-first"] = "fifo"
    backlog_rate: Annotated[float, POSITIVE] = 10.0
    """With live-first: how many reports a second of the backlog go beside the live ones."""
    replay: Literal["all", "latest", "none"] = "all"
    """What of a backlog is still wanted when the receiver is back."""
    when_full: Literal["drop-oldest", "thin", "drop-newest"] = "drop-oldest"

    @property
    def accepts(self) -> frozenset[str] | None:
        """The protocols whose reports it can take; None: all. Others are not sent to it."""
        return None


class SpoolOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[spool]"""

    path: Annotated[Path, NO_DIRECTORY] = Path("/var/lib/datalogger/spool.db")
    durability: Literal["strict", "grouped", "memory"] = "grouped"
    window: Annotated[Duration, POSITIVE] = Duration(1)
    max_bytes: Annotated[ByteSize, LEAST_ON_DISK] = ByteSize(256_000_000)
    max_age: Annotated[Duration, POSITIVE] = Duration(30 * 86400)
    min_free: ByteSize = ByteSize(64_000_000)
    """Free space to leave on the disk, for the rest of the machine."""
    memory_bytes: Annotated[ByteSize, LEAST_IN_MEMORY] = ByteSize(8_000_000)
    """RAM for what is not on disk: the whole spool in memory mode, the ring while a disk fails."""

    def __post_init__(self) -> None:
        if self.window > self.max_age:
            raise ValueError(
                f"window: longer than max_age ({self.max_age}), so that nothing would be kept: make it shorter"
            )


class ServiceOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[service]"""

    listen: Annotated[str, ADDRESS] = "127.0.0.1:8420"
    """HOST:PORT of /healthz, /readyz and /metrics; "" for none."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"


class MetersOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[meters]"""

    profiles: Path | None = None
    """Directory of meter profiles of your own; one of the same name stands before the built-in one."""
    maps: Path | None = None
    """Directory of register maps of your own, TOML or the eGauge's JSON; one of the same name stands before the
    built-in one."""


class Configuration(Struct, frozen=True, kw_only=True):
    """A whole, validated configuration. Two that compare equal run the same."""

    file: Path
    sources: Mapping[str, SourceOptions]
    sinks: Mapping[str, SinkOptions]
    spool: SpoolOptions
    service: ServiceOptions
    meters: MetersOptions = MetersOptions()
