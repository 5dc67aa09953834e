"""What the corpus says in HDLC: whole captures, and the single frames in them."""

from itertools import chain

from tests.protocol.dlms.corpus import MALFORMED, METERS, SEED, SYNTHETIC, Case, case


def frames(stream: bytes) -> list[bytes]:
    """The frames of a capture without faults, by their lengths alone."""
    found = []
    while stream:
        size = (int.from_bytes(stream[1:3], "big") & 0x7FF) + 2
        found.append(stream[:size])
        stream = stream[size:]
    return found


def hdlc_frames(name: str) -> list[bytes]:
    return frames(case(name).octets)


HDLC: list[Case] = [found for found in chain(METERS, SEED, SYNTHETIC) if found.octets.startswith(b"\x7e")]
HDLC_MALFORMED: list[Case] = [found for found in MALFORMED if found.octets[-1] == 0x7E or b"\x7e\xa1" in found.octets]
