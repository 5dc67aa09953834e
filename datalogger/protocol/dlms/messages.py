"""The APDUs that meters push, taken apart."""

from msgspec import Struct

from datalogger.protocol.dlms.items import Data


class DataNotification(Struct, frozen=True, gc=False):
    """0F. `date_time` is twelve octets, or None where the meter sends none.

    tagged:   the date-time has its A-XDR tag before it
    untagged: the body has the Czech form, whose names have no tags (protocol/dlms/untagged.py)
    """

    invoke_id: int
    date_time: bytes | None
    body: Data
    body_at: int
    """Where the body begins, in the octets given."""
    tagged: bool = False
    untagged: bool = False


class EventNotification(Struct, frozen=True, gc=False):
    """C2: one attribute that the meter found worth telling."""

    date_time: bytes | None
    class_id: int
    name: bytes
    attribute: int
    value: Data


class Envelope(Struct, frozen=True, gc=False):
    """DB, DC, DD: a ciphered APDU.

    tag:     the APDU tag
    title:   the originator's system title: eight octets, or b"" where the meter leaves it out
    control: the security control octet
    content: what follows the invocation counter, with the authentication tag where there is one
    header:  general-ciphering only: its five header fields with their length octets, part of what the tag covers
    """

    tag: int
    title: bytes
    control: int
    counter: int
    content: bytes
    header: bytes = b""


class Block(Struct, frozen=True, gc=False):
    """E0: one block of a general block transfer."""

    number: int
    last: bool
    data: bytes


Message = DataNotification | EventNotification | Envelope | Block
