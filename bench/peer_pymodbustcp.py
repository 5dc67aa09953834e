"""Runs the client of pyModbusTCP in its own virtual environment: asks so many times for registers, a round for each
line on stdin. Spoken by bench/modbus.py: seconds per round.
"""

import sys
import time

from pyModbusTCP.client import ModbusClient


def main() -> None:
    port, registers, times = map(int, sys.argv[1:])
    client = ModbusClient("127.0.0.1", port, auto_open=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for _ in range(times):
            assert client.read_input_registers(0, registers) is not None
        print(time.perf_counter() - began, flush=True)


main()
