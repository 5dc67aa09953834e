import asyncio
import errno
import gzip
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from datalogger.encoding.report_json import encode_report
from datalogger.errors import ReportsRejected, SinkMisconfigured, SinkUnavailable
from datalogger.model import Delivery, Report
from datalogger.sinks.archive import Tidying
from datalogger.sinks.file import FileSink, FileSinkConfig
from datalogger.words import ByteSize, Duration
from tests.sinks.telegrams import FixedClock, telegram

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)  # the same day in every zone but two


def reports(count: int = 1, *, source: str = "house", days: float = 0, frame: bytes | None = None) -> list[Delivery]:
    return [
        Delivery(
            sequence=number,
            report=Report(
                protocol="p1",
                source=source,
                meter=f"E{number:04}",
                received_at=NOON + timedelta(days=days, seconds=number),
                frame=telegram() if frame is None else frame,
            ),
        )
        for number in range(1, count + 1)
    ]


def sink_for(path: Path, **options: Any) -> FileSink:
    return FileSink("archive", FileSinkConfig(kind="file", path=path, **options), FixedClock())


async def deliver(sink: FileSink, *batches: Sequence[Delivery]) -> None:
    """Open, deliver, let the tidying end, close."""
    await sink.open()
    try:
        for batch in batches:
            await sink.deliver(batch)
            await tidied(sink)
    finally:
        await sink.close()


async def tidied(sink: FileSink) -> None:
    if sink._tidying is not None:
        await asyncio.to_thread(sink._tidying.join, 60)


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def lines(path: Path) -> list[bytes]:
    octets = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert octets.endswith(b"\n")
    return octets.splitlines()


async def test_reports_are_json_lines_one_file_per_source_and_day(tmp_path: Path) -> None:
    today, tomorrow, other = reports(2), reports(1, days=1), reports(1, source="dongle")
    await deliver(sink_for(tmp_path / "deep" / "archive"), [*today, *other, *tomorrow])
    archive = tmp_path / "deep" / "archive"
    assert names(archive) == ["dongle-2026-11-20.jsonl", "house-2026-11-20.jsonl", "house-2026-11-21.jsonl"]
    assert lines(archive / "house-2026-11-20.jsonl") == [encode_report(delivery.report) for delivery in today]
    assert [json.loads(line)["source"] for line in lines(archive / "dongle-2026-11-20.jsonl")] == ["dongle"]


async def test_telegrams_are_written_octet_for_octet(tmp_path: Path) -> None:
    frames = [telegram(text=bytes(range(0x80, 0x100))), telegram(None), b"/XMX5\r\n\r\n1-0:1.8.1(1*kWh)\r\n!"]
    await deliver(sink_for(tmp_path, format="telegram"), [reports(frame=frame)[0] for frame in frames])
    # The last one has no line end; it gets one, or the next telegram would not begin a line.
    assert (tmp_path / "house-2026-11-20.p1").read_bytes() == b"".join(frames) + b"\r\n"


async def test_a_report_without_telegram_is_set_aside_and_the_others_are_written(tmp_path: Path) -> None:
    batch = [*reports(1), *reports(1, frame=b""), *reports(1)]
    with pytest.raises(ReportsRejected) as caught:
        await deliver(sink_for(tmp_path, format="telegram"), batch)
    assert list(caught.value.rejected) == [1]
    assert (tmp_path / "house-2026-11-20.p1").read_bytes() == telegram() * 2


async def test_what_is_there_is_appended_to(tmp_path: Path) -> None:
    await deliver(sink_for(tmp_path), reports(1), reports(1))
    await deliver(sink_for(tmp_path), reports(1))
    assert len(lines(tmp_path / "house-2026-11-20.jsonl")) == 3


