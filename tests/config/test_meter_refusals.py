"""What a wrong configuration of meters, their keys and listeners gets, and what a right one is warned of.

Here with the sources and sinks that there really are.
"""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datalogger.config.load import load
from datalogger.config.metering import MeterOptions
from datalogger.config.problems import ConfigProblems
from datalogger.config.schema import Configuration
from tests.config.conftest import Write

KEY = "00112233445566778899AABBCCDDEEFF"
AUTH_KEY = "F0E1D2C3B4A5968778695A4B3C2D1E0F"
SUITE_2 = KEY + AUTH_KEY

LINE = '[source.house]\nkind = "serial"\nport = "/dev/ttyUSB0"\n'  # lines 1 to 3
PORT = '[source.field]\nkind = "tcp-listen"\nlisten = "127.0.0.1:4059"\n'
OPEN = PORT.replace("127.0.0.1", "0.0.0.0")
FILE = '\n[sink.archive]\nkind = "file"\npath = "archive"\n'
ATTIC = '\n[sink.attic]\nkind = "dsmr-v1"\nurl = "http://attic.local"\nkey_file = "attic.key"\n'
KEYS = 'key_file = "meter.key"\nauth_key_file = "auth.key"\n'

WANTED = "32 wanted (64 in security suite 2)"
NO_FILE = "no such file (is that the key itself? then write it into a file, and name the file)"
FRAMINGS = 'expected "auto", "p1", "hdlc", "mbus", "wrapper" or "apdu"'
ADDRESS = 'expected "HOST:PORT" such as "0.0.0.0:4059", every address of this machine'
NETWORK = 'expected an address or a network such as "192.168.1.0/24"'
SCALING = 'expected what 1 of an object counts for, a power of ten, such as "1.8.0 = 10 Wh" or "31.7.0 = 0.01 A"'


@pytest.fixture(autouse=True)
def own_kinds() -> None:
    """None here."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Key files and profiles, beside the configuration."""
    files = {
        "attic.key": "s3cr3t",
        "meter.key": f"{KEY}\n",
        "auth.key": AUTH_KEY,
        "prefixed.key": f"0x{KEY.lower()}",
        "blanks.key": bytes.fromhex(KEY).hex(" "),
        "colons.key": bytes.fromhex(KEY).hex(":"),
        "suite2.key": SUITE_2,
        "short.key": KEY[:-1],
        "letters.key": KEY[:-2] + "GH",
        "open.key": KEY,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644 if name == "open.key" else 0o600)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "mine.toml").write_text('id = "mine"\ntitel = "Mine"\n')
    (tmp_path / "broken" / "other.toml").write_text("id = \n")
    (tmp_path / "broken" / "notes.txt").write_text("no profile")
    return tmp_path


def scaling(text: str, told: str) -> tuple[str, list[str]]:
    return (LINE + f'scalers = ["{text}"]', [f'FILE:4: source.house.scalers: a list: item 1: "{text}": {told}'])


