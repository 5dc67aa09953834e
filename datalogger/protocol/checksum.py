"""Check sums of the protocols, as pure functions of bytes.

crcmod is a C extension behind a Python face; from 50 octets on it is faster than binascii.crc_hqx over
mirrored octets (394 octets: 1.2 µs against 1.9 µs).
"""

import crcmod

# Polynomial 8005 reflected, initial value 0, nothing inverted.
_ARC = crcmod.mkCrcFun(0x18005, initCrc=0, rev=True, xorOut=0)
# The same, with the initial value FFFF.
_MODBUS = crcmod.mkCrcFun(0x18005, initCrc=0xFFFF, rev=True, xorOut=0)
# Polynomial 1021 reflected, initial value FFFF, inverted (crcmod wants the initial value inverted, too).
_X25 = crcmod.mkCrcFun(0x11021, initCrc=0, rev=True, xorOut=0xFFFF)


def crc16_arc(octets: bytes) -> int:
    """CRC-16/ARC: of a P1 telegram, from its `/` up to and with its `!`."""
    checksum: int = _ARC(octets)
    return checksum


def crc16_x25(octets: bytes | bytearray) -> int:
    """CRC-16/X-25: HCS and FCS of an HDLC frame. On the wire the low octet comes first."""
    checksum: int = _X25(octets)
    return checksum


def crc16_modbus(octets: bytes | bytearray) -> int:
    """Of a Modbus RTU frame. On the wire the low octet comes first; over a frame with its check sum it is 0."""
    checksum: int = _MODBUS(octets)
    return checksum
