"""Keys are left out of whatever is shown."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from datalogger.protocol.dlms.keys import parse_key

# A key of fewer characters may be an ordinary word; blotting that out of every sentence would tell more of the key than
# it hides. Such a one is hidden where it is shown as a key: alone, or after a word for it.
LONG = 8

_LABEL = r"(?i:key|token|password)[\"']?\s*[:=]?\s*[\"']?"

# Between the hex digits of a meter's key.
_BETWEEN = r"[ :\-]?"


class Concealment:
    """Shows `***` wherever one of these secrets, or its form in a URL or in Python's quotes, stands in a text.

    A meter's key is found in every spelling: in either case, grouped in any way, and as the octets themselves.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        secrets = set(secrets)
        forms = {form for text in secrets if text for form in _forms(text)}
        # The longest first: a secret that begins with another one is hidden whole.
        ordered = sorted(forms, key=len, reverse=True)
        long = "|".join(re.escape(form) for form in ordered if len(form) >= LONG)
        short = "|".join(re.escape(form) for form in ordered if len(form) < LONG)
        meters = [pattern for text in sorted(secrets) for pattern in _spellings(text)]
        patterns = meters + ([f"(?:{long})"] if long else [])
        if short:
            patterns += [rf"\A(?P<quote>[\"']?)(?:{short})(?=(?P=quote)\Z)", rf"(?P<label>{_LABEL})(?:{short})(?!\w)"]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(_blotted, text) if self._pattern else text


def _forms(text: str) -> tuple[str, ...]:
    """As it is, in a URL, and in Python's quotes, of whichever kind they are."""
    escaped = text.replace("\\", "\\\\")
    return text, quote(text, safe=""), escaped, escaped.replace("'", "\\'")


def _spellings(text: str) -> tuple[str, ...]:
    """Patterns of what a meter's key may look like elsewhere; none where this is no such key."""
    try:
        octets = parse_key(text)
    except ValueError:
        return ()
    shown = [octets.decode("latin-1"), repr(octets)[2:-1]]
    return f"(?i:{_BETWEEN.join(octets.hex())})", *map(re.escape, shown)


def _blotted(found: re.Match[str]) -> str:
    before = found.groupdict()
    return f"{before.get('quote') or before.get('label') or ''}***"
