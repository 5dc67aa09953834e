"""The last invocation counter of each meter, kept over a restart: without it a replay would pass after one.

A small JSON file that people may read: {system title: {fingerprint of the key: {"counter": …, "seen": …}}}.
The daemon writes it at most once a minute, for the sake of SD cards. `datalogger meter forget` edits it beside a
running daemon: both read, merge and write under an advisory lock (PATH.lock), and the daemon drops what it finds gone.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from datalogger.clock import Clock

EVERY = 60.0  # seconds between two writes: what a crash may forget is a minute of counters

MAX_METERS = 10_000  # some 1.5 MB of file; only who has a key can add one, and the oldest seen go first
MAX_OCTETS = 16 * 1024 * 1024  # no file of ours is near this: one that is larger is somebody else's

MODE = 0o600

_Title = Annotated[str, Meta(pattern="^[0-9A-F]{16}$")]
_Fingerprint = Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]


class Seen(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The last counter of one meter under one key, and when it came."""

    counter: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    seen: Annotated[datetime, Meta(tz=True)]


Meter = tuple[str, str]
"""System title, fingerprint of the key."""

State = tuple[int, int, int] | None
"""What tells one file of this name from the next: inode, time of change, size. None: there is none."""

_Tree = dict[_Title, dict[_Fingerprint, Seen]]
_decoder = msgspec.json.Decoder(_Tree)


class Damaged(ValueError):
    """The file is there and holds no counters; the message says why."""


def beside(spool: Path) -> Path:
    """Where the counters are: in the directory of the spool's file."""
    return spool.with_name(f"{spool.stem}.counters.json")


