"""A telegram as the form field DSMR-reader reads."""

from functools import lru_cache
from urllib.parse import quote

CONTENT_TYPE = "application/x-www-form-urlencoded"

# Octet → what stands for it: the latin-1 character it is, in UTF-8, url-encoded. A DSMR-reader decodes UTF-8
# and computes the check sum over the characters, so an octet sent as it is (%E9) would never pass.
_ENCODED = [quote(chr(octet), safe="").encode("ascii") for octet in range(256)]


@lru_cache(1)  # several servers get the same telegram, mostly one after the other
def encode_telegram(telegram: bytes) -> bytes:
    """`telegram=…`: every octet comes out as it went in, line ends too."""
    return b"telegram=" + b"".join(map(_ENCODED.__getitem__, telegram))
