"""The APDUs that meters push: octets to messages, and back."""

import struct

from datalogger.errors import DecodeError
from datalogger.protocol.dlms import axdr, untagged
from datalogger.protocol.dlms.axdr import Incomplete
from datalogger.protocol.dlms.messages import Block, DataNotification, Envelope, EventNotification, Message
from datalogger.protocol.framing import Reason

DATA_NOTIFICATION = 0x0F
EVENT_NOTIFICATION = 0xC2
GENERAL_GLO_CIPHERING, GENERAL_DED_CIPHERING, GENERAL_CIPHERING = 0xDB, 0xDC, 0xDD
GENERAL_BLOCK_TRANSFER = 0xE0
TAGS = frozenset((DATA_NOTIFICATION, EVENT_NOTIFICATION, GENERAL_GLO_CIPHERING, GENERAL_DED_CIPHERING,
                  GENERAL_CIPHERING, GENERAL_BLOCK_TRANSFER))  # fmt: skip

DATE_TIME_SIZE = 12
TITLE_SIZE = 8
LAST_BLOCK = 0x80
STREAMING = 0x40  # no block of a push is ever acknowledged
HEADER_FIELDS = 5  # of general-ciphering: transaction id, originator, recipient, date-time, other information
IDENTIFIED_KEY = b"\x01\x00\x00"  # key-info there, identified key, the unicast one

_GENERAL_GLO_OR_DED = frozenset((GENERAL_GLO_CIPHERING, GENERAL_DED_CIPHERING))
_EVENT = struct.Struct(">H6sb")
_BLOCK = struct.Struct(">BBHH")


def parse(octets: bytes, start: int = 0) -> tuple[Message, int]:
    """The APDU that begins at `start`, and where it ends.

    Raises DecodeError on anything that is none (Incomplete where more octets might mend it).
    """
    if start >= len(octets):
        raise Incomplete(Reason.LENGTH, "no APDU: the octets end before its tag")
    tag = octets[start]
    try:
        if tag == DATA_NOTIFICATION:
            return _data_notification(octets, start)
        if tag == GENERAL_BLOCK_TRANSFER:
            return _block(octets, start)
        if tag in _GENERAL_GLO_OR_DED:
            title, at = _octet_string(octets, start + 1, "system title")
            return _envelope(octets, at, tag, title, b"")
        if tag == GENERAL_CIPHERING:
            return _general_ciphering(octets, start)
        if tag == EVENT_NOTIFICATION:
            return _event_notification(octets, start)
    except (IndexError, struct.error):
        raise Incomplete(Reason.LENGTH, f"the octets end, at {len(octets)}, inside the APDU {tag:02X}") from None
    raise DecodeError(Reason.APDU_TAG, f"APDU tag {tag:02X}")


def end_of(octets: bytes, start: int) -> int:
    """Where the APDU that begins at `start` ends; raises as `parse` does."""
    return parse(octets, start)[1]


def build(message: Message) -> bytes:
    """The octets of a message: parse(build(message)) is message, its lengths in their shortest form."""
    match message:
        case DataNotification(invoke_id, date_time, body):
            head = bytes((DATA_NOTIFICATION,)) + invoke_id.to_bytes(4, "big")
            tag = bytes((axdr.OCTET_STRING,)) if message.tagged else b""
            encode = untagged.encode if message.untagged else axdr.encode
            return head + tag + _string(date_time or b"") + encode(body)
        case EventNotification(date_time, class_id, name, attribute, value):
            when = b"\x01" + _string(date_time) if date_time else b"\x00"
            return bytes((EVENT_NOTIFICATION,)) + when + _EVENT.pack(class_id, name, attribute) + axdr.encode(value)
        case Envelope(tag, title, control, counter, content):
            key_info = b"\x00" if tag == GENERAL_CIPHERING else b""
            ciphered = bytes((control,)) + counter.to_bytes(4, "big") + content
            return bytes((tag,)) + (message.header or _string(title)) + key_info + _string(ciphered)
        case Block(number, last, data):
            control = STREAMING | LAST_BLOCK * last
            return _BLOCK.pack(GENERAL_BLOCK_TRANSFER, control, number, 0) + _string(data)


