import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.protocol.checksum import crc16_arc, crc16_modbus, crc16_x25

_MIRRORED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


@pytest.mark.parametrize(
    ("octets", "expected"), [(b"123456789", 0xBB3D), (b"", 0), (b"\x00" * 9, 0), (b"\x01", 0xC0C1)]
)
def test_crc16_arc_has_its_published_values(octets: bytes, expected: int) -> None:
    assert crc16_arc(octets) == expected


@pytest.mark.parametrize(("octets", "expected"), [(b"123456789", 0x906E), (b"", 0), (b"\x00", 0xF078)])
def test_crc16_x25_has_its_published_values(octets: bytes, expected: int) -> None:
    assert crc16_x25(octets) == expected


@pytest.mark.parametrize(
    ("octets", "expected"),
    [(b"123456789", 0x4B37), (b"", 0xFFFF), (b"\x11\x03\x00\x6b\x00\x03", 0x8776), (b"\x02\x07", 0x1241)],
)
def test_crc16_modbus_has_its_published_values(octets: bytes, expected: int) -> None:
    assert crc16_modbus(octets) == expected


@given(st.binary(max_size=300))
def test_over_a_modbus_frame_with_its_check_sum_low_octet_first_it_is_nothing(octets: bytes) -> None:
    assert crc16_modbus(octets + crc16_modbus(octets).to_bytes(2, "little")) == 0


@given(st.binary(max_size=300))
def test_crc16_x25_agrees_with_the_standard_library(octets: bytes) -> None:
    mirrored = binascii.crc_hqx(octets.translate(_MIRRORED), 0xFFFF) ^ 0xFFFF
    assert crc16_x25(octets) == int(f"{mirrored:016b}"[::-1], 2)
