"""Captures read as the daemon reads them: what twins are held against."""

from collections.abc import Iterator

from datalogger.protocol import detect
from datalogger.protocol.dlms.items import Data, Push, Telegram
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.push import PushDecoder
from datalogger.protocol.dlms.security import MemoryCounters, Security
from datalogger.protocol.framing import Frame, Rejected
from tests.protocol.dlms.corpus import MALFORMED, METERS, SEED, SYNTHETIC, Case

SOUND = [case for case in METERS + SEED + SYNTHETIC if case.messages_out]
EVERY = METERS + SEED + SYNTHETIC + MALFORMED


def keys_of(case: Case) -> Keys:
    return Keys(case.key, case.auth_key)


def read(octets: bytes, keys: Keys | None = None, system_title: bytes = b"") -> list[Push | Telegram | Rejected]:
    framer = detect.document(octets)()
    security = Security(keys or Keys(), system_title=system_title, counters=MemoryCounters(), replay=False)
    decoder = PushDecoder(security)
    found: list[Push | Telegram | Rejected] = []
    for event in framer.feed(octets) + framer.idle():
        found += decoder.take(event) if isinstance(event, Frame) else [event]
    return found + decoder.idle()


def pushes(octets: bytes, keys: Keys | None = None) -> list[Push]:
    found = read(octets, keys)
    assert all(isinstance(one, Push) for one in found), found
    return [one for one in found if isinstance(one, Push)]


def values(push: Push) -> list[Data]:
    return [value for item in push.items for value in _flat(item.data)]


def _flat(data: Data) -> Iterator[Data]:
    if isinstance(data[1], list):
        for inner in data[1]:
            yield from _flat(inner)
    else:
        yield data
