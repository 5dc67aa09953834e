"""The profiles that come along: every file can be read, and every push of the corpus gets the one that is meant."""

import re
from zoneinfo import ZoneInfo

import msgspec
import pytest

from datalogger.config.metering import Scaling
from datalogger.meters import lint, profiles, type_vector
from datalogger.meters.meaning import Reading
from datalogger.meters.profile import Profile, groups
from datalogger.meters.recognition import recognise
from datalogger.meters.report import build
from datalogger.model import Record, Report
from datalogger.model import Security as ReportSecurity
from datalogger.protocol.bare import ApduFramer
from datalogger.protocol.dlms.items import Item, Layout, Link, Push
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.push import PushDecoder
from datalogger.protocol.dlms.security import MemoryCounters, Security
from datalogger.protocol.framing import Frame, Framer
from datalogger.protocol.hdlc.framer import HdlcFramer
from datalogger.protocol.mbus.framer import MbusFramer
from datalogger.protocol.wrapper import WrapperFramer
from tests.protocol.dlms.corpus import METERS, SEED, Case, case

PROFILES = profiles.load()
OSLO = ZoneInfo("Europe/Oslo")

# The twins keep the letters of an identifier and change its digits: so no Kamstrup there tells its country.
EXPECTED = {
    "at_iskra_am550_enc": "at-p1short-12",
    "at_kaifa_ma309_netznoe_enc": "at-noe",
    "at_kaifa_ma309_vorarlberg_plain_apdu": "kaifa-at-west",
    "at_kaifa_netznoe_doc_sample": "at-noe",
    "at_kaifa_salzburg_plain_apdu": "kaifa-at-west",
    "at_lg_e450_burgenland_enc_auth_1": "lg-bgld-14",
    "at_lg_e450_gbt3_enc_auth": "lg-e450-graz",
    "at_sagemcom_t210d_plain_apdu": "at-noe",
    "at_siemens_im350_enc": "at-p1short-12",
    "ch_iskra_am550_hdlc_seg3": "iskra-am550-ch-romande",
    "ch_iskra_am550_vse2026": "iskra-am550-ch",
    "ch_lg_e360_vse2026": "lg-e360",
    "ch_lg_e450_alt_config": "lg-e450",
    "ch_lg_e450_gbt3_plain": "lg-e450",
    "ch_lg_e450_raw_apdu_phase_power": "lg-e450",
    "ch_lg_e450_vse2026": "lg-e450-vse",
    "ch_lg_e570_vse2026": "lg-e570",
    "dk_kamstrup_1ph_plain_apdu": "kamstrup-push1",
    "dk_kamstrup_omnipower_ct_33items": "kamstrup-push1",
    "dk_kamstrup_omnipower_enc_auth_testkey": "kamstrup-push1",
    "dk_kamstrup_omnipower_plain_listsize25": "kamstrup",
    "no_aidon_amshan_no_list_1": "aidon-no-l1",
    "no_aidon_amshan_no_list_2": "aidon-no",
    "no_aidon_amshan_no_list_3": "aidon-no",
    "no_aidon_list3_3ph_hourly": "aidon-no",
    "no_kaifa_amshan_no_list_1": "kaifa-l1",
    "no_kaifa_amshan_no_list_2": "kaifa-3p-l2",
    "no_kaifa_amshan_no_list_3": "kaifa-3p-l3",
    "no_kaifa_aviborg": "kaifa-l1",
    "no_kaifa_ma304h3e_list1": "kaifa-l1",
    "no_kaifa_ma304h3e_list2": "kaifa-3p-l2",
    "no_kamstrup_amshan_no_list_1_single_phase_real_sample": "kamstrup",
    "no_kamstrup_amshan_no_list_1_three_phase": "kamstrup",
    "no_kamstrup_amshan_no_list_2_single_phase": "kamstrup",
    "no_kamstrup_amshan_no_list_2_single_phase_real_sample": "kamstrup",
    "no_kamstrup_amshan_no_list_2_three_phase": "kamstrup",
    "no_kamstrup_omnipower_3ph_10s": "kamstrup",
    "no_kamstrup_omnipower_3ph_hourly": "kamstrup",
    "pl_kaifa_ma309_enc_suite1": "kaifa-at-west",
    "se_aidon_amshan_se_list": "aidon-se",
    "se_aidon_aviborg": "aidon-se",
    "se_aidon_rj45_27items": "aidon-se",
    "se_kaifa_amshan_se_list": "kaifa-se-flat",
    "se_kaifa_ma304h4pse_18items": "kaifa-se-flat",
    "se_kamstrup_amshan_se_list_real_sample": "kamstrup",
    "se_kamstrup_aviborg": "kamstrup",
    "se_kamstrup_omnipower_hourly": "kamstrup",
    "si_iskra_am550_1ph_1s": "iskra-si-1p-9",
    "si_iskra_am550_ljubljana_15min": "iskra-si-3p-15min",
    "si_iskra_am550_ljubljana_5s": "iskra-si-3p-inst",
    "si_iskra_am550_llc_only": "iskra-si-1p-10",
    "xx_udp_wpdu_enc_auth_1": "",
    "seed_e570_gbt_plain": "lg-e570",
    "seed_raw_apdu": "lg-e570",
    "seed_single_hdlc": "lg-e570",
    "seed_wpdu_plain": "lg-e570",
}

