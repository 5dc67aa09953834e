"""Quarantine: records a receiver will never take, with its answer, for a person to look at and replay."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from datalogger.errors import DecodeError
from datalogger.model import Report
from datalogger.spool import bodies
from datalogger.spool.bodies import Body
from datalogger.spool.database import Connection, from_us, to_us

LIMIT = 10_000
"""Records set aside per sink, some 8 MB: three hours of a server that refuses every telegram. People read
a few of them; the oldest leave first, counted."""

ANSWER = 500  # characters kept of what the server said

COLUMNS = "id, sink, seq, source, received, flags, at, reason, answer, crc, octets"

Mark = tuple[str, int, int]
"""Sink, moment it was set aside in µs, CRC: the same for a record in whichever file it is."""


class Aside(Struct, frozen=True):
    """One record set aside. Without report and body: the log has it, under `sequence`."""

    sink: str
    sequence: int
    source: str
    received: datetime
    flags: int
    at: datetime
    reason: str
    answer: str
    report: Report | None
    body: Body | None = None

    @property
    def mark(self) -> Mark:
        """Of one that came out of a file."""
        assert self.body is not None
        return self.sink, to_us(self.at), self.body.crc


def insert(connection: Connection, asides: Sequence[Aside]) -> dict[str, int]:
    """Inside a transaction. Sink → how many older ones had to leave."""
    for aside in asides:
        body = bodies.alone(aside.report) if aside.body is None and aside.report is not None else aside.body
        if body is None:
            continue  # dropped meanwhile, and counted then
        connection.execute(
            "INSERT OR REPLACE INTO aside(sink, seq, source, received, flags, at, reason, answer, crc, octets)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                aside.sink, aside.sequence, aside.source, to_us(aside.received), aside.flags, to_us(aside.at),
                aside.reason, aside.answer[:ANSWER], body.crc, body.octets,
            ),
        )  # fmt: skip
    dropped = {}
    for sink in {aside.sink for aside in asides}:
        count = connection.execute("SELECT count(*) FROM aside WHERE sink = ?", (sink,)).fetchone()[0]
        if count > LIMIT:
            dropped[sink] = count - LIMIT
            connection.execute(
                "DELETE FROM aside WHERE id IN (SELECT id FROM aside WHERE sink = ? ORDER BY id LIMIT ?)",
                (sink, count - LIMIT),
            )
    return dropped


def read(connection: Connection, sink: str | None = None, after: int = 0, limit: int = 100) -> list[tuple[int, Aside]]:
    """(number, record) of the next ones. `report` is None where the record itself is damaged."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM aside WHERE id > ? AND (? IS NULL OR sink = ?) ORDER BY id LIMIT ?",
        (after, sink, sink, limit),
    ).fetchall()
    return [(row[0], from_row(*row[1:])) for row in rows]


def marks(connection: Connection) -> set[Mark]:
    """Of all that is set aside."""
    return set(connection.execute("SELECT sink, at, crc FROM aside").fetchall())


def iterate(connection: Connection, sink: str | None = None) -> Iterator[Aside]:
    """All of them, some at a time."""
    after = 0
    while page := read(connection, sink, after):
        yield from (aside for _, aside in page)
        after = page[-1][0]


def from_row(
    sink: str, sequence: int, source: str, received: int, flags: int, at: int, reason: str, answer: str,
    crc: int, octets: bytes,
) -> Aside:  # fmt: skip
    """COLUMNS without the id. `report` is None where the record is damaged; Damaged where its moments are."""
    body = Body(crc, 0, octets)
    try:
        report = bodies.unpack(body)
    except DecodeError:
        report = None
    return Aside(sink, sequence, source, from_us(received), flags, from_us(at), reason, answer, report, body)
