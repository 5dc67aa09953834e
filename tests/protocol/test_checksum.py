import pytest

from datalogger.protocol.checksum import crc16_arc


@pytest.mark.parametrize(
    ("octets", "expected"), [(b"123456789", 0xBB3D), (b"", 0), (b"\x00" * 9, 0), (b"\x01", 0xC0C1)]
)
def test_crc16_arc_has_its_published_values(octets: bytes, expected: int) -> None:
    assert crc16_arc(octets) == expected
