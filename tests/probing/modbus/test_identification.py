"""Which meter it is: sure where it says so, perhaps where it does not, and never the wrong one for sure."""

import struct
from collections.abc import Sequence

import pytest

from datalogger.meters.register_maps import parse
from datalogger.probing.modbus.identification import first_marks, first_request
from datalogger.protocol.modbus.register_map import RegisterMap
from tests.probing.modbus.meters import (
    MAPS,
    MODELS,
    Answers,
    identified,
    identified_with,
    meter,
    sunspec_device,
    words_of,
)

SAYS_ITS_MODEL = [found for found in MAPS.values() if found.identity.model is not None]
SAYS_NOTHING = [found for found in MAPS.values() if found.identity.model is None]


def refusing(answers: Answers, addresses: Sequence[int]) -> Answers:
    """The same, without these addresses."""

    def answer(pdu: bytes) -> bytes | None:
        return bytes((pdu[0] | 0x80, 2)) if int.from_bytes(pdu[1:3], "big") in addresses else answers(pdu)

    return answer


def saying(answers: Answers, address: int, *words: int) -> Answers:
    def answer(pdu: bytes) -> bytes | None:
        _, first, count = struct.unpack(">BHH", pdu)
        if (first, count) != (address, len(words)):
            return answers(pdu)
        return struct.pack(f">BB{count}H", pdu[0], 2 * count, *words)

    return answer


@pytest.mark.parametrize("found", SAYS_ITS_MODEL, ids=lambda found: found.id)
def test_a_meter_that_says_its_model_is_known_for_sure(found: RegisterMap) -> None:
    finding = identified(meter(found.id))
    assert [(one.map, one.sure) for one in finding.candidates] == [(found.id, True)]
    assert finding.candidates[0].why.startswith("it says model ")
    assert finding.notes == ()
    assert bool(finding.serial) == (found.identity.serial is not None)


@pytest.mark.parametrize("found", SAYS_NOTHING, ids=lambda found: found.id)
def test_a_meter_that_does_not_say_its_model_is_perhaps_what_fits(found: RegisterMap) -> None:
    finding = identified(meter(found.id))
    assert found.id in [one.map for one in finding.candidates]
    assert not finding.sure
    assert not any(one.sure for one in finding.candidates)


def test_of_maps_that_fit_the_one_with_most_that_is_right_comes_first() -> None:
    older = refusing(meter("eastron-sdm630"), [0xFC02])
    finding = identified(older)
    assert finding.candidates[0].map == "eastron-sdm630"
    assert not finding.sure
    assert finding.serial == "26000001"
    finding = identified(meter("eastron-sdm230"))
    assert finding.candidates[0].map == "eastron-sdm230"
    assert {"eastron-sdm220", "eastron-sdm230"} <= {one.map for one in finding.candidates}


def test_the_right_number_with_impossible_voltages_is_not_sure() -> None:
    odd = saying(meter("eastron-sdm120"), 0x0000, *struct.unpack(">HH", struct.pack(">f", 2301.0)))
    finding = identified(odd)
    assert finding.candidates[0].map == "eastron-sdm120"
    assert not finding.sure
    assert "what this map calls mains voltage or frequency is none" in finding.candidates[0].why
    assert finding.notes == ("where meters say their model it has 32 (0x0020) at 0xfc02",)


def test_a_model_that_no_map_knows_is_not_taken_for_one_that_looks_alike() -> None:
    finding = identified(saying(meter("carlo-gavazzi-em330"), 0x000B, 999))
    assert finding.candidates == ()
    assert finding.notes == ("where meters say their model it has 999 (0x03e7) at 0x000b",)


@pytest.mark.parametrize("models", [(103,), (113,), (103, 203), (201,)])
def test_a_sunspec_device_is_known_for_sure_with_all_its_models(models: tuple[int, ...]) -> None:
    finding = identified(sunspec_device(1, *models))
    (candidate,) = finding.candidates
    assert (candidate.map, candidate.sure) == ("sunspec", True)
    assert all(f"model {model} at " in candidate.why for model in models)
    assert finding.serial
    assert "frequency" in [record.name for record in finding.values]


