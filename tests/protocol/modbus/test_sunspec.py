"""The chain of SunSpec models, also where it is none."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.protocol.modbus import sunspec
from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.register_map import Register
from datalogger.protocol.modbus.sunspec import Device, Model


def model(number: int, role: str, length: int = 4) -> Model:
    reg = (Register(name="power", addr=2, type="s16", scale_register=3), Register(name="state", addr=4, type="u16"))
    return Model(model=number, title=f"model {number}", role=role, length=length, reg=reg)


MODELS = {101: model(101, "inverter"), 103: model(103, "inverter"), 203: model(203, "meter")}


def text(words: str, registers: int) -> list[int]:
    octets = words.encode().ljust(2 * registers, b"\0")
    return [int.from_bytes(octets[at : at + 2], "big") for at in range(0, 2 * registers, 2)]


def common(maker: str, name: str, serial: str, length: int = 66) -> list[int]:
    body = text(maker, 16) + text(name, 16) + text("", 8) + text("1.0", 8) + text(serial, 16) + [1, 0x8000]
    return [1, length, *body[:length]]


def body(number: int, length: int = 4) -> list[int]:
    return [number, length, *range(length)]


SUNS = [0x5375, 0x6E53]
END = [0xFFFF, 0]


def at(base: int, *parts: Sequence[int]) -> dict[int, int]:
    return dict(enumerate((word for part in parts for word in part), base))


def found(words: Mapping[int, int], models: Mapping[int, Model] = MODELS) -> list[Device]:
    return asked(words, models)[0]


def asked(words: Mapping[int, int], models: Mapping[int, Model] = MODELS) -> tuple[list[Device], list[Request]]:
    """A unit that refuses what it does not have."""
    reading = sunspec.discover(7, models)
    requests: list[Request] = []
    answer: list[int] | None = None
    try:
        request = next(reading)
        while True:
            requests.append(request)
            wanted = range(request.address, request.address + request.count)
            answer = [words[place] for place in wanted] if all(place in words for place in wanted) else None
            request = reading.send(answer)
    except StopIteration as ended:
        return ended.value, requests


INVERTER = common("SolarEdge", "SE10K", "7E1234")


@pytest.mark.parametrize("base", [40000, 50000, 0])
def test_a_chain_is_found_wherever_it_may_begin(base: int) -> None:
    (device,) = found(at(base, SUNS, INVERTER, body(103), END))
    assert (device.maker, device.name, device.serial) == ("SolarEdge", "SE10K", "7E1234")
    assert (device.model, device.address) == (103, base + 2 + 68)


def test_an_inverter_with_a_meter_of_its_own_is_two_devices() -> None:
    meter = common("WattNode", "WND-3Y", "4711")
    devices = found(at(40000, SUNS, INVERTER, body(103), meter, body(203), END))
    assert [(device.serial, device.model) for device in devices] == [("7E1234", 103), ("4711", 203)]


def test_models_that_are_not_known_are_passed_over() -> None:
    (device,) = found(at(40000, SUNS, INVERTER, body(120, 26), body(0x64, 0), body(103), END))
    assert device.address == 40000 + 2 + 68 + 28 + 2


def test_of_two_forms_of_one_thing_the_first_is_read() -> None:
    assert [one.model for one in found(at(0, SUNS, INVERTER, body(103), body(101), body(203), END))] == [103, 203]


def test_a_longer_model_than_the_standards_has_more_behind_and_a_shorter_one_is_none() -> None:
    assert [one.model for one in found(at(0, SUNS, INVERTER, body(103, 6), END))] == [103]
    assert found(at(0, SUNS, INVERTER, body(103, 3), END)) == []


def test_a_unit_without_the_marker_is_no_sunspec_device() -> None:
    devices, requests = asked(dict.fromkeys(range(100), 0))
    assert devices == []
    assert [request.address for request in requests] == [40000, 50000, 0]
    assert all((request.unit, request.function) == (7, 3) for request in requests)


def test_a_chain_that_ends_in_a_refusal_is_as_far_as_it_went() -> None:
    assert [one.model for one in found(at(0, SUNS, INVERTER, body(103)))] == [103]


def test_a_chain_that_never_ends_is_given_up() -> None:
    devices, requests = asked(at(0, SUNS, *[body(103)] * 200))
    assert len(devices) == 1
    assert len(requests) < 110


@pytest.mark.parametrize("length", [0xFFFF, 0x8000])
def test_a_chain_that_leads_beyond_the_last_address_is_given_up(length: int) -> None:
    assert found(at(40000, SUNS, [5, length])) == []


def test_a_common_model_that_is_refused_names_nobody() -> None:
    (device,) = found(at(0, SUNS, [1, 0], body(103), END))
    assert (device.maker, device.serial) == ("", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (text("AB12", 4), "AB12"),
        ([0x4142, 0x0000, 0x4344], "AB"),
        ([0x4142, 0x20FF], "AB"),
        ([0x0041, 0x0042], "AB"),  # one character a register
        ([0x4101, 0x4200], "AB"),
        ([0, 0], ""),
        ([], ""),
    ],
)
def test_a_text_ends_at_its_first_nul_and_shows_no_junk(words: list[int], said: str) -> None:
    assert sunspec.text(words) == said


def test_the_map_of_a_device_has_the_registers_where_the_device_has_them() -> None:
    (device,) = found(at(40000, SUNS, INVERTER, body(103), END))
    reg = sunspec.register_map(device, MODELS).reg
    assert [(one.addr, one.scale_register, one.reads) for one in reg] == [(40072, 40073, 3), (40074, None, 3)]


@given(st.dictionaries(st.integers(0, 400), st.integers(0, 0xFFFF), max_size=60), st.booleans())
def test_whatever_a_unit_holds_the_reading_ends(words: dict[int, int], begins: bool) -> None:
    devices, requests = asked({**words, **(at(0, SUNS) if begins else {})})
    assert len(requests) <= 210
    assert all(request.address + request.count <= 0x10000 for request in requests)
    assert all(device.model in MODELS for device in devices)


@pytest.mark.parametrize(("number", "length"), [(1, 66), (103, 4), (103, 3), (7, 1)])
def test_a_model_that_does_not_end_before_the_last_address_is_not_read(number: int, length: int) -> None:
    """No request asks for what is behind address 65535, and no register is there."""
    start = 0x10000 - length - 1  # its head is two registers
    before = start - 50002 - 2
    chain = [*at(50000, SUNS, [5, before]).items(), (start, number), (start + 1, length)]
    devices, requests = asked(dict(chain))
    assert devices == []
    assert (requests[-1].address, requests[-1].count) == (start, 2)


def test_a_model_that_ends_with_the_last_address_is_read() -> None:
    start = 0x10000 - 6
    chain = {**at(50000, SUNS, [5, start - 50002 - 2]), **at(start, body(103))}
    devices, requests = asked(chain)
    assert [one.address for one in devices] == [start]
    assert requests[-1].address == start


def test_models_without_a_length_are_passed_over() -> None:
    assert [one.model for one in found(at(0, SUNS, [64, 0], [103, 0], [203, 0], INVERTER, body(103), END))] == [103]


def test_memory_that_is_all_zeros_behind_the_marker_is_given_up() -> None:
    devices, requests = asked({**dict.fromkeys(range(1000), 0), **at(0, SUNS)})
    assert devices == []
    assert len(requests) < 110


def test_a_second_common_model_that_is_refused_takes_no_name_from_the_first() -> None:
    chain = at(0, SUNS, INVERTER, body(103), [1, 66])
    behind = max(chain) + 1 + 66
    devices = found({**chain, **at(behind, body(203), END)})
    assert [(one.maker, one.serial, one.model) for one in devices] == [("SolarEdge", "7E1234", 103), ("", "", 203)]


def test_each_common_model_may_have_a_thing_of_each_role() -> None:
    other = common("Fronius", "Symo", "22", 65)  # one register shorter, which the standard allows
    devices = found(at(0, SUNS, INVERTER, body(103), body(203), other, body(101), body(203), END))
    assert [(one.serial, one.model) for one in devices] == [("7E1234", 103), ("7E1234", 203), ("22", 101), ("22", 203)]


def test_a_common_model_that_is_too_short_for_its_serial_number_has_none() -> None:
    (device,) = found(at(0, SUNS, common("Maker", "Name", "4711", 32), body(103), END))
    assert (device.maker, device.name, device.serial) == ("Maker", "Name", "")


@given(st.lists(st.integers(0, 0xFFFF), max_size=20))
def test_any_words_are_a_text_that_can_be_printed(words: list[int]) -> None:
    said = sunspec.text(words)
    assert said.isprintable() and said.isascii() and said == said.strip() and len(said) <= 2 * len(words)
