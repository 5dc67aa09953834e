"""What the profiles say, written down a second time: a slip of the pen in one of the two shows here.

Places are in the order of the body, as `A-B:C.D.E`, and where a number stands, its scaler and unit: `=-1V`. `-` is a
place whose meaning nobody knows, `?` a scaler that nobody knows, `~` one that the number itself tells.
"""

import pytest

from datalogger.meters import profiles
from datalogger.meters.profile import Member, Register

PROFILES = profiles.load()

POSITIONS = {
    "at-p1short-10": (
        "0-6:25.9.0 0-0:96.1.0 1-0:0.9.1 1-0:0.9.2 1-0:1.8.0=0Wh 1-0:2.8.0=0Wh 1-0:3.8.0=0varh "
        "1-0:4.8.0=0varh 1-0:1.7.0=0W 1-0:2.7.0=0W"
    ),
    "at-p1short-12": (
        "0-6:25.9.0 0-0:96.1.0 1-0:0.9.1 1-0:0.9.2 1-0:1.8.0=0Wh 1-0:2.8.0=0Wh 1-0:3.8.0=0varh "
        "1-0:4.8.0=0varh 1-0:1.7.0=0W 1-0:2.7.0=0W - -"
    ),
    "iskra-at-wn": (
        "0-0:1.0.0 1-0:1.8.0=0Wh 1-0:2.8.0=0Wh 1-0:3.8.0=0varh 1-0:4.8.0=0varh 1-0:1.7.0=0W 1-0:2.7.0=0W "
        "1-0:3.7.0=0var 1-0:4.7.0=0var"
    ),
    "iskra-hr-ie5": (
        "0-0:96.1.0 1-0:0.9.1 1-0:0.9.2 1-0:1.8.0=0Wh 1-0:1.8.1=0Wh 1-0:1.8.2=0Wh 1-0:2.8.0=0Wh 1-0:2.8.1=0Wh "
        "1-0:2.8.2=0Wh 1-0:5.8.0=0varh 1-0:6.8.0=0varh 1-0:7.8.0=0varh 1-0:8.8.0=0varh 1-0:1.7.0=0W "
        "1-0:2.7.0=0W 1-0:13.7.0=-3count 1-0:21.7.0=0W 1-0:41.7.0=0W 1-0:61.7.0=0W 1-0:22.7.0=0W "
        "1-0:42.7.0=0W 1-0:62.7.0=0W 1-0:32.7.0=-1V 1-0:52.7.0=-1V 1-0:72.7.0=-1V 1-0:31.7.0=-2A "
        "1-0:51.7.0=-2A 1-0:71.7.0=-2A 0-0:17.0.0=0W 1-0:31.4.0=?A 1-0:51.4.0=?A 1-0:71.4.0=?A 0-0:96.3.10"
    ),
    "iskra-si-1p-10": (
        "0-0:42.0.0 0-0:96.1.0 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:3.7.0=0var 1-0:4.7.0=0var 1-0:32.7.0=-1V "
        "1-0:31.7.0=-2A 1-0:21.7.0=0W 1-0:22.7.0=0W"
    ),
    "iskra-si-1p-9": (
        "0-0:42.0.0 0-0:96.1.0 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:3.7.0=0var 1-0:4.7.0=0var 1-0:32.7.0=-1V - -"
    ),
    "iskra-si-3p-15min": (
        "0-0:42.0.0 1-0:0.2.129 0-0:96.3.10 0-0:96.14.0 1-0:1.8.0=0Wh 1-0:1.8.1=0Wh 1-0:1.8.2=0Wh "
        "1-0:2.8.0=0Wh 1-0:2.8.1=0Wh 1-0:2.8.2=0Wh 1-0:3.8.0=0varh 1-0:4.8.0=0varh"
    ),
    "iskra-si-3p-inst": (
        "0-0:42.0.0 1-0:0.2.129 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:3.7.0=0var 1-0:4.7.0=0var 1-0:32.7.0=-1V "
        "1-0:52.7.0=-1V 1-0:72.7.0=-1V 1-0:31.7.0=-2A 1-0:51.7.0=-2A 1-0:71.7.0=-2A 1-0:21.7.0=0W "
        "1-0:41.7.0=0W 1-0:61.7.0=0W 1-0:22.7.0=0W 1-0:42.7.0=0W 1-0:62.7.0=0W"
    ),
    "iskra-si-celje": (
        "0-0:42.0.0 1-0:0.2.129 1-0:32.7.0=-1V 1-0:52.7.0=-1V 1-0:72.7.0=-1V 1-0:31.7.0=-2A 1-0:51.7.0=-2A "
        "1-0:71.7.0=-2A 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:3.7.0=0var 1-0:4.7.0=0var"
    ),
    "iskra-si-totals-4": "0-0:96.1.0 - 1-0:1.8.0=0Wh 1-0:2.8.0=0Wh",
    "iskra-si-totals-9": (
        "0-0:42.0.0 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:1.8.0=0Wh 1-0:1.8.1=0Wh 1-0:1.8.2=0Wh 1-0:2.8.0=0Wh "
        "1-0:2.8.1=0Wh 1-0:2.8.2=0Wh"
    ),
    "kaifa-1p-l2": (
        "1-1:0.2.129 0-0:96.1.0 0-0:96.1.7 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:3.7.0=0var 1-0:4.7.0=0var "
        "1-0:31.7.0=-3A 1-0:32.7.0=-1V"
    ),
    "kaifa-1p-l3": (
        "1-1:0.2.129 0-0:96.1.0 0-0:96.1.7 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:3.7.0=0var 1-0:4.7.0=0var "
        "1-0:31.7.0=-3A 1-0:32.7.0=-1V 0-0:1.0.0 1-0:1.8.0=0Wh 1-0:2.8.0=0Wh 1-0:3.8.0=0varh 1-0:4.8.0=0varh"
    ),
    "kaifa-3p-l2": (
        "1-1:0.2.129 0-0:96.1.0 0-0:96.1.7 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:3.7.0=0var 1-0:4.7.0=0var "
        "1-0:31.7.0=-3A 1-0:51.7.0=-3A 1-0:71.7.0=-3A 1-0:32.7.0=-1V 1-0:52.7.0=-1V 1-0:72.7.0=-1V"
    ),
    "kaifa-3p-l3": (
        "1-1:0.2.129 0-0:96.1.0 0-0:96.1.7 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:3.7.0=0var 1-0:4.7.0=0var "
        "1-0:31.7.0=-3A 1-0:51.7.0=-3A 1-0:71.7.0=-3A 1-0:32.7.0=-1V 1-0:52.7.0=-1V 1-0:72.7.0=-1V 0-0:1.0.0 "
        "1-0:1.8.0=0Wh 1-0:2.8.0=0Wh 1-0:3.8.0=0varh 1-0:4.8.0=0varh"
    ),
    "kaifa-3p-l3-u64": (
        "1-1:0.2.129 0-0:96.1.0 0-0:96.1.7 1-0:1.7.0=0W 1-0:2.7.0=0W 1-0:3.7.0=0var 1-0:4.7.0=0var "
        "1-0:31.7.0=-3A 1-0:51.7.0=-3A 1-0:71.7.0=-3A 1-0:32.7.0=-1V 1-0:52.7.0=-1V 1-0:72.7.0=-1V 0-0:1.0.0 "
        "1-0:1.8.0=0Wh 1-0:2.8.0=0Wh 1-0:3.8.0=0varh 1-0:4.8.0=0varh"
    ),
    "kaifa-l1": "1-0:1.7.0=0W",
    "lg-bgld-11": (
        "1-0:32.7.0=0V 1-0:52.7.0=0V 1-0:72.7.0=0V 1-0:31.7.0=-2A 1-0:51.7.0=-2A 1-0:71.7.0=-2A 1-0:1.7.0=0W "
        "1-0:2.7.0=0W 1-0:1.8.0=0Wh 1-0:2.8.0=0Wh 0-0:96.1.0"
    ),
    "lg-bgld-14": (
        "1-0:32.7.0=0V 1-0:52.7.0=0V 1-0:72.7.0=0V 1-0:31.7.0=-2A 1-0:51.7.0=-2A 1-0:71.7.0=-2A 1-0:1.7.0=0W "
        "1-0:2.7.0=0W 1-0:1.8.0=0Wh 1-0:2.8.0=0Wh 1-0:81.7.40=0° 1-0:81.7.51=0° 1-0:81.7.62=0° 0-0:96.1.0"
    ),
    "lg-totals-2": "1-0:1.8.0=0Wh 1-0:2.8.0=0Wh",
}