async def test_one_file_for_ever_where_nothing_rotates(tmp_path: Path) -> None:
    await deliver(sink_for(tmp_path, rotate="never"), reports(1), reports(1, days=40))
    assert names(tmp_path) == ["house.jsonl"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_no_file_grows_beyond_its_bound_and_no_line_is_cut(tmp_path: Path, at_once: bool) -> None:
    size = len(encode_report(reports()[0].report)) + 1
    batches = [reports(7)] if at_once else [[delivery] for delivery in reports(7)]
    await deliver(sink_for(tmp_path, max_bytes=ByteSize(size * 3 + 1)), *batches)
    assert names(tmp_path) == ["house-2026-11-20.2.jsonl", "house-2026-11-20.3.jsonl", "house-2026-11-20.jsonl"]
    files = [tmp_path / f"house-2026-11-20{number}.jsonl" for number in ("", ".2", ".3")]
    assert [len(lines(file)) for file in files] == [3, 3, 1]
    assert [json.loads(line)["meter"] for file in files for line in lines(file)] == [f"E{n:04}" for n in range(1, 8)]


async def test_a_report_larger_than_the_bound_has_its_own_file(tmp_path: Path) -> None:
    await deliver(sink_for(tmp_path, max_bytes=ByteSize(10)), reports(3))
    assert [len(lines(file)) for file in tmp_path.iterdir()] == [1, 1, 1]


@pytest.mark.parametrize("source", ["../up", "a/b", ".hidden", "", "zäh*ler?", "house.2"])
async def test_a_source_may_be_called_anything(tmp_path: Path, source: str) -> None:
    await deliver(sink_for(tmp_path, gzip=True), reports(source=source), reports(source=source, days=1))
    assert len(names(tmp_path)) == 2
    assert all(not name.startswith(".") for name in names(tmp_path))
    assert sum(name.endswith(".gz") for name in names(tmp_path)) == 1


# -- after a crash ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 20, 100])
async def test_a_report_cut_short_by_a_crash_is_cut_off(tmp_path: Path, cut: int) -> None:
    whole = encode_report(reports()[0].report)
    file = tmp_path / "house-2026-11-20.jsonl"
    file.write_bytes(whole + b"\n" + whole[:cut])
    await deliver(sink_for(tmp_path), reports())
    assert lines(file) == [whole, whole]


async def test_a_file_that_is_nothing_but_a_torn_line_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "house-2026-11-20.jsonl"
    file.write_bytes(b"\0" * 4096)  # what a power cut leaves of a page that was never written
    await deliver(sink_for(tmp_path), reports())
    assert lines(file) == [encode_report(reports()[0].report)]


async def test_a_whole_report_without_line_end_is_completed(tmp_path: Path) -> None:
    whole = encode_report(reports()[0].report)
    file = tmp_path / "house-2026-11-20.jsonl"
    file.write_bytes(whole)
    await deliver(sink_for(tmp_path), reports())
    assert lines(file) == [whole, whole]


async def test_a_torn_telegram_is_ended_so_that_the_next_begins_a_line(tmp_path: Path) -> None:
    file = tmp_path / "house-2026-11-20.p1"
    file.write_bytes(telegram()[:100])
    await deliver(sink_for(tmp_path, format="telegram"), reports())
    assert file.read_bytes() == telegram()[:100] + b"\r\n" + telegram()


# -- older files --------------------------------------------------------------------------------------


async def test_a_day_that_is_over_is_packed(tmp_path: Path) -> None:
    await deliver(sink_for(tmp_path, gzip=True), reports(3), reports(1, days=1))
    assert names(tmp_path) == ["house-2026-11-20.jsonl.gz", "house-2026-11-21.jsonl"]
    packed = lines(tmp_path / "house-2026-11-20.jsonl.gz")
    assert packed == [encode_report(delivery.report) for delivery in reports(3)]


async def test_a_report_that_comes_late_has_a_file_of_its_own(tmp_path: Path) -> None:
    await deliver(sink_for(tmp_path, gzip=True), reports(1), reports(1, days=1), reports(1), reports(1, days=1))
    assert names(tmp_path) == ["house-2026-11-20.2.jsonl", "house-2026-11-20.jsonl.gz", "house-2026-11-21.jsonl"]
    assert len(lines(tmp_path / "house-2026-11-21.jsonl")) == 2


async def test_a_late_report_is_not_written_into_a_file_that_is_being_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = sink_for(tmp_path, gzip=True)
    await sink.open()
    await sink.deliver(reports(1))
    may_end = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(Tidying, "run", lambda *_: asyncio.run_coroutine_threadsafe(_waiting(may_end), loop).result(30))
    await sink.deliver(reports(1, days=1))
    await sink.deliver(reports(1))
    assert names(tmp_path) == ["house-2026-11-20.2.jsonl", "house-2026-11-20.jsonl", "house-2026-11-21.jsonl"]
    may_end.set_result(None)
    await tidied(sink)
    await sink.close()


async def _waiting(future: "asyncio.Future[None]") -> None:
    await future


async def test_packing_that_a_crash_interrupted_is_done_again(tmp_path: Path) -> None:
    whole = encode_report(reports()[0].report) + b"\n"
    (tmp_path / "house-2026-11-18.jsonl").write_bytes(whole)  # cut off before the rename
    (tmp_path / "house-2026-11-18.jsonl.gz.part").write_bytes(b"half")
    (tmp_path / "house-2026-11-19.jsonl").write_bytes(whole)  # cut off between rename and removal
    (tmp_path / "house-2026-11-19.jsonl.gz").write_bytes(gzip.compress(whole))
    await deliver(sink_for(tmp_path, gzip=True), reports())
    assert names(tmp_path) == ["house-2026-11-18.jsonl.gz", "house-2026-11-19.jsonl.gz", "house-2026-11-20.jsonl"]
    assert lines(tmp_path / "house-2026-11-18.jsonl.gz") == [whole.rstrip()]


async def test_after_a_restart_older_files_are_packed_and_the_one_at_hand_is_not(tmp_path: Path) -> None:
    await deliver(sink_for(tmp_path), reports(1), reports(1, days=1), reports(1, days=2))
    await deliver(sink_for(tmp_path, gzip=True), reports(1, days=1))  # not the newest: it comes late
    assert names(tmp_path) == ["house-2026-11-20.jsonl.gz", "house-2026-11-21.jsonl", "house-2026-11-22.jsonl"]
    assert len(lines(tmp_path / "house-2026-11-21.jsonl")) == 2


async def test_after_a_restart_a_packed_day_is_continued_in_another_file(tmp_path: Path) -> None:
    await deliver(sink_for(tmp_path, gzip=True), reports(1), reports(1, days=1))
    await deliver(sink_for(tmp_path, gzip=True), reports(1))
    assert names(tmp_path) == ["house-2026-11-20.2.jsonl", "house-2026-11-20.jsonl.gz", "house-2026-11-21.jsonl"]


async def test_only_so_many_older_files_are_kept_and_strangers_stay(tmp_path: Path) -> None:
    strangers = ["household.jsonl", "house-notes.jsonl", "house-2026-11-20.txt", "dongle-2020-01-01.jsonl"]
    for stranger in strangers:
        (tmp_path / stranger).write_text("mine\n")
    await deliver(sink_for(tmp_path, keep=2, gzip=True), *[reports(days=day) for day in range(5)])
    assert names(tmp_path) == sorted(
        ["house-2026-11-22.jsonl.gz", "house-2026-11-23.jsonl.gz", "house-2026-11-24.jsonl", *strangers]
    )


async def test_closing_ends_a_packing_under_way(tmp_path: Path) -> None:
    large = tmp_path / "house-2026-11-01.jsonl"
    large.write_bytes(os.urandom(50_000_000))  # seconds of work
    sink = sink_for(tmp_path, gzip=True)
    await sink.open()
    await sink.deliver(reports())
    await sink.close()
    await tidied(sink)
    assert large.stat().st_size == 50_000_000
    assert not large.with_name(large.name + ".gz").exists()


# -- bad days -----------------------------------------------------------------------------------------


async def test_a_full_disk_names_the_file_and_the_mend(tmp_path: Path) -> None:
    (tmp_path / "house-2026-11-20.jsonl").symlink_to("/dev/full")
    with pytest.raises(SinkUnavailable, match=r"house-2026-11-20\.jsonl: No space left on device: make room"):
        await deliver(sink_for(tmp_path), reports())


async def test_a_batch_that_fits_only_in_part_is_taken_back_from_every_file(tmp_path: Path) -> None:
    sink = sink_for(tmp_path)
    await deliver(sink, reports(2), reports(2, source="attic"))
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    largest = len(before["house-2026-11-20.jsonl"])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 500, limits[1]))  # a write ends in the middle of a line
    try:
        with pytest.raises(SinkUnavailable, match="house"):
            await deliver(sink, [*reports(1, source="attic"), *reports(40)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    await deliver(sink, [*reports(1, source="attic"), *reports(40)])
    assert len(lines(tmp_path / "house-2026-11-20.jsonl")) == 42


async def test_fsync_is_asked_for_before_a_batch_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def fsync(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))

    monkeypatch.setattr(os, "fsync", fsync)
    await deliver(sink_for(tmp_path, fsync=True), reports())
    assert synced == [str(tmp_path / "house-2026-11-20.jsonl"), str(tmp_path)]
    await deliver(sink_for(tmp_path, fsync=False), reports())
    assert len(synced) == 2


async def test_what_could_not_be_synced_is_taken_back_and_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    sink = sink_for(tmp_path, fsync=True)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fails)
        with pytest.raises(SinkUnavailable, match="Input/output error"):
            await deliver(sink, reports())
    assert (tmp_path / "house-2026-11-20.jsonl").read_bytes() == b""
    await deliver(sink, reports())
    assert len(lines(tmp_path / "house-2026-11-20.jsonl")) == 1