# The identifiers of a positional body, as such a meter sends them.
TEXTS = {
    "at-p1short-10": {0: b"\0\x06\x19\x09\0\xff"},
    "at-p1short-12": {0: b"\0\x06\x19\x09\0\xff"},
    "iskra-at-wn": {},
    "iskra-hr-ie5": {0: b"12345678"},
    "iskra-si-1p-10": {0: b"ISK0123456789012", 1: b"ISK12345678"},
    "iskra-si-1p-9": {0: b"ISK0123456789012", 1: b"ISK12345678"},
    "iskra-si-3p-15min": {0: b"ISK0123456789012", 1: b"16820006"},
    "iskra-si-3p-inst": {0: b"ISK0123456789012", 1: b"16820005"},
    "iskra-si-celje": {0: b"ISK0123456789012", 1: b"UP_3f"},
    "iskra-si-totals-4": {0: b"12345678"},
    "iskra-si-totals-9": {0: b"ISK0123456789012"},
    "kaifa-1p-l2": {0: b"KFM_001"},
    "kaifa-1p-l3": {0: b"KFM_001"},
    "kaifa-3p-l2": {0: b"KFM_001"},
    "kaifa-3p-l3": {0: b"KFM_001"},
    "kaifa-3p-l3-u64": {0: b"KFM_001"},
    "kaifa-l1": {},
    "lg-bgld-11": {10: b"12345678"},
    "lg-bgld-14": {13: b"12345678"},
    "lg-totals-2": {},
}
MOMENT = bytes.fromhex("07E60B0C0610360000FFC400")


def push_of(push_case: Case, octets: bytes | None = None) -> Push:
    """The one push of a case, or of the octets that were changed in it."""
    framing = push_case.expected["messages"][0]["framing"]
    framer: Framer = ApduFramer()
    if framing.startswith("hdlc"):
        framer = HdlcFramer()
    elif framing.startswith("mbus"):
        framer = MbusFramer()
    elif framing == "wpdu":
        framer = WrapperFramer()
    keys = Keys(push_case.key, push_case.auth_key) if push_case.key else Keys()
    decoder = PushDecoder(Security(keys, counters=MemoryCounters()))
    events = framer.feed(octets or push_case.octets) + framer.idle()
    (push,) = [found for event in events if isinstance(event, Frame) for found in decoder.take(event)]
    assert isinstance(push, Push)
    return push


def recognised(push: Push) -> str:
    profile, _ = recognise(push, PROFILES)
    return "" if profile is None else profile.id


def report_of(push: Push, profile: str) -> Report:
    report, _ = build(push, PROFILES[profile], Reading(zone=OSLO))
    return report


def record(report: Report, name: str) -> Record:
    """The one under C.D.E."""
    (found,) = [one for one in report.records if one.obis.endswith(f":{name}*255")]
    return found


