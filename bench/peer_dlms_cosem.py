"""Runs dlms-cosem in its own virtual environment: the HDLC pushes in a file, one round for each line on stdin.

Spoken by bench/dlms.py: first the numbers it finds in the last push, then seconds per round.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from dlms_cosem.hdlc.frames import UnnumberedInformationFrame
from dlms_cosem.protocol.xdlms import DataNotification, GeneralGlobalCipher
from dlms_cosem.utils import parse_as_dlms_data

LLC = bytes.fromhex("E6E700")


def main() -> None:
    pushes = [bytes.fromhex(push) for push in json.loads(Path(sys.argv[1]).read_bytes())]
    key, authentication_key = map(bytes.fromhex, sys.argv[2:])

    def read(push: bytes) -> list[Any]:
        information = UnnumberedInformationFrame.from_bytes(push).payload
        assert information.startswith(LLC)
        envelope = GeneralGlobalCipher.from_bytes(information[len(LLC) :])
        notification = DataNotification.from_bytes(envelope.to_plain_apdu(key, authentication_key))
        values: list[Any] = parse_as_dlms_data(notification.body)
        return values

    print(json.dumps([value for value in read(pushes[-1]) if isinstance(value, int)]), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for push in pushes:
            read(push)
        print(time.perf_counter() - began, flush=True)


main()
