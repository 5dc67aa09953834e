"""Wrong keys, and what SIGHUP does."""

from pathlib import Path

import pytest

from tests.e2e.harness import Cable, Process, distinct_telegrams, until
from tests.e2e.test_many_servers import send
from tests.peers.dsmr_reader import DsmrReader

pytestmark = pytest.mark.slow

FRAME = """\
[source.house]
kind = "serial"
port = "{port}"
{sinks}
[spool]
path = "spool.db"
min_free = "1MB"
[service]
listen = "127.0.0.1:0"
"""


def sink(name: str, server: DsmrReader, more: str = 'key_file = "key"') -> str:
    return f'[sink.{name}]\nkind = "dsmr-v1"\nurl = "{server.url}"\n{more}\n'


def write(folder: Path, cable: Cable, *sinks: str) -> Path:
    path = folder / "datalogger.toml"
    path.write_text(FRAME.format(port=cable.port, sinks="".join(sinks)))
    return path


def write_key(folder: Path, key: str) -> None:
    path = folder / "key"
    path.write_text(key)
    path.chmod(0o600)


async def test_a_wrong_key_is_loud_keeps_all_and_flows_after_the_mend(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(10)
    write_key(tmp_path, "not-the-secret-key")
    async with DsmrReader(key="the-secret-key") as server:
        async with Process(write(tmp_path, cable, sink("attic", server))) as daemon:
            await send(cable, telegrams)
            await until(
                lambda: daemon.metric("datalogger_sink_state", sink="attic", state="misconfigured") == 1, "it is paused"
            )
            await until(lambda: daemon.metric("datalogger_sink_depth", sink="attic") == 10, "all are kept")
            asked = len(server.requests)
            assert asked <= 2
            write_key(tmp_path, "the-secret-key")
            daemon.hang_up()
            await server.until_rows(10)
            assert "Invalid auth key" in daemon.text or "key" in daemon.text
            assert "secret-key" not in daemon.text
    assert [row.strip() for row in server.telegrams] == [telegram.strip() for telegram in telegrams]


async def test_a_reload_that_changes_nothing_touches_nothing(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(6)
    write_key(tmp_path, "KEY")
    async with DsmrReader() as server, Process(write(tmp_path, cable, sink("attic", server))) as daemon:
        await send(cable, telegrams[:3])
        await server.until_rows(3)
        daemon.hang_up()
        await until(lambda: "reloaded" in daemon.text, "the reload is done")
        await send(cable, telegrams[3:])
        await server.until_rows(6)
        assert daemon.metric("datalogger_source_reconnects_total") == 0
    assert [row.strip() for row in server.telegrams] == [telegram.strip() for telegram in telegrams]


async def test_a_reload_in_the_middle_of_the_flow_loses_and_doubles_nothing(tmp_path: Path, cable: Cable) -> None:
    """One sink is added, one removed, one changed, while telegrams come at fifty a second."""
    telegrams = distinct_telegrams(120)
    write_key(tmp_path, "KEY")
    async with DsmrReader() as stays, DsmrReader() as goes, DsmrReader() as comes, DsmrReader() as changes:
        before = write(tmp_path, cable, sink("stays", stays), sink("goes", goes), sink("changes", changes))
        async with Process(before) as daemon:
            await send(cable, telegrams[:60])
            write(
                tmp_path,
                cable,
                sink("stays", stays),
                sink("comes", comes),
                sink("changes", changes, 'key_file = "key"\ntimeout = "7s"'),
            )
            daemon.hang_up()
            await send(cable, telegrams[60:])
            await stays.until_rows(120)
            await changes.until_rows(120)
            await until(lambda: "reloaded" in daemon.text, "the reload is done")
            assert daemon.metric("datalogger_source_reconnects_total") == 0
            assert await daemon.stop() == 0
    sent = [telegram.strip() for telegram in telegrams]
    assert [row.strip() for row in stays.telegrams] == sent
    assert [row.strip() for row in changes.telegrams] == sent
    assert [row.strip() for row in goes.telegrams] == sent[: len(goes.telegrams)]
    assert [row.strip() for row in comes.telegrams] == sent[-len(comes.telegrams) :]
    assert len(comes.telegrams) >= 1


async def test_a_changed_address_keeps_the_backlog(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(20)
    write_key(tmp_path, "KEY")
    async with DsmrReader() as old, DsmrReader() as new:
        await old.refuse()
        async with Process(write(tmp_path, cable, sink("attic", old))) as daemon:
            await send(cable, telegrams)
            await until(lambda: daemon.metric("datalogger_sink_depth", sink="attic") == 20, "all wait")
            write(tmp_path, cable, sink("attic", new))
            daemon.hang_up()
            await new.until_rows(20)
    assert [row.strip() for row in new.telegrams] == [telegram.strip() for telegram in telegrams]


async def test_a_bad_file_is_refused_and_the_old_configuration_stays(tmp_path: Path, cable: Cable) -> None:
    telegrams = distinct_telegrams(6)
    write_key(tmp_path, "KEY")
    async with DsmrReader() as server, Process(write(tmp_path, cable, sink("attic", server))) as daemon:
        await send(cable, telegrams[:3])
        await server.until_rows(3)
        write(tmp_path, cable, sink("attic", server, 'key_file = "key"\ntimeot = "7s"'))
        daemon.hang_up()
        await until(lambda: "sink.attic.timeot" in daemon.text, "the mistake is named")
        await send(cable, telegrams[3:])
        await server.until_rows(6)
        assert daemon.running
        assert 'did you mean "timeout"' in daemon.text.replace('\\"', '"')


async def test_a_reload_beside_a_hanging_server_closes_a_changed_source_for_a_moment_only(
    tmp_path: Path, cable: Cable
) -> None:
    """The hanging sink has its five seconds to finish; the line is read all the while."""
    telegrams = distinct_telegrams(24)
    write_key(tmp_path, "KEY")
    async with DsmrReader() as attic, DsmrReader() as cloud:
        cloud.misbehave("hang")
        path = write(tmp_path, cable, sink("attic", attic), sink("cloud", cloud))
        async with Process(path) as daemon:
            await send(cable, telegrams[:4], interval=0.25)
            changed = path.read_text().replace('kind = "serial"', 'kind = "serial"\nsilence = "90s"')
            path.write_text(changed.replace(cloud.url, cloud.url + "/other"))
            daemon.hang_up()
            await send(cable, telegrams[4:], interval=0.25)
            await until(lambda: "configuration reloaded" in daemon.text, "the reload is done")
            await attic.until_rows(22)