def positional(profile: Profile, values: dict[str, int] | None = None) -> Push:
    """A push of the profile's own type vector; numbers are 7, or as `values` has them by C.D.E."""
    slots = type_vector.parse(profile.match.types)
    numbers = {member.index: (values or {}).get(member.obis.partition(":")[2], 7) for member in profile.members}
    texts = TEXTS[profile.id]
    items = []
    for index, slot in enumerate(slots):
        octets = texts.get(index, MOMENT if slot.moment else b"\1" * (slot.length or 13))
        value: object = octets if slot.tag == 9 else [(slot.element, 9400)] if slot.element else numbers[index]
        items.append(Item(index, (slot.tag, bool(value) if slot.tag == 3 else value)))
    types = tuple(slot.tag for slot in slots)
    return Push(Layout.POSITIONAL, items, 2, types, MOMENT, Link("apdu"), b"")


def named(profile: str, values: dict[str, int]) -> Report:
    """What the profile makes of these raw numbers."""
    items = [Item(at, (18, value), b"\1\0" + groups(name) + b"\xff") for at, (name, value) in enumerate(values.items())]
    push = Push(Layout.FLAT, items, 2, (18,) * len(items), MOMENT, Link("apdu"), b"")
    return report_of(push, profile)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_says_nothing_that_the_lint_objects_to(name: str) -> None:
    assert lint.faults(PROFILES[name]) == []


def test_no_two_profiles_can_fit_one_push() -> None:
    assert lint.conflicts(PROFILES.values()) == []


def test_the_table_names_every_push_of_the_corpus() -> None:
    assert set(EXPECTED) == {one.name for one in METERS + SEED}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_push_of_the_corpus_gets_its_profile(name: str) -> None:
    assert recognised(push_of(case(name))) == EXPECTED[name]


@pytest.mark.parametrize("name", [name for name, found in EXPECTED.items() if found and "raw" not in name])
def test_a_push_needs_no_hdlc_address_to_be_recognised(name: str) -> None:
    push = msgspec.structs.replace(push_of(case(name)), link=Link("apdu"))

    assert recognised(push) == EXPECTED[name]


@pytest.mark.parametrize("profile", [one for one in PROFILES.values() if one.match.types], ids=lambda one: one.id)
def test_a_type_vector_is_one_profile_and_no_other(profile: Profile) -> None:
    assert recognised(positional(profile)) == profile.id


@pytest.mark.parametrize(
    ("profile", "address"), [("kaifa-l1", "01/0201"), ("kaifa-l1", "01/0001"), ("lg-totals-2", "CEFF/03")]
)
def test_a_few_numbers_that_name_no_meter_are_taken_from_its_own_address_only(profile: str, address: str) -> None:
    destination, source = map(bytes.fromhex, address.split("/"))
    push = positional(PROFILES[profile])
    own = msgspec.structs.replace(push, link=Link("hdlc", destination, source))
    strange = msgspec.structs.replace(push, link=Link("hdlc", b"\x41", b"\x08\x83"))

    assert recognised(own) == profile
    assert recognised(strange) == ""


def test_a_list_with_a_text_of_its_own_is_known_at_any_address() -> None:
    push = msgspec.structs.replace(positional(PROFILES["kaifa-3p-l2"]), link=Link("hdlc", b"\x41", b"\x08\x83"))

    assert recognised(push) == "kaifa-3p-l2"


# The twins have another fourth octet; these are what real meters send.
@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("at_kaifa_ma309_netznoe_enc", b"KFMg"),
        ("at_kaifa_ma309_netznoe_enc", b"KFMe"),
        ("at_lg_e450_burgenland_enc_auth_1", b"LGZg"),
        ("at_lg_e450_gbt3_enc_auth", b"LGZg"),
        ("at_iskra_am550_enc", b"ISKi"),
        ("at_siemens_im350_enc", b"SMSg"),
        ("pl_kaifa_ma309_enc_suite1", b"KFM\x10"),
        ("dk_kamstrup_omnipower_enc_auth_testkey", b"KAME"),
    ],
)
def test_the_system_title_of_a_real_meter_lets_its_profile_in(name: str, title: bytes) -> None:
    push = push_of(case(name))
    assert push.security is not None
    security = msgspec.structs.replace(push.security, system_title=(title + b"\1\2\3\4").hex().upper())

    assert recognised(msgspec.structs.replace(push, security=security)) == EXPECTED[name]


