"""What stands in for the numbers, names and times of a home. Whoever holds only the twin cannot go back."""

import random
import re
import struct
from collections.abc import Iterable
from datetime import datetime, timedelta

MANY = 5  # digits: a number of so many can identify a home; shorter ones are models, versions and limits
MANY_IN_ALL = 9  # digits of several words together: an identifier written with dashes

# A word of a text: what stands between blanks and punctuation.
_WORD = re.compile(rb"[0-9A-Za-z]+")
_HEX_ID = re.compile(rb"[0-9A-F]{8,}|[0-9a-f]{8,}")
_DIGITS = b"0123456789"
_ALPHABETS = (_DIGITS, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_HEX_ALPHABETS = (_DIGITS, b"ABCDEF", b"abcdef")

_INTEGERS = {5: ">i", 6: ">I", 16: ">h", 18: ">H", 20: ">q", 21: ">Q"}  # A-XDR tag → how it is written
_FLOATS = {23: ">f", 24: ">d"}

# Substitutes that are drawn for one that shows no number of the capture. Where they all do, the capture is so full of
# numbers that one of them, met by chance, tells nothing.
TRIES = 1000

# A number up to this is a flag, a count or a tariff: it tells nothing of a home, and perhaps much of a meter.
TELLING = 10


class Substitutes:
    """The same in, the same out, within one capture.

    shift: of all times
    """

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._words: dict[bytes, bytes] = {}
        self._numbers: dict[tuple[int, int | None], int] = {}  # (number, most): what fits one type may not fit another
        self._secret: set[bytes] = set()  # what no substitute may show by chance: the numbers of the capture itself
        self._sizes: set[int] = set()  # of the secret ones
        self.shift = timedelta(weeks=dice.choice((-1, 1)) * dice.randint(4, 150))

    def hide(self, numbers: Iterable[int], texts: Iterable[bytes]) -> None:
        """These stand in the capture: none of them may come out again."""
        self._secret.update(str(abs(number)).encode() for number in numbers if abs(number) >= 10 ** (MANY - 1))
        for text in texts:
            self._secret.update(run for run in re.findall(rb"\d+", text) if len(run) >= MANY)
        self._sizes = {len(secret) for secret in self._secret}

    def text(self, text: bytes, *, private: bool = False, whole: bool = False) -> bytes:
        """Other digits in every word that has many; other letters too in a hex id, and all where it is private.

        whole: its words are one identifier, each with too few digits to be known as a part of it
        """
        return _WORD.sub(lambda word: self._word(word[0], private=private, whole=whole), text)

    def string(self, octets: bytes, *, private: bool = False) -> bytes:
        """Of an octet string: as `text` where it is one (with padding), other octets where it is none."""
        text = octets.strip(b"\0 ")
        if not text.isascii() or not text.decode("ascii").isprintable():
            return self.octets(octets)
        if b" " in text:
            private = True  # somebody wrote it
        return self.text(octets, private=private, whole=_digits(text) >= MANY_IN_ALL)

    def number(self, number: int, *, most: int | None = None) -> int:
        """Another of similar size and the same sign; what is small, or `most` (a type's end), stays."""
        if abs(number) < TELLING or (most is not None and number in (most, -most - 1)):
            return number
        if (number, most) not in self._numbers:
            spread = max(abs(number) // 6, 3)
            low, high = abs(number) - spread, abs(number) + spread
            if most is not None:
                high = min(high, most - 1)
            other = abs(number)
            for _ in range(TRIES):
                if other != abs(number) and not self._shows_a_secret(str(other).encode()):
                    break
                other = self._dice.randint(low, high)
            self._numbers[number, most] = other if number > 0 else -other
        return self._numbers[number, most]

    def real(self, number: float, width: str) -> bytes:
        """The octets of another of similar size; zero, infinity and no-number stay."""
        return struct.pack(width, number * self._dice.uniform(0.84, 0.96))

    def value(self, tag: int, octets: bytes) -> bytes:
        """Of a numeric A-XDR value without its tag; small types (flags, enums, scalers) stay."""
        if tag in _FLOATS:
            return self.real(struct.unpack(_FLOATS[tag], octets)[0], _FLOATS[tag])
        if tag not in _INTEGERS:
            return octets
        (number,) = struct.unpack(_INTEGERS[tag], octets)
        bits = 8 * len(octets) - _INTEGERS[tag].islower()
        return struct.pack(_INTEGERS[tag], self.number(number, most=(1 << bits) - 1))

    def octets(self, octets: bytes) -> bytes:
        """Others, as many."""
        return bytes(self._dice.choice([other for other in range(256) if other != octet]) for octet in octets)

    def time(self, time: datetime) -> datetime:
        """The same weekday and hour, weeks away."""
        try:
            return time + self.shift
        except OverflowError:
            return time - self.shift

    def _word(self, word: bytes, *, private: bool, whole: bool) -> bytes:
        if not (private or whole or _digits(word) >= MANY):
            return word
        if word not in self._words:
            alphabets = _ALPHABETS if private else _HEX_ALPHABETS if _HEX_ID.fullmatch(word) else (_DIGITS,)
            other = self._another(word, alphabets)
            for _ in range(TRIES):
                if not self._shows_a_secret(other):
                    break
                other = self._another(word, alphabets)
            self._words[word] = other
        return self._words[word]

    def _shows_a_secret(self, text: bytes) -> bool:
        parts = (text[at : at + size] for size in self._sizes for at in range(len(text) - size + 1))
        return not self._secret.isdisjoint(parts)

    def _another(self, word: bytes, alphabets: Iterable[bytes]) -> bytes:
        return bytes(self._octet(octet, alphabets) for octet in word)

    def _octet(self, octet: int, alphabets: Iterable[bytes]) -> int:
        for alphabet in alphabets:
            if octet in alphabet:
                return self._dice.choice([other for other in alphabet if other != octet])
        return octet


def _digits(text: bytes) -> int:
    return sum(octet in _DIGITS for octet in text)