async def test_a_path_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file\n")
    (tmp_path / "circle").symlink_to("circle")
    for path, why in (
        (tmp_path / "archive", "is no directory"),
        (tmp_path / "archive" / "below", "leads through what is no directory"),
        (tmp_path / ("x" * 300), "is too long a name"),
        (tmp_path / "circle" / "below", "leads through a link in a circle"),
    ):
        with pytest.raises(SinkMisconfigured, match=f"{path} {why}: path must name a directory"):
            await deliver(sink_for(path), reports())


async def test_a_directory_where_a_file_belongs_is_told(tmp_path: Path) -> None:
    (tmp_path / "house-2026-11-20.jsonl").mkdir()
    with pytest.raises(SinkMisconfigured, match=r"house-2026-11-20\.jsonl is a directory: move it away"):
        await deliver(sink_for(tmp_path), reports())


async def test_a_directory_that_may_not_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, who may run this test, may write anywhere
    with pytest.raises(SinkMisconfigured, match="Permission denied: let the user"):
        await deliver(sink_for(tmp_path), reports())


async def test_a_directory_that_vanished_is_made_again_on_the_next_attempt(tmp_path: Path) -> None:
    sink = sink_for(tmp_path / "archive")
    await sink.open()
    await sink.deliver(reports())
    (tmp_path / "archive" / "house-2026-11-20.jsonl").unlink()
    (tmp_path / "archive").rmdir()
    assert not await sink.reachable()
    with pytest.raises(SinkUnavailable, match="No such file or directory"):
        await sink.deliver(reports())
    await deliver(sink, reports())
    assert len(lines(tmp_path / "archive" / "house-2026-11-20.jsonl")) == 1


