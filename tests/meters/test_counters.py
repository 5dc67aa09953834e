"""The counter file: what survives a restart, a person's forgetting, a damaged file and a failing disk."""

import fcntl
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.meters import counters
from datalogger.meters.counters import CounterFile, Damaged, beside, forget, read
from datalogger.protocol.dlms.security import Counters
from tests.spool.clock import StillClock

TITLE = "4B464D104B79A973"
OTHER = "4C475A6774206295"
KEY = "1a2b3c4d"


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters.json"


def opened(path: Path, clock: StillClock) -> CounterFile:
    file = CounterFile(path, clock)
    assert file.load() == ""
    return file


def written(path: Path, clock: StillClock, **last: int) -> CounterFile:
    """Somebody's counters, already in the file."""
    file = opened(path, clock)
    for title, counter in (last or {TITLE: 7}).items():
        file.note(title, KEY, counter)
    assert file.flush() == ""
    return file


def test_it_stands_beside_the_spool() -> None:
    assert beside(Path("/var/lib/datalogger/spool.db")) == Path("/var/lib/datalogger/spool.counters.json")


def test_it_is_what_security_asks_for(path: Path, clock: StillClock) -> None:
    file: Counters = opened(path, clock)
    assert file.last(TITLE, KEY) is None
    file.note(TITLE, KEY, 0)
    assert file.last(TITLE, KEY) == 0
    assert file.last(TITLE, "00000000") is None
    assert file.last(OTHER, KEY) is None


def test_a_counter_survives_a_restart(path: Path, clock: StillClock) -> None:
    written(path, clock, **{TITLE: 2**32 - 1, OTHER: 0})
    again = opened(path, clock)
    assert (again.last(TITLE, KEY), again.last(OTHER, KEY)) == (2**32 - 1, 0)


def test_people_can_read_the_file(path: Path, clock: StillClock) -> None:
    written(path, clock)
    seen = clock.now().replace(microsecond=0).isoformat().replace("+00:00", "Z")
    assert json.loads(path.read_bytes()) == {TITLE: {KEY: {"counter": 7, "seen": seen}}}
    assert path.read_text().count("\n") > 3


