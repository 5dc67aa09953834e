"""Pushes as they are without a link layer: one of each form."""

from datalogger.protocol.dlms import apdu
from datalogger.protocol.dlms.messages import Block, Envelope
from datalogger.protocol.hdlc.segments import LLC
from datalogger.protocol.wrapper import HEADER_SIZE
from tests.protocol.dlms.corpus import METERS, SEED, Case, case

FIVE_FIELDS = b"\x08" + bytes(8) + b"\x08ABC12345" + b"\0\0\0"  # of general-ciphering

CIPHER_BLOCKS: tuple[bytes, ...] = (
    *(case(name).octets[HEADER_SIZE:] for name in ("xx_udp_wpdu_enc_auth_1", "non_minimal_length")),
    *(case(name).octets[HEADER_SIZE:] for name in ("ded_ciphering_0xDC", "system_title_len_0", "suite2_aes256")),
    apdu.build(Envelope(apdu.GENERAL_CIPHERING, b"ABC12345", 0x30, 7, b"\x5a" * 60, FIVE_FIELDS)),
)

# What the Czech meters send: class, name and attribute of each entry as nine octets without type tags.
UNTAGGED = bytes.fromhex(
    "0F00112233 00 0202 1601 0102"
    "0202 0046 000060030AFF 03 1601"
    "0202 0003 0100010700FF 02 06000007A4"
)  # fmt: skip

PUSHES: tuple[bytes, ...] = (
    case("at_kaifa_salzburg_plain_apdu").octets,
    CIPHER_BLOCKS[0],
    case("no_kaifa_amshan_no_list_3").octets.removeprefix(LLC),  # its date-time has a type tag
    case("no_aidon_amshan_no_list_1").octets.removeprefix(LLC),  # it has no date-time
    case("dk_kamstrup_1ph_plain_apdu").octets,  # null-data where phases are missing
    case("event_notification_c2").octets[HEADER_SIZE:],
    apdu.build(Block(1, False, case("no_aidon_amshan_no_list_1").octets.removeprefix(LLC))),
    UNTAGGED,
    CIPHER_BLOCKS[-1],
)

BARE_CASES: list[Case] = [
    found for found in METERS + SEED if found.expected["messages"][0]["framing"] in ("raw", "llc+apdu")
]
