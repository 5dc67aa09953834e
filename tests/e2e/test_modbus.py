"""The real daemon, meters that others have written, and the file sink: every map over every transport."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from datalogger.meters import register_maps
from datalogger.protocol.modbus import units
from datalogger.simulation.modbus.device import Device
from datalogger.simulation.modbus.registers import Value
from datalogger.simulation.modbus.sunspec import SunSpecDevice
from tests.e2e.harness import Process, until
from tests.peers.modbus import LibmodbusPeer, RtuOverTcpPeer, RtuPeer, TcpPeer, libmodbus

pytestmark = pytest.mark.slow

REST = """
[sink.archive]
kind = "file"
path = "archive"
[spool]
path = "spool.db"
min_free = "1MB"
[service]
listen = "127.0.0.1:0"
log_format = "json"
"""

MAPS = list(register_maps.load())
SUNSPEC = [[101], [102], [103], [111], [112], [113], [201], [202], [203], [204], [103, 203]]


def devices() -> list[Device]:
    """One of each map, then SunSpec devices with one of each model, and an inverter with a meter of its own."""
    of_maps = [Device(unit, register_maps.load()[name]) for unit, name in enumerate(MAPS, start=1)]
    of_models = [SunSpecDevice(unit, models) for unit, models in enumerate(SUNSPEC, start=len(MAPS) + 1)]
    return [*of_maps, *of_models]


def configured(folder: Path, source: str, these: list[Device]) -> Path:
    maps = [*MAPS, *("sunspec" for _ in SUNSPEC)]
    tables = "".join(
        f'[[source.bus.units]]\nunit = {device.unit}\nmap = "{maps[device.unit - 1]}"\n' for device in these
    )
    path = folder / "datalogger.toml"
    path.write_text(f'[source.bus]\n{source}\ninterval = "5s"\n{tables}{REST}')
    return path


def archived(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "archive").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def first_of_each(reports: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By the meter's identifier."""
    return {report["meter"]: report for report in reversed(reports)}


def physical(record: dict[str, Any]) -> Decimal | None:
    """Base unit; of a float, its decimal form."""
    number = record.get("float", record.get("value"))
    return None if number is None else Decimal(number).scaleb(record["scaler"])


def assert_as_the_meter_has_it(report: dict[str, Any], device: Device, part: int = 0) -> None:
    """Every register, by name: the number, its unit, and nothing else."""
    registers = {register.name: register for register in device.parts[part].map.reg if register.kind != "factor"}
    wanted: dict[str, Value] = device.expected(part)
    records = {record["name"]: record for record in report["records"]}
    halves = {
        f"{name}_{side}" for name, register in registers.items() if register.split for side in ("import", "export")
    }
    assert records.keys() == registers.keys() | halves
    for name, register in registers.items():
        symbol, power = units.parse(register.unit) or ("", 0)
        found = physical(records[name])
        if name not in wanted:
            assert records[name]["not_measured"] is True and found is None, name
            continue
        assert found is not None, name
        assert records[name].get("unit", "") == symbol, name
        assert found == Decimal(wanted[name]).scaleb(power), name
        if register.split is not None:
            there = -found if register.inverted else found
            imported, exported = physical(records[f"{name}_import"]), physical(records[f"{name}_export"])
            assert (imported, exported) == (max(there, Decimal(0)), max(-there, Decimal(0))), name


def assert_all_are_read(reports: list[dict[str, Any]], these: list[Device]) -> None:
    found = first_of_each(reports)
    assert {report["protocol"] for report in found.values()} == {"modbus"}
    for device in these:
        for part, registers in enumerate(device.parts):
            # Each map is there once; of the SunSpec devices each has a serial number of its own.
            serial = device.serial if isinstance(device, SunSpecDevice) else ""
            (report,) = (
                report
                for meter, report in found.items()
                if report["profile"] == registers.map.id and meter.startswith(serial)
            )
            assert_as_the_meter_has_it(report, device, part)


async def read_all(path: Path, folder: Path, these: list[Device]) -> list[dict[str, Any]]:
    count = sum(len(device.parts) for device in these)
    async with Process(path) as daemon:
        await until(lambda: len(first_of_each(archived(folder))) >= count, f"{count} meters are in the archive")
        for device in these:
            assert daemon.metric("datalogger_unit_up", source="bus", unit=str(device.unit)) == 1
        assert await daemon.stop() == 0
    return archived(folder)


async def test_every_map_over_tcp_from_pymodbustcp(tmp_path: Path) -> None:
    these = devices()
    async with TcpPeer({device.unit: device.image() for device in these}) as peer:
        path = configured(tmp_path, f'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {peer.port}', these)
        assert_all_are_read(await read_all(path, tmp_path, these), these)
        assert not [asked for asked in peer.requests if asked[1] > 4], "nothing is ever written"


async def test_every_map_on_a_serial_line_from_modbus_tk(tmp_path: Path) -> None:
    these = devices()
    async with RtuPeer({device.unit: device.image() for device in these}, tmp_path) as peer:
        path = configured(tmp_path, f'kind = "modbus-rtu"\nport = "{peer.port}"\nbaud_rate = 115200', these)
        assert_all_are_read(await read_all(path, tmp_path, these), these)


async def test_every_map_behind_a_serial_port_server_from_modbus_tk(tmp_path: Path) -> None:
    these = devices()
    async with RtuOverTcpPeer({device.unit: device.image() for device in these}, tmp_path) as peer:
        path = configured(
            tmp_path, f'kind = "modbus-tcp"\nframing = "rtu"\nhost = "127.0.0.1"\nport = {peer.port}', these
        )
        assert_all_are_read(await read_all(path, tmp_path, these), these)


@pytest.mark.skipif(libmodbus() is None, reason="libmodbus-dev, pkg-config or cc is not installed")
async def test_every_map_over_tcp_from_libmodbus(tmp_path: Path) -> None:
    these = devices()
    async with LibmodbusPeer({device.unit: device.image() for device in these}, "tcp", tmp_path) as peer:
        path = configured(tmp_path, f'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {peer.port}', these)
        assert_all_are_read(await read_all(path, tmp_path, these), these)


@pytest.mark.skipif(libmodbus() is None, reason="libmodbus-dev, pkg-config or cc is not installed")
@pytest.mark.parametrize("name", ["eastron-sdm630", "carlo-gavazzi-em24"])
async def test_a_meter_on_a_serial_line_from_libmodbus(name: str, tmp_path: Path) -> None:
    device = Device(MAPS.index(name) + 1, register_maps.load()[name])
    async with LibmodbusPeer({device.unit: device.image()}, "rtu", tmp_path) as peer:
        path = configured(tmp_path, f'kind = "modbus-rtu"\nport = "{peer.port}"\nbaud_rate = 115200', [device])
        assert_all_are_read(await read_all(path, tmp_path, [device]), [device])
