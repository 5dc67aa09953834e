"""What `Retry-After` asks for: seconds or a date, in each form that RFC 9110 knows."""

from collections.abc import Mapping
from datetime import UTC, datetime

SHORTEST = 1.0  # seconds: a server that says "now" must not be hammered
LONGEST = 600.0  # seconds: a server that says "next week" is asked again before that
NONSENSE = 10.0  # seconds, where nobody can tell what is meant

# RFC 9110, 5.6.7: IMF-fixdate, and the obsolete forms of RFC 850 and asctime that a recipient must read too.
_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds, between SHORTEST and LONGEST; None where the answer asks for nothing.

    headers: of the answer, names in lower case. A date is counted from the answer's own `Date`
    (a Raspberry Pi has no clock battery), and from `now` only where the answer has none.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        # Ten digits are three centuries, and Python refuses to convert the really long ones.
        return _bounded(float(text) if len(text) <= 10 else LONGEST)
    until = http_date(text)
    if until is None:
        return NONSENSE
    return _bounded((until - (http_date(headers.get("date", "")) or now)).total_seconds())


def http_date(text: str) -> datetime | None:
    """An HTTP date; None where it is none."""
    for form in _DATES:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, SHORTEST), LONGEST)
