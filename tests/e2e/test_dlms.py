"""Ciphered meters on a real port: wrong key, right key by reload, replay, restart, and what comes out far off."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from datalogger.cli import main
from datalogger.meters import counters
from datalogger.simulation.dlms import Pushes
from datalogger.simulation.meters import built_in
from datalogger.simulation.twin import Capture
from tests.e2e.harness import Cable, Process, until
from tests.peers.dsmr_reader import DsmrReader

pytestmark = pytest.mark.slow

WRONG = "00112233445566778899AABBCCDDEEFF"

REST = """\
{sinks}
[spool]
path = "spool.db"
min_free = "1MB"
[service]
listen = "127.0.0.1:0"
log_format = "json"
"""
ARCHIVE = '[sink.archive]\nkind = "file"\npath = "archive"\n'


def meter(name: str, start: datetime, counter: int | None = None) -> Iterator[bytes]:
    """The pushes of a built-in meter, one every five seconds of its own time."""
    model = built_in(name)
    capture = Capture(model.octets, model.keys, system_title=model.system_title)
    return iter(Pushes(capture, start=start, interval=timedelta(seconds=5), zone=ZoneInfo(model.zone), counter=counter))


def write_keys(folder: Path, key: bytes | str | None, auth_key: bytes | str | None = None) -> None:
    for name, text in (("meter.key", key), ("meter.auth", auth_key)):
        if text is not None:
            (folder / name).write_text(text if isinstance(text, str) else text.hex())
            (folder / name).chmod(0o600)


def write(folder: Path, source: str, sinks: str = ARCHIVE) -> Path:
    path = folder / "datalogger.toml"
    path.write_text(f"[source.house]\n{source}\n{REST.format(sinks=sinks)}")
    return path


def serial(cable: Cable, more: str) -> str:
    return f'kind = "serial"\nport = "{cable.port}"\n{more}'


def archived(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "archive").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def logged(daemon: Process, event: str, **fields: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in daemon.text.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event and fields.items() <= line.items()]


def counted(daemon: Process, reason: str) -> float:
    return daemon.metric("datalogger_frames_rejected_total", source="house", reason=reason)


async def test_wrong_key_right_key_by_reload_replay_and_restart(tmp_path: Path, cable: Cable) -> None:
    """An Austrian meter on M-Bus, in two segments, encryption only."""
    model = built_in("kaifa-at")
    assert model.keys.encryption is not None
    pushes = list(islice(meter("kaifa-at", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), counter=1000), 8))
    write_keys(tmp_path, WRONG)
    path = write(tmp_path, serial(cable, 'key_file = "meter.key"\nbaud_rate = 115200'))
    async with Process(path) as daemon:
        # A wrong key: nothing comes out, and it is said once.
        for push in pushes[:3]:
            await cable.send(push)
        await until(lambda: counted(daemon, "wrong_key") == 3, "three pushes were refused")
        (said,) = logged(daemon, "rejected", reason="wrong_key")
        assert "4B464D" in said["detail"] and "copy it again" in said["mend"]
        assert archived(tmp_path) == []

        # The right one, by reload.
        write_keys(tmp_path, model.keys.encryption)
        daemon.hang_up()
        await until(lambda: logged(daemon, "configuration reloaded"), "the reload is done")
        await until(lambda: daemon.metric("datalogger_source_up", source="house") == 1, "the port is open again")
        for push in pushes[3:5]:
            await cable.send(push)
        await until(lambda: len(archived(tmp_path)) == 2, "two reports are in the archive")

        # A replay, and one from before: refused.
        await cable.send(pushes[4])
        await cable.send(pushes[0])
        await until(lambda: counted(daemon, "replay") == 2, "both replays were refused")
        assert await daemon.stop() == 0
        assert json.loads(counters.beside(tmp_path / "spool.db").read_text())

        # And after a restart they still are; what is new is not.
        await daemon.start()
        await cable.send(pushes[4])
        await until(lambda: counted(daemon, "replay") == 1, "the replay was refused after the restart")
        await cable.send(pushes[5])
        await until(lambda: len(archived(tmp_path)) == 3, "the new one came through")
        for key in (WRONG, model.keys.encryption.hex()):
            assert key.lower() not in daemon.text.lower()

    reports = archived(tmp_path)
    assert [report["security"]["invocation_counter"] for report in reports] == [1003, 1004, 1005]
    assert {report["security"]["tag"] for report in reports} == {"absent"}
    assert {report["profile"] for report in reports} == {"at-noe"}
    times = [datetime.fromisoformat(report["meter_time"]) for report in reports]
    assert times == [datetime(2026, 3, 29, 0, 30, tzinfo=UTC) + timedelta(seconds=5 * n) for n in (3, 4, 5)]
    (energy,) = {one["unit"] for report in reports for one in report["records"] if one.get("obis") == "1-0:1.8.0*255"}
    assert energy == "Wh"


async def test_a_forgotten_meter_may_begin_to_count_anew_beside_the_running_daemon(
    tmp_path: Path, cable: Cable
) -> None:
    model = built_in("kaifa-at")
    assert model.keys.encryption is not None
    write_keys(tmp_path, model.keys.encryption)
    path = write(tmp_path, serial(cable, 'key_file = "meter.key"\nbaud_rate = 115200'))
    before = meter("kaifa-at", datetime(2026, 11, 20, 12, tzinfo=UTC), counter=5000)
    after = meter("kaifa-at", datetime(2026, 11, 20, 13, tzinfo=UTC), counter=1)
    async with Process(path) as daemon:
        await cable.send(next(before))
        await until(lambda: len(archived(tmp_path)) == 1, "it is read")
        assert await daemon.stop() == 0
        await daemon.start()
        await cable.send(next(after))
        await until(lambda: counted(daemon, "replay") == 1, "a counter that fell is refused")
        (said,) = logged(daemon, "rejected", reason="replay")
        assert "datalogger meter forget" in said["detail"]
        forgotten = CliRunner().invoke(main, ["meter", "forget", "-c", str(path), "--all"])
        assert forgotten.exit_code == 0, forgotten.output
        await cable.send(next(after))
        await until(lambda: len(archived(tmp_path)) == 2, "it is read again")


async def test_a_ciphered_telegram_reaches_the_dsmr_reader_as_the_meter_wrote_it(tmp_path: Path, cable: Cable) -> None:
    """Luxembourg: a P1 telegram in a cipher block, with both keys."""
    model = built_in("lu-smarty")
    pushes = list(islice(meter("lu-smarty", datetime(2026, 11, 20, 12, tzinfo=UTC)), 3))
    telegrams = [Capture(push, model.keys).messages[0].text for push in pushes]
    assert all(telegram.startswith(b"/") for telegram in telegrams)
    write_keys(tmp_path, model.keys.encryption, model.keys.authentication)
    source = serial(cable, 'key_file = "meter.key"\nauth_key_file = "meter.auth"\nzone = "Europe/Luxembourg"')
    async with DsmrReader(key="the-secret-key") as server:
        server.luxembourg = True
        (tmp_path / "key").write_text("the-secret-key")
        sink = f'[sink.attic]\nkind = "dsmr-v1"\nurl = "{server.url}"\nkey_file = "key"\n'
        async with Process(write(tmp_path, source, sink + ARCHIVE)) as daemon:
            for push in pushes:
                await cable.send(push)
            await server.until_rows(3)
            await until(lambda: len(archived(tmp_path)) == 3, "all are in the archive")
            damaged = bytearray(pushes[0])
            damaged[60] ^= 1
            await cable.send(bytes(damaged))
            await until(lambda: counted(daemon, "tag") == 1, "a changed one is refused")
    assert [row.strip() for row in server.telegrams] == [telegram.strip() for telegram in telegrams]
    reports = archived(tmp_path)
    assert {report["protocol"] for report in reports} == {"p1"}
    assert {report["security"]["tag"] for report in reports} == {"verified"}


async def test_meters_that_connect_and_push_are_read_each_on_its_own(tmp_path: Path) -> None:
    """DLMS wrapper over TCP: two meters at a time, and one that speaks something else."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    model = built_in("wrapper-enc")
    write_keys(tmp_path, model.keys.encryption, model.keys.authentication)
    source = (
        f'kind = "tcp-listen"\nlisten = "127.0.0.1:{port}"\nallow = ["127.0.0.0/8"]\n'
        'key_file = "meter.key"\nauth_key_file = "meter.auth"'
    )
    pushes = list(islice(meter("wrapper-enc", datetime(2026, 11, 20, 12, tzinfo=UTC)), 4))
    async with Process(write(tmp_path, source)) as daemon:
        address = ("127.0.0.1", port)
        with socket.create_connection(address) as first, socket.create_connection(address) as second:
            first.sendall(pushes[0][:40])
            second.sendall(pushes[1])
            await until(lambda: len(archived(tmp_path)) == 1, "the whole one is read")
        with socket.create_connection(address) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with socket.create_connection(address) as first:
            first.sendall(pushes[2] + pushes[3])
        await until(lambda: len(archived(tmp_path)) == 3, "two more are read")
        await until(lambda: counted(daemon, "truncated") == 1, "what the first left unfinished is counted")
        await until(lambda: counted(daemon, "noise") == 1, "and the stranger")


