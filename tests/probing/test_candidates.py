from datalogger.line_settings import LineSettings
from datalogger.meters.profile import Line, Profile
from datalogger.probing.candidates import LIKELY, candidates, reordered, usual
from datalogger.probing.symptoms import Kind, Symptom


def of(text: str) -> LineSettings:
    return LineSettings.parse(text)


def profile(*serial: str) -> Profile:
    return Profile(id="x", title="X", makers=("X",), countries=("NO",), sources=("I",), line=Line(serial=serial))


def test_what_most_meters_use_is_tried_first() -> None:
    assert [str(each) for each in candidates([])[:3]] == ["115200 8N1", "2400 8E1", "2400 8N1"]


def test_a_setting_that_only_a_profile_names_is_tried_too_and_each_once() -> None:
    tried = candidates([profile("1200 8E1", "2400 8E1"), profile("1200 8E1")])
    assert tried == (*LIKELY, of("1200 8E1"))


def test_words_of_a_profile_that_are_no_settings_are_passed_over() -> None:
    assert usual(profile("optical", "9600 8N1")) == [of("9600 8N1")]


def test_where_only_the_speed_shows_each_speed_is_tried_once_the_likeliest_first() -> None:
    tried = candidates([profile("1200 8E1")], shows_form=False)
    assert [each.baud_rate for each in tried] == [115200, 2400, 9600, 38400, 19200, 4800, 300, 1200]


def test_what_explains_the_symptom_comes_first_and_what_cannot_be_last() -> None:
    pending = [of(text) for text in ("38400 8N1", "2400 8E1", "9600 8N1", "9600 7E1")]
    heard = of("38400 8N1")
    assert reordered(pending, heard, Symptom(Kind.SLOWER, of("9600 8N1")))[:2] == [of("9600 8N1"), of("9600 7E1")]
    assert reordered(pending, heard, Symptom(Kind.SLOWER, of("9600 8N1")))[-1] == of("38400 8N1")
    assert reordered(pending, of("115200 8N1"), Symptom(Kind.ONLY_NULS))[-1] == of("38400 8N1")
    assert reordered(pending, of("9600 8N1"), Symptom(Kind.SEVEN_BITS, of("9600 7E1")))[0] == of("9600 7E1")
    assert reordered(pending, heard, Symptom(Kind.UNKNOWN)) == pending
