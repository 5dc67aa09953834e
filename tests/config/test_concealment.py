import pytest

from datalogger.config.concealment import Concealment

KEY = "Zx81/very+secret'key"
WORD = "another"  # a key somebody chose


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"no such key: {KEY}", "no such key: ***"),
        (f"x{KEY}y", "x***y"),
        ("http://attic/?key=Zx81%2Fvery%2Bsecret%27key", "http://attic/?key=***"),
        (repr(KEY), '"***"'),
        (repr(KEY + '"'), "'***\"'"),
        ("the API is disabled", "the API is disabled"),
    ],
)
def test_a_long_key_is_shown_nowhere(text: str, shown: str) -> None:
    assert Concealment([KEY])(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("free that port, or choose another: [service] listen", "free that port, or choose another: [service] listen"),
        ("anotherness", "anotherness"),
        (WORD, "***"),
        (repr(WORD), "'***'"),
        (f"no such key: {WORD}", "no such key: ***"),
        (f"X-AUTHKEY: {WORD}\r\n", "X-AUTHKEY: ***\r\n"),
        (f"Authorization: Token {WORD}", "Authorization: Token ***"),
        (f'{{"key": "{WORD}"}}', '{"key": "***"}'),
        (f"{{'X-AUTHKEY': '{WORD}'}}", "{'X-AUTHKEY': '***'}"),
        (f"?key={WORD}&limit=1", "?key=***&limit=1"),
        ("another key", "another key"),
    ],
)
def test_a_key_that_is_a_short_word_is_hidden_where_it_is_shown_as_a_key_and_not_in_every_sentence(
    text: str, shown: str
) -> None:
    assert Concealment([WORD])(text) == shown


def test_of_several_the_longest_is_hidden_whole() -> None:
    conceal = Concealment([KEY, KEY + "-and-a-longer-one", "a.c", ""])
    assert conceal(f"{KEY}-and-a-longer-one {KEY}") == "*** ***"
    assert conceal("a.c") == "***"
    assert conceal("abc") == "abc"
    assert conceal("") == ""


def test_without_keys_nothing_changes() -> None:
    assert Concealment([])("key: ***, key: ") == "key: ***, key: "


DIGITS = "00112233445566778899aAbBcCdDeEfF"
OCTETS = bytes.fromhex(DIGITS)
SPELLINGS = [
    DIGITS.lower(),
    DIGITS.upper(),
    f"0x{DIGITS}",
    OCTETS.hex(" "),
    OCTETS.hex(":").upper(),
    OCTETS.hex("-"),
    OCTETS.hex(" ", 4),
    repr(OCTETS),
    OCTETS.decode("latin-1"),
]


@pytest.mark.parametrize("written", [DIGITS, f"0x{DIGITS}", OCTETS.hex(" "), OCTETS.hex(":").upper()])
@pytest.mark.parametrize("spelt", SPELLINGS)
def test_a_meters_key_is_hidden_in_every_spelling_however_it_was_written(written: str, spelt: str) -> None:
    shown = Concealment([written])(f"with {spelt} it fails")
    assert shown.removeprefix("with ").removesuffix(" it fails") in ("***", "0x***", "b'***'", 'b"***"')


def test_what_only_looks_like_a_meters_key_is_shown() -> None:
    other = OCTETS[::-1].hex()
    assert (
        Concealment([DIGITS])(f"system title {DIGITS[:16]}, frame {other}")
        == f"system title {DIGITS[:16]}, frame {other}"
    )


def test_a_key_of_security_suite_2_is_hidden_too() -> None:
    assert Concealment([DIGITS * 2])((OCTETS * 2).hex(" ").upper()) == "***"
