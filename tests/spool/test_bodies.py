import sqlite3

import pytest

from datalogger.errors import DecodeError
from datalogger.spool import bodies, database
from datalogger.spool.bodies import ERA, Body, Dictionaries
from tests.spool.reports import report


@pytest.fixture
def connection() -> sqlite3.Connection:
    return opened()


def opened() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in database.SCHEMA.split(";"):
        connection.execute(statement)
    return connection


def test_every_body_comes_back(connection: sqlite3.Connection) -> None:
    dictionaries = Dictionaries(connection)
    packed = [dictionaries.pack(number, number % 2, report(number)) for number in range(50)]
    later = Dictionaries(connection)  # as after a restart
    assert [later.unpack(body) for body in packed] == [report(number) for number in range(50)]


def test_a_telegram_takes_less_than_a_quarter_of_what_it_takes_alone(connection: sqlite3.Connection) -> None:
    dictionaries = Dictionaries(connection)
    with_dictionary = sum(len(dictionaries.pack(number, 1, report(number)).octets) for number in range(1, 101))
    alone = sum(len(bodies.alone(report(number)).octets) for number in range(1, 101))
    assert with_dictionary < alone / 4


def test_any_bit_that_flips_is_noticed(connection: sqlite3.Connection) -> None:
    dictionaries = Dictionaries(connection)
    dictionaries.pack(1, 1, report(1))
    body = dictionaries.pack(2, 1, report(2))
    for place in range(len(body.octets)):
        octets = bytearray(body.octets)
        octets[place] ^= 0x10
        with pytest.raises(DecodeError, match="checksum"):
            dictionaries.unpack(Body(body.crc, body.dictionary, bytes(octets)))


def test_a_damaged_dictionary_is_noticed_and_costs_one_era(connection: sqlite3.Connection) -> None:
    dictionaries = Dictionaries(connection)
    packed = [dictionaries.pack(number, 1, report(number % 10)) for number in range(ERA + 5)]
    connection.execute("UPDATE dictionary SET octets = zeroblob(100) WHERE id = 1")
    later = Dictionaries(connection)
    with pytest.raises(DecodeError, match="dictionary 1 is damaged"):
        later.unpack(packed[0])
    assert later.unpack(packed[ERA]) == report(ERA % 10)


def test_dictionaries_that_nobody_needs_are_deleted(connection: sqlite3.Connection) -> None:
    dictionaries = Dictionaries(connection)
    for number in range(3 * ERA):  # no rows in the log: every report was taken
        dictionaries.pack(number, 1, report(number % 10))
    dictionaries.prune()
    assert connection.execute("SELECT count(*) FROM dictionary").fetchone()[0] == 1


def test_dictionaries_of_rows_in_the_log_stay(connection: sqlite3.Connection) -> None:
    dictionaries = Dictionaries(connection)
    connection.execute("INSERT INTO log VALUES (0, 0, 0, 1, 1, 0, 100)")
    for number in range(3 * ERA):
        dictionaries.pack(number, 1, report(number % 10))
    dictionaries.prune()
    assert connection.execute("SELECT count(*) FROM dictionary").fetchone()[0] == 3


def test_a_dictionary_is_not_deleted_before_the_bodies_it_serves_are_written(connection: sqlite3.Connection) -> None:
    """One transaction may hold several eras."""
    dictionaries = Dictionaries(connection)
    packed = [dictionaries.pack(number, 1, report(number % 10)) for number in range(4 * ERA)]
    later = Dictionaries(connection)
    assert all(later.unpack(body) == report(number % 10) for number, body in enumerate(packed) if number % 97 == 0)
