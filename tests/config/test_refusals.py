"""What a wrong configuration gets: every problem, one line each, with the line, the value and the mend."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datalogger.config.load import load, load_configuration
from datalogger.config.problems import ConfigProblems
from datalogger.config.schema import Configuration
from datalogger.errors import ConfigError
from tests.config.conftest import Write

LINE = '[source.house]\nkind = "serial"\nport = "/dev/ttyUSB0"\n'  # lines 1 to 3
FILE = '[sink.archive]\nkind = "file"\npath = "archive"\n'  # lines 4 to 6, behind LINE
SERVER = '[sink.attic]\nkind = "server"\nurl = "http://attic.local"\n'
SOCKET = '[source.dongle]\nkind = "tcp"\nhost = "10.0.0.1"\n'
LEAST = LINE + FILE

DURATION = 'expected a duration such as "500ms", "10s", "5m", "2h" or "30d"'
SIZE = 'expected a size such as "500kB", "256MB" or "2GB"'
ADDRESS = 'expected "HOST:PORT" such as "127.0.0.1:8420", a port from 0 to 65535, or "" for none'
NO_KEY = "FILE:4: sink.attic.key_file: missing; or give key_env or key_credential"
NO_FILE = "no such file (is that the key itself? then write it into a file, and name the file)"
NO_VARIABLE = (
    "no such environment variable; a name is such as ATTIC_KEY "
    "(is that the key itself? then write it into a file, and name the file)"
)
SOURCE_KINDS = '"serial", "tcp"'
SINK_KINDS = '"server", "file", "twofold", "extra"'
SINK_KEYS = "kind, sources, every, timeout, order, backlog_rate, replay, when_full, path, format, max_bytes"

# What is wrong → the text, and what is said of it.
REFUSALS: dict[str, tuple[str, list[str]]] = {
    # Keys
    "a key misspelt": (LEAST + 'timeot = "20s"', ['FILE:7: sink.archive.timeot: unknown key; did you mean "timeout"?']),
    "a key near to none": (LEAST + "foo = 1", [f"FILE:7: sink.archive.foo: unknown key; known here: {SINK_KEYS}"]),
    "a key of the spool misspelt": (
        LEAST + '[spool]\npth = "x"',
        ['FILE:8: spool.pth: unknown key; did you mean "path"?'],
    ),
    "a key that is needed, misspelt": (
        LINE.replace("port", "prot") + FILE,
        ['FILE:3: source.house.prot: unknown key; did you mean "port"?'],
    ),
    "a key that is needed in capitals": (
        LINE.replace("port", "PORT") + FILE,
        ['FILE:3: source.house.PORT: unknown key; did you mean "port"?'],
    ),
    "the same key right and misspelt": (
        LINE + 'prot = "/dev/ttyUSB1"\n' + FILE,
        ['FILE:4: source.house.prot: unknown key; did you mean "port"?'],
    ),
    "a place of a key misspelt": (
        LINE + '[sink.x]\nkind = "twofold"\nmust = true\npasword_file = "none.key"',
        ['FILE:7: sink.x.pasword_file: unknown key; did you mean "password_file"?'],
    ),
    "a kind in another case": (
        LEAST.replace("kind", "Kind"),
        [
            f'FILE:2: source.house.Kind: unknown key; did you mean "kind"? There is {SOURCE_KINDS}',
            f'FILE:5: sink.archive.Kind: unknown key; did you mean "kind"? There is {SINK_KINDS}',
        ],
    ),
    "a table in another case": (
        LEAST + "[Spool]",
        ['FILE:7: Spool: unknown table; did you mean "spool"?'],
    ),
    "a dotted key": (
        LEAST + "[service]\nlog.level = 1",
        ["FILE:8: service.log: unknown key; known here: listen, log_level, log_format"],
    ),
    "a key missing": (
        LINE.replace("port", "# port") + FILE,
        ["FILE:1: source.house: port is missing"],
    ),
    # Tables
    "a table misspelt": (LEAST + "[sinks.attic]", ['FILE:7: sinks: unknown table; did you mean "sink"?']),
    "a table near to none": (
        LEAST + "[mqtt]",
        ["FILE:7: mqtt: unknown table; there is source, sink, spool, service, meters"],
    ),
    "a key before all tables": (
        "x = 5\n" + LEAST,
        ["FILE:1: x: unknown table; there is source, sink, spool, service, meters"],
    ),
    "a text for a table": ("spool = 5\n" + LEAST, ["FILE:1: spool: expected a table, written [spool]"]),
    "a list of tables": (LEAST + "[[spool]]", ["FILE:7: spool: expected a table, written [spool]"]),
    "a list of sinks": (LINE + '[[sink]]\nkind = "file"', ["FILE:4: sink: expected a table, written [sink.NAME]"]),
    "a sink without a name": (
        LINE + '[sink]\nkind = "file"\npath = "x"',
        ["FILE:4: sink: has no name: write [sink.NAME], with a name of your own"],
    ),
    "a key beside the sinks": (
        LEAST + '[sink]\nkey = "s3cr3t"',
        ["FILE:8: sink.key: expected a table, written [sink.NAME]"],
    ),
    # Names and counts
    "a name with a space": (
        LINE + '[sink."my sink"]\nkind = "file"\npath = "x"',
        ['FILE:4: sink."my sink": a name is of letters A-Z a-z, digits, _ and -'],
    ),
    "a name with a line end": (
        LINE + '[sink."a\\nb"]\nkind = "file"\npath = "x"',
        ['FILE:4: sink."a\\nb": a name is of letters A-Z a-z, digits, _ and -'],
    ),
    "an empty name": (
        LEAST + '[source.""]\nkind = "serial"\nport = "/dev/x"',
        ['FILE:7: source."": a name is of letters A-Z a-z, digits, _ and -'],
    ),
    "64 sinks": (
        LINE + "".join(f'[sink.s{number}]\nkind = "file"\npath = "{number}"\n' for number in range(64)),
        ["FILE:4: sink: 64 sinks are too many: at most 63"],
    ),
    "no source": (FILE, [f"FILE: no source: write a table [source.NAME], with a kind of {SOURCE_KINDS}"]),
    "no sink": (LINE, [f"FILE: no sink: write a table [sink.NAME], with a kind of {SINK_KINDS}"]),
    "an empty table of sinks": (
        LINE + "[sink]",
        [f"FILE: no sink: write a table [sink.NAME], with a kind of {SINK_KINDS}"],
    ),
    "nothing at all": (
        "",
        [
            f"FILE: no sink: write a table [sink.NAME], with a kind of {SINK_KINDS}",
            f"FILE: no source: write a table [source.NAME], with a kind of {SOURCE_KINDS}",
        ],
    ),
    # Kinds
    "a kind misspelt": (
        LEAST.replace('"serial"', '"serail"'),
        [f'FILE:2: source.house.kind: unknown kind "serail"; did you mean "serial"? There is {SOURCE_KINDS}'],
    ),
    "a kind near to none": (
        LEAST.replace('"file"', '"mqtt"'),
        [f'FILE:5: sink.archive.kind: unknown kind "mqtt"; there is {SINK_KINDS}'],
    ),
    "a kind missing": (
        '[source.house]\nport = "/dev/ttyUSB0"\n' + FILE,
        [f"FILE:1: source.house.kind: is missing; there is {SOURCE_KINDS}"],
    ),
    "a kind that is a number": (
        LEAST.replace('"serial"', "5"),
        [f"FILE:2: source.house.kind: unknown kind 5; there is {SOURCE_KINDS}"],
    ),
    "an unknown kind, and what every kind has": (
        LINE.replace('"serial"', '"usb"') + "silence = 5\n" + FILE,
        [
            f'FILE:2: source.house.kind: unknown kind "usb"; there is {SOURCE_KINDS}',
            f'FILE:4: source.house.silence: 5: a number without a unit, write "5s": {DURATION}',
        ],
    ),
    "a kind whose package is not there": (
        LINE + '[sink.x]\nkind = "extra"',
        [
            "FILE:5: sink.x.kind: \"extra\" cannot be used here: No module named 'tests.config.kinds_of_no_install': "
            "pip install tests.config.kinds_of_no_install"
        ],
    ),
    # Durations and sizes
    "a duration without a unit": (
        LEAST + "timeout = 20",
        [f'FILE:7: sink.archive.timeout: 20: a number without a unit, write "20s": {DURATION}'],
    ),
    "a duration without a unit, in quotes": (
        LEAST + 'every = "10"',
        [f'FILE:7: sink.archive.every: "10": a number without a unit, write "10s": {DURATION}'],
    ),
    "a duration in words": (
        LEAST + 'timeout = "20 seconds"',
        [f'FILE:7: sink.archive.timeout: "20 seconds": {DURATION}'],
    ),
    "a negative duration": (LEAST + 'timeout = "-5s"', [f'FILE:7: sink.archive.timeout: "-5s": {DURATION}']),
    "no time at all": (LEAST + 'timeout = "0s"', ['FILE:7: sink.archive.timeout: "0s": must be more than 0']),
    "an optional duration of nothing": (
        LEAST + 'every = "0s"',
        ['FILE:7: sink.archive.every: "0s": must be more than 0'],
    ),
    "more than a century": (
        LEAST + '[spool]\nmax_age = "99999999d"',
        ['FILE:8: spool.max_age: "99999999d": longer than a century: expected a duration such as "10s" or "30d"'],
    ),
    "a size without a unit": (
        LEAST + "max_bytes = 256",
        [f'FILE:7: sink.archive.max_bytes: 256: a number without a unit, write "256MB": {SIZE}'],
    ),
    "a size without a unit, in quotes": (
        LEAST + '[spool]\nmin_free = "64"',
        [f'FILE:8: spool.min_free: "64": a number without a unit, write "64MB": {SIZE}'],
    ),
    "a size of nothing": (LEAST + 'max_bytes = "0B"', ['FILE:7: sink.archive.max_bytes: "0B": must be more than 0']),
    "a window longer than the age": (
        LEAST + '[spool]\nwindow = "2d"\nmax_age = "1d"',
        ['FILE:8: spool.window: "2d": longer than max_age (1d), so that nothing would be kept: make it shorter'],
    ),
    "a spool smaller than its own journal": (
        LEAST + '[spool]\nmax_bytes = "4MB"',
        ['FILE:8: spool.max_bytes: "4MB": must be at least 10MB, of which SQLite\'s journal takes 4MB'],
    ),
    "a spool of nothing": (
        LEAST + '[spool]\nmax_bytes = "0B"',
        ['FILE:8: spool.max_bytes: "0B": must be at least 10MB, of which SQLite\'s journal takes 4MB'],
    ),
    "memory for a minute": (
        LEAST + '[spool]\nmemory_bytes = "50kB"',
        ['FILE:8: spool.memory_bytes: "50kB": must be at least 1MB, a quarter of an hour of one meter'],
    ),
    "a directory for a spool": (
        LEAST + '[spool]\npath = "."',
        ['FILE:8: spool.path: ".": is a directory: name a file in it, such as DIR/spool.db'],
    ),
    # Types and ranges
    "a rate of nothing": (LEAST + "backlog_rate = 0", ["FILE:7: sink.archive.backlog_rate: 0: must be more than 0"]),
    "a rate that is no number": (
        LEAST + "backlog_rate = nan",
        ["FILE:7: sink.archive.backlog_rate: nan: must be more than 0"],
    ),
    "a rate without end": (
        LEAST + "backlog_rate = inf",
        ["FILE:7: sink.archive.backlog_rate: inf: must be more than 0"],
    ),
    "a text for a number": (
        LEAST + 'backlog_rate = "fast"',
        ['FILE:7: sink.archive.backlog_rate: "fast": expected a number'],
    ),
    "true for a number": (
        LEAST + "backlog_rate = true",
        ["FILE:7: sink.archive.backlog_rate: true: expected a number"],
    ),
    "a number for true": (LINE + "xonxoff = 1\n" + FILE, ["FILE:4: source.house.xonxoff: 1: expected true or false"]),
    "a date for a text": (
        SOCKET.replace('"10.0.0.1"', "1979-05-27") + "port = 23\n" + FILE,
        ["FILE:3: source.dongle.host: 1979-05-27: expected a text in quotes"],
    ),
    "a baud rate of nothing": (
        LINE + "baud_rate = 0\n" + FILE,
        ["FILE:4: source.house.baud_rate: 0: expected a whole number >= 1"],
    ),
    "half a baud": (
        LINE + "baud_rate = 9600.5\n" + FILE,
        ["FILE:4: source.house.baud_rate: 9600.5: expected a whole number"],
    ),
    "a port above all": (
        SOCKET + "port = 65536\n" + FILE,
        ["FILE:4: source.dongle.port: 65536: expected a whole number <= 65535"],
    ),
    "a negative port": (
        SOCKET + "port = -1\n" + FILE,
        ["FILE:4: source.dongle.port: -1: expected a whole number >= 0"],
    ),
    "a port in quotes": (
        SOCKET + 'port = "23"\n' + FILE,
        ['FILE:4: source.dongle.port: "23": expected a whole number'],
    ),
    "a number Python will not print": (
        SOCKET + f"port = 0x{'F' * 5000}\n" + FILE,
        ["FILE:4: source.dongle.port: a number of more than 64 bits: expected a whole number <= 65535"],
    ),
    "a word near to a choice": (
        LEAST + 'format = "telegrm"',
        ['FILE:7: sink.archive.format: "telegrm": expected "report" or "telegram"; did you mean "telegram"?'],
    ),
    "a word near to no choice": (
        LEAST + '[spool]\ndurability = "always"',
        ['FILE:8: spool.durability: "always": expected "strict", "grouped" or "memory"'],
    ),
    "a number that is no choice": (
        LINE + "bytesize = 9\n" + FILE,
        ["FILE:4: source.house.bytesize: 9: expected 7 or 8"],
    ),
    "a number in quotes that is a choice": (
        LINE + 'bytesize = "8"\n' + FILE,
        ['FILE:4: source.house.bytesize: "8": expected 7 or 8, without quotes'],
    ),
    "a text for a list": (
        LEAST + 'sources = "house"',
        ['FILE:7: sink.archive.sources: "house": expected a list: write ["house"]'],
    ),
    "a number in a list of texts": (
        LEAST + 'sources = ["house", 1]',
        ["FILE:7: sink.archive.sources: a list: item 2: expected a text in quotes"],
    ),
    "an empty text": (
        LEAST.replace('"/dev/ttyUSB0"', '""'),
        ['FILE:3: source.house.port: "": expected a text in quotes of length >= 1'],
    ),
    "an empty path": (LEAST + '[spool]\npath = ""', ['FILE:8: spool.path: "": expected a path']),
    "a NUL in a path": (LEAST + '[spool]\npath = "a\\u0000b"', ['FILE:8: spool.path: "a\\u0000b": expected a path']),
    "a path in a home": (
        LEAST + '[spool]\npath = "~/spool.db"',
        ['FILE:8: spool.path: "~/spool.db": a path is written out, without ~: a service has no home'],
    ),
    # Zones and addresses
    "a zone misspelt": (
        LINE + 'zone = "Europe/Amsterdan"\n' + FILE,
        ['FILE:4: source.house.zone: "Europe/Amsterdan": no such time zone; did you mean "Europe/Amsterdam"?'],
    ),
    "a zone that leaves its directory": (
        LINE + 'zone = "../../etc/passwd"\n' + FILE,
        ['FILE:4: source.house.zone: "../../etc/passwd": no such time zone; such as Europe/Amsterdam'],
    ),
    "a zone that is a directory": (
        LINE + 'zone = "Europe"\n' + FILE,
        ['FILE:4: source.house.zone: "Europe": no such time zone; did you mean "Europe/Rome"?'],
    ),
    "a listen port alone": (LEAST + '[service]\nlisten = "8420"', [f'FILE:8: service.listen: "8420": {ADDRESS}']),
    "a listen port above all": (
        LEAST + '[service]\nlisten = "h:65536"',
        [f'FILE:8: service.listen: "h:65536": {ADDRESS}'],
    ),
    "a listen address without brackets": (
        LEAST + '[service]\nlisten = "::1:80"',
        [f'FILE:8: service.listen: "::1:80": {ADDRESS}'],
    ),
    "a listen address without a host": (
        LEAST + '[service]\nlisten = ":80"',
        [f'FILE:8: service.listen: ":80": {ADDRESS}'],
    ),
    "a listen port that is a name": (
        LEAST + '[service]\nlisten = "h:http"',
        [f'FILE:8: service.listen: "h:http": {ADDRESS}'],
    ),
    # Between tables
    "a source misspelt": (
        LEAST + 'sources = ["hoose"]',
        ['FILE:7: sink.archive.sources: no source "hoose"; did you mean "house"?'],
    ),
    "a source near to none": (
        LEAST + 'sources = ["x"]',
        ['FILE:7: sink.archive.sources: no source "x"; there is "house"'],
    ),
    "two sources on one port": (
        LEAST + '[source.again]\nkind = "serial"\nport = "/dev/../dev/ttyUSB0"',
        ['FILE:9: source.again.port: "/dev/../dev/ttyUSB0" is taken by source.house already'],
    ),
    "two sinks into one file": (
        LEAST + '[sink.again]\nkind = "file"\npath = "./archive"',
        ['FILE:9: sink.again.path: "./archive" is taken by sink.archive already'],
    ),
    # Keys and passwords
    "no key where one is needed": (LINE + SERVER, [NO_KEY]),
    "a key file that is not there": (
        LINE + SERVER + 'key_file = "none.key"',
        ["FILE:7: sink.attic.key_file: no file DIR/none.key: write the key into it, then chmod 600 DIR/none.key"],
    ),
    "a variable that is not set": (
        LINE + SERVER + 'key_env = "DATALOGGER_NO_SUCH_KEY"',
        [
            "FILE:7: sink.attic.key_env: no environment variable DATALOGGER_NO_SUCH_KEY: "
            "set it where datalogger is started, or use a key file"
        ],
    ),
    "a key for a variable": (
        LINE + SERVER + 'key_env = "s3cr3t of mine"',
        [f"FILE:7: sink.attic.key_env: {NO_VARIABLE}"],
    ),
    "a key of letters only for a variable": (
        LINE + SERVER + 'key_env = "s3cr3tOfMine"',
        [f"FILE:7: sink.attic.key_env: {NO_VARIABLE}"],
    ),
    "a key for a file": (LINE + SERVER + 'key_file = "s3cr3tOfMine"', [f"FILE:7: sink.attic.key_file: {NO_FILE}"]),
    "a key with a slash for a file": (
        LINE + SERVER + 'key_file = "s3cr3t/OfMine="',
        [f"FILE:7: sink.attic.key_file: {NO_FILE}"],
    ),
    "a key of any length for a file": (
        LINE + SERVER + f'key_file = "{"s3cr3t" * 100}"',
        [f"FILE:7: sink.attic.key_file: {NO_FILE}"],
    ),
    "a key for a file in a home": (
        LINE + SERVER + 'key_file = "~s3cr3t"',
        ["FILE:7: sink.attic.key_file: a path is written out, without ~: a service has no home"],
    ),
    "a key of figures for a file": (
        LINE + SERVER + "key_file = 53237",
        ["FILE:7: sink.attic.key_file: expected a text in quotes"],
    ),
    "a key for a choice": (
        LINE + SERVER + 'auth = "s3cr3tOfMine"\nkey_env = "PATH"\norder = "fifi"',
        [
            'FILE:7: sink.attic.auth: expected "x-authkey" or "token"',
            'FILE:9: sink.attic.order: "fifi": expected "fifo" or "live-first"; did you mean "fifo"?',
        ],
    ),
    "a key for a credential": (
        LINE + SERVER + 'key_credential = "s3cr3tOfMine"',
        [
            "FILE:7: sink.attic.key_credential: no systemd credentials here: $CREDENTIALS_DIRECTORY is set only under "
            "systemd, by LoadCredential=NAME:/path/to/file in the unit"
        ],
    ),
    "a file whose key is none": (
        LINE + SERVER + 'key_file = "umlaut.key"',
        ["FILE:7: sink.attic.key_file: has letters that no key has"],
    ),
    "two keys": (
        LINE + SERVER + 'key = "s3cr3t"\nkey_file = "none.key"',
        ["FILE:8: sink.attic.key_file: beside key: give only one of the two"],
    ),
    "a key that is a number": (LINE + SERVER + "key = 53237", ["FILE:7: sink.attic.key: expected a text in quotes"]),
    "a key in a list": (LINE + SERVER + 'key = ["s3cr3t"]', ["FILE:7: sink.attic.key: expected a text in quotes"]),
    "an empty key": (LINE + SERVER + 'key = ""', ["FILE:7: sink.attic.key: the text is empty: write the key into it"]),
    "a key of two lines": (
        LINE + SERVER + 'key = "s3cr3t\\nx"',
        [
            "FILE:7: sink.attic.key: the text holds more than one line, or control characters: "
            "it holds the key and nothing else"
        ],
    ),
    "a key misspelt, with a secret in it": (
        LINE + SERVER + 'kye = "s3cr3t"',
        ['FILE:7: sink.attic.kye: unknown key; did you mean "key"?'],
    ),
    "what the sink itself refuses, beside its key": (
        LINE + SERVER.replace("http:", "ftp:") + 'key_file = "none.key"',
        [
            'FILE:6: sink.attic.url: "ftp://attic.local": has no http:// or https://',
            "FILE:7: sink.attic.key_file: no file DIR/none.key: write the key into it, then chmod 600 DIR/none.key",
        ],
    ),
    "what a field refuses, beside what the sink refuses": (
        LINE + SERVER.replace("http:", "ftp:") + 'fresh = "0s"\n',
        [
            NO_KEY,
            'FILE:6: sink.attic.url: "ftp://attic.local": has no http:// or https://',
            'FILE:7: sink.attic.fresh: "0s": must be more than 0',
        ],
    ),
    "what cannot be judged for want of a value": (
        LINE + SERVER.replace("http:", "ftp:") + "fresh = 5\n",
        [f'FILE:7: sink.attic.fresh: 5: a number without a unit, write "5s": {DURATION}'],
    ),
    "an URL with a password": (
        LINE + SERVER.replace("http://", "ftp://me:s3cr3t@"),
        [NO_KEY, 'FILE:6: sink.attic.url: "ftp://***@attic.local": has no http:// or https://'],
    ),
    "a password before a host": (
        LINE + SERVER.replace("http://", "me:s3cr3t@"),
        [NO_KEY, 'FILE:6: sink.attic.url: "***@attic.local": has no http:// or https://'],
    ),
    # Not TOML
    "a line that ends too early": (LINE + "baud_rate =\n", ["FILE:4:12: not TOML: Invalid value in: baud_rate"]),
    "a header that ends too early": (
        LINE + "[sink.a\n",
        ["FILE:4:8: not TOML: Expected ']' at the end of a table declaration"],
    ),
    "a value without quotes": (
        LINE + "silence = 10s",
        ["FILE:4:13: not TOML: this goes on where it should end (a text stands in quotes) in: silence"],
    ),
    "a word without quotes": (
        LINE + "protocol = p1",
        ["FILE:4:12: not TOML: Invalid value (a text stands in quotes) in: protocol"],
    ),
    "a key twice": (LINE + 'kind = "tcp"\n', ["FILE:4:13: not TOML: this key is there already in: kind"]),
    "a key twice, the last of the file": (
        LINE + 'kind = "tcp"',
        ["FILE:4: not TOML: this key is there already, at the end of the file"],
    ),
    "a table twice": (
        LINE + LINE,
        ["FILE:4:14: not TOML: Cannot declare ('source', 'house') twice"],
    ),
    "a list without end": ("a = [1,\n", ["FILE:1: not TOML: Invalid value, at the end of the file"]),
    "lists a thousand deep": ("a = " + "[" * 5000, ["FILE: lists or tables stand too deep in one another"]),
    "a number of thousands of digits": ("a = " + "9" * 5000, ["FILE: not TOML: a number has thousands of digits"]),
    "a key without its quotes": (
        LINE + "key = s3cr3t",
        ["FILE:4:7: not TOML: Invalid value (a text stands in quotes) in: key"],
    ),
    "a key misspelt without its quotes": (
        LINE + "kee = s3cr3t",
        ["FILE:4:7: not TOML: Invalid value (a text stands in quotes) in: kee"],
    ),
    "a key written as in YAML": (
        LINE + 'key: "s3cr3t"',
        ["FILE:4:4: not TOML: a value stands behind =, not behind : in: key"],
    ),
    "a key of many words written as in YAML": (
        LINE + "sink.attic.key: s3cr3t",
        ["FILE:4:15: not TOML: a value stands behind =, not behind : in: sink.attic.key"],
    ),
    "a key without =": (
        LINE + 'key "s3cr3t"',
        ["FILE:4:5: not TOML: Expected '=' after a key in a key/value pair"],
    ),
    "a key file for a configuration": (
        "s3cr3t\n",
        ["FILE:1:7: not TOML: Expected '=' after a key in a key/value pair"],
    ),
    "a key file that ends in ==": ("secret==\n", ["FILE:1:8: not TOML: Invalid value"]),
    "a key file that ends in =": ("secret=\n", ["FILE:1:8: not TOML: Invalid value"]),
    "a key file in capitals and =": (
        "S3CR3T s3cr3t = s3cr3t\n",
        ["FILE:1:8: not TOML: Expected '=' after a key in a key/value pair"],
    ),
    "a key in a header": (LINE + "[s3cr3t\n", ["FILE:4:8: not TOML: Expected ']' at the end of a table declaration"]),
    "a key without its last quote": (
        LINE + 'key = "s3cr3t\nkind = 5',
        ["FILE:4:14: not TOML: a closing quote is missing in: key"],
    ),
    "a key without its last single quote": (
        LINE + "key = 's3cr3t\nkind = 'x'",
        ["FILE:4:14: not TOML: a closing quote is missing in: key"],
    ),
    "a key without its last quote, the last of the file": (
        LINE + 'key = "s3cr3t',
        ["FILE:4: not TOML: a closing quote is missing, at the end of the file"],
    ),
    "a key in a table in a line": (
        LINE + 'x = {auth_key = "s3cr3t\n',
        ["FILE:4:24: not TOML: a closing quote is missing in: x"],
    ),
    "a key whose last quote is a single one": (
        LINE + "key = \"s3cr3t'\n",
        ["FILE:4:15: not TOML: a closing quote is missing in: key"],
    ),
    "a key over many lines": (LINE + 'key = """\ns3cr3t\\q"""', ["FILE:5:9: not TOML: Unescaped '\\' in a string"]),
    # Several at once, in the order of the file
    "everything at once": (
        '[source.house]\nkind = "serial"\nzone = "Mars"\nbaud_rate = 0\n'
        '[sink.attic]\nkind = "sever"\ntimeout = 20\n'
        '[sink.archive]\nkind = "file"\npath = 7\nsources = ["hoose"]\n'
        '[spool]\nwindow = "0s"\nmax_bites = "5MB"\n'
        "[service]\nlog_level = 3\n",
        [
            "FILE:1: source.house: port is missing",
            'FILE:3: source.house.zone: "Mars": no such time zone; such as Europe/Amsterdam',
            "FILE:4: source.house.baud_rate: 0: expected a whole number >= 1",
            f'FILE:6: sink.attic.kind: unknown kind "sever"; did you mean "server"? There is {SINK_KINDS}',
            f'FILE:7: sink.attic.timeout: 20: a number without a unit, write "20s": {DURATION}',
            "FILE:10: sink.archive.path: 7: expected a text in quotes",
            'FILE:11: sink.archive.sources: no source "hoose"; did you mean "house"?',
            'FILE:13: spool.window: "0s": must be more than 0',
            'FILE:14: spool.max_bites: unknown key; did you mean "max_bytes"?',
            'FILE:16: service.log_level: 3: expected "debug", "info", "warning" or "error"',
        ],
    ),
}


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigProblems) as refused:
        load(path)
    return [line.replace(str(path), "FILE").replace(str(path.parent), "DIR") for line in refused.value.problems]


@pytest.mark.parametrize("case", REFUSALS)
def test_a_wrong_configuration_is_refused_with_every_reason(
    case: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "umlaut.key").write_text("s3cr3t-für-dich")
    text, expected = REFUSALS[case]
    assert problems(write(text)) == expected


@pytest.mark.parametrize("case", [case for case, (text, _) in REFUSALS.items() if "s3cr3t" in text])
def test_no_refusal_shows_a_secret(case: str, write: Write) -> None:
    with pytest.raises(ConfigError) as refused:
        load_configuration(write(REFUSALS[case][0]))
    assert "s3cr3t" not in f"{refused.value!s} {refused.value!r}"


def test_the_error_is_all_problems_one_a_line(write: Write) -> None:
    path = write(REFUSALS["everything at once"][0])
    with pytest.raises(ConfigError) as refused:
        load_configuration(path)
    assert str(refused.value).replace(str(path), "FILE").splitlines() == REFUSALS["everything at once"][1]


def test_a_key_inside_a_long_text_is_not_taken_for_its_line(write: Write) -> None:
    text = LINE + FILE + "[spool]\nx = '''\nwindow = 5\n'''\nwindow = 5\n"
    assert "FILE:11: spool.window: 5" in problems(write(text))[1]


def test_a_missing_file_says_where_a_sample_is(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "none.toml")
    assert problem.startswith("FILE: no such file; write one after etc/datalogger.toml")


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path)
    assert problem.startswith("FILE: a directory; name the file in it")


def test_a_file_this_user_may_not_read_says_who_may(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(LEAST)

    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)  # for root, too
    (problem,) = problems(path)
    assert problem.endswith("sudo -u datalogger datalogger check FILE")


def test_a_file_that_is_not_utf_8_names_the_line_and_the_octet(tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    path.write_bytes(LINE.encode() + b"# caf\xe9\n")
    assert problems(path) == ["FILE:4: octet E9 is not UTF-8: save the file as UTF-8"]


def test_a_machine_without_time_zones_says_what_to_install(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    import zoneinfo

    monkeypatch.setattr(zoneinfo, "available_timezones", lambda: set[str]())
    path = write(LINE + 'zone = "Not/Here"\n' + FILE)
    (problem,) = problems(path)
    assert problem.endswith(": this machine has no time zone data: apt install tzdata, or pip install tzdata")


WORDS = ["source", "sink", "spool", "service", "house", "kind", "port", "path", "zone", "key", "key_file", "key_env"]
WORDS += ["sources", "timeout", "every", "url", "serial", "tcp", "file", "server", "window", "max_age", "listen", "x y"]
QUOTED = st.sampled_from([f'"{word}"' for word in [*WORDS, "10s", "5MB", "", "\\u0000", "0"]])
SCALARS = st.one_of(
    QUOTED,
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\"'\\"), max_size=5).map("'{}'".format),
    st.sampled_from(["true", "inf", "-nan", "2020-01-01", "12:00:00", "0x" + "F" * 5000, "1e400", "''", "s"]),
    st.integers(-(10**400), 10**400).map(str),
    st.floats().map(repr),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(QUOTED, inner).map(lambda pair: f"{{{pair[0]} = {pair[1]}}}"),
    ),
    max_leaves=4,
)
KEYS = st.lists(QUOTED | st.sampled_from(WORDS), min_size=1, max_size=3).map(".".join)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(" = ".join),
    KEYS.map("[{}]".format),
    KEYS.map("[[{}]]".format),
    st.sampled_from([*LINE.splitlines(), *FILE.splitlines(), *SERVER.splitlines(), *SOCKET.splitlines()]),
    st.text(max_size=8),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(LINES, max_size=8).map("\n".join), st.booleans())
def test_any_text_is_a_configuration_or_a_config_error(tmp_path: Path, text: str, complete: bool) -> None:
    path = tmp_path / f"{os.getpid()}.toml"
    path.write_bytes(((LEAST if complete else "") + text).encode(errors="surrogatepass"))
    try:
        assert isinstance(load_configuration(path), Configuration)
    except ConfigProblems as refused:
        assert refused.problems
        assert all(line.startswith(str(path)) and len(line.splitlines()) == 1 for line in refused.problems)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=64))
def test_any_octets_are_a_configuration_or_a_config_error(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / f"{os.getpid()}.toml"
    path.write_bytes(octets)
    with pytest.raises(ConfigProblems):
        load_configuration(path)
