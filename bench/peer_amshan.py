"""Runs amshan in its own virtual environment: the HDLC pushes in a file, one round for each line on stdin.

Spoken by bench/dlms.py: first the numbers it finds in the last push, then seconds per round.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from han.autodecoder import AutoDecoder
from han.hdlc import HdlcFrameReader


def main() -> None:
    pushes = [bytes.fromhex(push) for push in json.loads(Path(sys.argv[1]).read_bytes())]
    reader, decoder = HdlcFrameReader(), AutoDecoder()  # it remembers which decoder fitted

    def read(push: bytes) -> dict[str, Any]:
        (frame,) = reader.read(push)
        assert frame.is_valid
        values: dict[str, Any] = decoder.decode_message(frame)
        return values

    found = read(pushes[-1]).values()
    print(json.dumps([value for value in found if isinstance(value, int | float)]), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for push in pushes:
            read(push)
        print(time.perf_counter() - began, flush=True)


main()