class CounterFile:
    """`Counters` (protocol/dlms/security.py) in RAM, with a file behind it. Never raises, whatever the disk does.

    `last` and `note` are for the event loop, `flush` may wait for the disk and is for a thread.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        """Touches nothing yet."""
        self._path = path
        self._clock = clock
        self._guard = Lock()  # held for moments, never while the disk is written
        self._meters: dict[Meter, Seen] = {}
        self._changed: set[Meter] = set()  # what the file has still to learn
        self._filed: set[Meter] = set()  # what the file had when it was last read or written
        self._state: State = None  # of the file then
        self._damage = ""  # what was wrong with it then
        self._tried_at: float | None = None
        self._told = ""

    def load(self) -> str:
        """Take up what is in the file. What a person should know of it, "" if nothing."""
        try:
            with self._guard:
                return self._once(self._take_up())
        except OSError as error:
            return self._once(self._trouble(error))

    def last(self, title: str, key: str) -> int | None:
        with self._guard:
            with suppress(OSError, Damaged):  # RAM knows enough; `flush` tells
                self._look()  # one stat(2), so that what a person had forgotten is forgotten at once
            seen = self._meters.get((title, key))
        return None if seen is None else seen.counter

    def note(self, title: str, key: str, counter: int) -> None:
        with self._guard:
            self._meters[title, key] = Seen(counter, self._clock.now().replace(microsecond=0))
            self._changed.add((title, key))
            self._bound()

    def due(self) -> bool:
        """Whether there is something to write, and the last write (or attempt) was long enough ago."""
        if not self._changed:
            return False
        return self._tried_at is None or self._clock.monotonic() - self._tried_at >= EVERY

    def flush(self) -> str:
        """Write what is new, whether due or not. What a person should know, "" if nothing.

        A failure is told once, until it works again.
        """
        if not self._changed:
            return ""
        self._tried_at = self._clock.monotonic()
        try:
            with _locked(self._path, wait=False):
                return self._once(self._write())
        except BlockingIOError:
            return ""  # a person has something forgotten this very moment: next time
        except OSError as error:
            return self._once(self._trouble(error))

    def _write(self) -> str:
        """Under the lock. OSError."""
        with self._guard:
            said = self._take_up()
            if not self._changed:
                return said
            meters = dict(self._meters)
        new, state = _written(self._path, meters)
        with self._guard:  # that `last` never takes our own file for somebody else's
            new.replace(self._path)
            self._state = state
            self._filed = set(meters)
            self._changed = {meter for meter in self._changed if self._meters.get(meter) != meters.get(meter)}
        _sync_directory(self._path)
        return said

    def _take_up(self) -> str:
        """What the file has to say, and what a person should know of it. OSError."""
        try:
            self._look()
        except Damaged as error:
            target = _free_name(self._path, self._clock.now())
            self._path.rename(target)
            self._state, self._filed, self._damage = None, set(), ""
            return f"{error}: set aside as {target.name}, a new one begun"
        return ""

    def _look(self) -> None:
        """Read the file where it is another than the one last seen. OSError; Damaged, as long as it is."""
        try:
            found = self._path.stat()
            state = _state(found)
        except FileNotFoundError:
            if self._state is not None:
                self._path.parent.stat()  # a directory that is gone is a disk that is gone, not a wish to forget
            state = None
        if state != self._state:
            try:
                there, self._damage = read(self._path), ""
            except Damaged as error:
                self._damage = str(error)
            else:
                self._merge(there)
            self._state = state
        if self._damage:
            raise Damaged(self._damage)

    def _merge(self, there: dict[Meter, Seen]) -> None:
        """Somebody else wrote the file: what it has no more is forgotten, also where RAM has a newer counter."""
        gone = self._filed - there.keys()
        for meter in gone:
            self._meters.pop(meter, None)
        self._changed -= gone
        self._meters.update((meter, seen) for meter, seen in there.items() if meter not in self._changed)
        self._filed = set(there)
        self._bound()

    def _bound(self) -> None:
        if (over := len(self._meters) - MAX_METERS) > 0:
            for meter in sorted(self._meters, key=lambda meter: self._meters[meter].seen)[:over]:
                del self._meters[meter]
                self._changed.discard(meter)  # which must not grow while the disk fails

    def _trouble(self, error: OSError) -> str:
        return (
            f"{self._path} cannot be kept ({error.strerror or error}): the meters' invocation counters are in memory "
            "only, and a replay could pass after a restart; see that this user can read and write there"
        )

    def _once(self, said: str) -> str:
        new = said if said != self._told else ""
        self._told = said
        return new


def read(path: Path) -> dict[Meter, Seen]:
    """What the file holds, {} where there is none. Damaged, OSError."""
    try:
        if not path.is_file() and path.exists():  # a named pipe would keep whoever opens it
            raise Damaged(f"{path} holds no invocation counters: it is no file")
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except FileNotFoundError:
        return {}
    if len(octets) > MAX_OCTETS:
        raise Damaged(f"{path} holds no invocation counters: it has more than {MAX_OCTETS} octets")
    try:
        tree = _decoder.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"{path} holds no invocation counters: {error}") from None
    return {(title, key): seen for title, keys in tree.items() for key, seen in keys.items()}


def forget(path: Path, titles: Collection[str] | None = None) -> set[str]:
    """Take these system titles (None: all) out of the file, beside a running daemon or without one.

    The titles that were there. Damaged, OSError.
    """
    with _locked(path, wait=True):
        meters = read(path)
        gone = {title for title, _ in meters if titles is None or title in titles}
        if gone:
            new, _ = _written(path, {meter: seen for meter, seen in meters.items() if meter[0] not in gone})
            new.replace(path)
            _sync_directory(path)
        return gone


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[None]:
    """OSError where it cannot be made, BlockingIOError where it is taken. The kernel frees it when its holder ends."""
    file = _opened(path.with_name(path.name + ".lock"), owner_of=path.parent)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(file)


def _opened(path: Path, owner_of: Path) -> int:
    """Open for reading and writing; made where it is not there.

    What root makes at a command line belongs to the owner of `owner_of`: the daemon runs as another user.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        return os.open(path, flags)
    if os.geteuid() == 0:
        owner = owner_of.stat()
        os.fchown(file, owner.st_uid, owner.st_gid)
    return file


def _written(path: Path, meters: dict[Meter, Seen]) -> tuple[Path, State]:
    """A whole file on the disk, to take the place of `path`: the old one or the new one, whenever the power fails."""
    tree: dict[str, dict[str, Seen]] = {}
    for (title, key), seen in sorted(meters.items(), key=itemgetter(0)):
        tree.setdefault(title, {})[key] = seen
    text = msgspec.json.format(msgspec.json.encode(tree), indent=2) + b"\n"
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)  # a crash left it
    with os.fdopen(_opened(new, owner_of=path if path.exists() else path.parent), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        return new, _state(os.fstat(file.fileno()))


def _sync_directory(path: Path) -> None:
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _state(found: os.stat_result) -> State:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _free_name(path: Path, now: datetime) -> Path:
    stem = f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}"
    number, target = 0, path.with_name(stem)
    while os.path.lexists(target):
        number += 1
        target = path.with_name(f"{stem}-{number}")
    return target
