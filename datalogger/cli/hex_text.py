"""Hex as people keep captures in: digits in pairs, blanks and line ends anywhere, `#` begins a comment."""

import re

from datalogger.protocol.dlms.keys import Keys, parse_key

_COMMENT = re.compile(rb"#[^\n]*")
_BLANKS = b" \t\r\n"
ENOUGH = 4096  # digits; a P1 line may begin in the middle of a message of 2048

_DIGITS = b"0123456789abcdefABCDEF"


class NotHex(ValueError):
    """The text is no hex; the message says where it is not."""


def looks_like_hex(beginning: bytes) -> bool | None:
    """Whether a file that begins so is hex text; None where that is too little to tell."""
    digits = _COMMENT.sub(b"", beginning).translate(None, _BLANKS)
    if digits.translate(None, _DIGITS):
        return False
    return True if len(digits) >= ENOUGH else None


class HexText:
    """Turns hex text into octets, block by block."""

    def __init__(self) -> None:
        self._in_comment = False
        self._half = b""  # the first digit of a pair that the next block completes

    def feed(self, text: bytes) -> bytes:
        """NotHex quotes what is neither digit nor blank."""
        if self._in_comment:
            _, line_end, text = text.partition(b"\n")
            self._in_comment = not line_end
        last_line = text[text.rfind(b"\n") + 1 :]
        self._in_comment = self._in_comment or b"#" in last_line
        digits = self._half + _COMMENT.sub(b"", text).translate(None, _BLANKS)
        if foreign := digits.translate(None, _DIGITS):
            raise NotHex(f"{foreign[:16].decode('latin-1')!r} is no hex")
        whole = len(digits) // 2 * 2
        self._half = digits[whole:]
        return bytes.fromhex(digits[:whole].decode("ascii"))

    def end(self) -> None:
        """NotHex where half an octet is left."""
        if self._half:
            raise NotHex(f"an odd number of hex digits: the last one, {self._half.decode()}, is half an octet")


_KEY = re.compile(rb"^#[ \t]*(key|auth-key):[ \t]*([0-9A-Fa-f]+)[ \t]*\r?$", re.MULTILINE)
_TITLE = re.compile(rb"^#[ \t]*system-title:[ \t]*([0-9A-Fa-f]{16})[ \t]*\r?$", re.MULTILINE)


def keys_named(text: bytes) -> Keys | None:
    """The keys that the comments of hex text name, as shared captures do; None where there are none."""
    named = {name: octets for name, digits in _KEY.findall(text) if (octets := _key(digits)) is not None}
    return Keys(named[b"key"], named.get(b"auth-key")) if b"key" in named else None


def title_named(text: bytes) -> bytes:
    """The system title that the comments of hex text name (of a meter that leaves its own out); b"" where none."""
    found = _TITLE.search(text)
    return bytes.fromhex(found[1].decode()) if found is not None else b""


def _key(digits: bytes) -> bytes | None:
    try:
        return parse_key(digits.decode())
    except ValueError:  # a comment is no place to be strict
        return None
