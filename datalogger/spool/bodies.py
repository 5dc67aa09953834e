"""Bodies: a report as the file holds it, deflated against an earlier one of the same source.

Consecutive telegrams are nearly alike: 880 octets with 35 records take 155 octets here, 690 without
a dictionary. A dictionary serves `ERA` reports only, because it takes all of them with it when damaged.
"""

import zlib
from typing import NamedTuple

from datalogger.encoding import report_binary
from datalogger.errors import DecodeError
from datalogger.model import Report
from datalogger.spool.database import Connection

ERA = 1024
_LEVEL, _WINDOW, _MEMORY = 3, -15, 6  # level 6 takes a third longer for 4 % less


class Body(NamedTuple):
    """crc is over `octets` as stored; dictionary 0: none."""

    crc: int
    dictionary: int
    octets: bytes


def alone(report: Report) -> Body:
    """A body that needs no dictionary, for quarantine: it may outlive every dictionary."""
    octets = zlib.compress(report_binary.encode(report), 6, wbits=_WINDOW)
    return Body(zlib.crc32(octets), 0, octets)


def unpack(body: Body, dictionary: bytes = b"") -> Report:
    """DecodeError where it is damaged."""
    if zlib.crc32(body.octets) != body.crc:
        raise DecodeError("checksum", f"CRC {body.crc:08X} stored, {zlib.crc32(body.octets):08X} computed")
    try:
        inflate = zlib.decompressobj(_WINDOW, zdict=dictionary)
        return report_binary.decode(inflate.decompress(body.octets) + inflate.flush())
    except zlib.error as error:
        raise DecodeError("malformed", f"cannot be inflated: {error}") from error


class Dictionaries:
    """The dictionaries of one open file."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._current: dict[int, tuple[int, int]] = {}  # source → dictionary, reports left in its era
        self._known: dict[int, bytes] = {}
        self._grown = False  # a dictionary was begun since the last `prune`

    def pack(self, sequence: int, source: int, report: Report) -> Body:
        """Inside a transaction: it may begin a new dictionary. A rollback makes this object useless."""
        plain = report_binary.encode(report)
        dictionary, left = self._current.get(source, (0, 0))
        if left == 0:
            dictionary, left = self._begin(sequence, source, plain), ERA
        self._current[source] = (dictionary, left - 1)
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zdict=self.get(dictionary))
        octets = deflate.compress(plain) + deflate.flush()
        return Body(zlib.crc32(octets), dictionary, octets)

    def get(self, number: int) -> bytes:
        """DecodeError where it is missing or damaged."""
        if number == 0:
            return b""
        if (known := self._known.get(number)) is None:
            row = self._connection.execute("SELECT crc, octets FROM dictionary WHERE id = ?", (number,)).fetchone()
            if row is None or zlib.crc32(row[1]) != row[0]:
                raise DecodeError("checksum", f"dictionary {number} is {'missing' if row is None else 'damaged'}")
            known = self._remember(number, row[1])
        return known

    def unpack(self, body: Body) -> Report:
        """DecodeError where it, or its dictionary, is damaged."""
        return unpack(body, self.get(body.dictionary))

    def _begin(self, sequence: int, source: int, plain: bytes) -> int:
        number = self._connection.execute("SELECT ifnull(max(id), 0) + 1 FROM dictionary").fetchone()[0]
        self._connection.execute(
            "INSERT INTO dictionary VALUES (?, ?, ?, ?, ?)", (number, source, sequence, zlib.crc32(plain), plain)
        )
        self._remember(number, plain)
        self._grown = True
        return int(number)

    def prune(self) -> None:
        """Inside a transaction, with every packed body written: drop the dictionaries nobody needs any more.

        One that was followed by another before the oldest report in the log serves nobody.
        """
        if self._grown:
            self._grown = False
            self._connection.execute(
                "DELETE FROM dictionary WHERE EXISTS (SELECT 1 FROM dictionary AS later WHERE later.id > dictionary.id"
                " AND later.source = dictionary.source AND later.first <= ifnull((SELECT min(seq) FROM log), 9e18))"
            )

    def _remember(self, number: int, octets: bytes) -> bytes:
        self._known[number] = octets
        if len(self._known) > 8:
            del self._known[next(iter(self._known))]
        return octets