_POWERS = "1.7.0=0W 2.7.0=0W 3.7.0=0var 4.7.0=0var "
_PHASE_POWERS = "21.7.0=0W 41.7.0=0W 61.7.0=0W 22.7.0=0W 42.7.0=0W 62.7.0=0W "
_PHASE_REACTIVE = "23.7.0=0var 43.7.0=0var 63.7.0=0var 24.7.0=0var 44.7.0=0var 64.7.0=0var "
_CENTIAMPERES = "31.7.0=-2A 51.7.0=-2A 71.7.0=-2A "
_VOLTS = "32.7.0=0V 52.7.0=0V 72.7.0=0V "
_DECIVOLTS = "32.7.0=-1V 52.7.0=-1V 72.7.0=-1V "
_VOLTS_OR_HUNDREDTHS = "32.7.0=~V 52.7.0=~V 72.7.0=~V "
_ENERGIES = "1.8.0=0Wh 1.8.1=0Wh 1.8.2=0Wh 2.8.0=0Wh 2.8.1=0Wh 2.8.2=0Wh "
_REACTIVE_ENERGIES = "3.8.0=0varh 3.8.1=0varh 3.8.2=0varh 4.8.0=0varh 4.8.1=0varh 4.8.2=0varh "
_QUADRANTS = "5.8.0=0varh 6.8.0=0varh 7.8.0=0varh 8.8.0=0varh "
_LANDIS = _POWERS + _PHASE_POWERS + _PHASE_REACTIVE + _CENTIAMPERES + "13.7.0=-3count "
_LANDIS += _ENERGIES + _REACTIVE_ENERGIES + _QUADRANTS
_KAMSTRUP = _POWERS + _CENTIAMPERES + _VOLTS_OR_HUNDREDTHS
_TENFOLD = "1.8.0=1Wh 2.8.0=1Wh 3.8.0=1varh 4.8.0=1varh "
_E570_REST = _POWERS + _PHASE_POWERS + _PHASE_REACTIVE + "31.7.0=0A 51.7.0=0A 71.7.0=0A "
_E570_REST += _ENERGIES + _REACTIVE_ENERGIES + _QUADRANTS
_E570_SURE = _VOLTS + "13.7.0=-3count "

