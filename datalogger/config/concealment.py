"""Keys are left out of whatever is shown."""

import re
from collections.abc import Iterable
from urllib.parse import quote

# A key of fewer characters may be an ordinary word; blotting that out of every sentence would tell more of the key than
# it hides. Such a one is hidden where it is shown as a key: alone, or after a word for it.
LONG = 8

_LABEL = r"(?i:key|token|password)[\"']?\s*[:=]?\s*[\"']?"


class Concealment:
    """Shows `***` wherever one of these secrets, or its form in a URL or in Python's quotes, stands in a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for text in secrets if text for form in _forms(text)}
        # The longest first: a secret that begins with another one is hidden whole.
        ordered = sorted(forms, key=len, reverse=True)
        long = "|".join(re.escape(form) for form in ordered if len(form) >= LONG)
        short = "|".join(re.escape(form) for form in ordered if len(form) < LONG)
        patterns = [f"(?:{long})"] if long else []
        if short:
            patterns += [rf"\A(?P<quote>[\"']?)(?:{short})(?=(?P=quote)\Z)", rf"(?P<label>{_LABEL})(?:{short})(?!\w)"]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(_blotted, text) if self._pattern else text


def _forms(text: str) -> tuple[str, ...]:
    """As it is, in a URL, and in Python's quotes, of whichever kind they are."""
    escaped = text.replace("\\", "\\\\")
    return text, quote(text, safe=""), escaped, escaped.replace("'", "\\'")


def _blotted(found: re.Match[str]) -> str:
    before = found.groupdict()
    return f"{before.get('quote') or before.get('label') or ''}***"