@pytest.mark.parametrize("title", [b"ISKh", b"LGZg"])
def test_both_makers_of_vienna_send_one_list(title: bytes) -> None:
    security = ReportSecurity((title + b"\1\2\3\4").hex().upper(), 1, "absent")
    push = msgspec.structs.replace(positional(PROFILES["iskra-at-wn"]), security=security)

    assert recognised(push) == "iskra-at-wn"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda one: one.id)
def test_what_a_profile_asks_its_owner_to_set_can_be_set(profile: Profile) -> None:
    for sentence in (*profile.ask, *profile.notes):
        for scalings in re.findall(r'scalers = \[("[^]]+")\]', sentence):
            for scaling in re.findall(r'"([^"]+)"', scalings):
                assert Scaling.parse(scaling).unit
        for name in re.findall(r'profile = "([^"]+)"', sentence):
            assert name in PROFILES
        for policy in re.findall(r'clock = "([^"]+)"', sentence):
            assert policy in ("trust", "local", "standard", "arrival")


VSE = "1-1:1.8.0 1-1:2.8.0 1-1:3.8.0 1-1:4.8.0 1-0:1.7.0 1-0:2.7.0 1-0:32.7.0 1-0:52.7.0 1-0:72.7.0 "
VSE += "1-0:31.7.0 1-0:51.7.0 1-0:71.7.0"


# What the facts tell of lists that no frame of the corpus has. Where a name bears text, it stands behind "=".
@pytest.mark.parametrize(
    ("layout", "names", "profile"),
    [
        ("push-list", "0-8:25.9.0 0-0:1.0.0 1-0:1.7.0 1-0:2.7.0 1-0:3.7.0 1-0:4.7.0 1-0:32.7.0", "lg-e450"),
        ("push-list", "0-9:25.9.0 0-0:42.0.0=LGZ1234567890123 0-0:96.1.0=1234567 1-0:1.8.1 1-0:1.8.2", "lg-e450-cy"),
        ("push-list", "0-11:25.9.0 0-0:96.1.0=12345678 0-1:24.2.1 0-2:24.2.1", "lg-e450-sub"),
        ("push-list", f"0-8:25.9.0 0-0:42.0.0=LGZ1234567890123 {VSE}", "lg-e570"),
        ("push-list", f"0-8:25.9.0 0-8:25.9.0 0-0:42.0.0=LGZ1 0-0:96.1.1=1 0-0:1.0.0 {VSE}", "lg-e450-vse"),
        ("push-list", f"0-8:25.9.0 0-8:25.9.0 0-0:42.0.0=LGZ1 0-0:96.1.1=1 0-0:1.0.0 {VSE} 1-0:13.7.0", "lg-e570"),
        ("push-list", f"0-6:25.9.0 0-0:42.0.0=LGZ1234567890123 {VSE}", "lg-e360"),
        ("push-list", f"0-6:25.9.0 0-0:42.0.0=ISK1234567890123 {VSE}", "iskra-am550-ch"),
        ("push-list", "0-0:25.9.0 0-0:96.5.134 0-0:42.0.0=ENR 0-0:96.1.0=1 0-0:97.98.0 0-0:97.98.10", "energomera"),
        (
            "structures",
            "1-1:0.2.129=EMBRIQ_V1_1 0-0:96.1.0=123456789 0-0:96.1.7=ZFF1 1-0:1.7.0 1-0:32.7.0",
            "embriq-no",
        ),
        ("structures", "1-1:0.2.129=AIDON_V0001 0-0:96.1.0=7359992 0-0:96.1.7=6515 1-0:1.7.0 1-0:32.7.0", "aidon-no"),
        ("untagged", "0-0:42.0.0=SAG 0-2:25.9.0 0-0:96.1.0=1 1-0:1.7.0 1-0:1.8.0", "egd-cez-untagged"),
        ("untagged", "0-0:96.1.1=1 0-0:96.3.10 0-0:17.0.0 1-0:1.7.0 1-0:1.8.0", "egd-cez-untagged"),
    ],
)
def test_a_list_that_the_corpus_lacks_gets_its_profile(layout: str, names: str, profile: str) -> None:
    items = []
    for position, word in enumerate(names.split()):
        name, _, text = word.partition("=")
        items.append(Item(position, (9, text.encode()) if text else (6, 7), groups(name) + b"\xff"))
    root = 1 if layout == "structures" else 2
    push = Push(Layout(layout), items, root, tuple(item.data[0] for item in items), None, Link("apdu"), b"")

    assert recognised(push) == profile


