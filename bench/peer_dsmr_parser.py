"""Runs dsmr_parser in its own virtual environment: `telegrams` on a file, one round for each line on stdin.

Spoken by bench/p1.py: first the number of values of the first telegram, then seconds per round.
"""

import json
import sys
import time
from pathlib import Path

from dsmr_parser import telegram_specifications
from dsmr_parser.clients.telegram_buffer import TelegramBuffer
from dsmr_parser.parsers import TelegramParser


def main() -> None:
    telegrams: list[str] = json.loads(Path(sys.argv[1]).read_bytes())
    parser = TelegramParser(telegram_specifications.V5)  # its V5 checks the CRC
    first = parser.parse(telegrams[0])
    devices = first.MBUS_DEVICES
    values = sum(1 for name, _ in first if name != "MBUS_DEVICES") + sum(1 for device in devices for _ in device)
    print(values, flush=True)
    stream = "".join(telegrams)
    for command in sys.stdin:
        began = time.perf_counter()
        if command.strip() == "decode":
            for telegram in telegrams:
                parser.parse(telegram)
        else:
            buffer, found = TelegramBuffer(), 0
            for begin in range(0, len(stream), 64):
                buffer.append(stream[begin : begin + 64])
                found += sum(1 for _ in buffer.get_all())
            assert found == len(telegrams)
        print(time.perf_counter() - began, flush=True)


main()
