"""The whole search, over lines in memory that are bit by bit as a UART hears them."""

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import pytest

from datalogger.errors import SourceError
from datalogger.line_settings import LineSettings
from datalogger.meters.decoder import MeterDecoder
from datalogger.meters.meaning import Reading as Meaning
from datalogger.meters.profiles import load
from datalogger.probing.candidates import candidates
from datalogger.probing.ear import Ear, Verdict
from datalogger.probing.findings import Finding, finding
from datalogger.probing.hints import hint
from datalogger.probing.lines import Reading
from datalogger.probing.search import Search
from datalogger.protocol.detect import AutoFramer
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.security import MemoryCounters, Security
from datalogger.simulation.meters import built_in
from datalogger.simulation.p1 import DSMR5, telegrams
from tests.probing.meter import MeterLine, SilentLine, Time
from tests.protocol.dlms.corpus import case

PROFILES = load()
TRIED = candidates(PROFILES.values())
P1 = next(telegrams(DSMR5, start=Time().now()))


def ears(keys: Keys | None = None) -> Callable[[], Ear]:
    def ear() -> Ear:
        security = Security(keys or Keys(), counters=MemoryCounters(), replay=False)
        return Ear(AutoFramer(), MeterDecoder(Meaning(zone=ZoneInfo("Europe/Oslo")), security, lambda: PROFILES))

    return ear


def searched(line: MeterLine, clock: Time, *, seconds: float = 60, keys: Keys | None = None) -> Search:
    search = Search(line, TRIED, ears(keys), clock, seconds=seconds, watch=lambda progress: None)
    search.run()
    return search


def found(search: Search) -> Finding:
    assert search.best is not None
    result = finding(search.best, PROFILES, tunable=True, shows_form=True)
    assert result is not None, (search.best.settings, search.best.ear.verdict)
    return result


def pushes(*names: str) -> list[bytes]:
    return [case(name).octets for name in names]


@pytest.mark.parametrize(
    "names, settings, framing, seconds",
    [
        (["no_kaifa_ma304h3e_list1", "no_kaifa_ma304h3e_list2"], "2400 8E1", "hdlc", 40),
        (["no_kamstrup_omnipower_3ph_10s"], "2400 8N1", "hdlc", 60),
        (["no_aidon_list3_3ph_hourly"], "2400 8E1", "hdlc", 40),
        (["se_aidon_rj45_27items"], "2400 8E1", "hdlc", 60),
        (["ch_lg_e450_gbt3_plain"], "2400 8E1", "hdlc", 60),
        (["ch_iskra_am550_hdlc_seg3"], "115200 8N1", "hdlc", 30),
        (["ch_lg_e360_vse2026"], "9600 8N1", "hdlc", 90),
    ],
)
def test_the_settings_of_a_dlms_meter_are_found(
    names: Sequence[str], settings: str, framing: str, seconds: float
) -> None:
    clock = Time()
    began = clock.monotonic()
    result = found(searched(MeterLine(clock, pushes(*names), settings), clock))
    assert str(result.settings) == settings
    assert result.framing == framing
    assert result.report is not None
    assert clock.monotonic() - began <= seconds


@pytest.mark.parametrize("settings", ["115200 8N1", "9600 7E1", "115200 7E1"])
def test_the_settings_of_a_p1_meter_are_found(settings: str) -> None:
    clock = Time()
    result = found(searched(MeterLine(clock, [P1], settings), clock))
    assert str(result.settings) == settings
    assert result.framing == "p1"
    assert result.meter == "E0000000000000000"


@pytest.mark.parametrize("settings", ["2400 8E1", "9600 8N1"])
def test_the_speed_of_a_slow_line_shows_in_how_fast_nuls_come(settings: str) -> None:
    clock = Time()
    search = searched(MeterLine(clock, pushes("no_aidon_list3_3ph_hourly"), settings, paced=True), clock)
    assert [str(each.settings) for each in search.attempts] == ["115200 8N1", settings]


def test_what_was_tried_in_silence_is_not_held_against_it() -> None:
    clock = Time()
    line = MeterLine(clock, pushes("no_aidon_list3_3ph_hourly"), "2400 8E1", interval=60, paced=True)
    assert str(found(searched(line, clock, seconds=200)).settings) == "2400 8E1"


