"""What the corpus says in M-Bus: whole captures, and the single frames in them."""

from tests.protocol.dlms.corpus import MALFORMED, METERS, Case, case


def frames(stream: bytes) -> list[bytes]:
    """The frames of a capture without faults, by their lengths alone."""
    found = []
    while stream:
        size = stream[1] + 6
        found.append(stream[:size])
        stream = stream[size:]
    return found


def mbus_frames(name: str) -> list[bytes]:
    return frames(case(name).octets)


MBUS: list[Case] = [found for found in METERS if found.octets.startswith(b"\x68")]
MBUS_MALFORMED: list[Case] = [found for found in MALFORMED if found.octets.startswith(b"\x68")]