@pytest.mark.parametrize("profile", [one for one in PROFILES.values() if one.match.types], ids=lambda one: one.id)
def test_a_positional_register_has_a_unit_and_only_open_questions_lack_the_scaler(profile: Profile) -> None:
    registers = [member for member in profile.members if member.kind == "register"]

    assert registers
    assert all(member.unit for member in registers)
    assert all((member.scaler is None) == ("?" in member.sure) for member in registers)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda one: one.id)
def test_members_stand_in_the_order_of_the_body(profile: Profile) -> None:
    assert [member.index for member in profile.members] == sorted(member.index for member in profile.members)


@pytest.mark.parametrize("name", [name for name, found in EXPECTED.items() if found])
def test_the_volts_of_l1_are_those_of_a_mains(name: str) -> None:
    report = report_of(push_of(case(name)), EXPECTED[name])
    volts = [one for one in report.records if one.obis.endswith(":32.7.0*255")]

    for one in volts:
        if not one.unscaled:  # the document's own examples have a few volts: neither of the two scalers
            assert one.unit == "V"
            assert one.physical is not None
            assert 80 <= one.physical <= 500  # ten times more or less would be out


@pytest.mark.parametrize(
    ("tail", "profile", "scaler"),
    [(b"040", "kamstrup-no", 1), (b"090", "kamstrup-se", 0), (b"092", "kamstrup-se", 0), (b"010", "kamstrup-dk", 1)],
)
def test_a_kamstrup_tells_its_country_by_its_type_number(tail: bytes, profile: str, scaler: int) -> None:
    hourly = case("no_kamstrup_amshan_no_list_2_three_phase")
    name = bytes.fromhex("0101600101FF0A12")
    at = hourly.octets.index(name) + len(name) + 18
    push = push_of(hourly, hourly.octets[: at - 3] + tail + hourly.octets[at:])

    assert recognised(push) == profile
    assert record(report_of(push, profile), "1.8.0").scaler == scaler


def test_the_energies_of_a_kamstrup_without_a_country_are_not_guessed() -> None:
    report = report_of(push_of(case("no_kamstrup_omnipower_3ph_hourly")), "kamstrup")

    assert record(report, "1.8.0").unscaled
    assert not record(report, "1.7.0").unscaled


@pytest.mark.parametrize(("raw", "volts"), [(228, "228"), (22199, "221.99"), (0, "0")])
def test_a_kamstrup_sends_volts_or_hundredths_and_the_number_tells(raw: int, volts: str) -> None:
    for profile in ("kamstrup", "kamstrup-no", "kamstrup-se", "kamstrup-dk", "kamstrup-push1"):
        assert str(record(named(profile, {"32.7.0": raw}), "32.7.0").physical) == volts


def test_an_e570_is_never_taken_for_an_e450_and_only_its_volts_have_a_scaler() -> None:
    report = report_of(push_of(case("ch_lg_e570_vse2026")), "lg-e570")

    assert {one.obis for one in report.records if one.unit and not one.unscaled} == {
        "1-0:32.7.0*255",
        "1-0:52.7.0*255",
        "1-0:72.7.0*255",
    }


def test_power_and_current_of_an_e570_have_one_scaler_whichever_is_chosen() -> None:
    for profile in ("lg-e570-direct", "lg-e570-primary"):
        report = named(profile, {"1.7.0": 258874, "31.7.0": 275229})

        assert record(report, "1.7.0").scaler == record(report, "31.7.0").scaler


