"""The daemon, in this process: what of a mixed household goes where."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from datalogger.app import Daemon
from datalogger.clock import SystemClock
from datalogger.config.load import load_configuration
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.service.watchdog import Heartbeats
from tests.protocol.dlms.corpus import case

TELEGRAM = Path(__file__).parent / "data/p1/telegrams/nl-dsmr50_iskra-am550t_gas.txt"

CONFIGURATION = """
[source.house]
kind = "replay"
path = "house.p1"
speed = "max"

[source.field]
kind = "replay"
path = "field.bin"
framing = "hdlc"
speed = "max"

[sink.attic]  # a DSMR-reader that nobody is at home of
kind = "dsmr-v1"
url = "http://127.0.0.1:9"
key_file = "attic.key"

[sink.archive]
kind = "file"
path = "archive"
every = "1d"

[spool]
path = "spool.db"
durability = "memory"
[service]
listen = ""
"""


async def test_a_push_waits_for_no_dsmr_reader_and_is_not_set_aside(tmp_path: Path) -> None:
    (tmp_path / "house.p1").write_bytes(TELEGRAM.read_bytes())
    (tmp_path / "field.bin").write_bytes(case("no_aidon_list3_3ph_hourly").octets)
    (tmp_path / "attic.key").write_text("s3cr3t")
    (tmp_path / "attic.key").chmod(0o600)
    path = tmp_path / "datalogger.toml"
    path.write_text(CONFIGURATION)
    clock, metrics = SystemClock(), Metrics()
    seen: dict[str, Report] = {}
    both = asyncio.Event()

    def watch(report: Report) -> None:
        seen[report.source] = report
        if len(seen) == 2:
            both.set()

    daemon = Daemon(
        load_configuration(path), metrics=metrics, heartbeats=Heartbeats(clock), clock=clock, watchers=[watch]
    )
    with capture_logs() as said:
        await daemon.start()
        try:
            await asyncio.wait_for(both.wait(), 60)
            daemon.refresh()
            assert {source: report.protocol for source, report in seen.items()} == {"house": "p1", "field": "dlms"}
            assert metrics.get("datalogger_sink_depth", "attic") == 1  # the telegram; the push is not for it
        finally:
            await daemon.stop()
    assert [(line["source"], line["sink"]) for line in said if line["event"].startswith("not sent")] == [
        ("field", "attic")
    ]
    assert "field" in {path.name.partition("-")[0] for path in (tmp_path / "archive").iterdir()}
