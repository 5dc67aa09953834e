"""docs/report-json.md says every field there is, and every reason."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from datalogger.encoding.report_json import encode_report
from datalogger.model import Entry, PushObject, Record, Report, Security
from datalogger.obis import Obis
from datalogger.protocol.framing import Reason

TEXT = (Path(__file__).parents[2] / "docs" / "report-json.md").read_text(encoding="utf-8")
NAME = Obis("1-0:1.8.0*255")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

EVERYTHING = [
    Report(protocol="p1", source="house", received_at=NOON, check="absent", odd_lines=1),
    Report(
        protocol="dlms",
        profile="kaifa-3p-l2",
        security=Security("4B464D1020304050", 7, "verified"),
        records=(
            Record(NAME, 5, 1, "Wh", text="5", time=NOON, octets=b"5", position=1, class_id=3, attribute=2, tag=6),
            Record(NAME, 5, tag=6, unscaled=True),
            Record(NAME, tag=6, not_measured=True),
            Record(NAME, real=1.5, tag=23),
            Record(NAME, push_objects=(PushObject(NAME, 3, 2, 0),)),
            Record(NAME, entries=(Entry(NOON, 5, 0, "Wh", NOON, "5"),)),
        ),
    ),
    Report(protocol="modbus", profile="eastron-sdm630", records=(Record(NAME, real=1.5, unit="V", name="voltage_l1"),)),
]


def fields(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(fields, value.values()))
    return set().union(*map(fields, value)) if isinstance(value, list) else set()


def test_every_field_of_a_report_is_said() -> None:
    there = set().union(*(fields(json.loads(encode_report(report))) for report in EVERYTHING))
    said = set(re.findall(r"`([a-z_]+)`", TEXT)) | {"system_title", "invocation_counter"}
    assert there - said == set()


def test_every_reason_is_said_but_for_padding_which_is_none() -> None:
    assert {reason for reason in Reason if f"`{reason}`" not in TEXT} == {Reason.PADDING}


def test_the_examples_are_json() -> None:
    examples = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert [json.loads(example)["protocol"] for example in examples] == ["p1", "dlms", "modbus"]
