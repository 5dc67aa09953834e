"""What goes over the line, as pymodbus writes and reads it: requests, and what the answers to them hold."""

from typing import Literal

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.framer.base import FramerBase
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from datalogger.protocol.modbus.answers import Answer, Listening, Request, RtuListening, TcpListening
from datalogger.protocol.modbus.register_map import BITS

Framing = Literal["tcp", "rtu"]

_REQUESTS: dict[int, type[ModbusPDU]] = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
"""Nothing that writes."""

_MOST_TRANSACTION = 0xFFFF


class Wire:
    """One framing. Numbers the requests where it has numbers."""

    def __init__(self, framing: Framing) -> None:
        self._decoder = DecodePDU(is_server=False)
        self._framer: FramerBase = FramerRTU(self._decoder) if framing == "rtu" else FramerSocket(self._decoder)
        self._transaction = 0
        self.numbers = framing == "tcp"
        """Whether an answer has the number of its request."""

    def ask(self, request: Request) -> tuple[bytes, Listening]:
        """The octets to send, and what hears the answer to them."""
        self._transaction = self._transaction % _MOST_TRANSACTION + 1
        written = _REQUESTS[request.function](
            dev_id=request.unit,
            transaction_id=self._transaction,
            address=request.address,
            count=request.count,
        )
        octets = self._framer.buildFrame(written)
        if isinstance(self._framer, FramerRTU):
            return octets, RtuListening(request, echo=octets)
        return octets, TcpListening(request, self._transaction)

    def words(self, answer: Answer, request: Request) -> list[int]:
        """What the answer holds: a word, or 0 or 1, for each address that was asked for."""
        try:
            read = self._decoder.decode(answer.pdu)
        except ModbusException as error:
            raise ValueError(f"{answer.pdu.hex().upper()}: {error}") from None
        if read is None:
            raise ValueError(f"{answer.pdu.hex().upper()} is no answer")
        if request.function in BITS:
            return [int(bit) for bit in read.bits[: request.count]]
        return list(read.registers)
