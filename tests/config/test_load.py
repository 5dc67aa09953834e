"""What a right configuration becomes; what a wrong one gets stands in test_refusals.py."""

from pathlib import Path

import pytest

from datalogger.config.load import load, load_configuration
from datalogger.config.schema import Configuration, ServiceOptions, SpoolOptions
from datalogger.config.secrets import KeyOptions, Secret
from datalogger.words import ByteSize, Duration
from tests.config.conftest import Write
from tests.config.kinds import FileOptions, LineOptions, ServerOptions, SocketOptions, TwofoldOptions

HEAD = """
[source.house]
kind = "serial"
port = "/dev/ttyUSB0"
"""

LEAST = (
    HEAD
    + """
[sink.archive]
kind = "file"
path = "archive"
"""
)

SERVER = (
    HEAD
    + """
[sink.attic]
kind = "server"
url = "http://attic.local"
"""
)


def test_a_source_and_a_sink_are_a_whole_configuration(write: Write, tmp_path: Path) -> None:
    path = write(LEAST)
    assert load(path) == (
        Configuration(
            file=path,
            sources={"house": LineOptions(kind="serial", port="/dev/ttyUSB0")},
            sinks={"archive": FileOptions(kind="file", path=tmp_path / "archive")},
            spool=SpoolOptions(),
            service=ServiceOptions(),
        ),
        (),
    )


def test_every_form_of_value_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_KEY", "k")
    configuration = load_configuration(
        write(
            """
            [source]
            dongle = {kind = "tcp", host = "10.0.0.1", port = 23, zone = "Europe/Brussels", silence = "90s"}
            [sink."cloud"]
            kind = "server"
            url = "https://example.org"
            key_env = "CLOUD_KEY"
            sources = ["dongle"]
            every = "10s"
            backlog_rate = 5
            order = "live-first"
            [spool]
            path = "/srv/spool.db"
            durability = "strict"
            max_bytes = "1.5GB"
            max_age = "7d"
            [service]
            listen = "[::1]:0"
            log_level = "debug"
            """
        )
    )
    assert configuration.sources["dongle"] == SocketOptions(
        kind="tcp", host="10.0.0.1", port=23, zone="Europe/Brussels", silence=Duration(90)
    )
    assert configuration.sinks["cloud"] == ServerOptions(
        kind="server",
        url="https://example.org",
        key=Secret("k"),
        key_env="CLOUD_KEY",
        sources=("dongle",),
        every=Duration(10),
        backlog_rate=5.0,
        order="live-first",
    )
    assert configuration.spool == SpoolOptions(
        path=Path("/srv/spool.db"), durability="strict", max_bytes=ByteSize(1_500_000_000), max_age=Duration(7 * 86400)
    )
    assert configuration.service == ServiceOptions(listen="[::1]:0", log_level="debug")