@pytest.mark.parametrize("settings", ["38400 8N1", "19200 8E1", "1200 8N1"])
def test_unusual_speeds_are_found_where_a_profile_or_the_list_names_them(settings: str) -> None:
    clock = Time()
    line = MeterLine(clock, pushes("no_aidon_list3_3ph_hourly"), settings)
    search = searched(line, clock, seconds=200)
    if LineSettings.parse(settings) in TRIED:
        assert str(found(search).settings) == settings
    else:
        assert search.best is not None and search.best.ear.verdict < Verdict.SOUND


def test_a_parity_that_only_the_receivers_marks_tell_is_found() -> None:
    """8E1 read as 8N1 gives every octet as it was sent, but half of them with a framing error."""
    clock = Time()
    line = MeterLine(clock, pushes("no_aidon_list3_3ph_hourly"), "2400 8E1")
    tried = [LineSettings.parse("2400 8N1"), LineSettings.parse("9600 8N1"), LineSettings.parse("2400 8E1")]
    search = Search(line, tried, ears(), clock, seconds=60, watch=lambda progress: None)
    search.run()
    first, second = search.attempts
    assert (str(first.settings), first.ear.verdict, first.faulty) == ("2400 8N1", Verdict.READ, True)
    assert search.best is second
    assert str(found(search).settings) == "2400 8E1"


def test_where_the_port_cannot_do_the_right_parity_the_one_that_reads_is_taken() -> None:
    clock = Time()
    cannot = [LineSettings.parse("2400 8E1")]
    search = searched(MeterLine(clock, pushes("no_aidon_list3_3ph_hourly"), "2400 8E1", cannot=cannot), clock)
    assert search.refused == cannot
    assert str(found(search).settings) == "2400 8N1"


def test_without_a_drivers_marks_what_reads_is_taken() -> None:
    clock = Time()
    result = found(searched(MeterLine(clock, pushes("no_aidon_list3_3ph_hourly"), "2400 8E1", marks=False), clock))
    assert str(result.settings) == "2400 8E1"


def test_a_meter_that_speaks_once_a_minute_is_found_in_a_longer_time() -> None:
    clock = Time()
    line = MeterLine(clock, pushes("no_aidon_list3_3ph_hourly"), "2400 8E1", interval=60)
    assert str(found(searched(line, clock, seconds=300)).settings) == "2400 8E1"


def test_silence_ends_with_the_time_and_a_hint_at_the_cable() -> None:
    clock = Time()
    search = searched(SilentLine(clock), clock, seconds=30)
    assert clock.monotonic() == pytest.approx(1030, abs=0.2)
    assert search.best is not None and search.best.ear.verdict is Verdict.SILENT
    told = hint(search.best, PROFILES.values(), tunable=True)
    assert "request line" in told
    assert "--time 3m" in told


def test_an_inverted_signal_is_told_at_once() -> None:
    clock = Time()
    line = MeterLine(clock, [P1 * 2], "115200 8N1", inverted=True)
    search = searched(line, clock)
    assert clock.monotonic() < 1020
    assert search.best is not None
    assert finding(search.best, PROFILES, tunable=True, shows_form=True) is None
    assert "inverted" in hint(search.best, PROFILES.values(), tunable=True)