def test_sunspec_without_a_model_that_is_read_is_said() -> None:
    chain = [0x5375, 0x6E53, 1, 66, *[0] * 66, 160, 8, *[0] * 8, 0xFFFF, 0]

    def answer(pdu: bytes) -> bytes:
        function, first, count = struct.unpack(">BHH", pdu)
        at = first - 40000
        if function != 3 or not 0 <= at <= len(chain) - count:
            return bytes((function | 0x80, 2))
        return struct.pack(f">BB{count}H", function, 2 * count, *chain[at : at + count])

    finding = identified(answer)
    assert finding.candidates == ()
    assert finding.notes == (f"it speaks SunSpec, and has none of the models {', '.join(map(str, MODELS))}",)


def test_what_refuses_everything_is_nobody_that_is_known() -> None:
    finding, asked = identified_with(lambda pdu: bytes((pdu[0] | 0x80, 2)))
    assert (finding.candidates, finding.values, finding.notes) == ((), (), ())
    assert len(asked) == len(set(asked))


def test_a_few_values_are_shown_to_be_compared_with_the_display() -> None:
    finding = identified(meter("eastron-sdm630"))
    names = [record.name for record in finding.values]
    assert names == ["voltage_l1", "power_total", "frequency", "energy_import", "energy_export"]
    by_name = {record.name: record for record in finding.values}
    assert 200 < float(by_name["voltage_l1"].physical or 0) < 260


def test_nothing_is_asked_twice_and_only_reads_are_asked() -> None:
    for found in MAPS.values():
        _, asked = identified_with(meter(found.id))
        assert len(asked) == len(set(asked)), found.id
        assert {request.function for request in asked} <= {3, 4}
        assert len(asked) < 40, found.id


OWN = """
[option]
default-modbus-addr = "1"
[[reg]]
name = "u"
addr = 0x30
type = "u16"
unit = "V"
scale = 0.1
[[reg]]
name = "f"
addr = 0x31
type = "u16"
unit = "Hz"
scale = 0.01
"""


def test_a_map_of_ones_own_without_logical_names_is_recognised_by_its_units() -> None:
    own = parse(OWN, "own.toml", "own.toml")

    def answer(pdu: bytes) -> bytes:
        function, first, count = struct.unpack(">BHH", pdu)
        there = {0x30: 2301, 0x31: 4998}
        if any(address not in there for address in range(first, first + count)):
            return bytes((function | 0x80, 2))
        return struct.pack(f">BB{count}H", function, 2 * count, *(there[first + at] for at in range(count)))

    finding = identified(answer, maps={**MAPS, "own": own})
    assert [one.map for one in finding.candidates] == ["own"]
    assert not finding.sure
    assert [str(record.physical) for record in finding.values] == ["230.1", "49.98"]


def test_a_map_of_ones_own_for_the_same_model_stands_before_the_built_in_one() -> None:
    built_in = MAPS["eastron-sdm630"]
    fields = {name: getattr(built_in, name) for name in built_in.__struct_fields__}
    own = RegisterMap(**{**fields, "id": "z-mine", "certainty": "own"})
    finding = identified(meter("eastron-sdm630"), maps={**MAPS, "z-mine": own})
    assert [one.map for one in finding.candidates] == ["z-mine", "eastron-sdm630"]


@pytest.mark.parametrize("found", MAPS.values(), ids=lambda found: found.id)
def test_every_known_meter_answers_the_first_question_with_something(found: RegisterMap) -> None:
    answer = meter(found.id)
    assert answer(b"\x04\x00\x00\x00\x02") is not None


def test_the_marks_have_other_lengths_than_the_first_request() -> None:
    for function in (3, 4):
        request = first_request(9, function)
        marks = first_marks(9, function, MAPS)
        assert len({mark.count for mark in marks}) == len(marks) >= 3
        assert request.count not in [mark.count for mark in marks]
        assert {mark.unit for mark in marks} == {9}
    assert words_of(meter("eastron-sdm630"), first_request(1, 4)) is not None
