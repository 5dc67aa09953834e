"""From what the configuration says of a meter to what its pushes become."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from datalogger.config.metering import MeterOptions, Scaling
from datalogger.config.secrets import Secret
from datalogger.meters.decoder import Event
from datalogger.meters.profiles import load
from datalogger.model import Record, Report
from datalogger.pipeline.metering import decoder, framer
from datalogger.protocol.dlms.security import MemoryCounters
from datalogger.protocol.framing import Frame, Reason, Rejected
from tests.protocol.dlms.corpus import Case, case
from tests.protocol.p1.corpus import telegram

AIDON = case("no_aidon_list3_3ph_hourly")  # HDLC, in the clear
KAMSTRUP = case("dk_kamstrup_1ph_plain_apdu")  # LLC and APDU, in the clear
LANDIS = case("at_lg_e450_burgenland_enc_auth_1")  # HDLC, both keys
KAIFA = case("at_kaifa_ma309_netznoe_enc")  # M-Bus, one key
WRAPPED = case("xx_udp_wpdu_enc_auth_1")
UNTITLED = case("system_title_len_0")  # wrapper, both keys, no system title
WRONG = "0123456789ABCDEF" * 2


def options(found: Case | None = None, **given: Any) -> MeterOptions:
    """Of a source whose meter is the one of this case, with its keys."""
    if found is not None:
        for name, key in (("key", found.key), ("auth_key", found.auth_key)):
            if key is not None:
                given.setdefault(name, Secret(key.hex()))
    return MeterOptions(kind="serial", **given)


def bare(**given: Any) -> MeterOptions:
    """Of the Kamstrup meter, whose APDUs come without any framing."""
    return options(framing="apdu", **given)


def read(source: MeterOptions, octets: bytes, counters: MemoryCounters | None = None) -> list[Event]:
    """What a new line of this source makes of these octets."""
    line, meter = framer(source)(), decoder(source, counters or MemoryCounters(), None)()
    found: list[Event] = []
    for one in (*line.feed(octets), *line.idle()):
        found += meter.take(one) if isinstance(one, Frame) else [one]
    return found + meter.idle()


def report(source: MeterOptions, octets: bytes) -> Report:
    (found,) = (one for one in read(source, octets) if isinstance(one, Report))
    return found


def refused(source: MeterOptions, octets: bytes, counters: MemoryCounters | None = None) -> set[str]:
    """Why there is no report."""
    events = read(source, octets, counters)
    assert not any(isinstance(one, Report) for one in events)
    return {one.reason for one in events if isinstance(one, Rejected)}


def record(found: Report, name: str) -> Record:
    (one,) = (one for one in found.records if one.obis == f"{name}*255")
    return one


@pytest.mark.parametrize(
    ("framing", "octets", "found"),
    [
        ("hdlc", AIDON.octets, AIDON),
        ("mbus", KAIFA.octets, KAIFA),
        ("wrapper", WRAPPED.octets, WRAPPED),
        ("apdu", KAMSTRUP.octets, KAMSTRUP),
        ("auto", AIDON.octets, AIDON),
        ("p1", telegram("nl-dsmr50_iskra-am550t_gas"), None),
        ("auto", telegram("nl-dsmr50_iskra-am550t_gas"), None),
    ],
)
def test_a_source_is_read_in_the_framing_it_names(framing: str, octets: bytes, found: Case | None) -> None:
    assert report(options(found, framing=framing), octets).protocol == ("p1" if found is None else "dlms")


def test_in_another_framing_there_is_no_report_and_every_octet_has_its_reason() -> None:
    events = read(options(framing="mbus"), AIDON.octets)
    assert b"".join(one.octets for one in events if isinstance(one, Rejected)) == AIDON.octets
    assert all(isinstance(one, Rejected) for one in events)


def test_every_line_of_a_source_has_its_own_framer_and_decoder() -> None:
    source = options(framing="hdlc")
    new_framer, new_decoder = framer(source), decoder(source, MemoryCounters(), None)
    one, other = new_framer(), new_framer()
    assert not [event for event in one.feed(AIDON.octets[:100]) if isinstance(event, Frame)]
    assert [type(event) for event in other.feed(AIDON.octets) if isinstance(event, Frame)] == [Frame]
    assert new_decoder() is not new_decoder()


def test_keys_open_what_the_meter_sends() -> None:
    security = report(options(LANDIS), LANDIS.octets).security
    assert security is not None
    assert (security.system_title, security.tag) == ("4C475A71C19F7165", "verified")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"key": None, "auth_key": None}, Reason.NO_KEY),
        ({"key": Secret(WRONG), "auth_key": None}, Reason.WRONG_KEY),
        ({"auth_key": Secret(WRONG)}, Reason.TAG),
    ],
)
def test_without_the_right_keys_there_is_a_reason(given: dict[str, Any], reason: Reason) -> None:
    assert refused(options(LANDIS, **given), LANDIS.octets) == {reason}


def test_with_policy_encrypted_a_wrong_authentication_key_does_no_harm() -> None:
    source = options(LANDIS, auth_key=Secret(WRONG), policy="encrypted")
    security = report(source, LANDIS.octets).security
    assert security is not None
    assert security.tag == "unchecked"


def test_a_push_in_the_clear_is_refused_where_both_keys_are_configured() -> None:
    assert refused(options(LANDIS), AIDON.octets) == {Reason.POLICY}


def test_a_replay_is_refused_on_every_line_that_shares_the_counters_also_after_a_reload() -> None:
    counters, source = MemoryCounters(), options(LANDIS)
    assert any(isinstance(one, Report) for one in read(source, LANDIS.octets, counters))
    assert refused(source, LANDIS.octets, counters) == {Reason.REPLAY}
    assert refused(options(LANDIS, meter="another option"), LANDIS.octets, counters) == {Reason.REPLAY}


def test_without_the_replay_check_it_is_taken_again() -> None:
    counters, source = MemoryCounters(), options(LANDIS, replay_check=False)
    for _ in range(2):
        assert any(isinstance(one, Report) for one in read(source, LANDIS.octets, counters))


def test_a_system_title_of_the_configuration_stands_in_for_the_one_left_out() -> None:
    source = options(UNTITLED, framing="wrapper")
    assert refused(source, UNTITLED.octets) != set()
    security = report(options(UNTITLED, framing="wrapper", system_title="4c475a6774206295"), UNTITLED.octets).security
    assert security is not None
    assert (security.system_title, security.tag) == ("4C475A6774206295", "verified")


def test_a_scaling_of_the_configuration_stands_before_the_profile_and_the_longer_name_before_the_shorter() -> None:
    scalers = tuple(map(Scaling.parse, ["1.8.0 = 1 Wh", "1-1:1.8.0 = 1000 Wh", "2.8.0 = 0.01 A"]))
    before, after = (report(bare(scalers=given), KAMSTRUP.octets) for given in ((), scalers))
    energy = record(after, "1-1:1.8.0")
    assert (energy.value, energy.scaler, energy.unit) == (814030, 3, "Wh")
    assert record(after, "1-1:2.8.0").unit == "A"
    assert record(after, "1-1:1.7.0") == record(before, "1-1:1.7.0")


def test_the_factor_of_a_current_transformer_multiplies() -> None:
    once, fifty = (report(bare(factor=factor), KAMSTRUP.octets) for factor in (1, 50))
    for name in ("1-1:1.8.0", "1-1:1.7.0"):
        one, other = record(once, name).physical, record(fifty, name).physical
        assert one is not None
        assert other == one * 50


def test_a_meter_that_sends_no_identifier_has_that_of_the_configuration() -> None:
    assert report(options(meter="barn"), case("no_kaifa_ma304h3e_list1").octets).meter == "barn"


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("local", "2023-04-06T13:49:50+02:00"),
        ("standard", "2023-04-06T13:49:50+01:00"),
        ("arrival", None),
    ],
)
def test_the_clock_and_the_zone_of_the_configuration_decide_what_time_it_was(clock: str, expected: str | None) -> None:
    moment = report(bare(clock=clock, zone="Europe/Copenhagen"), KAMSTRUP.octets).meter_time
    assert moment == (None if expected is None else datetime.fromisoformat(expected))


def test_a_named_profile_is_used_also_one_of_a_persons_own(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "datalogger/meters/profiles/kamstrup-push1.toml").read_text()
    (tmp_path / "my-own.toml").write_text(text.replace('"kamstrup-push1"', '"my-own"', 1))
    source = bare(profile="my-own")
    line, meter = framer(source)(), decoder(source, MemoryCounters(), load(tmp_path))()
    frames = [one for one in (*line.feed(KAMSTRUP.octets), *line.idle()) if isinstance(one, Frame)]
    found = [one for frame in frames for one in meter.take(frame) if isinstance(one, Report)]
    assert [one.profile for one in found] == ["my-own"]
