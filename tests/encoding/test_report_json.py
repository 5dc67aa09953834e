"""The public promise, octet for octet."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from datalogger.encoding.report_json import encode_rejected, encode_report
from datalogger.model import Entry, PushObject, Record, Report, Security
from datalogger.obis import Obis
from datalogger.protocol.framing import Reason
from datalogger.protocol.p1.telegram import decode_telegram
from tests.protocol.p1.corpus import TELEGRAMS, Case

CET, CEST = timezone(timedelta(hours=1)), timezone(timedelta(hours=2))
CLOCK = datetime(2018, 1, 4, 23, 19, 41, tzinfo=CET)

EXAMPLE = Report(
    protocol="p1",
    source="house",
    meter="E0017001234567",
    identification="ISK5\\2M550T-1012",
    meter_time=CLOCK,
    received_at=datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC),
    records=(
        Record(Obis("1-0:1.8.1*255"), 156167, 0, "Wh"),
        Record(Obis("1-0:32.7.0*255"), 2348, -1, "V"),
        Record(Obis("0-1:24.2.1*255"), 212529, -3, "m3", time=datetime(2018, 1, 4, 23, 15, 7, tzinfo=CET)),
        Record(Obis("0-0:96.14.0*255"), text="0001"),
        Record(Obis("0-0:96.1.1*255"), text="E0017001234567"),
        Record(Obis("0-0:1.0.0*255"), time=CLOCK),
        Record(Obis("1-0:99.97.0*255"), entries=(Entry(datetime(2017, 6, 9, 6, 32, 39, tzinfo=CEST), 267, 0, "s"),)),
        Record(Obis("0-0:96.1.0*255"), octets=bytes.fromhex("00FF12")),
    ),
    frame=b"/...",
)
PROMISED = r"""
{"protocol": "p1", "source": "house", "meter": "E0017001234567", "identification": "ISK5\\2M550T-1012",
 "meter_time": "2018-01-04T23:19:41+01:00", "received_at": "2026-11-20T10:00:00.123456Z",
 "records": [
   {"obis": "1-0:1.8.1*255", "value": 156167, "scaler": 0, "unit": "Wh"},
   {"obis": "1-0:32.7.0*255", "value": 2348, "scaler": -1, "unit": "V"},
   {"obis": "0-1:24.2.1*255", "value": 212529, "scaler": -3, "unit": "m3", "time": "2018-01-04T23:15:07+01:00"},
   {"obis": "0-0:96.14.0*255", "text": "0001"},
   {"obis": "0-0:96.1.1*255", "text": "E0017001234567"},
   {"obis": "0-0:1.0.0*255", "time": "2018-01-04T23:19:41+01:00"},
   {"obis": "1-0:99.97.0*255", "entries": [{"time": "2017-06-09T06:32:39+02:00", "value": 267, "scaler": 0, "unit": "s"}]},
   {"obis": "0-0:96.1.0*255", "octets": "00FF12"}]}
