"""The header of an HDLC frame (IEC 62056-46, frame format type 3): what stands before its information.

format (1010, S, 11 bits of length) · destination 1, 2 or 4 · source 1, 2 or 4 · control · HCS 2 | information · FCS 2

The length counts all of it. Without information there is no HCS: the FCS covers the header.
"""

from msgspec import Struct

from datalogger.errors import DecodeError
from datalogger.protocol.checksum import crc16_x25
from datalogger.protocol.framing import Reason

MAX_LENGTH = 2047  # octets from format field to FCS: what 11 bits can say
MIN_LENGTH = 7  # format, two addresses of one octet, control, FCS
CHECK = 2  # octets of a check sum
SOUND = 0x0F47  # the CRC-16/X-25 of octets that end with their own CRC-16/X-25

_TYPE_3 = 0xA000
_SEGMENTED = 0x0800


class Header(Struct, frozen=True, gc=False):
    """One frame's header, and the information behind it (empty where the frame has none)."""

    destination: bytes  # as on the wire, with the extension bits
    source: bytes
    control: int
    segmented: bool  # more segments of the same message follow
    information: bytes


def extent(octets: bytes | bytearray, begin: int = 0) -> int | None:
    """Octets of format, addresses and control of the frame at `begin`; None where more octets are needed for that.

    DecodeError MALFORMED: an address has 3 octets, or more than 4.
    """
    try:
        source = 3 if octets[begin + 2] & 1 else 2 + _address(octets, begin + 2)
        return source + (1 if octets[begin + source] & 1 else _address(octets, begin + source)) + 1
    except IndexError:
        return None


def _address(octets: bytes | bytearray, place: int) -> int:
    """Octets of an address: bit 0 is set in its last one."""
    if octets[place] & 1:
        return 1
    if octets[place + 1] & 1:
        return 2
    if not octets[place + 2] & 1 and octets[place + 3] & 1:
        return 4
    raise DecodeError(Reason.MALFORMED, "an address has 1, 2 or 4 octets")


def parse(payload: bytes) -> Header:
    """Header and information of a frame whose check sums hold (`Frame.payload`).

    DecodeError MALFORMED: no such frame. Check sums are the framer's work and not looked at.
    """
    if (size := extent(payload)) is None or size + CHECK > len(payload):
        raise DecodeError(Reason.MALFORMED, f"{len(payload)} octets are too few for an HDLC header")
    source = 3 if payload[2] & 1 else 2 + _address(payload, 2)
    return Header(
        payload[2:source],
        payload[source : size - 1],
        payload[size - 1],
        payload[0] & _SEGMENTED >> 8 != 0,
        payload[size + CHECK : -CHECK],
    )


def build(destination: bytes, source: bytes, control: int, information: bytes, segmented: bool = False) -> bytes:
    """The payload of a frame, with HCS and FCS. Addresses as on the wire. `framer.enclose` puts it between flags.

    ValueError: an address of another size than its octets say, or more than 2047 octets in all.
    """
    size = 2 + len(destination) + len(source) + 1
    length = size + CHECK + (len(information) + CHECK if information else 0)
    if length > MAX_LENGTH:
        raise ValueError(f"a frame of {length} octets: at most {MAX_LENGTH}")
    header = b"".join(
        (
            (_TYPE_3 | (_SEGMENTED if segmented else 0) | length).to_bytes(2, "big"),
            destination,
            source,
            control.to_bytes(1, "big"),
        )
    )
    try:
        fits = extent(header) == size and len(destination) == _address(header, 2)
    except DecodeError:
        fits = False
    if not fits:
        raise ValueError(
            f"addresses {destination.hex()} and {source.hex()}: 1, 2 or 4 octets, of which only the last is odd"
        )
    checked = header + _check(header)
    if not information:
        return checked
    return checked + information + _check(checked + information)


def _check(octets: bytes) -> bytes:
    return crc16_x25(octets).to_bytes(CHECK, "little")
