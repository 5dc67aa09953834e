"""Check sums of the protocols, as pure functions of bytes."""

import crcmod

# Polynomial 8005 reflected, initial value 0, nothing inverted: a C extension behind a Python face.
_ARC = crcmod.mkCrcFun(0x18005, initCrc=0, rev=True, xorOut=0)


def crc16_arc(octets: bytes) -> int:
    """CRC-16/ARC: of a P1 telegram, from its `/` up to and with its `!`."""
    checksum: int = _ARC(octets)
    return checksum
