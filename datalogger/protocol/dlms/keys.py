"""The keys of a meter: how they are written, and that nobody sees them."""

from typing import NoReturn

KEY_OCTETS = {0: 16, 1: 16, 2: 32}
"""Security suite → octets of its keys: AES-128, AES-128, AES-256. There are no others."""

_BETWEEN = str.maketrans("", "", " :-\t\r\n")


class Keys:
    """The keys of one meter. They show themselves to nobody who prints, formats or pickles them.

    encryption:     also called global unicast encryption key, GUEK, EK
    authentication: also called GAK, AK
    """

    __slots__ = ("authentication", "encryption", "fingerprint")

    def __init__(self, encryption: bytes | None = None, authentication: bytes | None = None) -> None:
        """ValueError where one has another length than 16 or 32 octets."""
        for name, key in (("encryption", encryption), ("authentication", authentication)):
            if key is not None and len(key) not in KEY_OCTETS.values():
                raise ValueError(f"{name} key: {len(key)} octets given, 16 wanted (32 in security suite 2)")
        self.encryption = encryption
        self.authentication = authentication
        self.fingerprint = "" if encryption is None else _fingerprint(encryption)
        """Tells one encryption key from another and gives nothing of it away; "" without one."""

    def __repr__(self) -> str:
        encryption, authentication = (key and "***" for key in (self.encryption, self.authentication))
        return f"Keys({encryption}, {authentication})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Keys):
            return NotImplemented
        return (self.encryption, self.authentication) == (other.encryption, other.authentication)

    def __hash__(self) -> int:
        return hash((Keys, self.encryption, self.authentication))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("keys are not written to anywhere")


def _fingerprint(key: bytes) -> str:
    from hashlib import sha256  # as the cipher library: of no use without keys

    return sha256(key).hexdigest()[:8]


def parse_key(text: str) -> bytes:
    """32 or 64 hex digits, with blanks, colons or dashes between them; ValueError, without the text, otherwise."""
    digits = text.translate(_BETWEEN)
    if digits[:2] in ("0x", "0X"):
        digits = digits[2:]
    wanted = "32 wanted (64 in security suite 2)"
    foreign = sum(digit not in "0123456789abcdefABCDEF" for digit in digits)
    if foreign:
        raise ValueError(f"{foreign} of its {len(digits)} characters are no hex digits: {wanted}")
    if len(digits) not in (32, 64):
        raise ValueError(f"{len(digits)} hex digits given, {wanted}")
    return bytes.fromhex(digits)