# What is wrong → the text, to which a file sink is added, and what is said of it.
REFUSALS: dict[str, tuple[str, list[str]]] = {
    # Keys
    "a key of 31 digits": (
        LINE + f'key = "{KEY[:-1]}"',
        [f"FILE:4: source.house.key: 31 hex digits given, {WANTED}"],
    ),
    "a key of 33 digits": (LINE + f'key = "{KEY}0"', [f"FILE:4: source.house.key: 33 hex digits given, {WANTED}"]),
    "a key of 48 digits": (
        LINE + f'key = "{KEY}{KEY[:16]}"',
        [f"FILE:4: source.house.key: 48 hex digits given, {WANTED}"],
    ),
    "a short key in a file": (
        LINE + 'key_file = "short.key"',
        [f"FILE:4: source.house.key_file: 31 hex digits given, {WANTED}"],
    ),
    "a key that is no hex": (
        LINE + 'key_file = "letters.key"',
        [f"FILE:4: source.house.key_file: 2 of its 32 characters are no hex digits: {WANTED}"],
    ),
    "both keys wrong": (
        LINE + 'key_file = "letters.key"\nauth_key_file = "short.key"',
        [
            f"FILE:4: source.house.key_file: 2 of its 32 characters are no hex digits: {WANTED}",
            f"FILE:5: source.house.auth_key_file: 31 hex digits given, {WANTED}",
        ],
    ),
    "a key for a file": (LINE + f'key_file = "{KEY}"', [f"FILE:4: source.house.key_file: {NO_FILE}"]),
    "an authentication key for a file": (
        LINE + f'key_file = "meter.key"\nauth_key_file = "{AUTH_KEY}"',
        [f"FILE:5: source.house.auth_key_file: {NO_FILE}"],
    ),
    "a key for a variable": (
        LINE + f'key_env = "{KEY}"',
        [
            "FILE:4: source.house.key_env: no such environment variable; a name is such as ATTIC_KEY "
            "(is that the key itself? then write it into a file, and name the file)"
        ],
    ),
    "a key without its quotes, of figures only": (
        LINE + "key = 12345678901234567890123456789012",
        ["FILE:4: source.house.key: expected a text in quotes"],
    ),
    "a key file that is not there": (
        LINE + 'key_file = "none.key"',
        ["FILE:4: source.house.key_file: no file DIR/none.key: write the key into it, then chmod 600 DIR/none.key"],
    ),
    "one key at two places": (
        LINE + f'key = "{KEY}"\nkey_file = "meter.key"',
        ["FILE:5: source.house.key_file: beside key: give only one of the two"],
    ),
    "an authentication key alone": (
        LINE + 'auth_key_file = "auth.key"',
        [
            "FILE:4: source.house.auth_key_file: can check nothing alone: give the encryption key as well (key_file), "
            "or neither"
        ],
    ),
    "an authentication key misspelt": (
        LINE + 'key_file = "meter.key"\nautkey_file = "auth.key"',
        ['FILE:5: source.house.autkey_file: unknown key; did you mean "auth_key_file"?'],
    ),
    "a key for what is none": (
        LINE + f'system_title = "{KEY}"\npolicy = "{KEY}"\nframing = "{KEY}"\nclock = "{KEY}"\nscalers = ["{KEY}"]\n'
        f'meter = "{KEY}\\u0007"\nzone = "{KEY}"\nparity = "{KEY}"\n',
        [
            'FILE:4: source.house.system_title: "***": 32 characters: expected 16 hex digits, the system title of the '
            "meter",
            'FILE:5: source.house.policy: expected "plain", "encrypted" or "authenticated"',
            f"FILE:6: source.house.framing: {FRAMINGS}",
            'FILE:7: source.house.clock: expected "trust", "local", "standard" or "arrival"',
            f'FILE:8: source.house.scalers: a list: item 1: "***": {SCALING}',
            'FILE:9: source.house.meter: "***\\u0007": expected a text without control characters',
            'FILE:10: source.house.zone: "***": no such time zone; such as Europe/Amsterdam',
            'FILE:11: source.house.parity: expected "N", "E", "O", "none", "even" or "odd"',
        ],
    ),
    "a key for an address": (
        PORT.replace("127.0.0.1:4059", KEY) + f'allow = ["{KEY}"]',
        [
            f'FILE:3: source.field.listen: "***": {ADDRESS}',
            f'FILE:4: source.field.allow: a list: "***": {NETWORK}',
        ],
    ),
    "a key for a profile": (
        LINE + f'profile = "{KEY}"',
        ['FILE:4: source.house.profile: no profile "***"; see `datalogger profiles list`'],
    ),
    # Policy
    "a policy misspelt": (
        LINE + 'policy = "authentcated"',
        [
            'FILE:4: source.house.policy: "authentcated": expected "plain", "encrypted" or "authenticated"; '
            'did you mean "authenticated"?'
        ],
    ),
    "plain, with a key": (
        LINE + 'key_file = "meter.key"\npolicy = "plain"',
        ['FILE:5: source.house.policy: "plain" uses no keys: leave the keys out, or the policy'],
    ),
    "encrypted, without a key": (
        LINE + 'policy = "encrypted"',
        ['FILE:4: source.house.policy: "encrypted" wants the encryption key: give it, or leave the policy out'],
    ),
    "authenticated, with one key": (
        LINE + 'key_file = "meter.key"\npolicy = "authenticated"',
        [
            'FILE:5: source.house.policy: "authenticated" wants the encryption and the authentication key: give both',
        ],
    ),
    "keys beside telegrams in the clear": (
        LINE + 'framing = "p1"\n' + KEYS,
        [
            'FILE:4: source.house.framing: "p1": telegrams in the clear need no key, and enciphered ones come with '
            'framing "auto" or "apdu": write one of these, or take the key away'
        ],
    ),
    # The meter
    "a system title of 14 digits": (
        LINE + 'system_title = "4B464D10203040"',
        [
            'FILE:4: source.house.system_title: "4B464D10203040": 14 characters: expected 16 hex digits, the system '
            "title of the meter"
        ],
    ),
    "a system title with its letters": (
        LINE + 'system_title = "KFM1020304050607"',
        [
            'FILE:4: source.house.system_title: "KFM1020304050607": 16 characters: expected 16 hex digits, the system '
            "title of the meter"
        ],
    ),
    "a framing misspelt": (
        LINE + 'framing = "hdcl"',
        [f'FILE:4: source.house.framing: "hdcl": {FRAMINGS}; did you mean "hdlc"?'],
    ),
    "a framing that is a protocol": (
        LINE + 'framing = "dlms"',
        [f'FILE:4: source.house.framing: "dlms": {FRAMINGS}'],
    ),
    "a clock misspelt": (
        LINE + 'clock = "locl"',
        [
            'FILE:4: source.house.clock: "locl": expected "trust", "local", "standard" or "arrival"; '
            'did you mean "local"?'
        ],
    ),
    "a word for true": (
        LINE + 'replay_check = "no"',
        ['FILE:4: source.house.replay_check: "no": expected true or false'],
    ),
    "a factor of nothing": (LINE + "factor = 0", ["FILE:4: source.house.factor: 0: expected a whole number >= 1"]),
    "a factor as it stands on the transformer": (
        LINE + 'factor = "250/5"',
        ['FILE:4: source.house.factor: "250/5": expected a whole number'],
    ),
    "half a factor": (LINE + "factor = 0.5", ["FILE:4: source.house.factor: 0.5: expected a whole number"]),
    # What 1 of an object counts for
    "three": scaling("1.8.0 = 3 Wh", "3 is no power of ten; the ratio of a current transformer is factor"),
    "nothing": scaling("1.8.0 = 0 Wh", "0 is no power of ten; the ratio of a current transformer is factor"),
    "a kWh": scaling("1.8.0 = 1 kWh", "no prefix before a unit: write 1000 Wh"),
    "ten kWh": scaling("1-0:1.8.0 = 10 kWh", "no prefix before a unit: write 10000 Wh"),
    "a mA": scaling("31.7.0 = 1 mA", "no prefix before a unit: write 0.001 A"),
    "a tenth of a kV": scaling("32.7.0 = 0.1 kV", "no prefix before a unit: write 100 V"),
    "a unit in small letters": scaling("1.8.0 = 10 wh", "no prefix before a unit: write 10 Wh"),
    "a unit that is none": scaling(
        "1.8.0 = 10 Watt", 'unknown unit "Watt": base units only, such as Wh, W, varh, var, V, A'
    ),
    "a decimal comma": scaling("31.7.0 = 0,01 A", "write 0.01 A"),
    "half a name": scaling("1.8 = 10 Wh", '"1.8" is no name of an object: write such as "1.8.0", or "1-1:1.8.0"'),
    "a name beyond an octet": scaling(
        "1.8.256 = 10 Wh", '"1.8.256" is no name of an object: write such as "1.8.0", or "1-1:1.8.0"'
    ),
    "no number": scaling("1.8.0 = Wh", SCALING),
    "no name": scaling("10 Wh", SCALING),
    "a number for a scaling": (
        LINE + "scalers = [10]",
        [f"FILE:4: source.house.scalers: a list: item 1: {SCALING}"],
    ),
    "a scaling that is no list": (
        LINE + 'scalers = "1.8.0 = 10 Wh"',
        ['FILE:4: source.house.scalers: "1.8.0 = 10 Wh": expected a list: write ["1.8.0 = 10 Wh"]'],
    ),
    "one object twice": (
        LINE + 'scalers = ["1.8.0 = 10 Wh", "2.8.0 = 10 Wh", "1.8.0 = 1 Wh"]',
        ["FILE:4: source.house.scalers: a list: 1.8.0 stands there twice: which one holds?"],
    ),
    # Profiles
    "a profile misspelt": (
        LINE + 'profile = "lg-e570-primry"',
        ['FILE:4: source.house.profile: no profile "lg-e570-primry"; did you mean "lg-e570-primary"?'],
    ),
    "a profile near to none": (
        LINE + 'profile = "zzz"',
        ['FILE:4: source.house.profile: no profile "zzz"; see `datalogger profiles list`'],
    ),
    "a profile misspelt, beside what else is wrong": (
        LINE + 'profile = "lg-e570-primry"\nfactor = 0',
        [
            'FILE:4: source.house.profile: no profile "lg-e570-primry"; did you mean "lg-e570-primary"?',
            "FILE:5: source.house.factor: 0: expected a whole number >= 1",
        ],
    ),
    "no directory of profiles": (
        LINE + '[meters]\nprofiles = "none"',
        ["FILE:5: meters.profiles: no directory DIR/none: make it, or leave profiles out"],
    ),
    "a file for a directory of profiles": (
        LINE + '[meters]\nprofiles = "attic.key"',
        ["FILE:5: meters.profiles: no directory DIR/attic.key: make it, or leave profiles out"],
    ),
    "profiles that are none": (
        LINE + '[meters]\nprofiles = "broken"',
        [
            'FILE:5: meters.profiles: DIR/broken/mine.toml: titel: unknown key; did you mean "title"?',
            "FILE:5: meters.profiles: DIR/broken/other.toml: not TOML: Invalid value (at line 1, column 6)",
        ],
    ),
    # Listeners
    "no address": (PORT.replace("listen =", "# listen ="), ["FILE:1: source.field: listen is missing"]),
    "an empty address": (PORT.replace("127.0.0.1:4059", ""), [f'FILE:3: source.field.listen: "": {ADDRESS}']),
    "an address without a port": (
        PORT.replace(":4059", ""),
        [f'FILE:3: source.field.listen: "127.0.0.1": {ADDRESS}'],
    ),
    "a port without an address": (
        PORT.replace("127.0.0.1", ""),
        [f'FILE:3: source.field.listen: ":4059": {ADDRESS}'],
    ),
    "a port above all": (
        PORT.replace("4059", "65536"),
        [f'FILE:3: source.field.listen: "127.0.0.1:65536": {ADDRESS}'],
    ),
    "a port that is a number": (
        PORT.replace('"127.0.0.1:4059"', "4059"),
        ["FILE:3: source.field.listen: 4059: expected a text in quotes"],
    ),
    "allow misspelt": (PORT + 'alow = ["10.0.0.1"]', ['FILE:4: source.field.alow: unknown key; did you mean "allow"?']),
    "a network too fine": (
        PORT + 'allow = ["10.0.0.1", "192.168.1.0/33"]',
        [f'FILE:4: source.field.allow: a list: "192.168.1.0/33": {NETWORK}'],
    ),
    "a host with the mask of its network": (
        PORT + 'allow = ["192.168.1.7/24"]',
        ['FILE:4: source.field.allow: a list: "192.168.1.7/24": a network ends in zeros: write "192.168.1.0/24"'],
    ),
    "a name for a network": (
        PORT + 'allow = ["meter.local"]',
        [f'FILE:4: source.field.allow: a list: "meter.local": {NETWORK}'],
    ),
    "a network that is no list": (
        PORT + 'allow = "192.168.1.0/24"',
        ['FILE:4: source.field.allow: "192.168.1.0/24": expected a list: write ["192.168.1.0/24"]'],
    ),
    "two listeners on one port": (
        PORT + PORT.replace("field", "again"),
        ['FILE:6: source.again.listen: "127.0.0.1:4059" is taken by source.field already'],
    ),
    "a listener inside another": (
        PORT + OPEN.replace("field", "again"),
        ['FILE:6: source.again.listen: "0.0.0.0:4059" is taken by source.field already'],
    ),
    "a listener on the status port": (
        OPEN.replace("4059", "8420"),
        ['FILE:3: source.field.listen: "0.0.0.0:8420" is taken by the status port (service.listen) already'],
    ),
}


