"""What an answer of DSMR-reader's API v1 means.

Its status says little: 500 is the answer to a wrong check sum (for ever) and to a database that is
down (for now). The body tells them apart; measured against version 5.11.
"""

import re
from datetime import datetime
from urllib.parse import urljoin

import msgspec

from datalogger.errors import ReportsRejected, SinkError, SinkMisconfigured, SinkUnavailable
from datalogger.sinks.http_exchange import Answer
from datalogger.sinks.retry_after import retry_after

# The plain bodies are the same in every language.
UNPARSED = "Failed to parse telegram"
NO_DATA = "Invalid data"
WRONG_KEY = "Invalid auth key"
DISABLED = "API is disabled"

# The exception an error page names: it stays for this telegram, or it goes when the database is back.
_LASTING = re.compile(r"\b(?:IntegrityError|DataError|ValueError|RequestDataTooBig)\b[^<\r\n]*")
_PASSING = re.compile(r"\b(?:OperationalError|InterfaceError)\b[^<\r\n]*")
_PAGE = re.compile(r"<\s*(?:!doctype|html|head|body)\b", re.IGNORECASE)

# nginx and Go; Apache.
_WANTS_TLS = re.compile(r"\bHTTPS (?:port|server)\b|\bSSL-enabled server port\b")

# Who answers so has not looked at the telegram. After any other error it may have been stored all the same: a proxy
# gives up waiting (504), and the server itself stores some telegrams and fails afterwards.
_UNTOUCHED = (408, 429, 503)

_QUOTED = 200  # characters of a foreign text that are shown


def judge(answer: Answer, url: str, endpoint: str, now: datetime, mend_key: str) -> SinkError | None:
    """None where the telegram was taken, else the error to raise (its index in the batch is 0).

    url: the server's address as configured, for people; endpoint: where the request went;
    mend_key: which key it is and what to do if it is refused, for people ("from key_file /x: ...").
    """
    status, text = answer.status, answer.body.decode("utf-8", "replace").strip()
    if status == 201:
        return None
    if status == 200 and not _PAGE.search(text):
        return None  # servers before 2016 say so, with a short body or none
    if status == 500:
        return _internal_error(answer, text, url, now)
    if status == 429 or status == 408 or (status >= 500 and status != 501):
        return SinkUnavailable(
            f"{url} answered {status}{shown(text)}",
            retry_after_s=retry_after(answer.headers, now),
            suspect=status not in (408, 429, 502, 503, 504),
            ambiguous=status not in _UNTOUCHED,
        )
    if status == 400 and text == NO_DATA:
        return ReportsRejected({0: f"400 {NO_DATA}"})
    return SinkMisconfigured(_mend(answer, text, url, endpoint, mend_key))


class _Page(msgspec.Struct):
    """What API v2 says of a list of readings; the readings themselves are not needed."""

    count: int


def readings(answer: Answer) -> int | None:
    """How many readings API v2 found; None where this is no such answer."""
    if answer.status != 200:
        return None
    try:
        return msgspec.json.decode(answer.body, type=_Page).count
    except ValueError:
        return None


def shown(text: str) -> str:
    """A foreign text as the tail of a message, in one line and without markup; "" where there is none."""
    import html  # half a megabyte of entities, for the day that something fails

    pieces = re.split(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", text, flags=re.DOTALL)
    # A page's title and its heading often say the same.
    once = dict.fromkeys(" ".join(html.unescape(piece).split()) for piece in pieces)
    plain = "".join(letter for letter in " ".join(filter(None, once)) if letter.isprintable())
    return f": {plain[:_QUOTED]}" if plain else ""


def _internal_error(answer: Answer, text: str, url: str, now: datetime) -> SinkError:
    if text == UNPARSED:
        return ReportsRejected({0: f"500 {UNPARSED} (check sum, incomplete, or more than a day in the future)"})
    if (passing := _PASSING.search(text)) is not None:
        wait = retry_after(answer.headers, now)
        return SinkUnavailable(f"{url} answered 500{shown(passing[0])}", retry_after_s=wait, ambiguous=True)
    if (lasting := _LASTING.search(text)) is not None:
        return ReportsRejected({0: f"500{shown(lasting[0])}"})
    wait = retry_after(answer.headers, now)
    return SinkUnavailable(f"{url} answered 500{shown(text)}", retry_after_s=wait, suspect=True, ambiguous=True)


def _mend(answer: Answer, text: str, url: str, endpoint: str, mend_key: str) -> str:
    """What a person has to change, in one sentence."""
    status = answer.status
    if 300 <= status < 400:
        target = _target(endpoint, answer.headers.get("location", ""))
        base = target.removesuffix("/").removesuffix(_path(endpoint))
        known = target != endpoint and base != target
        return f"{url} sends us on ({status}) to {_one_line(target)}, and a telegram is not sent after: " + (
            f'write url = "{_one_line(base)}"' if known else "write the server's own address in url"
        )
    if status == 200:
        return (
            f"{url} answered with a web page{shown(text)}: url names no DSMR-reader, or a log-in page stands before it"
        )
    if status == 403 and text == WRONG_KEY:
        return f"{url} refuses the key {mend_key}"
    if status in (401, 403, 407):
        return (
            f"{url} refuses access ({status}{shown(text)}): a proxy before DSMR-reader wants a log-in or forbids this"
        )
    if status == 404:
        return f"{endpoint} does not exist (404): url names no DSMR-reader; write the address of its start page there"
    if status == 501:
        return f"{url} cannot take a POST ({status}{shown(text)}): url names no DSMR-reader; check it"
    if status == 400 and url.startswith("http:") and _WANTS_TLS.search(text):
        return f"{url} speaks TLS on this port ({status}{shown(text)}): write https:// in url"
    if status == 405 and text == DISABLED:
        return f"the API of {url} is disabled: in DSMR-reader, Configuration → API, allow it"
    if status == 405:
        return f"{endpoint} takes no POST (405): url names no DSMR-reader; check it"
    if status == 413:
        return f"a proxy before {url} finds a telegram too large (413): raise its limit for request bodies"
    return f"{url} gave an answer that is not DSMR-reader's ({status}{shown(text)}): check url, and any proxy before it"


def _target(endpoint: str, location: str) -> str:
    try:
        return urljoin(endpoint, location)
    except ValueError:  # "//[" and the like
        return location


def _path(endpoint: str) -> str:
    return endpoint[endpoint.index("/api/v1/") :]


def _one_line(target: str) -> str:
    return "".join(letter for letter in target if letter.isprintable())[:_QUOTED]