def test_a_damaged_line_is_told_from_a_wrong_setting() -> None:
    clock = Time()
    push = bytearray(case("no_aidon_list3_3ph_hourly").octets)
    push[len(push) // 2] ^= 4
    search = searched(MeterLine(clock, [bytes(push) * 3], "2400 8E1"), clock, seconds=60)
    assert search.best is not None and search.best.ear.verdict is Verdict.DAMAGED
    assert "2400 8E1 is right" in hint(search.best, PROFILES.values(), tunable=True)


ENCRYPTED = "dk_kamstrup_omnipower_enc_auth_testkey"


def test_a_meter_that_enciphers_is_named_by_its_system_title_and_the_key_asked_for() -> None:
    clock = Time()
    result = found(searched(MeterLine(clock, pushes(ENCRYPTED), "2400 8N1"), clock))
    assert result.needs_key
    assert result.report is None
    assert bytes.fromhex(result.system_title).startswith(b"KAM")
    assert result.key.startswith("needed")
    assert result.maker == "Kamstrup"
    families = {family.id for family in result.families}
    assert "kamstrup-dk" in families
    assert not {"kamstrup-no", "kamstrup-se"} & families  # there they do not encipher
    assert str(result.settings) == "2400 8N1"


@pytest.mark.parametrize("interval", [2, 10])
def test_a_cipher_block_that_nobody_can_open_is_waited_for_until_it_comes_again(interval: float) -> None:
    clock = Time()
    smarty = built_in("lu-smarty")
    line = MeterLine(clock, [smarty.octets], "115200 8N1", interval=interval)
    result = found(searched(line, clock))
    assert result.needs_key
    assert result.maker == "Sagemcom"
    assert result.framing == "apdu"
    assert clock.seconds - Time().seconds <= 3 * interval


def test_the_right_keys_open_it_and_a_wrong_one_is_named() -> None:
    meter = case(ENCRYPTED)
    assert meter.key is not None and meter.auth_key is not None
    clock = Time()

    def with_keys(key: bytes, auth_key: bytes | None) -> Finding:
        return found(searched(MeterLine(clock, [meter.octets], "2400 8N1"), clock, keys=Keys(key, auth_key)))

    right = with_keys(meter.key, meter.auth_key)
    assert right.report is not None and not right.needs_key
    assert right.key == "both keys are right: the authentication tag holds"
    assert with_keys(meter.key, None).key.startswith("the encryption key is right; the authentication tag was not")
    wrong = with_keys(bytes(16), None)
    assert wrong.needs_key and wrong.key.startswith("the encryption key is wrong")
    wrong_auth = with_keys(meter.key, bytes(16))
    assert wrong_auth.key.startswith("the authentication key is wrong")
    for result in (right, wrong, wrong_auth):
        assert meter.key.hex() not in repr(result).lower()


def test_an_m_bus_meter_with_its_key_is_found() -> None:
    meter = case("at_kaifa_ma309_netznoe_enc")
    assert meter.key is not None
    clock = Time()
    result = found(searched(MeterLine(clock, [meter.octets], "2400 8E1", interval=5), clock, keys=Keys(meter.key)))
    assert (result.framing, str(result.settings)) == ("mbus", "2400 8E1")
    assert result.report is not None


class Gone(MeterLine):
    """Pulled out in the middle of the search."""

    def read(self, seconds: float) -> Reading:
        if self._clock.monotonic() > 1012:
            raise SourceError("/dev/ttyUSB0 is gone")
        return super().read(seconds)


def test_a_line_that_fails_ends_the_search_and_leaves_what_was_heard() -> None:
    clock = Time()
    line = Gone(clock, pushes("no_aidon_list3_3ph_hourly"), "2400 8E1")
    search = Search(line, TRIED, ears(), clock, seconds=60, watch=lambda progress: None)
    with pytest.raises(SourceError, match="gone"):
        search.run()
    assert search.best is not None and search.best.ear.octets > 0


def test_a_port_that_can_do_none_of_the_settings_ends_the_search() -> None:
    clock = Time()
    search = searched(MeterLine(clock, [P1], "9600 7E1", cannot=TRIED), clock)
    assert search.best is None
    assert search.refused == list(TRIED)


class Elsewhere(MeterLine):
    """Behind a port server, which somebody else sets."""

    tunable = False

    def tune(self, settings: LineSettings) -> bool:
        return False


def behind(server: str, sent: str, octets: bytes) -> str:
    clock = Time()
    line = Elsewhere(clock, [octets], sent, marks=False, interval=1)
    line._heard = LineSettings.parse(server)
    search = searched(line, clock, seconds=20)
    best = search.best
    assert best is not None
    if result := finding(best, PROFILES, tunable=False, shows_form=True):
        assert result.settings is None
        return result.framing
    return hint(best, PROFILES.values(), tunable=False)


def test_behind_a_port_server_the_meter_is_found_or_what_to_set_there_is_told() -> None:
    assert behind("115200 8N1", "115200 8N1", P1) == "p1"
    assert "set the port server to 7E1" in behind("9600 8N1", "9600 7E1", P1)
    assert "4 times too fast" in behind("38400 8N1", "9600 8N1", P1)
