import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.words import ByteSize, Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("10s", 10), ("1.5m", 90), ("2h", 7200), ("30d", 2592000), (" 7 s ", 7), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "s", "10", "-5s", "+5s", "1e3s", "10 sec", "10S", "١s", ".5s", "1,5s", "5s5s", None, True, [], "inf s"],
)
def test_what_is_no_duration_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match='expected a duration such as "500ms", "10s"'):
        Duration.parse(value)


@pytest.mark.parametrize(("value", "mend"), [(10, 'write "10s"'), (2.5, 'write "2.5s"')])
def test_a_bare_number_is_no_duration_and_the_mend_is_said(value: float, mend: str) -> None:
    with pytest.raises(ValueError, match=mend):
        Duration.parse(value)


@pytest.mark.parametrize("text", ["36501d", "9" * 400 + "s"])
def test_a_duration_no_date_can_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a century"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500ms"), (1, "1s"), (90, "90s"), (120, "2m"), (7200, "2h"), (86400 * 30, "30d"), (1.5, "1500ms")],
)
def test_a_duration_is_said_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert str(Duration(seconds)) == text


@given(st.integers(0, 36500 * 86400))
def test_a_duration_as_it_is_said_reads_back(seconds: int) -> None:
    assert float(Duration.parse(str(Duration(seconds)))) == seconds


@pytest.mark.parametrize(
    ("text", "octets"),
    [("0B", 0), ("500kB", 500_000), ("500KB", 500_000), ("1.5MB", 1_500_000), ("2GB", 2_000_000_000)],
)
def test_a_size_is_a_number_and_a_unit(text: str, octets: int) -> None:
    assert ByteSize.parse(text) == octets


@pytest.mark.parametrize("value", ["", "MB", "256", "-1MB", "256MiB", "256mb", "256 M", None, False, {}])
def test_what_is_no_size_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match='expected a size such as "500kB", "256MB"'):
        ByteSize.parse(value)


def test_a_bare_number_is_no_size_and_the_mend_is_said() -> None:
    with pytest.raises(ValueError, match='write "256MB"'):
        ByteSize.parse(256)


@pytest.mark.parametrize("text", ["9007200GB", "9" * 400 + "B"])
def test_a_size_larger_than_any_disk_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="larger than any disk"):
        ByteSize.parse(text)


@given(st.integers(0, 2**53))
def test_a_size_as_it_is_said_reads_back(octets: int) -> None:
    assert ByteSize.parse(str(ByteSize(octets))) == octets
