"""A P1 telegram without the home it came from: same lines, same widths, other numbers; the CRC right."""

import re
from collections import Counter
from datetime import datetime

from datalogger.simulation.dates import DATE_OCTETS, read_date, write_date
from datalogger.simulation.substitutes import Substitutes
from datalogger.simulation.template import Template

_OBJECT = re.compile(rb"\d+-\d+:(\d+)[.:](\d+)\.\d+(?:[*.]\d+)?(?=\()")
_PART = re.compile(rb"\(([^()\r\n]*)\)|[^()\r\n]+")  # what stands in brackets, and what stands outside
_TIME = re.compile(rb"(\d{12})([SWsw]?)")
_NAME = re.compile(rb"\d+-\d+:\d+\.\d+\.\d+(?:[*.]\d+)?")
_NUMBER = re.compile(rb"(-?)(\d+)(?:\.(\d+))?(\*[A-Za-z][\w\xb3]*|k?(?:Wh|varh|var|VAh|VA|V|W|Hz)|kA|m3|[GM]J)?")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){4,}")

_NO_YEAR = 1970
_CHECK = 5  # octets of `!` and a check sum
_HEAD = 5  # octets of `/XXX5`: maker and speed
_MESSAGE = (96, 13)  # C, D of what an operator writes to a customer
_ABSTRACT = 96  # C of identifiers, states and messages: twelve digits are no time there
_VERSION = (0, 2)
_FLAG = 4  # digits: a number without point and unit that is no longer is a tariff, a state, a kind of device
_COUNT = 5  # digits: one that is longer is an identifier


def neutral(telegram: bytes, substitutes: Substitutes, replaced: Counter[str]) -> bytes:
    """As long as `telegram`. What has no known form loses all its letters and digits."""
    writer = _Writer(substitutes, replaced)
    text = b"".join(map(writer.line, telegram.splitlines(keepends=True)))
    return Template(text).written(lambda field: field.text)[: len(text)]


def numbers(telegram: bytes) -> list[int]:
    """All that it holds, without their points."""
    return [int(run.replace(b".", b"")) for run in re.findall(rb"\d[\d.]*", telegram)]


class _Writer:
    def __init__(self, substitutes: Substitutes, replaced: Counter[str]) -> None:
        self._substitutes = substitutes
        self._replaced = replaced

    def line(self, line: bytes) -> bytes:
        if line.startswith(b"/"):
            return line[:_HEAD] + self._count("text", line[_HEAD:], self._substitutes.text(line[_HEAD:]))
        if line.startswith(b"!"):
            return line[:_CHECK] + self._private(line[_CHECK:])
        named = _OBJECT.match(line)
        about = (int(named[1]), int(named[2])) if named else (0, 0)
        head = line[: named.end()] if named else b""
        return head + _PART.sub(lambda part: self._part(part, about), line[len(head) :])

    def _part(self, part: "re.Match[bytes]", about: tuple[int, int]) -> bytes:
        if part[1] is None:
            return self._private(part[0])
        return b"(" + self._group(part[1], about) + b")"

    def _group(self, text: bytes, about: tuple[int, int]) -> bytes:
        if _NAME.fullmatch(text) or about == _VERSION:
            return text
        if about == _MESSAGE:
            return self._in_hex(text, private=True) if _HEX.fullmatch(text) else self._private(text)
        if (time := _TIME.fullmatch(text)) and (time[2] or (about[0] != _ABSTRACT and _date(time[1]))):
            return self._count("time", text, self._time(time[1]) + time[2])
        if text.isdigit() and len(text) <= _FLAG:
            return text
        if (number := _NUMBER.fullmatch(text)) and (number[3] or number[4] or len(number[2]) <= _COUNT):
            return self._count("value", text, self._number(number))
        if _HEX.fullmatch(text):
            return self._in_hex(text, private=False)
        return self._count("text", text, self._substitutes.string(text))

    def _private(self, text: bytes) -> bytes:
        return self._count("text", text, self._substitutes.text(text, private=True))

    def _in_hex(self, text: bytes, *, private: bool) -> bytes:
        """Of text written as hex; of a bare hex identifier where it is none."""
        inner = bytes.fromhex(text.decode())
        if len(inner) == DATE_OCTETS[1] and (day := read_date(inner)) is not None:
            return self._count("time", text, _as_hex(text, write_date(inner, self._substitutes.time(day))))
        if not (inner.isascii() and inner.decode("ascii").isprintable()):
            return self._count("text", text, self._substitutes.text(text, private=private))
        return self._count("text", text, _as_hex(text, self._substitutes.text(inner, private=private)))

    def _time(self, digits: bytes) -> bytes:
        """What is no date, or the first one a computer knows, stays: meters write so that they have none."""
        time = _date(digits)
        if time is None or time.year == _NO_YEAR:
            return digits
        return self._substitutes.time(time).strftime("%y%m%d%H%M%S").encode()

    def _number(self, found: "re.Match[bytes]") -> bytes:
        sign, whole, decimals, unit = found[1], found[2], found[3] or b"", found[4] or b""
        width = len(whole) + len(decimals)
        digits = b"%0*d" % (width, self._substitutes.number(int(whole + decimals), most=10**width - 1))
        point = b"." if found[3] else b""
        return sign + digits[: len(whole)] + point + digits[len(whole) :] + unit

    def _count(self, what: str, old: bytes, new: bytes) -> bytes:
        self._replaced[what] += new != old
        return new


def _as_hex(like: bytes, octets: bytes) -> bytes:
    """In upper or lower case, as the meter writes it."""
    text = octets.hex().encode()
    return text.upper() if like == like.upper() else text


def _date(digits: bytes) -> datetime | None:
    try:
        return datetime.strptime(digits.decode(), "%y%m%d%H%M%S")  # noqa: DTZ007 as the meter writes it
    except ValueError:
        return None
