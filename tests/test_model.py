from datetime import UTC, datetime
from decimal import Decimal

from datalogger.model import Delivery, Record, Report
from datalogger.obis import Obis

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_physical_value_is_exact() -> None:
    assert Record(Obis("1-0:32.7.0*255"), value=2301, scaler=-1, unit="V").physical == Decimal("230.1")
    assert Record(Obis("1-0:17.0.0*255"), value=8190, scaler=2, unit="W").physical == 819000
    assert Record(Obis("0-0:96.14.0*255"), text="0001").physical is None


def test_a_number_whose_scaler_nobody_knows_has_no_physical_value() -> None:
    assert Record(Obis("1-0:1.8.0*255"), value=2301, unscaled=True).physical is None


def test_a_delivery_is_known_by_meter_meter_time_and_sequence() -> None:
    report = Report(protocol="p1", source="house", meter="E0017", meter_time=NOON)
    assert Delivery(7, report).id == "E0017/2026-11-20T12:00:00+00:00/7"


def test_without_a_meter_time_the_time_of_receipt_and_without_a_meter_the_source_tell_deliveries_apart() -> None:
    assert (
        Delivery(7, Report(protocol="p1", source="house", received_at=NOON)).id == "house/2026-11-20T12:00:00+00:00/7"
    )
    assert Delivery(7, Report(protocol="p1", source="house")).id == "house/-/7"
