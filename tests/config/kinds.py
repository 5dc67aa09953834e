"""Sources and sinks of the tests' own: the loader is judged without those that happen to exist."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from datalogger.config.checks import POSITIVE
from datalogger.config.schema import SinkOptions, SourceOptions
from datalogger.config.secrets import KeyOptions, Secret
from datalogger.words import ByteSize, Duration

SOURCES = {"serial": "tests.config.kinds:Line", "tcp": "tests.config.kinds:Socket"}
SINKS = {
    "server": "tests.config.kinds:Server",
    "file": "tests.config.kinds:File",
    "twofold": "tests.config.kinds:Twofold",
    "extra": "tests.config.kinds_of_no_install:Missing",
}


class LineOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: Annotated[str, Meta(min_length=1)]
    baud_rate: Annotated[int, Meta(gt=0)] | None = None
    bytesize: Literal[7, 8] = 8
    xonxoff: bool = False


class SocketOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str
    port: Annotated[int, Meta(ge=0, le=65535)]


class ServerOptions(KeyOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    auth: Literal["x-authkey", "token"] = "x-authkey"
    fresh: Annotated[Duration, POSITIVE] = Duration(60)

    def __post_init__(self) -> None:
        problems = []
        if not self.url.startswith(("http://", "https://")):
            problems.append("url: has no http:// or https://")
        if self.key is None:
            problems.append("key_file: missing; or give key_env or key_credential")
        elif not self.key.reveal().isascii():
            problems.append("key: has letters that no key has")
        if problems:
            raise ValueError(*problems)


class FileOptions(SinkOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Path
    format: Literal["report", "telegram"] = "report"
    max_bytes: Annotated[ByteSize, POSITIVE] | None = None


class TwofoldOptions(SinkOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two secrets in one table."""

    password: Secret | None = None
    password_file: Path | None = None
    password_env: str | None = None
    password_credential: str | None = None
    auth_key: Secret | None = None
    auth_key_file: Path | None = None
    auth_key_env: str | None = None
    auth_key_credential: str | None = None
    must: bool = False

    def __post_init__(self) -> None:
        if self.must and self.password is None:
            raise ValueError("password_env: missing")


class Line:
    config_type = LineOptions


class Socket:
    config_type = SocketOptions


class Server:
    config_type = ServerOptions


class File:
    config_type = FileOptions


class Twofold:
    config_type = TwofoldOptions