# Raw numbers of real frames whose volt-amperes and watts go together: (profile, V, A, W, the VA they make).
@pytest.mark.parametrize(
    ("profile", "raw_v", "raw_a", "raw_w", "apparent"),
    [
        ("lg-e360", 2357, 6, 11, 14),
        ("iskra-am550-ch", 2347, 12, 27, 28),
        ("iskra-si-1p-10", 2336, 278, 540, 649),
    ],
)
def test_volts_times_amperes_are_no_less_than_the_watts(
    profile: str, raw_v: int, raw_a: int, raw_w: int, apparent: int
) -> None:
    values = {"32.7.0": raw_v, "31.7.0": raw_a, "1.7.0": raw_w}
    own = PROFILES[profile]
    report = report_of(positional(own, values), profile) if own.match.types else named(profile, values)
    volts, amperes, watts = (record(report, name).physical for name in values)
    assert volts is not None and amperes is not None and watts is not None

    assert round(volts * amperes) == apparent
    assert watts <= volts * amperes


@pytest.mark.parametrize("profile", ["kaifa-3p-l2", "kaifa-3p-l3", "kaifa-3p-l3-u64"])
def test_0_on_l2_of_a_three_wire_kaifa_is_not_measured(profile: str) -> None:
    report = report_of(positional(PROFILES[profile], {"32.7.0": 2392, "52.7.0": 0, "72.7.0": 2397}), profile)

    assert record(report, "52.7.0").not_measured
    assert record(report, "52.7.0").value is None
    assert str(record(report, "32.7.0").physical) == "239.2"


def test_0_on_every_phase_of_a_kaifa_is_0_volts() -> None:
    report = report_of(positional(PROFILES["kaifa-3p-l2"], {"32.7.0": 0, "52.7.0": 0, "72.7.0": 0}), "kaifa-3p-l2")

    assert record(report, "52.7.0").value == 0


@pytest.mark.parametrize(
    ("values", "not_measured"),
    [
        ({"32.7.0": 2350, "52.7.0": 0, "72.7.0": 2320, "51.7.0": 0, "31.7.0": 318}, True),  # an IT net
        ({"32.7.0": 2350, "52.7.0": 2340, "72.7.0": 2320, "51.7.0": 0, "31.7.0": 318}, False),  # nothing on L2
        ({"32.7.0": 2350, "52.7.0": 0, "72.7.0": 2320, "51.7.0": 57, "31.7.0": 318}, False),  # calculated
        ({"32.7.0": 0, "52.7.0": 0, "72.7.0": 0, "51.7.0": 0, "31.7.0": 0}, False),  # no voltage at all
    ],
)
def test_0_amperes_of_l2_are_not_measured_where_its_voltage_is_not(values: dict[str, int], not_measured: bool) -> None:
    for name in ("embriq-no", "kaifa-3p-l2", "kaifa-3p-l3", "kaifa-3p-l3-u64", "kaifa-se-flat"):
        own = PROFILES[name]
        report = report_of(positional(own, values), name) if own.match.types else named(name, values)

        assert record(report, "51.7.0").not_measured is not_measured, name


def test_a_three_wire_kaifa_without_load_has_0_amperes_everywhere() -> None:
    values = {"32.7.0": 2350, "52.7.0": 0, "72.7.0": 2320, "51.7.0": 0, "31.7.0": 0, "71.7.0": 0}
    report = report_of(positional(PROFILES["kaifa-3p-l2"], values), "kaifa-3p-l2")

    assert record(report, "51.7.0").value == 0


def test_an_angle_of_400_in_burgenland_is_not_measured() -> None:
    values = {"81.7.40": 400, "81.7.51": 63, "81.7.62": 279}
    report = report_of(positional(PROFILES["lg-bgld-14"], values), "lg-bgld-14")

    assert record(report, "81.7.40").not_measured
    assert (record(report, "81.7.51").value, record(report, "81.7.51").unit) == (63, "°")


def test_what_nobody_knows_of_the_one_phase_am550_stays_a_position() -> None:
    report = report_of(push_of(case("si_iskra_am550_1ph_1s")), "iskra-si-1p-9")

    assert [(one.position, one.obis, one.unit) for one in report.records[7:]] == [(7, "", None), (8, "", None)]


def test_the_thresholds_of_the_croatian_fuse_have_no_scaler() -> None:
    thresholds = [member for member in PROFILES["iskra-hr-ie5"].members if member.obis.endswith(".4.0")]

    assert [member.index for member in thresholds] == [29, 30, 31]
    assert all(member.scaler is None for member in thresholds)
