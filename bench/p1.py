"""P1: check sum and full decode of a DSMR 5 telegram, and the framer, beside dsmr_parser.

Both sides get the same 200 telegrams in turns, round by round, so that neither a cache nor a busy
machine favours one. The peer runs in a process and a virtual environment of its own.
"""

import json
import random
import re
import tempfile
import time
from zoneinfo import ZoneInfo

from bench.figures import Figure, show
from bench.peers import HERE, Peer, in_turns
from datalogger.protocol.checksum import crc16_arc
from datalogger.protocol.framing import Frame
from datalogger.protocol.p1.framer import P1Framer
from datalogger.protocol.p1.telegram import decode_telegram

PEER = "dsmr-parser==1.11.2"
TELEGRAM = HERE.parent / "tests/data/p1/telegrams/nl-dsmr50_iskra-am550t_gas.txt"  # 913 octets, 35 objects
VARIANTS = 200
OUR_PASSES = 12  # of our 200 telegrams to one of the peer's: rounds of about the same length
ZONE = ZoneInfo("Europe/Amsterdam")


def figures() -> list[Figure]:
    telegrams = [variant(seed) for seed in range(VARIANTS)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([telegram.decode("latin-1") for telegram in telegrams], file)
        file.flush()
        return _figures(telegrams, file.name)


def _figures(telegrams: list[bytes], path: str) -> list[Figure]:
    with Peer(".venv-peer", (PEER,), "peer_dsmr_parser.py", path) as peer:
        peer_values = int(peer.hear())
        our_values = len(decode_telegram(telegrams[0], check=True, zone=ZONE).records)
        assert peer_values == our_values, f"the peer finds {peer_values} values, we find {our_values}"
        ours, theirs, ratio = in_turns(lambda: _decode(telegrams), lambda: peer.round("decode"))
        our_framer, _, framer_ratio = in_turns(lambda: _frame(telegrams), lambda: peer.round("frame"))
    rate = sum(map(len, telegrams)) / our_framer / 1e6
    each = 1e6 / len(telegrams)
    return [
        Figure(
            f"decode a DSMR 5 telegram ({len(telegrams[0])} B, {our_values} values), check sum and all",
            f"{ratio:.1f} × dsmr_parser ({ours * each:.0f} µs, {theirs * each:.0f} µs)",
            "at least 15 ×, goal 25 ×",
            ratio >= 15,
        ),
        Figure(
            "framer, in chunks of 64 B",
            f"{rate:.1f} MB/s ({framer_ratio:.1f} × dsmr_parser's buffer, which checks nothing)",
            "at least 2 MB/s",
            rate >= 2,
        ),
    ]


def _decode(telegrams: list[bytes]) -> float:
    began = time.perf_counter()
    for telegram in telegrams * OUR_PASSES:
        bang = telegram.rindex(b"!")
        assert crc16_arc(telegram[: bang + 1]) == int(telegram[bang + 1 :], 16)
        decode_telegram(telegram, check=True, zone=ZONE)
    return (time.perf_counter() - began) / OUR_PASSES


def _frame(telegrams: list[bytes]) -> float:
    stream = b"".join(telegrams)
    framer, found = P1Framer(), 0
    began = time.perf_counter()
    for begin in range(0, len(stream), 64):
        found += sum(isinstance(event, Frame) for event in framer.feed(stream[begin : begin + 64]))
    took = time.perf_counter() - began
    assert found == len(telegrams)
    return took


def variant(seed: int) -> bytes:
    """The telegram with other values everywhere a value stands, and its check sum right again."""
    chance = random.Random(seed)
    text = TELEGRAM.read_bytes().rpartition(b"!")[0] + b"!"

    def other(found: re.Match[bytes]) -> bytes:
        return b"(" + bytes(chance.choice(b"0123456789") if octet != 0x2E else octet for octet in found[1]) + found[2]

    text = re.sub(rb"\(([0-9]+(?:\.[0-9]+)?)(\*)", other, text)
    text = re.sub(rb"\(([0-9]{5})(\))", other, text)
    clock = b"(1801%02d%02d%02d%02dW)" % tuple(chance.randrange(*limits) for limits in ((1, 29), (24,), (60,), (60,)))
    text = re.sub(rb"\(1801[0-9]{8}W\)", clock, text)
    return text + b"%04X\r\n" % crc16_arc(text)


if __name__ == "__main__":
    show("P1", figures())