"""  # noqa: E501 (quoted as the promise is written)


def shown(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode_report(report))
    return found


def test_the_example_of_the_promise_comes_out_as_it_is_written_there() -> None:
    in_order = json.loads(PROMISED, object_pairs_hook=list)
    assert json.loads(encode_report(EXAMPLE), object_pairs_hook=list) == in_order


def test_a_report_is_one_line_of_utf_8() -> None:
    line = encode_report(msgspec.structs.replace(EXAMPLE, meter="m³\n"))
    assert b"\n" not in line
    assert "m³" in line.decode()


def test_what_is_not_known_is_left_out_and_what_is_not_there_is_null() -> None:
    found = shown(Report(protocol="p1", records=(Record(Obis("0-0:1.0.0*255"), time=None),)))
    assert found == {
        "protocol": "p1",
        "meter": "",
        "identification": "",
        "meter_time": None,
        "records": [{"obis": "0-0:1.0.0*255", "time": None}],
    }
    assert "identification" not in shown(Report(protocol="dlms"))


def test_a_missing_check_sum_and_odd_lines_are_said() -> None:
    odd = Report(protocol="p1", check="absent", odd_lines=1, records=(Record(Obis(""), text="1,0:2.7.0(1*kW)"),))
    found = shown(odd)
    assert (found["check"], found["odd_lines"]) == ("absent", 1)
    assert found["records"] == [{"text": "1,0:2.7.0(1*kW)"}]
    assert not {"check", "odd_lines"} & shown(EXAMPLE).keys()


def test_the_time_of_reception_is_utc_with_microseconds() -> None:
    received = datetime(2026, 11, 20, 11, 0, 0, tzinfo=CET)
    assert shown(msgspec.structs.replace(EXAMPLE, received_at=received))["received_at"] == "2026-11-20T10:00:00.000000Z"


def test_a_peak_has_its_moment_and_a_number_without_unit_has_none() -> None:
    entries = (Entry(CLOCK, 8, 0, "W", occurred=None), Entry(value=5), Entry(text="?"))
    (record,) = shown(Report(protocol="p1", records=(Record(Obis("0-0:98.1.0*255"), entries=entries),)))["records"]
    assert record["entries"] == [
        {"time": "2018-01-04T23:19:41+01:00", "occurred": None, "value": 8, "scaler": 0, "unit": "W"},
        {"value": 5, "scaler": 0},
        {"text": "?"},
    ]


def test_a_rejection_is_a_line_too() -> None:
    line = encode_rejected(Reason.CHECKSUM, octets=913, offset=0, detail="CRC 74B0 sent, A97E computed")
    assert line == b'{"rejected":"checksum","octets":913,"offset":0,"detail":"CRC 74B0 sent, A97E computed"}'


@pytest.mark.parametrize("case", TELEGRAMS, ids=lambda case: case.name)
def test_no_number_of_the_corpus_is_a_float_and_no_time_lacks_its_offset(case: Case) -> None:
    def refuse(text: str) -> float:
        raise AssertionError(text)

    report = decode_telegram(case.octets, check=True, zone=case.zone)
    found = json.loads(encode_report(report), parse_float=refuse)
    assert len(found["records"]) == len(report.records)
    for record in found["records"]:
        for item in (record, *record.get("entries", ())):
            for key in ("time", "occurred"):
                assert item.get(key) is None or datetime.fromisoformat(item[key]).utcoffset() is not None


def test_what_dlms_adds_is_shown_beside_what_every_protocol_has() -> None:
    name = Obis("1-0:1.8.0*255")
    found = shown(
        Report(
            protocol="dlms",
            profile="kaifa-3p-l2",
            security=Security("4B464D1020304050", 7, "unchecked"),
            records=(
                Record(name, 5, 1, "Wh", class_id=3, attribute=2, tag=6),
                Record(name, 5, tag=6, unscaled=True),
                Record(name, None, 0, "V", position=11, tag=6, not_measured=True),
                Record(Obis(""), None, position=4, tag=0),
                Record(Obis(""), 1, position=5, tag=3),
                Record(Obis(""), real=230.5, position=6, tag=23),
                Record(Obis(""), text="", octets=b"", position=7, tag=9),
                Record(Obis("0-8:25.9.0*255"), class_id=40, attribute=2, push_objects=(PushObject(name, 3, 2, 0),)),
            ),
        )
    )
    assert found["profile"] == "kaifa-3p-l2"
    assert found["security"] == {"system_title": "4B464D1020304050", "invocation_counter": 7, "tag": "unchecked"}
    assert found["records"] == [
        {"obis": name, "class": 3, "attribute": 2, "value": 5, "scaler": 1, "unit": "Wh", "tag": 6},
        {"obis": name, "value": 5, "unscaled": True, "tag": 6},
        {"obis": name, "position": 11, "value": None, "not_measured": True, "tag": 6},
        {"position": 4, "value": None, "tag": 0},
        {"position": 5, "value": True, "tag": 3},
        {"position": 6, "float": 230.5, "scaler": 0, "tag": 23},
        {"position": 7, "tag": 9, "text": "", "octets": ""},
        {
            "obis": "0-8:25.9.0*255",
            "class": 40,
            "attribute": 2,
            "push_objects": [{"obis": name, "class": 3, "attribute": 2, "data_index": 0}],
        },
    ]
