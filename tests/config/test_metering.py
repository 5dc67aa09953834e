"""What a source says of its meter, as the structs have it; what a person gets wrong: test_meter_refusals.py."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.config.metering import MeterOptions, Scaling
from datalogger.config.secrets import Secret
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.security import Policy

KEY = "00112233445566778899AABBCCDDEEFF"
AUTH_KEY = "f0 e1 d2 c3 b4 a5 96 87 78 69 5a 4b 3c 2d 1e 0f"


@pytest.mark.parametrize(
    ("text", "name", "scaler", "unit"),
    [
        ("1.8.0 = 10 Wh", "1.8.0", 1, "Wh"),
        ("1.8.0=10Wh", "1.8.0", 1, "Wh"),
        ("  1-1:31.7.0  =  0.001  A ", "1-1:31.7.0", -3, "A"),
        ("1-0:1.8.0*255 = 1000 Wh", "1-0:1.8.0", 3, "Wh"),
        ("13.7.0 = 0.001", "13.7.0", -3, None),
        ("1.7.0 = 1 W", "1.7.0", 0, "W"),
        ("0-1:24.2.1 = 0.01 m3", "0-1:24.2.1", -2, "m3"),
        ("96.9.0 = 0.1 °C", "96.9.0", -1, "°C"),
    ],
)
def test_a_scaling_says_what_one_of_an_object_counts_for(text: str, name: str, scaler: int, unit: str | None) -> None:
    scaling = Scaling.parse(text)
    assert (scaling.name, scaling.scaler, scaling.unit) == (name, scaler, unit)
    assert scaling == text  # as it stands in the file


@given(st.integers(0, 12), st.booleans())
def test_every_power_of_ten_is_read_exactly(power: int, below: bool) -> None:
    worth = f"0.{'0' * (power - 1)}1" if below and power in range(1, 12) else f"1{'0' * power}"
    assert Scaling.parse(f"1.8.0 = {worth} Wh").scaler == (-power if "." in worth else power)


@given(st.text() | st.from_regex(r"[0-9.:*-]{0,12} ?= ?[0-9.,]{0,15} ?[a-zA-Z0-9%]{0,6}", fullmatch=True))
def test_any_text_is_a_scaling_or_told_with_the_mend(text: str) -> None:
    try:
        scaling = Scaling.parse(text)
    except ValueError:
        return
    assert -12 <= scaling.scaler <= 12


def options(**given: Any) -> MeterOptions:
    return MeterOptions(kind="serial", **given)


def test_a_p1_meter_has_no_keys_and_the_plain_policy() -> None:
    meter = options()
    assert meter.keys == Keys()
    assert Policy.of(meter.keys, meter.demanded) is Policy.PLAIN


@pytest.mark.parametrize(
    ("keys", "policy", "follows"),
    [
        ({"key": Secret(KEY)}, None, Policy.ENCRYPTED),
        ({"key": Secret(KEY), "auth_key": Secret(AUTH_KEY)}, None, Policy.AUTHENTICATED),
        ({"key": Secret(KEY), "auth_key": Secret(AUTH_KEY)}, "encrypted", Policy.ENCRYPTED),
    ],
)
def test_the_policy_follows_from_the_keys_unless_it_is_stated(
    keys: dict[str, Secret], policy: str | None, follows: Policy
) -> None:
    meter = options(**keys, policy=policy)
    assert Policy.of(meter.keys, meter.demanded) is follows


def test_keys_are_octets_however_they_are_written_and_show_themselves_to_nobody() -> None:
    meter = options(key=Secret(KEY), auth_key=Secret(AUTH_KEY))
    assert meter.keys == Keys(bytes.fromhex(KEY), bytes.fromhex(AUTH_KEY))
    for shown in (repr(meter), str(meter), f"{meter.keys}"):
        assert KEY not in shown
        assert AUTH_KEY not in shown
        assert "***" in shown


@pytest.mark.parametrize(
    ("framing", "protocols"),
    [
        ("auto", {"p1", "dlms"}),
        ("apdu", {"p1", "dlms"}),
        ("p1", {"p1"}),
        ("hdlc", {"dlms"}),
        ("mbus", {"dlms"}),
        ("wrapper", {"dlms"}),
    ],
)
def test_the_framing_tells_what_reports_can_come(framing: str, protocols: set[str]) -> None:
    assert options(framing=framing).protocols == protocols


def test_two_meters_of_the_same_text_are_equal_and_another_key_is_another_meter() -> None:
    one, same, other = (
        options(key=Secret(key), scalers=(Scaling.parse("1.8.0 = 10 Wh"),)) for key in (KEY, KEY, "0" * 32)
    )
    assert one == same
    assert one != other