def said(text: str, folder: Path) -> str:
    return text.replace(str(folder / "d.toml"), "FILE").replace(str(folder), "DIR")


@pytest.mark.parametrize("case", REFUSALS)
def test_a_wrong_meter_is_refused_with_every_reason(case: str, write: Write, folder: Path) -> None:
    text, expected = REFUSALS[case]
    with pytest.raises(ConfigProblems) as refused:
        load(write(text + FILE))
    assert [said(problem, folder) for problem in refused.value.problems] == expected
    assert not re.search(r"[0-9A-Fa-f]{24}", said(f"{refused.value!s} {refused.value!r}", folder))


@pytest.mark.parametrize(
    "lines",
    [
        'key_file = "prefixed.key"',
        'key_file = "blanks.key"',
        'key_file = "colons.key"',
        'key_file = "suite2.key"',
        'key_file = "meter.key"\nframing = "apdu"',
        'framing = "p1"',
        'system_title = "4b464d1020304050"',
        'scalers = ["1.8.0=10Wh", "1-0:2.8.0*255 = 1", "32.7.0 = 0.1V"]',
        'profile = "lg-e570-primary"',
    ],
)
def test_what_is_right_is_taken_without_a_word(lines: str, write: Write, folder: Path) -> None:
    assert load(write(LINE + lines + FILE))[1] == ()


