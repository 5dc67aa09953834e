"""Meters on a serial line (RS-485), one or many, each with its address."""

from collections.abc import Callable
from typing import ClassVar, Literal

from datalogger.clock import Clock
from datalogger.config.polling import PollOptions
from datalogger.config.schema import SourceOptions
from datalogger.line_settings import LineSettings
from datalogger.protocol.framing import Rejected
from datalogger.sources.modbus.conversation import Conversation, Pace
from datalogger.sources.modbus.wire import Wire
from datalogger.sources.serial_port import SerialLine, port_problems

USUAL = LineSettings(9600)

ADVICE = "is it on, is this its address, are speed and parity as it has them, and A and B the right way round?"


class ModbusRtuConfig(PollOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind = "modbus-rtu". What is not given of the line is as the map of the first meter says."""

    port: str
    """The device; best a link in /dev/serial/by-id, which stays when the number changes."""
    baud_rate: int | None = None
    parity: Literal["N", "E", "O", "none", "even", "odd"] | None = None
    stopbits: Literal[1, 2] | None = None

    def line_problems(self) -> list[str]:
        return port_problems(self.port, self.baud_rate, on_network="modbus-tcp")


class ModbusRtu:
    config_type: ClassVar[type[SourceOptions]] = ModbusRtuConfig

    def __init__(self, name: str, config: ModbusRtuConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock

    def conversation(
        self, usual: LineSettings | None, port: int | None, reject: Callable[[Rejected], None]
    ) -> Conversation:
        """usual: how the line is set where the configuration does not say."""
        config = self._config
        settings = usual or USUAL
        baud_rate = config.baud_rate or settings.baud_rate
        stopbits = config.stopbits or settings.stopbits
        parity = (config.parity or settings.parity)[0].upper()
        line = SerialLine(
            config.port,
            {"baudrate": baud_rate, "bytesize": 8, "parity": parity, "stopbits": stopbits},
        )
        bits = 1 + 8 + (parity != "N") + stopbits
        return Conversation(line, Wire("rtu"), self._clock, pace=Pace(bits / baud_rate), reject=reject, advice=ADVICE)
