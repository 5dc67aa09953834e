"""Telegrams of a meter that does not exist."""

from datetime import UTC, datetime, timedelta

import crcmod.predefined

from datalogger.model import Delivery, Report

NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)

_crc16 = crcmod.predefined.mkCrcFun("crc-16")


class FixedClock:
    """Stands still until a test moves it."""

    trusted = True

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed

    def witness(self, meter_time: datetime) -> None:
        pass


def telegram(stamp: str | None = "261120105958W", *, text: bytes = b"", energy: str = "001073.079") -> bytes:
    """A sound DSMR 5 telegram; without its own time where `stamp` is None."""
    lines = [
        b"/ISK5\\2M550T-1012",
        b"",
        b"1-3:0.2.8(50)",
        *([f"0-0:1.0.0({stamp})".encode()] if stamp is not None else []),
        f"1-0:1.8.1({energy}*kWh)".encode(),
        b"1-0:1.8.2(001263.199*kWh)",
        b"1-0:2.8.1(000000.000*kWh)",
        b"1-0:2.8.2(000000.000*kWh)",
        b"0-0:96.13.0(" + text + b")",
        b"1-0:1.7.0(00.494*kW)",
        b"1-0:2.7.0(00.000*kW)",
        b"!",
    ]
    return with_check_sum(b"\r\n".join(lines))


def with_check_sum(content: bytes) -> bytes:
    """`content` runs from / through !"""
    return content + b"%04X\r\n" % _crc16(content)


def delivery(frame: bytes | None = None, *, sequence: int = 1, age: float = 0.0, **more: bool) -> Delivery:
    report = Report(
        protocol="p1",
        source="house",
        meter="E0017001234567",
        received_at=NOW - timedelta(seconds=age),
        frame=telegram() if frame is None else frame,
    )
    return Delivery(sequence=sequence, report=report, **more)