@pytest.mark.parametrize(
    "text",
    [
        PORT + PORT.replace("field", "again").replace("tcp", "udp"),
        PORT + PORT.replace("field", "again").replace("127.0.0.1", "[::1]"),
        PORT + PORT.replace("field", "again").replace("127.0.0.1", "[::]") + 'allow = ["fe80::/10"]',
        PORT + PORT.replace("field", "again").replace("127.0.0.1", "127.0.0.2"),
        PORT.replace("4059", "0") + PORT.replace("field", "again").replace("4059", "0"),
        PORT.replace("4059", "8420").replace("tcp", "udp"),
        PORT.replace("4059", "8420") + '[service]\nlisten = ""',
    ],
)
def test_listeners_that_do_not_meet_stand_side_by_side(text: str, write: Write) -> None:
    assert load(write(text + FILE))[1] == ()


def test_without_keys_nothing_is_looked_at_and_the_rest_is_judged(write: Write) -> None:
    configuration, _ = load(write(LINE + KEYS + 'policy = "authenticated"' + FILE), read_secrets=False)
    assert set(configuration.sources) == {"house"}
    with pytest.raises(ConfigProblems, match=r"policy: .*uses no keys"):
        load(write(LINE + KEYS + 'policy = "plain"' + FILE), read_secrets=False)


