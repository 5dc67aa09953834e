"""Each form of a P1 line, and what no line may do."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from datalogger.errors import DecodeError
from datalogger.model import Entry, Record, Report
from datalogger.obis import Obis
from datalogger.protocol.framing import Reason
from datalogger.protocol.p1.telegram import MAIN_METER, decode_telegram
from tests.protocol.p1.corpus import TELEGRAMS, telegram

ZONE = ZoneInfo("Europe/Amsterdam")


def report(*lines: str) -> Report:
    payload = "\r\n".join(["/ABC5\\253", "", *lines, "!", ""]).encode("latin-1")
    return decode_telegram(payload, check=True, zone=ZONE)


def record(*lines: str) -> Record:
    """Of a telegram with one object."""
    found = report(*lines)
    assert found.odd_lines == 0
    assert len(found.records) == 1
    return found.records[0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("line", "value", "scaler", "unit"),
    [
        ("1-0:1.8.1(001073.079*kWh)", 1073079, 0, "Wh"),
        ("1-0:1.8.1(006262094*Wh)", 6262094, 0, "Wh"),
        ("1-0:1.8.1(000443.760kWh)", 443760, 0, "Wh"),
        ("1-0:1.8.1(00026234.9139057*kWh)", 262349139057, -4, "Wh"),
        ("1-0:1.8.1(0304575.19*KWH)", 30457519, 1, "Wh"),
        ("1-0:3.8.0(00000722.507*kVArh)", 722507, 0, "varh"),
        ("1-0:32.7.0(229.8*v)", 2298, -1, "V"),
        ("1-0:32.7.0(0000.710*kV)", 710, 0, "V"),
        ("1-0:31.7.0(-083*A)", -83, 0, "A"),
        ("1-0:31.7.0(005A)", 5, 0, "A"),
        ("1-0:14.7.0(0000.010*kHz)", 10, 0, "Hz"),
        ("1-0:1.8.1(077871.9016)", 778719016, -4, None),
        ("0-0:96.7.21(00003)", 3, 0, None),
        ("0-1:24.2.1(996.617m3)", 996617, -3, "m3"),
        ("0-1:24.2.1(00996.617*m³)", 996617, -3, "m3"),
        ("0-1:24.2.1(00996*dm3)", 996, -3, "m3"),
        ("0-3:24.2.1(89080.220*GJ)", 89080220, 6, "J"),
        ("0-0:98.1.0(12)", 12, 0, None),
        ("1-0:1.8.0(.5*kWh)", 5, 2, "Wh"),
    ],
)
def test_a_number_is_exact_and_in_the_base_unit(line: str, value: int, scaler: int, unit: str | None) -> None:
    found = record(line)
    assert (found.value, found.scaler, found.unit, found.text, found.time) == (value, scaler, unit, None, UNSET)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("1-3:0.2.8(50)", "50"),
        ("0-0:96.14.0(0002)", "0002"),
        ("0-1:24.1.0(003)", "003"),
        ("0-1:24.4.0(1)", "1"),
        ("0-0:96.3.10(1)", "1"),
        ("1-0:94.32.1(400)", "400"),
        ("1-0:0.9.1(222553)", "222553"),
        ("0-0:96.1.4(50217)", "50217"),
        ("0-0:96.1.4(5021)", "5021"),
        ("0-0:96.1.1(4530303137)", "4530303137"),  # so few decimal digits may be a serial number
        ("0-0:96.1.1(453A3137)", "E:17"),
        ("0-0:96.1.1(4539303833393736313039313636333732)", "E9083976109166372"),
        ("0-1:96.1.0(5f5f5f5f54574f5f5f5f5f)", "____TWO____"),
        ("0-0:96.1.1(12E3CCB8AF1C70C94C7A89CAC1678CED)", "12E3CCB8AF1C70C94C7A89CAC1678CED"),
        ("0-0:42.0.0(AUX7906430434813)", "AUX7906430434813"),
        ("0-0:96.13.0(test-/-test)", "test-/-test"),
        ("0-0:96.13.0(a (b) c)", "a (b) c"),
        ("0-0:96.13.0(5 * 3 = 15)", "5 * 3 = 15"),
        ("0-0:96.13.1(3132)", "12"),  # a message is always hex, where it can be
        ("0-0:96.50.68(O*N)", "O*N"),
        ("0-0:96.13.0()", ""),
        ("0-0:96.13.0(ÿÿÿ)", "ÿÿÿ"),
        ("0-0:96.50.68(ON)", "ON"),
        ("1-0:1.8.0(---)", "---"),
        ("1-0:1.8.0(²³)", "²³"),  # digits to Python, not to a meter
        ("0-1:96.1.0(00A)", "00A"),  # an identifier, not amperes
    ],
)
def test_what_is_no_quantity_is_text(line: str, text: str) -> None:
    found = record(line)
    assert (found.text, found.value, found.time) == (text, None, UNSET)


@pytest.mark.parametrize(
    ("spelling", "obis"),
    [("1-0:1.8.1", "1-0:1.8.1*255"), ("1-0:1.8.1.255", "1-0:1.8.1*255"), ("1-0:1.8.1*7", "1-0:1.8.1*7"),
     ("1-0:72:32.0", "1-0:72.32.0*255"), ("9-8:7.6.5", "9-8:7.6.5*255")],
)  # fmt: skip
def test_every_spelling_of_a_code_is_one_and_unknown_codes_are_kept(spelling: str, obis: str) -> None:
    assert record(f"{spelling}(1*W)").obis == obis


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("0-1:24.2.1(200512134558S)(00112.384*m3)", at("2020-05-12T13:45:58+02:00")),
        ("0-1:24.2.1(200512134558W)(00112.384)", at("2020-05-12T13:45:58+01:00")),
        ("0-1:24.2.3(632525252525W)(00112.384*m3)", None),
        ("7-0:23.1.0*255(00112.384*m3)(19-01-01 00:00:00)", at("2019-01-01T00:00:00+01:00")),
        ("0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00112.384)", at("2012-10-30T14:00:00+01:00")),
    ],
)
def test_a_reading_keeps_its_capture_time(line: str, time: datetime | None) -> None:
    found = record(line)
    assert (found.value, found.scaler, found.time) == (112384, -3, time)


def test_an_mbus_reading_belongs_to_the_object_it_names_on_its_own_channel() -> None:
    line = "0-2:24.3.0(121030140000)(00)(60)(1)({})(m3)\r\n(00024.123)"
    assert record(line.format("0-2:24.2.1")).obis == "0-2:24.2.1*255"
    assert record(line.format("0-1:24.2.1")).obis == "0-2:24.3.0*255"  # printed wrong: the reading stays on channel 2


def test_an_event_log_is_rows_of_time_and_duration() -> None:
    found = record("1-0:99.97.0(2)(0-0:96.7.19)(170609063239S)(0000000267*s)(000000000000W)(2147483647)")
    assert found.entries == (
        Entry(at("2017-06-09T06:32:39+02:00"), 267, 0, "s"),
        Entry(None, 2147483647, 0, None),
    )


@pytest.mark.parametrize("groups", ["()", "(0)", "(0)(0-0:96.7.19)", "(0)(0:96.7.19)", "(0)(0-0:96.7.19)()()"])
def test_an_event_log_may_be_empty(groups: str) -> None:
    assert record(f"1-0:99.97.0{groups}").entries == ()


def test_a_peak_history_has_the_end_of_the_month_and_the_moment_of_the_peak() -> None:
    found = record(
        "0-0:98.1.0(2)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)(200601000000S)(632525252525W)(0*kW)"
    )
    assert found.entries == (
        Entry(at("2020-05-01T00:00:00+02:00"), 3695, 0, "W", occurred=at("2020-04-23T19:25:38+02:00")),
        Entry(at("2020-06-01T00:00:00+02:00"), 0, 3, "W", occurred=None),
    )


def test_the_values_of_a_snapshot_share_its_time() -> None:
    found = record("0-0:98.1.0(230801000000S)(000663.924*kWh)(00.500*kW)")
    end = at("2023-08-01T00:00:00+02:00")
    assert found.entries == (Entry(end, 663924, 0, "Wh"), Entry(end, 500, 0, "W"))


@pytest.mark.parametrize("count", range(2, 14))
def test_a_snapshot_may_have_any_number_of_values(count: int) -> None:
    found = record("0-0:98.1.0(230801000000S)" + "(000663.924*kWh)" * count)
    assert found.entries == (Entry(at("2023-08-01T00:00:00+02:00"), 663924, 0, "Wh"),) * count


def test_two_values_are_two_entries() -> None:
    assert record("1-1:31.4.0(100*A)(-63*A)").entries == (Entry(UNSET, 100, 0, "A"), Entry(UNSET, -63, 0, "A"))


@pytest.mark.parametrize(
    ("line", "obis", "text"),
    [
        ("1,0:2.7.0(00.007*kW)", "", "1,0:2.7.0(00.007*kW)"),
        ("rubbish", "", "rubbish"),
        ("1-0:2.7.0", "1-0:2.7.0*255", ""),
        ("1-0:2.7.0(00.007*kW", "1-0:2.7.0*255", "00.007*kW"),
        ("1-0:2.7.0(00012", "1-0:2.7.0*255", "00012"),
        ("!hello)", "", "!hello)"),
        ("1-0:2.7.0(00.0x7*kW)", "1-0:2.7.0*255", "00.0x7*kW"),
        ("1-0:2.7.0(00.007*florins)", "1-0:2.7.0*255", "00.007*florins"),
        ("1-0:2.7.0(1)(b)", "1-0:2.7.0*255", "1)(b"),
        ("1-0:99.97.0(1)(0-0:96.7.19)(170609063239S)", "1-0:99.97.0*255", "1)(0-0:96.7.19)(170609063239S"),
        ("1-0:2.7.0(" + "9" * 5000 + "*kW)", "1-0:2.7.0*255", "9" * 5000 + "*kW"),
        ("256-0:2.7.0(1*W)", "", "256-0:2.7.0(1*W)"),
    ],
)
def test_an_odd_line_is_kept_as_text_and_counted_and_costs_nothing_else(line: str, obis: str, text: str) -> None:
    found = report("1-0:1.8.1(1*kWh)", line, "1-0:1.8.2(2*kWh)")
    assert found.odd_lines == 1
    assert found.records == (
        Record(Obis("1-0:1.8.1*255"), 1, 3, "Wh"),
        Record(Obis(obis), text=text),
        Record(Obis("1-0:1.8.2*255"), 2, 3, "Wh"),
    )


def test_a_report_says_who_and_when_and_carries_the_telegram_as_it_came() -> None:
    payload = telegram("nl-dsmr50_iskra-am550t_gas")
    found = decode_telegram(payload, check=True, zone=ZONE)
    assert found.protocol == "p1"
    assert found.meter == "E9083976109166372"
    assert found.identification == "ISK5\\2M553T-6872"
    assert found.meter_time == at("2018-01-04T23:07:02+01:00")
    assert (found.check, found.odd_lines, found.source, found.received_at) == ("ok", 0, "", None)
    assert found.frame == payload
    assert decode_telegram(payload, check=False, zone=ZONE).check == "absent"


def test_the_main_meter_is_named_by_the_first_identifier_of_the_list_that_is_not_empty() -> None:
    lines = [f"{obis}(NAME-{number})" for number, obis in enumerate(MAIN_METER)]
    for number in range(len(lines)):
        assert report(*reversed(lines[number:])).meter == f"NAME-{number}"
    assert report("0-0:96.1.1()", "0-0:96.1.0(X)").meter == "X"
    assert report("0-1:96.1.0(GAS)").meter == ""


def test_an_invalid_clock_is_none_and_never_now() -> None:
    found = report("0-0:1.0.0(632525252525W)", "1-0:1.8.0(1*kWh)")
    assert found.meter_time is None
    assert found.records[0] == Record(Obis("0-0:1.0.0*255"), time=None)


@pytest.mark.parametrize("payload", [b"", b"\r\n", b"hello", b"/ABC5\r\n!\r\n", b"/ABC5", b"/ABC5\r\nrubbish\r\n!\r\n"])
def test_what_is_no_telegram_is_malformed(payload: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_telegram(payload, check=True, zone=ZONE)
    assert caught.value.reason == Reason.MALFORMED


def test_a_flagged_time_is_a_time_wherever_it_stands() -> None:
    for code in ("0-0:96.2.1", "1-0:1.2.3"):
        found = record(f"{code}(200512134558S)")
        assert (found.time, found.text, found.value) == (at("2020-05-12T13:45:58+02:00"), None, None)
    assert record("0-0:96.1.1(200512134558S)").text == "200512134558S"  # an identifier is an identifier
    assert report("1-0:1.0.0(1*kWh)", "0-1:1.0.0(200512134558S)").meter_time is None  # not the meter's clock


def test_one_telegram_does_not_change_how_the_next_is_read() -> None:
    alone = [decode_telegram(case.octets, check=True, zone=ZONE) for case in TELEGRAMS]
    again = [decode_telegram(case.octets, check=True, zone=ZONE) for case in reversed(TELEGRAMS)]
    assert alone == again[::-1]


def _survives(payload: bytes) -> None:
    try:
        found = decode_telegram(payload, check=True, zone=ZONE)
    except DecodeError as error:
        assert error.reason == Reason.MALFORMED
    else:
        assert found.records


_CODES = [b"1-0:1.8.0", b"0-0:1.0.0", b"0-1:24.3.0", b"1-0:99.97.0", b"0-0:98.1.0", b"0-0:96.1.1", b"0-0:96.7.19"]
_TIMES = [b"170609063239S", b"000000000000W", b"07EA080B0208151900007880", b"19-01-01 00:00:00", b"99999999999999W"]
_SIGNS = [b"(", b")", b")(", b"*", b".", b"-", b"_", b" ", b"!", b"\r\n", b"\n", b"\x00", b"\xb2", b"\xb3", b"\xff"]
_PIECES = st.sampled_from([*_CODES, *_TIMES, *_SIGNS, b"kWh", b"s", b"1", b"00000", b"9" * 30])


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(_PIECES, max_size=40).map(b"".join)))
@example(b"0-0:1.0.0(FFFF" + b"FF" * 10 + b")")
def test_any_bytes_give_a_report_or_a_decode_error(body: bytes) -> None:
    _survives(body)
    _survives(b"/ABC5\r\n" + body)
    _survives(b"/ABC5\r\n" + body + b")\r\n!\r\n")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_mutated_telegram_gives_a_report_or_a_decode_error(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from([case.octets for case in TELEGRAMS])))
    for _ in range(data.draw(st.integers(1, 5))):
        begin = data.draw(st.integers(0, len(octets)))
        octets[begin : begin + data.draw(st.integers(0, 4))] = data.draw(st.one_of(st.binary(max_size=4), _PIECES))
    _survives(bytes(octets))