async def test_closing_twice_or_unopened_is_safe(tmp_path: Path) -> None:
    sink = sink_for(tmp_path)
    await sink.close()
    await sink.close()


# -- a disk that blocks -------------------------------------------------------------------------------


class StuckDisk:
    """Writes to files in one directory wait until it is released, as on a network file system whose server is gone."""

    def __init__(self, directory: Path) -> None:
        self.attempts = 0
        self._directory = str(directory)
        self._free = threading.Event()
        self._write = os.write

    def write(self, file: int, octets: bytes) -> int:
        if str(Path(f"/proc/self/fd/{file}").readlink()).startswith(self._directory):
            self.attempts += 1
            self._free.wait(60)
        return self._write(file, octets)

    def release(self) -> None:
        self._free.set()


@pytest.fixture
def stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StuckDisk]:
    disk = StuckDisk(tmp_path)
    monkeypatch.setattr(os, "write", disk.write)
    yield disk
    disk.release()


async def idle(sink: FileSink) -> None:
    assert sink._disk._last is not None
    await asyncio.wait_for(sink._disk._last, 30)


async def test_while_a_write_is_stuck_everybody_else_goes_on_and_no_other_is_begun(
    tmp_path: Path, stuck: StuckDisk
) -> None:
    sink = sink_for(tmp_path, timeout=Duration(0.2))
    await sink.open()
    for _ in range(3):  # the first finds out, after its time; the others know
        with pytest.raises(SinkUnavailable, match=f"{tmp_path} does not take a write for [0-9]+ s: is the disk"):
            await sink.deliver(reports())
        await sink.close()
        with pytest.raises(SinkUnavailable, match="does not take a write"):
            await sink.open()
    assert not await sink.reachable()
    assert stuck.attempts == 1


