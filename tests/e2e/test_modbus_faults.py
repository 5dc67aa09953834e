"""Two meters on one serial line and one over TCP, on lines that go wrong all the time: no wrong value in the archive.

For $DATALOGGER_SOAK seconds (15 where nothing is said). The meters' values move once a second, every one of them, so a
value that was late, another register's or another meter's is one that the register did not have at that time.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from datalogger.meters import register_maps
from datalogger.protocol.modbus import units
from datalogger.simulation.modbus.bus import Bus
from datalogger.simulation.modbus.device import Device
from datalogger.simulation.modbus.faults import AnswerFault, AnswerFaults
from datalogger.simulation.modbus.serving import PtyUnits, TcpUnits, serve
from tests.e2e.harness import Process, until
from tests.e2e.test_modbus import REST, archived, physical

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("DATALOGGER_SOAK", "15"))
STEP = 1.0  # seconds from one move of the values to the next

# What befalls one answer in a hundred of each, on either line; a late one comes after the time-out.
RATE = 0.01
LATE = 1.4
ON_THE_LINE = [fault for fault in AnswerFault if fault is not AnswerFault.CLOSE]
ON_TCP = [fault for fault in AnswerFault if fault is not AnswerFault.CRC]

LONGEST_POLL = 15.0  # seconds: of one with several time-outs in it

CONFIGURATION = """\
[source.bus]
kind = "modbus-rtu"
port = "{port}"
baud_rate = 115200
interval = "1s"
[[source.bus.units]]
unit = 1
map = "eastron-sdm630"
[[source.bus.units]]
unit = 2
map = "carlo-gavazzi-em24"
[source.main]
kind = "modbus-tcp"
host = "127.0.0.1"
port = {tcp}
unit = 3
map = "carlo-gavazzi-em24-ethernet"
interval = "1s"
"""


class Remembering(Bus):
    """Knows what each of its meters said, and since when."""

    def __init__(self, devices: Sequence[Device], faults: Sequence[AnswerFault]) -> None:
        self.struck: Counter[AnswerFault] = Counter()
        self.devices = devices
        self.history: list[tuple[datetime, dict[str, dict[str, Decimal]]]] = []
        super().__init__(
            devices,
            AnswerFaults(dict.fromkeys(faults, RATE), seed=len(devices), pause=LATE),
            lambda asked, reply: self.struck.update(reply.struck if reply else ()),
        )
        self._remember()

    def live(self, time: timedelta) -> None:
        super().live(time)
        self._remember()

    def _remember(self) -> None:
        self.history.append((datetime.now(UTC), {device.parts[0].map.id: said(device) for device in self.devices}))

    def during(self, begin: datetime, end: datetime) -> list[dict[str, dict[str, Decimal]]]:
        """All that was true at some time between."""
        after = [known for since, known in self.history if begin < since <= end]
        before = [known for since, known in self.history if since <= begin][-1:]
        return before + after


def said(device: Device) -> dict[str, Decimal]:
    """By the register's name, in its base unit."""
    powers = {register.name: (units.parse(register.unit) or ("", 0))[1] for register in device.parts[0].map.reg}
    return {name: Decimal(value).scaleb(powers[name]) for name, value in device.expected().items()}


def wrong_values(reports: list[dict[str, Any]], buses: dict[str, Remembering]) -> list[str]:
    """What its register did not say between the last report of this meter and this one."""
    wrong = []
    last: dict[str, datetime] = {}
    for report in reports:
        received = datetime.fromisoformat(report["received_at"])
        profile = report["profile"]
        longest = received - timedelta(seconds=LONGEST_POLL)
        begin = max(last.get(profile, longest), longest)
        history = buses[report["source"]].during(begin, received)
        last[profile] = received
        for record in report["records"]:
            true = [value_of(record["name"], known[profile]) for known in history]
            if physical(record) not in true:
                wrong.append(f"{report['received_at']} {report['source']} {record}: {true}")
    return wrong


def value_of(name: str, known: dict[str, Decimal]) -> Decimal | None:
    """Also of the halves that a signed power is split into."""
    whole, _, side = name.rpartition("_")
    if name in known or whole not in known:
        return known.get(name)
    return max(known[whole] if side == "import" else -known[whole], Decimal(0))


async def test_no_wrong_value_is_archived_and_no_meter_is_lost(tmp_path: Path) -> None:
    maps = register_maps.load()
    line = Remembering([Device(1, maps["eastron-sdm630"]), Device(2, maps["carlo-gavazzi-em24"])], ON_THE_LINE)
    network = Remembering([Device(3, maps["carlo-gavazzi-em24-ethernet"])], ON_TCP)
    port, tcp = PtyUnits(line, tmp_path / "ttyBus"), TcpUnits(network, "tcp", "127.0.0.1", 0)
    serving = [
        asyncio.create_task(serve([one], bus, interval=STEP, announce=lambda line: None))
        for one, bus in ((port, line), (tcp, network))
    ]
    await until(lambda: (tmp_path / "ttyBus").exists() and not tcp.address.endswith(":0"), "the meters are there")
    path = tmp_path / "datalogger.toml"
    path.write_text(CONFIGURATION.format(port=tmp_path / "ttyBus", tcp=tcp.address.rpartition(":")[2]) + REST)
    async with Process(path) as daemon:
        await asyncio.sleep(SECONDS)
        rejected = {
            (source, str(reason)): count
            for source in ("bus", "main")
            for reason in REASONS
            if (count := daemon.metric("datalogger_frames_rejected_total", source=source, reason=reason))
        }
        good = {source: daemon.metric("datalogger_frames_good_total", source=source) for source in ("bus", "main")}
        assert await daemon.stop() == 0
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)

    reports = archived(tmp_path)
    values = sum(len(report["records"]) for report in reports)
    print(
        f"\n{SECONDS:.0f} s: {len(reports)} reports {good}, {values} values\n"
        f"faults on the line: {dict(line.struck)}\nfaults over TCP: {dict(network.struck)}\nrejected: {rejected}"
    )
    assert wrong_values(reports, {"bus": line, "main": network}) == []
    # Each is read on: at least once in three seconds all the time, whatever befell it.
    for profile in ("eastron-sdm630", "carlo-gavazzi-em24", "carlo-gavazzi-em24-ethernet"):
        assert sum(report["profile"] == profile for report in reports) >= SECONDS / 3, profile


REASONS = [
    *("noise", "checksum", "truncated", "too_long", "malformed", "length", "late", "no_answer", "closed"),
    *("wrong_unit", "wrong_function", "exception_2", "exception_4", "exception_6"),
]