async def test_a_profile_of_one_s_own_that_was_changed_is_taken_up_by_a_reload(tmp_path: Path, cable: Cable) -> None:
    model = built_in("kaifa-at")
    write_keys(tmp_path, model.keys.encryption)
    own = tmp_path / "mine" / "at-noe.toml"
    own.parent.mkdir()
    text = (resources.files("datalogger.meters") / "profiles" / "at-noe.toml").read_text("utf-8")
    own.write_text(text.replace("0-0:96.1.0", "0-0:96.1.8"))
    path = write(tmp_path, serial(cable, 'key_file = "meter.key"\nbaud_rate = 115200'))
    path.write_text(path.read_text() + '[meters]\nprofiles = "mine"\n')
    pushes = meter("kaifa-at", datetime(2026, 11, 20, 12, tzinfo=UTC))
    async with Process(path) as daemon:
        await cable.send(next(pushes))
        await until(lambda: len(archived(tmp_path)) == 1, "it is read with the first")
        own.write_text(text.replace("0-0:96.1.0", "0-0:96.1.9"))
        daemon.hang_up()
        await until(lambda: logged(daemon, "configuration reloaded", sources="house"), "the reload is done")
        await until(lambda: daemon.metric("datalogger_source_up", source="house") == 1, "the port is open again")
        await cable.send(next(pushes))
        await until(lambda: len(archived(tmp_path)) == 2, "it is read with the second")
        daemon.hang_up()
        await until(lambda: logged(daemon, "configuration reloaded", sources="unchanged"), "nothing has changed now")
    last = [report["records"][-1]["obis"] for report in archived(tmp_path)]
    assert last == ["0-0:96.1.8*255", "0-0:96.1.9*255"]
