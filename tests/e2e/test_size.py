"""What the daemon does not load."""

import subprocess
import sys
from pathlib import Path

CONFIGURATION = """\
[source.house]
kind = "tcp"
host = "127.0.0.1"
port = 9

[sink.attic]
kind = "dsmr-v1"
url = "http://127.0.0.1:9"
key = "KEY"

[spool]
path = "spool.db"
[service]
listen = ""
"""

SCRIPT = """\
import sys
from datalogger.cli import run
import datalogger.service
import datalogger.app

async def serve(*_, **__):
    pass

datalogger.app.serve = serve
try:
    run.run.main([sys.argv[1]], standalone_mode=False)
finally:
    print(*sys.modules)
"""


def test_the_daemon_never_loads_what_is_for_eyes_or_for_sources_and_sinks_it_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "datalogger.toml"
    path.write_text(CONFIGURATION)
    loaded = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert "datalogger.sinks.dsmr_v1" in loaded
    unwanted = {"rich", "serial", "datalogger.sinks.file", "datalogger.sources.serial_port"}
    assert not unwanted & set(loaded)
