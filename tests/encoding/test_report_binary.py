from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from datalogger import obis
from datalogger.encoding.report_binary import decode, encode
from datalogger.errors import DecodeError
from datalogger.model import Entry, PushObject, Record, Report, Security
from tests.spool.reports import report

times = st.builds(
    lambda moment, minutes: moment.replace(tzinfo=timezone(timedelta(minutes=minutes))),
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
maybe_time = st.one_of(st.none(), st.just(UNSET), times)
numbers = st.one_of(st.none(), st.integers(-(2**63), 2**64 - 1))
texts = st.one_of(st.none(), st.text(max_size=20))
entries = st.builds(
    Entry, time=maybe_time, value=numbers, scaler=st.integers(-128, 127), unit=texts, occurred=maybe_time, text=texts
)
codes = st.binary(min_size=6, max_size=6).map(obis.from_groups)
records = st.builds(
    Record,
    obis=codes,
    value=numbers,
    scaler=st.integers(-128, 127),
    unit=texts,
    text=texts,
    time=maybe_time,
    octets=st.one_of(st.none(), st.binary(max_size=20)),
    entries=st.one_of(st.none(), st.lists(entries, max_size=3).map(tuple)),
)
small = st.one_of(st.none(), st.integers(0, 65535))
push_objects = st.builds(PushObject, obis=codes, class_id=st.integers(0, 65535), attribute=small, data_index=small)
dlms_records = st.builds(
    lambda record, **fields: msgspec.structs.replace(record, **fields),
    records,
    position=st.integers(0, 100),
    class_id=small,
    attribute=small,
    tag=small,
    status=numbers,
    real=st.one_of(st.none(), st.floats(allow_nan=False)),
    unscaled=st.booleans(),
    not_measured=st.booleans(),
    push_objects=st.one_of(st.none(), st.lists(push_objects, max_size=3).map(tuple)),
)
security = st.builds(
    Security,
    system_title=st.binary(min_size=8, max_size=8).map(bytes.hex),
    invocation_counter=st.integers(0, 2**32 - 1),
    tag=st.sampled_from(["verified", "unchecked", "absent"]),
)
reports = st.builds(
    Report,
    protocol=st.sampled_from(["p1", "dlms", "modbus"]),
    source=st.text(max_size=10),
    meter=st.text(max_size=10),
    identification=st.text(max_size=10),
    meter_time=st.one_of(st.none(), times),
    received_at=st.one_of(st.none(), times),
    check=st.sampled_from(["ok", "absent"]),
    records=st.lists(st.one_of(records, dlms_records), max_size=6).map(tuple),
    odd_lines=st.integers(0, 100),
    frame=st.binary(max_size=100),
    profile=st.sampled_from(["", "aidon-no"]),
    security=st.one_of(st.none(), security),
)


@given(reports)
def test_every_report_comes_back_exactly(sent: Report) -> None:
    back = decode(encode(sent))
    assert back == sent
    assert _offsets(back) == _offsets(sent)


def test_a_real_telegram_comes_back_exactly() -> None:
    sent = report(1)
    assert len(sent.records) == 35
    assert decode(encode(sent)) == sent


def test_the_hour_that_comes_twice_stays_the_right_one() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    for fold in (0, 1):
        moment = datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=fold)
        back = decode(encode(Report(protocol="p1", meter_time=moment))).meter_time
        assert back is not None
        assert back.astimezone(UTC) == moment.astimezone(UTC)
        assert back.utcoffset() == moment.utcoffset()


def test_no_time_and_a_time_that_was_not_sent_are_two_things() -> None:
    code = obis.from_groups((1, 0, 1, 8, 0, 255))
    back = decode(encode(Report(protocol="p1", records=(Record(code, 1), Record(code, 1, time=None)))))
    assert [record.time for record in back.records] == [UNSET, None]


@given(st.binary(max_size=60))
def test_any_octets_are_a_report_or_a_decode_error(octets: bytes) -> None:
    with suppress(DecodeError):
        decode(octets)


@given(st.data())
def test_a_damaged_report_is_a_report_or_a_decode_error(data: st.DataObject) -> None:
    octets = bytearray(encode(report(1)))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(DecodeError):
        decode(bytes(octets))


def test_what_an_earlier_version_of_this_program_wrote_is_read() -> None:
    earlier = [1, "p1", "house", "E0017", "", None, None, "ok", 0, b"/", [["1-0:1.7.0*255", 5, 0, "W"]]]
    assert decode(msgspec.msgpack.encode(earlier)) == Report(
        protocol="p1",
        source="house",
        meter="E0017",
        records=(Record(obis.Obis("1-0:1.7.0*255"), 5, 0, "W"),),
        frame=b"/",
    )


def test_a_form_of_a_later_version_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode(msgspec.msgpack.encode([2, "p1", "", "", "", None, None, "ok", 0, b"", []]))


def _offsets(report: Report) -> list[timedelta | None]:
    moments = [report.meter_time, report.received_at]
    for record in report.records:
        moments += [record.time if isinstance(record.time, datetime) else None]
        for entry in record.entries or ():
            moments += [time if isinstance(time, datetime) else None for time in (entry.time, entry.occurred)]
    return [None if moment is None else moment.utcoffset() for moment in moments]
