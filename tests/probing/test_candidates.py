from datalogger.line_settings import LineSettings
from datalogger.meters.profile import Line, Profile
from datalogger.probing.candidates import LIKELY, candidates, explains, usual
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


def explained(text: str, heard: str, kind: Kind, sent: str | None = None) -> int:
    return explains(of(text), of(heard), Symptom(kind, None if sent is None else of(sent)))


def test_a_slower_line_speaks_for_its_speed_and_against_faster_ones() -> None:
    assert explained("9600 7E1", "38400 8N1", Kind.SLOWER, "9600 8N1") == 1
    assert explained("2400 8E1", "38400 8N1", Kind.SLOWER, "9600 8N1") == 0
    assert explained("19200 8N1", "38400 8N1", Kind.SLOWER, "9600 8N1") == -1


def test_only_nuls_speak_against_what_is_not_much_slower_and_for_the_speed_they_come_at() -> None:
    assert explained("38400 8N1", "115200 8N1", Kind.ONLY_NULS) == -1
    assert explained("9600 8N1", "115200 8N1", Kind.ONLY_NULS) == 0
    assert explained("9600 8N1", "115200 8N1", Kind.ONLY_NULS, "8700 8N1") == 1
    assert explained("2400 8N1", "115200 8N1", Kind.ONLY_NULS, "8700 8N1") == 0


def test_parity_speaks_for_the_same_speed() -> None:
    assert explained("2400 8N1", "2400 8E1", Kind.PARITY) == 1
    assert explained("9600 8N1", "2400 8E1", Kind.PARITY) == 0


def test_seven_bits_speak_for_themselves() -> None:
    assert explained("9600 7E1", "9600 8N1", Kind.SEVEN_BITS, "9600 7E1") == 2
    assert explained("9600 7O1", "9600 8N1", Kind.SEVEN_BITS, "9600 7E1") == 1
    assert explained("115200 7E1", "9600 8N1", Kind.SEVEN_BITS, "9600 7E1") == 0


def test_what_says_nothing_speaks_for_nobody() -> None:
    assert {explained(str(each), "9600 8N1", kind) for each in LIKELY for kind in (Kind.UNKNOWN, Kind.SILENT)} == {0}
