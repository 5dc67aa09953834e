"""What a sink is: how to send one batch, and what the answer meant."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from datalogger.clock import Clock
from datalogger.config.schema import SinkOptions
from datalogger.model import Delivery


class Sink(Protocol):
    """Sends. Does not retry, queue, sleep or start tasks: the forwarder does, once, for all.

    The constructor checks the configuration and touches nothing. What its options do not accept (`SinkOptions.accepts`)
    is not routed to it; only what a person replays, or an older spool holds, may still be of another protocol.
    """

    config_type: ClassVar[type[SinkOptions]]
    batch_limit: ClassVar[int]
    """How many reports one `deliver` may be given; 1 where the receiver takes one at a time."""

    def __init__(self, name: str, config: SinkOptions, clock: Clock) -> None: ...

    async def open(self) -> None:
        """Touch the world. May be called again after `close`. Raises SinkError as `deliver`."""

    async def deliver(self, batch: Sequence[Delivery]) -> None:
        """Return only when the receiver has taken every report of the batch.

        SinkUnavailable, SinkMisconfigured: nothing is known to be taken, all is offered again.
        ReportsRejected: those named will never pass, all others were taken.
        """

    async def reachable(self) -> bool:
        """Whether a bare connection can be made now: a cheap look that ends a backoff early."""

    async def close(self) -> None:
        """Safe at any time, also when `open` failed, also twice."""
