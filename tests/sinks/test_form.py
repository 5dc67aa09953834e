from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st

from datalogger.sinks.form import encode_telegram


@given(st.binary(max_size=600))
def test_every_octet_comes_out_as_it_went_in(telegram: bytes) -> None:
    body = encode_telegram(telegram)
    # As Django reads it: url-decoded, then UTF-8.
    [(name, text)] = parse_qsl(body.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict")
    assert (name, text.encode("latin-1")) == ("telegram", telegram)


@given(st.binary(min_size=1, max_size=600))
def test_it_says_the_same_as_what_the_reference_client_sends(telegram: bytes) -> None:
    sent = urlencode({"telegram": telegram.decode("latin-1")})
    assert parse_qsl(encode_telegram(telegram).decode("ascii"), strict_parsing=True) == parse_qsl(
        sent, strict_parsing=True
    )


def test_line_ends_and_octets_above_7f_are_encoded() -> None:
    assert encode_telegram(b"m\xb3\r\n") == b"telegram=m%C2%B3%0D%0A"