def test_a_relative_path_is_relative_to_the_file_not_to_where_one_stands(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (tmp_path / "attic.key").write_text("k")
    (tmp_path / "attic.key").chmod(0o600)
    write(SERVER + 'key_file = "attic.key"\n[spool]\npath = "spool.db"\n')
    configuration = load_configuration(Path("../d.toml"))
    assert configuration.file.is_absolute()
    assert configuration.spool.path.resolve() == tmp_path / "spool.db"
    assert _key(configuration) == "k"


def test_a_file_saved_on_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    path.write_bytes(b"\xef\xbb\xbf" + LEAST.replace("\n", "\r\n").encode())
    assert set(load_configuration(path).sinks) == {"archive"}


def test_a_key_comes_from_each_of_its_four_places(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.key").write_text("from a file\n")
    monkeypatch.setenv("A_KEY", "from the environment")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "credential").write_text("from systemd")
    for line, key in [
        ('key_file = "a.key"', "from a file"),
        ('key_env = "A_KEY"', "from the environment"),
        ('key_credential = "credential"', "from systemd"),
        ('key = "from the text"', "from the text"),
    ]:
        assert _key(load_configuration(write(SERVER + line))) == key


def test_a_struct_may_have_more_than_one_secret(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "p")
    monkeypatch.setenv("A", "a")
    sinks = load_configuration(write(HEAD + '[sink.x]\nkind = "twofold"\npassword_env = "P"\nauth_key_env = "A"')).sinks
    assert isinstance(options := sinks["x"], TwofoldOptions)
    assert (options.password, options.auth_key) == (Secret("p"), Secret("a"))


def test_without_reading_secrets_only_the_form_is_judged(write: Write) -> None:
    configuration, _ = load(write(SERVER + 'key_file = "/nowhere/attic.key"'), read_secrets=False)
    assert isinstance(sink := configuration.sinks["attic"], KeyOptions)
    assert sink.key_file == Path("/nowhere/attic.key")


def test_the_smallest_spool_is_taken(write: Write) -> None:
    spool = load_configuration(write(LEAST + '[spool]\nmax_bytes = "10MB"\nmemory_bytes = "1MB"')).spool
    assert (spool.max_bytes, spool.memory_bytes) == (10_000_000, 1_000_000)


def test_configurations_of_the_same_text_are_equal(write: Write) -> None:
    assert load_configuration(write(LEAST)) == load_configuration(write(LEAST + "# a comment\n"))


@pytest.mark.parametrize(
    "change", ['every = "10s"', 'sources = ["house"]', 'format = "telegram"', "[spool]\nwindow = '2s'"]
)
def test_a_changed_option_makes_another_configuration(write: Write, change: str) -> None:
    assert load_configuration(write(LEAST)) != load_configuration(write(LEAST + change))


def test_a_changed_key_file_makes_another_configuration(write: Write, tmp_path: Path) -> None:
    path = write(SERVER + 'key_file = "attic.key"')
    (tmp_path / "attic.key").write_text("old")
    before = load_configuration(path)
    (tmp_path / "attic.key").write_text("new")
    assert load_configuration(path) != before


WARNINGS = {
    "a key in the file itself": (
        SERVER + 'key = "s3cr3t"',
        "FILE:9: sink.attic.key: whoever reads this file sees it; key_file names a file that only datalogger can read",
    ),
    "a key file everybody can read": (
        SERVER + 'key_file = "open.key"',
        "FILE:9: sink.attic.key_file: every user of this machine can read DIR/open.key: chmod 600 DIR/open.key "
        "(its owner: the user datalogger runs as)",
    ),
    "a sink that nothing feeds": (
        LEAST + "sources = []",
        "FILE:9: sink.archive.sources: empty: no source feeds this sink",
    ),
    "a key over the open internet": (
        SERVER.replace("attic.local", "energy.example.org") + 'key_file = "closed.key"',
        "FILE:8: sink.attic.url: the key goes over the internet unencrypted: use https://",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_what_a_person_should_know_is_a_warning(case: str, write: Write, tmp_path: Path) -> None:
    for name, mode in [("open.key", 0o644), ("closed.key", 0o600)]:
        (tmp_path / name).write_text("s3cr3t")
        (tmp_path / name).chmod(mode)
    text, expected = WARNINGS[case]
    path = write(text)
    warnings = [line.replace(str(path), "FILE").replace(str(tmp_path), "DIR") for line in load(path)[1]]
    assert warnings == [expected]


@pytest.mark.parametrize(
    "url",
    [
        "https://energy.example.org",
        "http://attic",
        "http://attic.local",
        "http://192.168.1.4:8000",
        "http://[::1]",
        "http://[x",
    ],
)
def test_a_key_to_a_near_or_encrypted_server_is_no_warning(
    url: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K", "k")
    assert load(write(SERVER.replace("http://attic.local", url) + 'key_env = "K"'))[1] == ()


def _key(configuration: Configuration) -> str:
    sink = configuration.sinks["attic"]
    assert isinstance(sink, KeyOptions)
    assert sink.key is not None
    return sink.key.reveal()
