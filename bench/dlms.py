"""DLMS: from the octets of a push to its records, beside gurux-dlms, amshan and dlms-cosem; and the framers.

Both sides get the same pushes, of a simulated meter, in turns, round by round; what the peer finds in the last
must be what we find. Peers run in a process and a virtual environment of their own. dlms-cosem is no open
source: it is measured here, and used nowhere.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from math import isclose
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bench import p1
from bench.figures import Figure, show
from bench.peers import ROUNDS, Peer, in_turns
from datalogger.meters.decoder import MeterDecoder
from datalogger.meters.meaning import Reading
from datalogger.meters.profiles import load
from datalogger.model import Report
from datalogger.protocol.detect import AutoFramer
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.security import MemoryCounters, Security
from datalogger.protocol.framing import Frame, Framer
from datalogger.protocol.hdlc.framer import HdlcFramer
from datalogger.protocol.mbus.framer import MbusFramer
from datalogger.protocol.p1.framer import P1Framer
from datalogger.simulation.dlms import Pushes
from datalogger.simulation.twin import Capture
from tests.protocol.dlms.corpus import Case, case

PEER_VENV = ".venv-peer-dlms"  # dlms-cosem wants other versions than dsmr_parser does
GURUX, AMSHAN, DLMS_COSEM = "gurux-dlms==1.0.203", "amshan==2.1.1", "dlms-cosem==25.1.0"
VARIANTS = 100
OUR_PASSES = 8  # of our pushes to one of the peer's: rounds of about the same length
CHUNK = 64  # octets that a framer is given at once
ZONE = ZoneInfo("Europe/Oslo")
AIDON, SEED, KAMSTRUP = "no_aidon_list3_3ph_hourly", "seed_e570_gbt_plain", "dk_kamstrup_omnipower_enc_auth_testkey"

PLAIN = """
import sys
from bench.dlms import AIDON, Meter
Meter(AIDON).read_all()
print("cryptography" in sys.modules)
"""


class Row(NamedTuple):
    """One comparison: `script` runs `peer` over the pushes of `meter`."""

    what: str
    meter: str
    peer: str
    script: str
    least: float
    wanted: str


ROWS = (
    Row("frame to records, Aidon", AIDON, GURUX, "peer_gurux_dlms.py", 7, "at least 7 ×, goal 10 ×"),
    Row("frame to records, Aidon", AIDON, AMSHAN, "peer_amshan.py", 22, "at least 22 ×, goal 30 ×"),
    Row("block transfer to records, the seed", SEED, GURUX, "peer_gurux_dlms.py", 8, "at least 8 ×"),
    Row("decipher, verify, decode, Kamstrup", KAMSTRUP, DLMS_COSEM, "peer_dlms_cosem.py", 6, "at least 6 ×"),
)


class Meter:
    """A simulated meter's pushes, and what reads them."""

    def __init__(self, name: str) -> None:
        found = case(name)
        self.keys = Keys(found.key, found.auth_key)
        self.pushes = _pushes(found, self.keys)
        self.known = load()
        report = self.read_all()
        self.values = [record.value for record in report.records if record.value is not None]
        self.physical = [float(record.physical) for record in report.records if record.physical is not None]

    def read_all(self) -> Report:
        """All of them, by a new framer and a new decoder, as a line has them; the last one's report."""
        framer = HdlcFramer()
        security = Security(self.keys, counters=MemoryCounters())
        decoder = MeterDecoder(Reading(zone=ZONE), security, lambda: self.known)
        for push in self.pushes:
            for event in framer.feed(push):
                assert isinstance(event, Frame), event.reason
                found = decoder.take(event)
            assert isinstance(found[0], Report) and found[0].profile
            report = found[0]
        return report

    def round(self) -> float:
        """Seconds to read all of them once."""
        began = time.perf_counter()
        for _ in range(OUR_PASSES):
            self.read_all()
        return (time.perf_counter() - began) / OUR_PASSES


def figures() -> list[Figure]:
    return [*(_beside(row) for row in ROWS), *_framers(), _without_keys()]


def _beside(row: Row) -> Figure:
    meter = Meter(row.meter)
    what = f"{row.what} ({len(meter.pushes[0])} B, {len(meter.values)} numbers)"
    keys = [key.hex() for key in (meter.keys.encryption, meter.keys.authentication) if key is not None]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([push.hex() for push in meter.pushes], file)
        file.flush()
        try:
            with Peer(PEER_VENV, (row.peer,), row.script, file.name, *keys) as peer:
                found = json.loads(peer.hear())
                wanted = meter.physical if row.peer == AMSHAN else meter.values
                right = len(found) == len(wanted) and all(map(isclose, found, wanted))
                assert right, f"{row.peer} finds {found}, we find {wanted}"
                ours, theirs, ratio = in_turns(meter.round, lambda: peer.round("read"))
        except (OSError, subprocess.CalledProcessError) as error:
            return Figure(what, f"{row.peer} cannot be had: {error}", row.wanted, False)
    each = 1e6 / len(meter.pushes)
    figure = f"{ratio:.1f} × {row.peer.partition('==')[0]} ({ours * each:.0f} µs, {theirs * each:.0f} µs)"
    return Figure(what, figure, row.wanted, ratio >= row.least)


def _framers() -> list[Figure]:
    """In chunks, as a line gives them."""
    hdlc = b"".join(_pushes(case(AIDON), Keys()))
    mbus_case = case("at_kaifa_ma309_netznoe_enc")
    mbus = b"".join(_pushes(mbus_case, Keys(mbus_case.key, mbus_case.auth_key)))
    telegrams = b"".join(p1.variant(seed) for seed in range(VARIANTS))
    rows = []
    framer: Callable[[], Framer]
    for name, stream, framer in (("HDLC", hdlc, HdlcFramer), ("M-Bus", mbus, MbusFramer)):
        rate = len(stream) / statistics.median(_frame(stream, framer) for _ in range(ROUNDS)) / 1e6
        rows.append(Figure(f"{name} framer, in chunks of {CHUNK} B", f"{rate:.1f} MB/s", "at least 5 MB/s", rate >= 5))
    for name, stream, framer in (("HDLC", hdlc, HdlcFramer), ("P1", telegrams, P1Framer)):
        _, _, share = in_turns(partial(_frame, stream, framer), partial(_frame, stream, AutoFramer))
        figure = f"{share:.2f} × the time of its own framer"
        rows.append(Figure(f"framing locked by itself, {name}", figure, "at most 1.2 ×", share <= 1.2))
    return rows


def _frame(stream: bytes, make: Callable[[], Framer]) -> float:
    """Seconds for the whole stream."""
    framer, found = make(), 0
    began = time.perf_counter()
    for begin in range(0, len(stream), CHUNK):
        found += sum(isinstance(event, Frame) for event in framer.feed(stream[begin : begin + CHUNK]))
    took = time.perf_counter() - began
    assert found >= VARIANTS
    return took


def _without_keys() -> Figure:
    loaded = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True, check=True).stdout.strip()
    return Figure(
        "reading without keys imports cryptography", {"True": "yes", "False": "no"}[loaded], "no", loaded == "False"
    )


def _pushes(found: Case, keys: Keys) -> list[bytes]:
    """Of a meter whose values live on from those of the case."""
    start = datetime(2026, 3, 12, 15, tzinfo=UTC)
    pushes = Pushes(Capture(found.octets, keys), start=start, interval=timedelta(seconds=10), zone=ZONE)
    return list(islice(pushes, VARIANTS))


if __name__ == "__main__":
    show("DLMS", figures())
