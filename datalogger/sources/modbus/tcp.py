"""Meters behind a TCP port: with a network port of their own, behind a gateway, or behind a serial port server."""

from collections.abc import Callable
from typing import Annotated, ClassVar

from msgspec import Meta

from datalogger.clock import Clock
from datalogger.config.checks import POSITIVE
from datalogger.config.polling import PollOptions
from datalogger.config.schema import SourceOptions
from datalogger.line_settings import LineSettings
from datalogger.protocol.framing import Rejected
from datalogger.sources.modbus.conversation import Conversation, Pace
from datalogger.sources.modbus.wire import Framing, Wire
from datalogger.sources.tcp_client import TcpLine, host_problems
from datalogger.words import Duration

PORT = 502

# Before a request to a serial port server, whose line has its own silence: what comes doubled is heard in it. Seconds.
SILENCE = 0.02

ADVICE = {
    "tcp": 'is it on, is this its address, and is it Modbus TCP that is spoken there? (framing = "rtu" if not)',
    "rtu": 'is it on, is this its address, and is the port server set as it is? (framing = "tcp" for Modbus TCP)',
}


class ModbusTcpConfig(PollOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind = "modbus-tcp"."""

    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """None: as the map of the first meter says, else 502."""
    framing: Framing = "tcp"
    """tcp: Modbus TCP · rtu: RTU frames, as a serial port server hands them on"""
    connect_timeout: Annotated[Duration, POSITIVE] = Duration(10)
    """For each address the host has."""

    def line_problems(self) -> list[str]:
        return host_problems(self.host)


class ModbusTcp:
    config_type: ClassVar[type[SourceOptions]] = ModbusTcpConfig

    def __init__(self, name: str, config: ModbusTcpConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock

    def conversation(
        self, usual: LineSettings | None, port: int | None, reject: Callable[[Rejected], None]
    ) -> Conversation:
        """port: where the configuration names none."""
        config = self._config
        line = TcpLine(config.host, config.port or port or PORT, config.connect_timeout)
        return Conversation(
            line, Wire(config.framing), self._clock, pace=Pace(), reject=reject, advice=ADVICE[config.framing]
        )
