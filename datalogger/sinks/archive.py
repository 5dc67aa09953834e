"""The files of an archive directory: what they are called, which is written next, what becomes of the old ones.

One file per source and day: `house-2026-11-20.jsonl`, then, where that is full or packed already,
`house-2026-11-20.2.jsonl`. A file is written under its last name from the start, so nothing is renamed
when a day ends, and a crash leaves nothing half done. Packed it is `house-2026-11-20.jsonl.gz`.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

BLOCK = 256 * 1024  # octets packed between two looks whether the daemon stops
LEVEL = 6  # gzip's own default: beyond it a Raspberry Pi takes much longer for little

_REST = re.compile(r"(?:-(\d{4}-\d\d-\d\d))?(?:\.([1-9]\d*))?")
_PACKED = ".gz"
_UNFINISHED = ".gz.part"


class ArchiveFile(NamedTuple):
    """One file of one source, in the order they were begun. `day` is "" where files are not cut by day."""

    day: str
    number: int
    path: Path
    packed: bool


class Tidying(NamedTuple):
    """Files to delete and files to pack. None of them is written to any more."""

    delete: list[Path]
    pack: list[Path]

    def run(self, stop: threading.Event) -> None:
        """OSError. Blocks for as long as packing takes; returns soon after `stop` is set.

        What is begun and not finished is begun again the next time it is planned.
        """
        for path in self.delete:
            path.unlink(missing_ok=True)
            path.with_name(path.name + _UNFINISHED).unlink(missing_ok=True)
        for path in self.pack:
            if not stop.is_set():
                _pack(path, stop.is_set)


class Archive:
    """The files with one suffix in one directory."""

    def __init__(self, directory: Path, suffix: str) -> None:
        self.directory = directory
        self._suffix = suffix

    def path(self, source: str, day: str, number: int) -> Path:
        counted = f".{number}" if number > 1 else ""
        return self.directory / f"{_stem(source)}{'-' if day else ''}{day}{counted}{self._suffix}"

    def files(self, source: str) -> list[ArchiveFile]:
        """All of one source, oldest first; of a file that is there packed and not, both."""
        return sorted(self._files(source))

    def current(self, source: str, day: str) -> tuple[int, Path]:
        """Number and path of the file to write to: the last of that day, or the first after a packed one."""
        last = 1
        for file in self.files(source):
            if file.day == day:
                last = max(last, file.number + 1 if file.packed else file.number)
        return last, self.path(source, day, last)

    def plan(self, source: str, day: str, number: int, *, pack: bool, keep: int | None) -> Tidying:
        """What is to be done with the files of `source` while (day, number) is written to. Nothing is touched.

        The newest and the one at hand stay as they are; of all others the last `keep` are kept.
        """
        files = self.files(source)
        here = (day, number)
        newest = max([here, *((file.day, file.number) for file in files)])
        older = sorted({(file.day, file.number) for file in files} - {here, newest})
        kept = older if keep is None else older[max(0, len(older) - keep) :]
        return Tidying(
            delete=[file.path for file in files if (file.day, file.number) in older[: len(older) - len(kept)]],
            pack=[file.path for file in files if pack and not file.packed and (file.day, file.number) in kept],
        )

    def _files(self, source: str) -> Iterator[ArchiveFile]:
        stem = _stem(source)
        for entry in os.scandir(self.directory):
            packed = entry.name.endswith(self._suffix + _PACKED)
            plain = entry.name.removesuffix(_PACKED) if packed else entry.name
            if not (plain.startswith(stem) and plain.endswith(self._suffix)):
                continue
            found = _REST.fullmatch(plain[len(stem) : -len(self._suffix)])
            if found is not None:
                yield ArchiveFile(found[1] or "", int(found[2] or 1), Path(entry.path), packed)


def _stem(source: str) -> str:
    """A source may be called anything; a file may not."""
    return quote(source, safe=" ").replace(".", "%2E") or "reports"


def _pack(path: Path, stopped: Callable[[], bool]) -> None:
    """`path` → `path.gz`, whole or not at all."""
    import gzip  # half a megabyte, for who wants it

    packed = path.with_name(path.name + _PACKED)
    unfinished = path.with_name(path.name + _UNFINISHED)
    if not packed.exists():  # else: packed in an earlier life, which ended before the last line of this
        with path.open("rb") as source, unfinished.open("wb") as raw:
            with gzip.GzipFile(path.name, "wb", LEVEL, raw) as target:
                while block := source.read(BLOCK):
                    target.write(block)
                    if stopped():
                        return
            raw.flush()
            status = os.fstat(source.fileno())
            os.fchmod(raw.fileno(), status.st_mode & 0o777)
            os.fsync(raw.fileno())
        os.utime(unfinished, ns=(status.st_atime_ns, status.st_mtime_ns))
        unfinished.replace(packed)
    path.unlink(missing_ok=True)
