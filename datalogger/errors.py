"""One error class per thing a caller can do about it.

A message names the file, key, port or server, the offending value and the mend.
Foreign bytes are quoted as hex; a key, password or token never appears.
"""

from collections.abc import Mapping


class DataloggerError(Exception):
    """Anything this program says it cannot do."""


class ConfigError(DataloggerError):
    """The configuration cannot be used: stop, exit 78 (sysexits EX_CONFIG)."""


class DecodeError(DataloggerError):
    """This frame cannot be decoded: drop it, count it under `reason`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class SourceError(DataloggerError):
    """The line failed: close it, open it again after a backoff."""


class SourceEnded(SourceError):
    """A replay is done: do not open it again."""


class SinkError(DataloggerError):
    """A batch was not (wholly) taken. One of the three below, always."""


class SinkUnavailable(SinkError):
    """Keep everything, back off, try again.

    retry_after_s: what the server asked for, already bounded; None where it asked nothing.
    ambiguous:     the request went out and no answer came: the batch may have arrived.
    suspect:       the server answered this very record with an error nobody knows (an
                   unknown 5xx): it may be the record, it may be an outage.
    unreached:     no connection could be made at all, so a bare connect tells when to retry.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        ambiguous: bool = False,
        suspect: bool = False,
        unreached: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.ambiguous = ambiguous
        self.suspect = suspect
        self.unreached = unreached


class SinkMisconfigured(SinkError):
    """Nothing will pass until a person mends something: keep all, pause, say so, probe slowly."""


class ReportsRejected(SinkError):
    """These records of the batch will never pass; all others of the batch were taken.

    rejected: index in the batch → the server's answer, in one line
    reason:   `rejected`, or `stale` for a record that came too late to be sent
    """

    def __init__(self, rejected: Mapping[int, str], *, reason: str = "rejected") -> None:
        super().__init__("; ".join(rejected.values()))
        self.rejected = dict(rejected)
        self.reason = reason


class SpoolError(DataloggerError):
    """The spool cannot do what a command asks of it, or another daemon has it; never raised towards a source."""
