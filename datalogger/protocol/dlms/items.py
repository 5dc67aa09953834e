"""What a push turns into before anybody says what its values mean."""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from datalogger.model import PushObject, Security
from datalogger.protocol.framing import Framing

Data = tuple[int, Any]
"""One A-XDR value: (tag, value).

value: None (0 null-data, 255 don't-care) · list of Data (1 array, 2 structure, 19 compact array, unpacked)
       · bool (3) · bytes (4 bit-string, 9 octet-string, 10 visible-string, 12 utf8-string, 25 date-time, 26 date,
       27 time) · int (5, 6, 13, 15, 16, 17, 18, 20, 21, 22) · float (23, 24)
"""


class Layout(StrEnum):
    """How a body names its values."""

    PUSH_LIST = "push-list"  # structure of a push object list and then its values, one to one
    STRUCTURES = "structures"  # array or structure of structures (name, value[, scaler and unit]), flat pairs between
    FLAT = "flat"  # name, value, name, value …, perhaps each with its scaler and unit
    POSITIONAL = "positional"  # values alone: a profile says what they are
    UNTAGGED = "untagged"  # Czech: class, name and attribute as nine bare octets
    SCALAR = "scalar"  # one value and no more


class Item(Struct, frozen=True, gc=False):
    """One value of a body, with what the body itself says of it.

    position:  index of the value among the members of the body; 0 in a scalar one
    name:      six octets, or None where the value came without a name
    scaler, unit: as on the wire (unit: DLMS enum), None where it does not say
    objects:   the push object list, where the value is that
    encoded:   the A-XDR octets of an array or structure that no layout takes apart, else None
    """

    position: int
    data: Data
    name: bytes | None = None
    class_id: int | None = None
    attribute: int | None = None
    scaler: int | None = None
    unit: int | None = None
    objects: tuple[PushObject, ...] | None = None
    encoded: bytes | None = None


class Link(Struct, frozen=True, gc=False):
    """How the message travelled: a hint to its maker. Addresses as on the wire, b"" outside HDLC."""

    framing: Framing
    destination: bytes = b""
    source: bytes = b""


class Push(Struct, frozen=True, gc=False):
    """One DataNotification, its values in body order.

    root, types: tag of the body and of its members, in order (one member: the body itself where it is a scalar)
    date_time:   the header's twelve octets, or None
    security:    of the envelope it came in
    """

    layout: Layout
    items: list[Item]
    root: int
    types: tuple[int, ...]
    date_time: bytes | None
    link: Link
    octets: bytes
    security: Security | None = None


class Telegram(Struct, frozen=True, gc=False):
    """A P1 telegram that came in a ciphered envelope.

    check:  whether it has a CRC of its own, which held
    counts: the key had a part in it: once it is read, its counter is to be remembered
    """

    text: bytes
    check: bool
    octets: bytes
    security: Security | None = None
    counts: bool = False
