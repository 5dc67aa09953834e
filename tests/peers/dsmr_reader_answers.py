"""How DSMR-reader 5.11 judges a telegram and lists its readings: pure, measured on the real server."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

import crcmod.predefined

ZONE = ZoneInfo("Europe/Amsterdam")
LARGEST_BODY = 2_621_440  # Django's DATA_UPLOAD_MAX_MEMORY_SIZE

_crc16 = crcmod.predefined.mkCrcFun("crc-16")


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """The reading goes into the database, with this time."""

    timestamp: datetime


NOT_FOUND = Reply(
    404,
    b'\n<!doctype html>\n<html lang="en">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n'
    b"  <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n",
    "text/html; charset=utf-8",
)
_UNPARSED = Reply(500, b"Failed to parse telegram", "text/html; charset=utf-8")


def server_error(exception: str) -> Reply:
    """The page of an exception nobody caught, about 5.9 kB."""
    escaped = exception.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    page = f"<!DOCTYPE html>\n<html><head><title>Server Error</title></head><body><h1>Server Error</h1><pre>{escaped}"
    return Reply(500, f"{page}</pre><!--{'-' * 5600}--></body></html>".encode(), "text/html")


def json_reply(status: int, value: Any) -> Reply:
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), "application/json")


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def judge_telegram(
    telegram: str, now: datetime, *, checks_crc: bool = True, luxembourg: bool = False
) -> tuple[Reply, Store | None, int]:
    """The reply, what is stored, and by how much `rejected_telegrams` rises.

    telegram: the form field, stripped. checks_crc: False on a server set to "DSMR 2/3".
    luxembourg: set to "Luxembourg Smarty", which reads the totals where others read the first tariff
    """
    if checks_crc:
        content = re.search(r"/.+!", telegram, re.DOTALL)
        sent = re.search(r"(?<=!)[0-9A-Z]{4}", telegram)
        if content is None or sent is None:
            return _UNPARSED, None, 1
        if re.fullmatch("[0-9A-F]{4}", sent[0]) is None:
            return server_error(f"ValueError: invalid literal for int() with base 16: '{sent[0]}'"), None, 0
        if _crc_of(content[0]) != int(sent[0], 16):
            return _UNPARSED, None, 1
    elif "/" not in telegram:
        return _UNPARSED, None, 1
    timestamp = _stamp(_value(telegram, r"\d-\d:1\.0\.0")) if checks_crc else None
    gas = _stamp(_value(telegram, r"\d-\d:24\.2\.1"))
    tomorrow = now + timedelta(hours=24)
    if any(stamp is not None and stamp > tomorrow for stamp in (timestamp, gas)):
        return _UNPARSED, None, 0
    required = _REQUIRED_LUXEMBOURG if luxembourg else _REQUIRED
    for code, name in required.items():
        if _value(telegram, rf"\d-\d:{re.escape(code)}") is None:
            detail = f'null value in column "{name}" of relation "dsmr_datalogger_dsmrreading" violates not-null'
            return server_error(f"IntegrityError: {detail} constraint"), None, 0
    for code in [*required, "1.8.2", "2.8.2"]:
        value = _value(telegram, rf"\d-\d:{re.escape(code)}")
        try:
            if value is not None and abs(Decimal(value.partition("*")[0])) >= 1_000_000:
                return server_error("DataError: numeric field overflow"), None, 0
        except InvalidOperation:
            return server_error("InvalidOperation: [<class 'decimal.ConversionSyntax'>]"), None, 0
    store = Store(timestamp or now)
    if "\0" in telegram:
        return server_error("ValueError: A string literal cannot contain NUL (0x00) characters."), store, 0
    return Reply(201), store, 0


_REQUIRED = {
    "1.8.1": "electricity_delivered_1",
    "2.8.1": "electricity_returned_1",
    "1.7.0": "electricity_currently_delivered",
    "2.7.0": "electricity_currently_returned",
}
_REQUIRED_LUXEMBOURG = {code.replace("8.1", "8.0"): name for code, name in _REQUIRED.items()}


def _crc_of(text: str) -> int | None:
    """CRC-16/ARC over the code points; None where one is no octet, as nothing fits then."""
    try:
        return int(_crc16(text.encode("latin-1")))
    except UnicodeEncodeError:
        return None


def _value(telegram: str, name: str) -> str | None:
    """The first group of the last line of that name; a line counts only if it ends in CR LF."""
    lines = re.findall(rf"^{name}(.+?)\r\n", telegram, re.MULTILINE | re.DOTALL)
    groups = re.findall(r"\(([^()]*)\)", lines[-1]) if lines else []
    return groups[0] if groups else None


def _stamp(value: str | None) -> datetime | None:
    try:
        local = datetime.strptime((value or "")[:-1], "%y%m%d%H%M%S")
    except ValueError:
        return None
    summer = value is not None and len(value) == 13 and value[12] == "S"
    return local.replace(tzinfo=ZONE, fold=0 if summer else 1).astimezone(UTC)


def list_readings(stamps: list[datetime], query: dict[str, str], url: str) -> Reply:
    """GET of API v2: newest page by page, 25 a page, `limit` and `offset`, filtered by time."""
    bounds: dict[str, datetime] = {}
    for name in ("timestamp__gte", "timestamp__lte"):
        if name in query:
            moment = _filter_time(query[name])
            if moment is None:
                return json_reply(400, {name: ["Enter a valid date/time."]})
            bounds[name] = moment
    lowest, highest = bounds.get("timestamp__gte"), bounds.get("timestamp__lte")
    found = [
        (place, stamp)
        for place, stamp in enumerate(stamps, 1)
        if (lowest is None or stamp >= lowest) and (highest is None or stamp <= highest)
    ]
    limit = _count(query.get("limit", "")) or 25
    offset = _count(query.get("offset", ""))
    page = found[offset : offset + limit]
    kept = "".join(f"&{name}={query[name]}" for name in sorted(bounds))
    following = f"{url}?limit={limit}&offset={offset + limit}{kept}" if offset + limit < len(found) else None
    previous = f"{url}?limit={limit}&offset={max(0, offset - limit)}{kept}" if offset else None
    results = [{"id": place, "timestamp": stamp.astimezone(ZONE).isoformat()} for place, stamp in page]
    return json_reply(200, {"count": len(found), "next": following, "previous": previous, "results": results})


def _filter_time(text: str) -> datetime | None:
    """`Y-m-d H:M:S` in local time, or ISO 8601 with Z or an offset."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZONE)


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
