"""What the reference remote datalogger loses, and this one does not: each measured case, at the same pace or faster."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.harness import Cable, Process, distinct_telegrams, until
from tests.e2e.test_many_servers import configured, send
from tests.peers.dsmr_reader import DsmrReader

pytestmark = pytest.mark.slow


def stripped(telegrams: list[bytes]) -> list[bytes]:
    """The server strips white space at the end."""
    return [telegram.strip() for telegram in telegrams]


async def test_an_api_that_refuses_connections_loses_nothing(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(12)
    async with DsmrReader() as server:
        await server.refuse()
        async with Process(configured(tmp_path, cable, attic=server)):
            await send(cable, telegrams)
            await server.start()
            await server.until_rows(12)
    assert stripped(server.telegrams) == stripped(telegrams)


async def test_an_api_that_answers_500_for_a_while_loses_nothing(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(12)
    async with DsmrReader() as server:
        server.misbehave("answer", status=500, body="<h1>OperationalError: the database is down</h1>", times=3)
        async with Process(configured(tmp_path, cable, attic=server)):
            await send(cable, telegrams)
            await server.until_rows(12)
    assert stripped(server.telegrams) == stripped(telegrams)


async def test_an_api_slower_than_the_meter_gets_every_telegram(tmp_path: Path, cable: Cable) -> None:
    """1.5 s an answer at 1 telegram a second, ten times as fast."""
    telegrams = distinct_telegrams(12)
    async with DsmrReader() as server:
        server.misbehave("slow", seconds=0.15)
        async with Process(configured(tmp_path, cable, attic=server)):
            await send(cable, telegrams, interval=0.1)
            await server.until_rows(12)
    assert stripped(server.telegrams) == stripped(telegrams)


async def test_while_the_first_of_two_hosts_hangs_the_second_gets_every_telegram(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(19)
    async with DsmrReader() as first, DsmrReader() as second:
        first.misbehave("hang")
        async with Process(configured(tmp_path, cable, 'timeout = "4s"', first=first, second=second)):
            await send(cable, telegrams, interval=0.1)
            await second.until_rows(19, timeout=3)
            first.behave()
            await first.until_rows(19)
    assert stripped(second.telegrams) == stripped(telegrams)
    assert stripped(first.telegrams) == stripped(telegrams)


async def test_a_source_that_goes_away_and_comes_back_is_read_again(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(8)
    async with DsmrReader() as server, Process(configured(tmp_path, cable, attic=server)) as daemon:
        await send(cable, telegrams[:4])
        await server.until_rows(4)
        cable.pull_out()
        await until(lambda: daemon.metric("datalogger_source_up") == 0, "the daemon has seen it go")
        cable.plug_in()
        await until(lambda: daemon.metric("datalogger_source_up") == 1, "the daemon has seen it come")
        await send(cable, telegrams[4:])
        await server.until_rows(8)
        assert daemon.running
    assert stripped(server.telegrams) == stripped(telegrams)


async def test_a_source_that_is_not_there_at_start_does_not_stop_the_daemon(tmp_path: Path, cable: Cable) -> None:
    (telegram,) = distinct_telegrams(1)
    cable.pull_out()
    async with DsmrReader() as server:
        daemon = Process(configured(tmp_path, cable, attic=server))
        daemon.needs_source = False
        async with daemon:
            await until(lambda: "no such" in daemon.text.lower() or "cannot read" in daemon.text, "it says so")
            cable.plug_in()
            await until(lambda: daemon.metric("datalogger_source_up") == 1, "the port is open")
            await cable.send(telegram)
            await server.until_rows(1)


async def test_a_telegram_split_inside_its_check_sum_is_sent_whole(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(3)
    async with DsmrReader() as server, Process(configured(tmp_path, cable, attic=server)):
        for telegram, cut in zip(telegrams, (-5, -4, -2), strict=True):
            await cable.send(telegram[:cut])
            await asyncio.sleep(0.3)
            await cable.send(telegram[cut:])
        await server.until_rows(3)
    assert stripped(server.telegrams) == stripped(telegrams)
    assert server.rejected_telegrams == 0


async def test_a_damaged_telegram_costs_only_itself(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(3)
    async with DsmrReader() as server, Process(configured(tmp_path, cable, attic=server)) as daemon:
        await send(cable, [telegrams[0], telegrams[1].replace(b"kWh", b"kWx", 1), telegrams[1][:400], telegrams[2]])
        await server.until_rows(2)
        assert daemon.metric("datalogger_frames_rejected_total", reason="checksum") == 1
        assert daemon.metric("datalogger_frames_rejected_total", reason="truncated") == 1
    assert stripped(server.telegrams) == stripped([telegrams[0], telegrams[2]])