async def test_a_batch_that_was_given_up_is_taken_back_when_its_write_ends_after_all(
    tmp_path: Path, stuck: StuckDisk
) -> None:
    file = tmp_path / "house-2026-11-20.jsonl"
    file.write_bytes(b"{}\n")
    sink = sink_for(tmp_path, timeout=Duration(0.1))
    await sink.open()
    with pytest.raises(SinkUnavailable):
        await sink.deliver(reports(3))
    await sink.close()
    stuck.release()
    await idle(sink)
    assert file.read_bytes() == b"{}\n"
    await deliver(sink, reports(3))
    assert lines(file) == [b"{}", *(encode_report(delivery.report) for delivery in reports(3))]


async def test_a_batch_that_was_given_up_in_the_moment_it_was_written_is_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "house-2026-11-20.jsonl"
    sink = sink_for(tmp_path)
    await sink.open()
    delivering = asyncio.create_task(sink.deliver(reports()))
    await asyncio.sleep(0)  # it begins
    while not (file.exists() and file.stat().st_size):
        os.sched_yield()  # the loop stands still: that it is written is not known there
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    await idle(sink)
    assert file.read_bytes() == b""
    await sink.close()


async def test_what_another_sink_wrote_behind_a_stuck_write_is_not_taken_back_with_it(
    tmp_path: Path, stuck: StuckDisk
) -> None:
    old = sink_for(tmp_path, timeout=Duration(0.1))
    await old.open()
    with pytest.raises(SinkUnavailable):
        await old.deliver(reports(1))
    taken = encode_report(reports(2)[1].report)
    with (tmp_path / "house-2026-11-20.jsonl").open("ab") as file:  # a reload gave the archive another sink
        file.write(taken + b"\n")
    stuck.release()
    await idle(old)
    await old.close()
    assert taken in lines(tmp_path / "house-2026-11-20.jsonl")


@pytest.mark.slow
def test_a_write_that_is_stuck_does_not_hold_up_the_end_of_the_process(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "house.p1")
    code = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from datalogger.words import Duration\n"
        "from tests.sinks.test_file import deliver, reports, sink_for\n"
        "path = Path(sys.argv[1])\n"
        "nobody_reads = os.open(path / 'house.p1', os.O_RDWR)\n"
        "sink = sink_for(path, format='telegram', rotate='never', timeout=Duration(0.5))\n"
        "asyncio.run(deliver(sink, reports(50, frame=bytes(4096))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert f"{tmp_path} does not take a write" in done.stderr
