from datetime import UTC, datetime

from datalogger.encoding.one_line import render
from datalogger.model import Record, Report
from datalogger.obis import Obis


def record(obis: str, value: int, scaler: int, unit: str | None) -> Record:
    return Record(Obis(obis), value=value, scaler=scaler, unit=unit)


def test_a_report_reads_as_one_line_for_a_person() -> None:
    report = Report(
        protocol="p1",
        source="house",
        meter="E0017",
        meter_time=datetime(2026, 11, 20, 13, 4, 11, tzinfo=UTC),
        records=(
            record("1-0:1.8.1*255", 156167, 0, "Wh"),
            record("1-0:1.8.2*255", 881062, 0, "Wh"),
            record("1-0:2.8.1*255", 0, 0, "Wh"),
            record("1-0:1.7.0*255", 494, 0, "W"),
            record("1-0:2.7.0*255", 0, 0, "W"),
            record("0-1:24.2.1*255", 212529, -3, "m3"),
            record("0-2:24.2.1*255", 0, 0, None),
        ),
    )
    assert render(report) == (
        "13:04:11 house E0017  import 1037.229 kWh, export 0.000 kWh, power 0.494 kW, sub-meter 212.529 m3 (7 records)"
    )


def test_the_total_register_counts_where_there_is_one() -> None:
    report = Report(
        protocol="p1",
        records=(record("1-0:1.8.0*255", 5000, 0, "Wh"), record("1-0:1.8.1*255", 2000, 0, "Wh")),
    )
    assert "import 5.000 kWh" in render(report)


def test_a_report_without_time_or_check_sum_says_so() -> None:
    assert render(Report(protocol="p1", identification="X", check="absent")) == (
        "--:--:-- X   (0 records, no check sum)"
    )