REGISTERS = {
    "egd-cez-untagged": (
        "1.7.0=0W 2.7.0=0W 17.0.0=0W 1.8.0=0Wh 1.8.1=0Wh 1.8.2=0Wh 1.8.3=0Wh 1.8.4=0Wh 2.8.0=0Wh " + _PHASE_POWERS
    ),
    "iskra-am550-ch": _LANDIS + _DECIVOLTS,
    "kaifa-se-flat": (
        _POWERS + "31.7.0=-3A 51.7.0=-3A 71.7.0=-3A 1.8.0=0Wh 2.8.0=0Wh 3.8.0=0varh 4.8.0=0varh " + _DECIVOLTS
    ),
    "kamstrup": _KAMSTRUP + "1.8.0=?Wh 2.8.0=?Wh 3.8.0=?varh 4.8.0=?varh",
    "kamstrup-dk": _KAMSTRUP + _TENFOLD,
    "kamstrup-no": _KAMSTRUP + _TENFOLD,
    "kamstrup-push1": (
        _KAMSTRUP + _TENFOLD + _PHASE_POWERS + "13.7.0=-2count 33.7.0=-2count 53.7.0=-2count 73.7.0=-2count "
        "21.8.0=1Wh 41.8.0=1Wh 61.8.0=1Wh 22.8.0=1Wh 42.8.0=1Wh 62.8.0=1Wh"
    ),
    "kamstrup-se": _KAMSTRUP + "1.8.0=0Wh 2.8.0=0Wh 3.8.0=0varh 4.8.0=0varh",
    "lg-e360": _LANDIS + _DECIVOLTS,
    "lg-e450": _LANDIS + _VOLTS + "24.2.1=?",
    "lg-e450-cy": _LANDIS + _VOLTS,
    "lg-e450-graz": _POWERS + _ENERGIES + _REACTIVE_ENERGIES,
    "lg-e450-sub": _LANDIS + _VOLTS + "24.2.1=?",
    "lg-e450-vse": _LANDIS + _VOLTS,
    "lg-e570": _E570_SURE + _E570_REST.replace("=0", "=?"),
    "lg-e570-direct": (
        _E570_SURE + _E570_REST.replace("=0var", "=?var").replace("=0Wh", "=?Wh").replace("=0W ", "=-1W ")
    ).replace("=0A", "=-1A"),
    "lg-e570-primary": _E570_SURE + _E570_REST,
}


def written(scaler: int | None, unit: str | None, *, ranges: bool = False) -> str:
    if unit is None and scaler is None:
        return "?"
    return f"{'~' if ranges else '?' if scaler is None else scaler}{unit or ''}"


def of_member(member: Member) -> str:
    if member.kind != "register":
        return member.obis or "-"
    return f"{member.obis}={written(member.scaler, member.unit)}"


def of_register(register: Register) -> list[str]:
    scale = written(register.scaler, register.unit, ranges=bool(register.ranges))
    return [f"{name}={scale}" for name in register.obis]


def test_every_profile_that_gives_a_scaler_is_written_down_here() -> None:
    assert set(POSITIONS) == {one.id for one in PROFILES.values() if one.match.types}
    assert set(REGISTERS) == {one.id for one in PROFILES.values() if one.registers}


@pytest.mark.parametrize("name", POSITIONS)
def test_every_position_means_what_is_written_here(name: str) -> None:
    assert [of_member(member) for member in PROFILES[name].members] == POSITIONS[name].split()


@pytest.mark.parametrize("name", REGISTERS)
def test_every_register_has_the_scaler_that_is_written_here(name: str) -> None:
    found = [one for register in PROFILES[name].registers for one in of_register(register)]

    assert sorted(found) == sorted(REGISTERS[name].split())
