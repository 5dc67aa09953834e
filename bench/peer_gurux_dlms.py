"""Runs gurux-dlms in its own virtual environment: the HDLC pushes in a file, one round for each line on stdin.

Spoken by bench/dlms.py: first the numbers it finds in the last push, then seconds per round.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.GXDLMSClient import GXDLMSClient


def main() -> None:
    pushes = [bytes.fromhex(push) for push in json.loads(Path(sys.argv[1]).read_bytes())]
    print(json.dumps(numbers(read(pushes[-1]))), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for push in pushes:
            read(push)
        print(time.perf_counter() - began, flush=True)


# As in the push listener among Gurux's own examples, which keeps them as long as it lives.
CLIENT = GXDLMSClient(True, 1, 1, Authentication.NONE, None, InterfaceType.HDLC)


def read(push: bytes) -> list[Any]:
    octets, notify = GXByteBuffer(push), GXReplyData()
    while not notify.complete or notify.isMoreData():
        before = octets.position
        CLIENT.getData(octets, GXReplyData(), notify)
        assert octets.position > before, "the push ends inside"
    values: list[Any] = notify.value
    return values


def numbers(body: list[Any]) -> list[int]:
    """Every number that is a value, in body order: beside its name, or alone."""
    values = [member[1] if isinstance(member, list) else member for member in body]
    return [int(value) for value in values if isinstance(value, int)]


main()
