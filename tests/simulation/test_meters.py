import pytest

from datalogger.line_settings import LineSettings
from datalogger.protocol.dlms.keys import Keys
from datalogger.simulation import meters
from datalogger.simulation.twin import Capture
from datalogger.words import Duration


@pytest.mark.parametrize("name", meters.names())
def test_every_built_in_meter_is_described_in_full(name: str) -> None:
    model = meters.built_in(name)
    assert model.title
    assert not model.line or str(LineSettings.parse(model.line)) == model.line
    capture = Capture(model.octets, model.keys)
    assert len(capture.messages) == 1
    assert capture.left_out == []
    assert (capture.messages[0].counter is None) == (model.keys.encryption is None)


def test_a_meter_of_another_name_is_none() -> None:
    with pytest.raises(KeyError):
        meters.built_in("../pushes/kaifa-at")


def test_comments_say_what_belongs_to_a_capture() -> None:
    text = b"""# meter: My meter
    # not: at the beginning of the line
# interval: 2.5s\r
# clock: standard time all year
# key: 00112233445566778899AABBCCDDEEFF
7E
"""
    model = meters.described("mine", text, b"\x7e")
    assert (model.title, model.interval, model.standard_time) == ("My meter", Duration(2.5), True)
    assert model.keys == Keys(bytes.fromhex("00112233445566778899AABBCCDDEEFF"))
    assert (model.zone, model.line) == ("Europe/Amsterdam", "")


def test_a_comment_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        meters.described("mine", b"# interval: often\n", b"")
