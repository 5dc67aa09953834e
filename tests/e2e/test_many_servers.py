"""One meter, several DSMR-reader servers, the real process in between."""

import asyncio
from pathlib import Path

import pytest

from datalogger.spool.inspection import Inspection
from tests.e2e.harness import Cable, Process, distinct_telegrams, until
from tests.peers.dsmr_reader import DsmrReader

pytestmark = pytest.mark.slow


def configured(folder: Path, cable: Cable, more: str = "", **servers: DsmrReader) -> Path:
    """A configuration file with one `dsmr-v1` sink for each of `servers`; `more` is put into each."""
    sinks = "".join(
        f'[sink.{name}]\nkind = "dsmr-v1"\nurl = "{server.url}"\nkey = "KEY"\n{more}\n'
        for name, server in servers.items()
    )
    path = folder / "datalogger.toml"
    path.write_text(
        f'[source.house]\nkind = "serial"\nport = "{cable.port}"\n{sinks}\n'
        f'[spool]\npath = "spool.db"\nmin_free = "1MB"\n[service]\nlisten = "127.0.0.1:0"\n'
    )
    return path


async def send(cable: Cable, telegrams: list[bytes], *, interval: float = 0.02) -> None:
    for telegram in telegrams:
        await cable.send(telegram)
        await asyncio.sleep(interval)


async def until_on_disk(folder: Path, reports: int) -> None:
    """Wait until so many are in the spool's file for the cloud."""

    def written() -> bool:
        with Inspection(folder / "spool.db") as spool:
            return any(sink.name == "cloud" and sink.depth == reports for sink in spool.status().sinks)

    await until(written, f"{reports} reports are on disk")


async def test_every_server_gets_every_telegram_byte_for_byte(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(40)
    async with DsmrReader() as attic, DsmrReader() as cloud:
        async with Process(configured(tmp_path, cable, attic=attic, cloud=cloud)) as daemon:
            await send(cable, telegrams)
            await attic.until_rows(40)
            await cloud.until_rows(40)
            assert await daemon.stop() == 0
        assert [row.strip() for row in attic.telegrams] == [telegram.strip() for telegram in telegrams]
        assert attic.telegrams == cloud.telegrams


async def test_a_server_down_for_300_telegrams_gets_them_all_afterwards_and_in_order(
    tmp_path: Path, cable: Cable
) -> None:
    telegrams = distinct_telegrams(320)
    async with DsmrReader() as attic, DsmrReader() as cloud:
        async with Process(configured(tmp_path, cable, attic=attic, cloud=cloud)) as daemon:
            await send(cable, telegrams[:10])
            await cloud.until_rows(10)
            await cloud.refuse()
            await send(cable, telegrams[10:310], interval=0.01)
            await attic.until_rows(310)
            await until(lambda: daemon.metric("datalogger_sink_depth", sink="cloud") == 300, "300 wait for the cloud")
            await cloud.start()
            await send(cable, telegrams[310:])
            await cloud.until_rows(320, timeout=90)
            await attic.until_rows(320)
        assert [row.strip() for row in cloud.telegrams] == [telegram.strip() for telegram in telegrams]
        assert [row.strip() for row in attic.telegrams] == [telegram.strip() for telegram in telegrams]


async def test_kill_9_costs_none_of_the_durable(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(200)
    async with DsmrReader() as attic, DsmrReader() as cloud:
        await cloud.refuse()
        async with Process(configured(tmp_path, cable, attic=attic, cloud=cloud)) as daemon:
            for begin in range(0, 200, 50):
                await send(cable, telegrams[begin : begin + 50], interval=0.01)
                await attic.until_rows(begin + 50)
                await until_on_disk(tmp_path, begin + 50)
                daemon.kill()
                await daemon.start()
            await cloud.start()
            await cloud.until_rows(200, timeout=90)
        assert [row.strip() for row in cloud.telegrams] == [telegram.strip() for telegram in telegrams]
        assert [row.strip() for row in attic.telegrams] == [telegram.strip() for telegram in telegrams]


async def test_kill_9_in_the_middle_of_a_backlog_sends_nothing_twice(tmp_path: Path, cable: Cable) -> None:
    """The server is asked, after an unclean end, whether it has what may have been sent."""
    telegrams = distinct_telegrams(300)
    async with DsmrReader() as cloud:
        await cloud.refuse()
        async with Process(configured(tmp_path, cable, cloud=cloud)) as daemon:
            await send(cable, telegrams, interval=0.005)
            await until_on_disk(tmp_path, 300)
            await cloud.start()
            await cloud.until_rows(60)
            daemon.kill()
            await daemon.start()
            await until(lambda: daemon.metric("datalogger_sink_depth", sink="cloud") == 0, "the backlog is delivered")
        assert [row.strip() for row in cloud.telegrams] == [telegram.strip() for telegram in telegrams]
