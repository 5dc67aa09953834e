"""What a source is: the owner of one line."""

from typing import ClassVar, Protocol, runtime_checkable

from msgspec import Struct

from datalogger.clock import Clock
from datalogger.config.schema import SourceOptions


class Heard(Struct, frozen=True, gc=False):
    """Octets of one of several lines that a source has: of one client, of one peer.

    last: nothing that follows continues these octets: a whole datagram
    gone: nothing follows on this line at all: a connection that has closed
    """

    line: str
    octets: bytes
    last: bool = False
    gone: bool = False


class Source(Protocol):
    """Hands on the bytes of one line; knows nothing of meters.

    The constructor checks the configuration and touches nothing. The reader (pipeline) calls
    `open`, then `read` again and again; on SourceError it calls `close` and, after a backoff,
    `open` again. SourceEnded ends it for good. A source starts no task and retries nothing.
    """

    config_type: ClassVar[type[SourceOptions]]

    def __init__(self, name: str, config: SourceOptions, clock: Clock) -> None: ...

    async def open(self) -> None:
        """Touch the world. SourceError names the port or host, what failed and the mend."""

    async def read(self) -> bytes | Heard:
        """Wait for octets and return them (never empty). SourceError when the line fails.

        A source of many lines says of which one they are.
        """

    async def close(self) -> None:
        """Safe at any time, also when `open` failed, also twice."""


@runtime_checkable
class Listener(Protocol):
    """What a source also is that others connect to: every client is a line of its own."""

    def drop(self, line: str) -> None:
        """What this client sends cannot be read any further: close its connection."""
