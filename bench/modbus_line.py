"""An RS-485 line with units on it that takes as long as a real one: a pseudo-terminal, paced.

Spoken by bench/modbus.py: the terminal's name on a line; at the end of stdin, on a line, how many requests there were,
how many seconds the line needs for them at the least, and how many passed from the first to the last.

A request of 8 octets, 3.5 octets of silence, the answer, 3.5 octets of silence: that is what the line allows.
"""

import os
import pty
import select
import sys
import time
import tty

from datalogger.protocol.checksum import crc16_modbus

SILENCE = 3.5  # octets
REQUEST = 8


def main() -> None:
    octet = float(sys.argv[1])
    units, reader = pty.openpty()
    tty.setraw(reader)
    print(os.ttyname(reader), flush=True)
    os.close(reader)  # or the port would look taken
    heard, count, least, first, last = b"", 0, 0.0, 0.0, 0.0
    while True:
        ready, _, _ = select.select([units, sys.stdin], [], [])
        if sys.stdin in ready:
            break
        try:
            heard += os.read(units, 256)
        except OSError:  # nobody has the other end open now
            time.sleep(0.01)
        if len(heard) < REQUEST:
            continue
        began = time.monotonic()
        unit, function, registers = heard[0], heard[1], int.from_bytes(heard[4:6], "big")
        heard = heard[REQUEST:]
        answer = bytes((unit, function, 2 * registers)) + bytes(2 * registers)
        answer += crc16_modbus(answer).to_bytes(2, "little")
        takes = octet * (REQUEST + SILENCE + len(answer))
        time.sleep(max(0.0, began + takes - time.monotonic()))
        os.write(units, answer)
        first = first or began
        count += 1
        least += takes + octet * SILENCE
        last = time.monotonic() + octet * SILENCE
    print(count, least, last - first, flush=True)


main()
