"""The Czech body: structure{enum, array of {class, name and attribute as nine bare octets, value}}.

Those nine octets have no type tags, so this is no A-XDR; all the rest of it is. Here it becomes the
value it would have been, with the nine octets as one octet string.
"""

import struct

from datalogger.errors import DecodeError
from datalogger.protocol.dlms import axdr
from datalogger.protocol.dlms.axdr import Incomplete
from datalogger.protocol.dlms.items import Data
from datalogger.protocol.framing import Reason

DESCRIPTOR = struct.Struct(">H6sb")  # class, name, attribute
ENTRY = b"\x02\x02"  # structure of two: the descriptor counts as one member


def recognise(octets: bytes, at: int) -> bool:
    """Is the body at `at` of this form? Its array's first element is 02 02 and then a class 00xx, without type tag."""
    if octets[at : at + 3] != b"\x02\x02\x16" or octets[at + 4 : at + 5] != b"\x01":
        return False
    size = octets[at + 5] if at + 5 < len(octets) else 0
    first = at + 6 + (size & 0x7F if size > 0x7F else 0)
    return octets[first : first + 3] == ENTRY + b"\x00"


def decode(octets: bytes, start: int) -> tuple[Data, int]:
    """The body at `start`, and where it ends."""
    entries: list[Data] = []
    at, count = _head(octets, start)
    for _ in range(count):
        descriptor = _descriptor(octets, at)
        value, at = axdr.decode(octets, at + len(ENTRY) + DESCRIPTOR.size)
        entries.append((axdr.STRUCTURE, [(axdr.OCTET_STRING, descriptor), value]))
    return (axdr.STRUCTURE, [(22, octets[start + 3]), (axdr.ARRAY, entries)]), at


def encode(body: Data) -> bytes:
    """The octets of what `decode` gave."""
    enum, (_, entries) = body[1]
    head = ENTRY + axdr.encode(enum) + bytes((axdr.ARRAY,)) + axdr.encode_length(len(entries))
    return head + b"".join(ENTRY + descriptor + axdr.encode(value) for _, ((_, descriptor), value) in entries)


def _head(octets: bytes, start: int) -> tuple[int, int]:
    count, at = axdr.length(octets, start + 5)
    if count > len(octets) - at:
        raise Incomplete(Reason.AXDR, f"count {count} at octet {at}, and {len(octets) - at} octets left")
    return at, count


def _descriptor(octets: bytes, at: int) -> bytes:
    end = at + len(ENTRY) + DESCRIPTOR.size
    if end > len(octets):
        raise Incomplete(Reason.AXDR, f"the octets end inside the entry at octet {at}")
    if octets[at : at + 2] != ENTRY:
        raise DecodeError(Reason.AXDR, f"entry at octet {at} begins with {octets[at : at + 2].hex().upper()}, not 0202")
    return octets[at + len(ENTRY) : end]