def _data_notification(octets: bytes, start: int) -> tuple[DataNotification, int]:
    date_time, at, tagged = _date_time(octets, start + 5)
    invoke_id = int.from_bytes(octets[start + 1 : start + 5], "big")
    if untagged.recognise(octets, at):
        body, end = untagged.decode(octets, at)
        return DataNotification(invoke_id, date_time, body, at, tagged, True), end
    body, end = axdr.decode(octets, at)
    return DataNotification(invoke_id, date_time, body, at, tagged), end


def _date_time(octets: bytes, at: int) -> tuple[bytes | None, int, bool]:
    """The header's time, where it ends, and whether it has a type tag, as Kaifa and an old Kamstrup write it."""
    size = octets[at]
    if size == 0:
        return None, at + 1, False
    tagged = size == axdr.OCTET_STRING and octets[at + 1] == DATE_TIME_SIZE
    begin = at + 1 + tagged
    if octets[begin - 1] != DATE_TIME_SIZE:
        raise DecodeError(Reason.LENGTH, f"a date-time of {size:02X} octets at octet {at}: 00 or 0C")
    end = begin + DATE_TIME_SIZE
    if end > len(octets):
        raise IndexError
    return octets[begin:end], end, tagged


def _event_notification(octets: bytes, start: int) -> tuple[EventNotification, int]:
    at = start + 2
    date_time = None
    if octets[start + 1]:  # the flag of an optional field; some write the length at once
        date_time, at, _ = _date_time(octets, at if octets[start + 1] == 1 else start + 1)
    class_id, name, attribute = _EVENT.unpack_from(octets, at)
    value, end = axdr.decode(octets, at + _EVENT.size)
    return EventNotification(date_time, class_id, name, attribute, value), end


def _general_ciphering(octets: bytes, start: int) -> tuple[Envelope, int]:
    at = start + 1
    fields = []
    for _ in range(HEADER_FIELDS):
        field, at = _octet_string(octets, at, "header field")
        fields.append(field)
    header = octets[start + 1 : at]
    if octets[at : at + 3] == IDENTIFIED_KEY:
        at += 3
    elif octets[at]:
        raise DecodeError(Reason.POLICY, f"key-info {octets[at : at + 3].hex().upper()}: only the unicast key is known")
    else:
        at += 1
    return _envelope(octets, at, GENERAL_CIPHERING, fields[1], header)


def _envelope(octets: bytes, at: int, tag: int, title: bytes, header: bytes) -> tuple[Envelope, int]:
    if len(title) not in (0, TITLE_SIZE):
        raise DecodeError(Reason.LENGTH, f"a system title of {len(title)} octets: 0 or {TITLE_SIZE}")
    ciphered, end = _octet_string(octets, at, "ciphered content")
    if len(ciphered) < 5:
        raise DecodeError(Reason.LENGTH, f"a ciphered content of {len(ciphered)} octets: control and counter take 5")
    return Envelope(tag, title, ciphered[0], int.from_bytes(ciphered[1:5], "big"), ciphered[5:], header), end


def _block(octets: bytes, start: int) -> tuple[Block, int]:
    _, control, number, _ = _BLOCK.unpack_from(octets, start)
    data, end = _octet_string(octets, start + _BLOCK.size, "block")
    return Block(number, control >= LAST_BLOCK, data), end


def _octet_string(octets: bytes, at: int, what: str) -> tuple[bytes, int]:
    size = octets[at]
    at += 1
    if size > 0x7F:
        size, at = axdr.length(octets, at - 1)
    if size > len(octets) - at:
        raise Incomplete(Reason.LENGTH, f"{what} of {size} octets at octet {at}, and {len(octets) - at} left")
    return octets[at : at + size], at + size


def _string(content: bytes) -> bytes:
    return axdr.encode_length(len(content)) + content
