"""Meters on Modbus TCP, served by pyModbusTCP: when was each asked?

Spoken by bench/modbus.py: its port on a line; at the end of stdin, on a line each, the unit and the moment (seconds of
the wall clock) of every request that begins a poll.
"""

import sys
import time
from typing import Any

from pyModbusTCP.server import DataBank, DataHandler, ModbusServer

FIRST = 0  # the address that a poll begins with

asked: list[tuple[int, float]] = []


class Noting(DataHandler):  # type: ignore[misc] # it has no types
    def read_i_regs(self, address: int, count: int, srv_info: Any) -> Any:
        if address == FIRST:
            asked.append((srv_info.recv_frame.mbap.unit_id, time.time()))
        return super().read_i_regs(address, count, srv_info)


def main() -> None:
    server = ModbusServer("127.0.0.1", int(sys.argv[1]), no_block=True, data_hdl=Noting(DataBank()))
    server.start()
    print(sys.argv[1], flush=True)
    sys.stdin.read()
    server.stop()
    for unit, moment in asked:
        print(unit, moment)


main()