def test_only_its_owner_can_read_it(path: Path, clock: StillClock) -> None:
    written(path, clock)
    assert [stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()] == [0o600] * 2
    assert sorted(file.name for file in path.parent.iterdir()) == ["counters.json", "counters.json.lock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
def test_what_root_makes_at_a_command_line_belongs_to_the_daemon(path: Path, clock: StillClock) -> None:
    written(path, clock, **{TITLE: 7, OTHER: 9})
    daemon = 54321
    for owned in (path.parent, path):
        os.chown(owned, daemon, daemon)
    path.with_name("counters.json.lock").unlink()
    forget(path, [TITLE])
    assert {(file.name, file.stat().st_uid, file.stat().st_gid) for file in path.parent.iterdir()} == {
        ("counters.json", daemon, daemon),
        ("counters.json.lock", daemon, daemon),
    }


def test_it_is_due_at_once_and_then_once_a_minute(path: Path, clock: StillClock) -> None:
    file = opened(path, clock)
    assert not file.due()
    file.note(TITLE, KEY, 1)
    assert file.due()
    file.flush()
    assert not file.due()
    file.note(TITLE, KEY, 2)
    clock.advance(59.9)
    assert not file.due()
    clock.advance(0.1)
    assert file.due()
    file.flush()
    clock.advance(3600)
    assert not file.due()


def test_nothing_is_written_where_nothing_is_new(path: Path, clock: StillClock) -> None:
    file = opened(path, clock)
    assert file.flush() == ""
    assert list(path.parent.iterdir()) == []


def test_a_write_at_the_end_waits_for_no_minute(path: Path, clock: StillClock) -> None:
    file = written(path, clock)
    file.note(TITLE, KEY, 8)
    file.flush()
    assert opened(path, clock).last(TITLE, KEY) == 8


def test_what_is_counted_while_the_disk_is_written_is_written_next(
    path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(path, clock)
    sync = os.fsync
    meanwhile = [9]

    def slow(descriptor: int) -> None:
        if meanwhile:  # the file is synced; the directory, later, is too
            file.note(TITLE, KEY, meanwhile.pop())
        sync(descriptor)

    file.note(TITLE, KEY, 8)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", slow)
        file.flush()
    clock.advance(60)
    assert file.due()
    file.flush()
    assert opened(path, clock).last(TITLE, KEY) == 9
    clock.advance(60)
    assert not file.due()


# ── forget ───────────────────────────────────────────────────────────────────────────────────────


def test_what_is_forgotten_is_gone_for_a_running_daemon_at_once(path: Path, clock: StillClock) -> None:
    daemon = written(path, clock, **{TITLE: 7, OTHER: 9})
    assert forget(path, [TITLE]) == {TITLE}
    assert (daemon.last(TITLE, KEY), daemon.last(OTHER, KEY)) == (None, 9)


def test_forgetting_holds_against_a_newer_counter_in_the_daemons_memory(path: Path, clock: StillClock) -> None:
    daemon = written(path, clock, **{TITLE: 7, OTHER: 9})
    daemon.note(TITLE, KEY, 8)
    daemon.note(OTHER, KEY, 10)
    forget(path, [TITLE])
    daemon.flush()
    assert daemon.last(TITLE, KEY) is None
    assert {title: seen.counter for (title, _), seen in read(path).items()} == {OTHER: 10}


def test_forgetting_holds_for_what_a_daemon_has_only_read(path: Path, clock: StillClock) -> None:
    written(path, clock, **{TITLE: 7, OTHER: 9})
    daemon = opened(path, clock)
    daemon.note(TITLE, KEY, 8)
    forget(path, [TITLE])
    assert (daemon.last(TITLE, KEY), daemon.last(OTHER, KEY)) == (None, 9)
    assert not daemon.due()  # nothing is left to write


def test_after_forgetting_a_meter_counts_anew(path: Path, clock: StillClock) -> None:
    daemon = written(path, clock)
    forget(path)
    assert daemon.last(TITLE, KEY) is None
    daemon.note(TITLE, KEY, 1)
    daemon.flush()
    assert opened(path, clock).last(TITLE, KEY) == 1


def test_forgetting_leaves_a_meter_alone_that_the_file_does_not_know_yet(path: Path, clock: StillClock) -> None:
    daemon = written(path, clock)
    daemon.note(OTHER, KEY, 3)
    forget(path)
    assert (daemon.last(TITLE, KEY), daemon.last(OTHER, KEY)) == (None, 3)
    daemon.flush()
    assert {title for title, _ in read(path)} == {OTHER}


def test_forgetting_what_is_not_there_changes_nothing(path: Path, clock: StillClock) -> None:
    written(path, clock)
    before = path.stat()
    assert forget(path, [OTHER]) == set()
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_deleted_file_is_forgotten_as_a_whole(path: Path, clock: StillClock) -> None:
    daemon = written(path, clock)
    path.unlink()
    assert daemon.last(TITLE, KEY) is None


def test_a_disk_that_is_gone_is_no_wish_to_forget(path: Path, clock: StillClock) -> None:
    daemon = written(path, clock)
    path.parent.rename(path.parent.with_name("elsewhere"))
    assert daemon.last(TITLE, KEY) == 7


def test_forgetting_waits_for_who_writes_and_a_daemon_does_not_wait(path: Path, clock: StillClock) -> None:
    daemon = written(path, clock)
    daemon.note(TITLE, KEY, 8)
    lock = os.open(path.with_name("counters.json.lock"), os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    before = path.read_bytes()
    assert daemon.flush() == ""  # and comes back at once
    assert path.read_bytes() == before

    gone: list[set[str]] = []
    forgetting = Thread(target=lambda: gone.append(forget(path)))
    forgetting.start()
    forgetting.join(0.05)
    assert forgetting.is_alive()
    os.close(lock)
    forgetting.join(10)
    assert gone == [{TITLE}]
    clock.advance(60)
    assert not daemon.due() or daemon.flush() == ""
    assert daemon.last(TITLE, KEY) is None


def test_counting_writing_and_forgetting_at_once_lose_nothing(path: Path, clock: StillClock) -> None:
    """One thread counts as the event loop does, one writes, one has another meter forgotten over and over."""
    file = written(path, clock)
    together = Barrier(3)

    def count() -> list[int | None]:
        together.wait(10)
        seen = []
        for number in range(60):
            file.note(TITLE, KEY, 100 + number)
            file.note(OTHER, KEY, number)
            seen.append(file.last(TITLE, KEY))
        return seen

    def write() -> set[str]:
        together.wait(10)
        return {file.flush() for _ in range(60)}

    def have_forgotten() -> set[str]:
        together.wait(10)
        return set().union(*(forget(path, [OTHER]) for _ in range(60)))

    with ThreadPoolExecutor(3) as threads:
        counted, said, forgotten = threads.submit(count), threads.submit(write), threads.submit(have_forgotten)
        assert counted.result(30) == list(range(100, 160))
        assert said.result(30) == {""}
        assert forgotten.result(30) <= {OTHER}
    file.note(TITLE, KEY, 1000)
    assert file.flush() == ""
    assert opened(path, clock).last(TITLE, KEY) == 1000


# ── damage, bounds, a failing disk ───────────────────────────────────────────────────────────────

SOUND = b'{"4B464D104B79A973": {"1a2b3c4d": {"counter": 1, "seen": "2026-11-20T10:00:00Z"}}}'
DAMAGE = {
    "empty": b"",
    "half": SOUND[:50],
    "noise": bytes(range(256)),
    "another shape": b'{"counters": [1, 2]}',
    "a title in words": SOUND.replace(b"4B464D104B79A973", b"kitchen"),
    "a counter too large": SOUND.replace(b"1,", b"4294967296,"),
    "a time without zone": SOUND.replace(b"Z", b""),
    "nested": b"[" * 100_000,
}


def test_the_file_as_a_person_may_write_it(path: Path, clock: StillClock) -> None:
    path.write_bytes(SOUND)
    assert opened(path, clock).last(TITLE, KEY) == 1


@pytest.mark.parametrize("octets", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_file_is_set_aside_and_said(path: Path, clock: StillClock, octets: bytes) -> None:
    path.write_bytes(octets)
    file = CounterFile(path, clock)
    said = file.load()
    (aside,) = path.parent.glob("counters.json.damaged-*")
    assert aside.read_bytes() == octets
    assert aside.name in said
    assert str(path) in said
    file.note(TITLE, KEY, 1)
    assert file.flush() == ""
    assert opened(path, clock).last(TITLE, KEY) == 1


def test_each_damaged_file_has_a_name_of_its_own(path: Path, clock: StillClock) -> None:
    for number in range(3):
        path.write_bytes(b"damage %d" % number)
        CounterFile(path, clock).load()
    asides = {aside.read_bytes() for aside in path.parent.glob("counters.json.damaged-*")}
    assert asides == {b"damage 0", b"damage 1", b"damage 2"}


def test_damage_under_a_running_daemon_costs_no_counter(path: Path, clock: StillClock) -> None:
    daemon = written(path, clock, **{TITLE: 7, OTHER: 9})
    path.write_bytes(b"{")
    assert daemon.last(TITLE, KEY) == 7
    daemon.note(TITLE, KEY, 8)
    assert "set aside" in daemon.flush()
    again = opened(path, clock)
    assert (again.last(TITLE, KEY), again.last(OTHER, KEY)) == (8, 9)


def test_a_file_mended_by_hand_is_taken_up(path: Path, clock: StillClock) -> None:
    daemon = written(path, clock)
    sound = path.read_bytes()
    path.write_bytes(sound[:20])
    assert daemon.last(TITLE, KEY) == 7
    path.write_bytes(sound.replace(b": 7", b": 3"))
    assert daemon.last(TITLE, KEY) == 3


def test_a_file_that_is_far_too_large_is_set_aside(
    path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "MAX_OCTETS", 1000)
    path.write_bytes(b" " * 1001)
    assert "more than 1000 octets" in CounterFile(path, clock).load()


def test_forgetting_in_a_damaged_file_is_refused(path: Path) -> None:
    path.write_bytes(b"{")
    with pytest.raises(Damaged, match=r"counters\.json holds no invocation counters"):
        forget(path)
    assert path.read_bytes() == b"{"


def test_the_oldest_seen_make_room(path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MAX_METERS", 3)
    file = opened(path, clock)
    titles = [f"{number:016X}" for number in range(5)]
    for title in titles:
        clock.advance(1)
        file.note(title, KEY, 1)
        file.flush()
    file.note(titles[2], KEY, 2)
    assert [file.last(title, KEY) for title in titles] == [None, None, 2, 1, 1]
    assert len(read(path)) == 3
    clock.advance(1)
    file.note(TITLE, KEY, 1)
    assert [file.last(title, KEY) for title in titles] == [None, None, 2, None, 1]


def test_a_file_with_too_many_is_cut_to_the_newest(
    path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = opened(path, clock)
    for number in range(5):
        clock.advance(1)
        file.note(f"{number:016X}", KEY, 1)
    file.flush()
    monkeypatch.setattr(counters, "MAX_METERS", 2)
    again = opened(path, clock)
    assert [again.last(f"{number:016X}", KEY) for number in range(5)] == [None, None, None, 1, 1]


def full(file: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_said_once_and_costs_no_counter(
    path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = written(path, clock)
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        daemon.note(TITLE, KEY, 8)
        said = daemon.flush()
        assert "No space left on device" in said
        assert str(path) in said
        assert not daemon.due()  # a minute until the next attempt
        clock.advance(60)
        assert daemon.due()
        assert daemon.flush() == ""
        assert daemon.last(TITLE, KEY) == 8
        assert path.read_bytes() == before
    clock.advance(60)
    assert daemon.due()
    assert daemon.flush() == ""
    assert opened(path, clock).last(TITLE, KEY) == 8
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        daemon.note(TITLE, KEY, 9)
        assert "No space left" in daemon.flush()  # it worked in between: said again


def test_a_file_that_may_not_be_read_is_never_overwritten(
    path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(path, clock)
    before = path.read_bytes()

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(counters, "read", refused)  # not by mode: tests may run as root
        file = CounterFile(path, clock)
        assert "Permission denied" in file.load()
        file.note(OTHER, KEY, 1)
        assert file.flush() == ""  # said already
    assert path.read_bytes() == before
    assert file.flush() == ""
    assert {title for title, _ in read(path)} == {TITLE, OTHER}


def test_a_missing_directory_is_no_trouble_before_anything_is_to_be_written(tmp_path: Path, clock: StillClock) -> None:
    path = tmp_path / "not yet" / "counters.json"
    file = opened(path, clock)
    file.note(TITLE, KEY, 1)
    assert "No such file or directory" in file.flush()
    path.parent.mkdir()
    assert file.flush() == ""
    assert opened(path, clock).last(TITLE, KEY) == 1


def test_what_a_crash_left_half_written_is_no_obstacle(path: Path, clock: StillClock) -> None:
    path.with_name("counters.json.new").write_bytes(b'{"half' * 1000)
    written(path, clock)
    assert opened(path, clock).last(TITLE, KEY) == 7
    assert not path.with_name("counters.json.new").exists()


@pytest.mark.parametrize("after", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_file_or_the_new_one(
    path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    daemon = written(path, clock)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    daemon.note(TITLE, KEY, 8)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        if after == "fsync":
            patched.setattr(Path, "replace", crash)
        else:
            patched.setattr(counters, "_sync_directory", crash)
        daemon.flush()
    assert opened(path, clock).last(TITLE, KEY) == (7 if after == "fsync" else 8)


@given(octets=st.binary(max_size=200))
def test_any_octets_are_counters_or_damage(octets: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(octets)
    try:
        assert isinstance(read(path), dict)
    except Damaged as error:
        assert str(path) in str(error)


def test_a_named_pipe_in_the_place_of_the_file_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "counters.json"
    os.mkfifo(path)
    with pytest.raises(Damaged, match="no file"):
        read(path)
