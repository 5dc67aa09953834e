"""Runs minimalmodbus in its own virtual environment: polls the blocks ("address,count") of four units, a round for each
line on stdin. Spoken by bench/modbus.py: seconds per round.
"""

import sys
import time

from minimalmodbus import Instrument


def main() -> None:
    blocks = [tuple(map(int, block.split(","))) for block in sys.argv[3:]]
    units = [Instrument(sys.argv[1], unit) for unit in range(1, 5)]  # they share the port
    for unit in units:
        unit.serial.baudrate = int(sys.argv[2])
        unit.serial.timeout = 2.0
    for _ in sys.stdin:
        began = time.perf_counter()
        for unit in units:
            for address, count in blocks:
                unit.read_registers(address, count, functioncode=4)
        print(time.perf_counter() - began, flush=True)


main()