def test_a_capture_may_be_read_again_without_a_word(write: Write, folder: Path) -> None:
    text = '[source.house]\nkind = "replay"\npath = "capture.bin"\nkey_file = "meter.key"\n'
    configuration, warnings = load(write(text + FILE))
    source = configuration.sources["house"]
    assert isinstance(source, MeterOptions)
    assert not source.replay_check
    assert warnings == ()


def test_a_meter_that_speaks_p1_needs_no_word_of_all_this(write: Write, folder: Path) -> None:
    assert load(write(LINE + ATTIC + FILE))[1] == ()


# What is right and surprising → the text, and what is said of it.
WARNINGS: dict[str, tuple[str, list[str]]] = {
    "one key, pasted twice": (
        LINE + 'key_file = "meter.key"\nauth_key_file = "colons.key"' + FILE,
        [
            "FILE:5: source.house.auth_key_file: the same as key: operators give two different ones; "
            "is one pasted twice?"
        ],
    ),
    "no look at replays": (
        LINE + KEYS + "replay_check = false" + FILE,
        ["FILE:6: source.house.replay_check: false: who has recorded a message can send it again"],
    ),
    "a key file everybody can read": (
        LINE + 'key_file = "open.key"\npolicy = "encrypted"' + FILE,
        [
            "FILE:4: source.house.key_file: every user of this machine can read DIR/open.key: chmod 600 DIR/open.key "
            "(its owner: the user datalogger runs as)"
        ],
    ),
    "a port for everybody": (
        OPEN + FILE,
        [
            "FILE:3: source.field.listen: whoever reaches 0.0.0.0:4059 may send readings: name the meters' addresses "
            'or network in allow, such as ["192.168.1.0/24"]'
        ],
    ),
    "a port for nobody": (
        OPEN + "allow = []" + FILE,
        ["FILE:4: source.field.allow: empty: nobody may send: name who may, or leave it out"],
    ),
    "a port that takes no wrapper": (
        PORT + 'framing = "auto"' + FILE,
        [
            'FILE:4: source.field.framing: "auto" never takes the wrapper, which is what meters push to a port: leave '
            "framing out, but for a converter that hands a serial line on"
        ],
    ),
    "pushes for DSMR-reader": (
        LINE + 'framing = "hdlc"\n' + PORT + ATTIC,
        [
            'FILE:10: sink.attic.kind: nothing can be sent to it: "dsmr-v1" takes P1 only, and what feeds it gives '
            "DLMS only"
        ],
    ),
    "pushes for DSMR-reader, by name": (
        LINE + PORT + ATTIC + 'sources = ["field"]',
        [
            'FILE:12: sink.attic.sources: nothing can be sent to it: "dsmr-v1" takes P1 only, and what feeds it gives '
            "DLMS only"
        ],
    ),
    "pushes for a file of telegrams": (
        PORT + FILE + 'format = "telegram"',
        [
            'FILE:6: sink.archive.kind: nothing can be sent to it: "file" takes P1 only, and what feeds it gives '
            "DLMS only"
        ],
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_what_a_person_should_know_of_a_meter_is_a_warning(case: str, write: Write, folder: Path) -> None:
    text, expected = WARNINGS[case]
    assert [said(warning, folder) for warning in load(write(text))[1]] == expected


@pytest.mark.parametrize(
    "text",
    [
        LINE + KEYS + FILE,
        OPEN + 'allow = ["192.168.1.0/24"]' + FILE,
        OPEN + KEYS + FILE,  # who may send is for the keys to say
        PORT + FILE,
        LINE + PORT + ATTIC,  # one of the two can
        LINE + 'framing = "apdu"\n' + KEYS + ATTIC,  # as in Luxembourg
        PORT.replace("127.0.0.1", "localhost") + FILE,
    ],
)
def test_what_is_as_it_should_be_is_no_warning(text: str, write: Write, folder: Path) -> None:
    assert load(write(text))[1] == ()


OPTIONS = ["framing", "key", "key_file", "key_env", "auth_key", "policy", "system_title", "replay_check", "profile"]
OPTIONS += ["clock", "meter", "scalers", "factor", "listen", "allow", "max_clients", "idle", "silence", "kind"]
WORDS = [
    "auto",
    "p1",
    "wrapper",
    KEY,
    AUTH_KEY,
    "plain",
    "encrypted",
    "4B464D1020304050",
    "local",
    "lg-e570",
    "10s",
    "",
]
WORDS += [
    "0.0.0.0:4059",
    "[::]:4059",
    "[fe80::1%eth0]:0",
    "localhost:1",
    "h:8420",
    "::1",
    "10.0.0.0/8",
    "::/0",
    "1.2.3.4",
]
WORDS += [
    "1.8.0 = 10 Wh",
    "1.8.0 = 0.01 kA",
    "1.8.0 = 1,0",
    "\u0661.8.0 = 1\u0660 Wh",
    "meter.key",
    "serial",
    "udp-listen",
]
TEXTS = st.sampled_from(WORDS) | st.text(max_size=20)
VALUES = st.one_of(TEXTS, st.integers(), st.booleans(), st.floats(), st.lists(TEXTS | st.integers(), max_size=3))


def toml(value: object) -> str:
    """As TOML writes it."""
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return str(value).lower()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(OPTIONS), VALUES, max_size=6), min_size=1, max_size=3),
    st.booleans(),
)
def test_whatever_is_said_of_meters_is_a_configuration_or_a_config_error(
    folder: Path, sources: list[dict[str, object]], read_secrets: bool
) -> None:
    tables = [{"kind": "tcp-listen", "listen": "127.0.0.1:4059", **source} for source in sources]
    text = "".join(
        f"[source.s{number}]\n" + "".join(f"{name} = {toml(value)}\n" for name, value in table.items())
        for number, table in enumerate(tables)
    )
    path = folder / "d.toml"
    path.write_text(text + FILE)
    try:
        configuration, said = load(path, read_secrets=read_secrets)
        assert isinstance(configuration, Configuration)
    except ConfigProblems as refused:
        said = refused.problems
        assert said
    assert all(line.startswith(str(path)) and KEY not in line and AUTH_KEY not in line for line in said)
