"""The types that a value of one or several registers can have.

A register is a word of 16 bits, high octet first. Of a value of several words the high word comes first; the types
that end in `l` have the low word first, and `float16l`, which has but one word, its low octet first.
"""

import struct
from typing import Literal, NamedTuple

TypeName = Literal[
    "bit", "s16", "u16", "s32", "u32", "s32l", "u32l", "s64", "u64", "float16", "float16l", "float", "floatl", "double"
]


class RegisterType(NamedTuple):
    """words: how many registers a value takes up (of `bit` under function 1 or 2: one bit)
    code:    of Python's struct, big-endian
    swapped: low word first
    real:    an IEEE float
    """

    words: int
    code: str
    swapped: bool = False
    real: bool = False

    @property
    def signed(self) -> bool:
        return not self.real and self.code.islower()


TYPES: dict[str, RegisterType] = {
    "bit": RegisterType(1, "H"),
    "s16": RegisterType(1, "h"),
    "u16": RegisterType(1, "H"),
    "s32": RegisterType(2, "i"),
    "u32": RegisterType(2, "I"),
    "s32l": RegisterType(2, "i", swapped=True),
    "u32l": RegisterType(2, "I", swapped=True),
    "s64": RegisterType(4, "q"),
    "u64": RegisterType(4, "Q"),
    "float16": RegisterType(1, "e", real=True),
    "float16l": RegisterType(1, "e", swapped=True, real=True),
    "float": RegisterType(2, "f", real=True),
    "floatl": RegisterType(2, "f", swapped=True, real=True),
    "double": RegisterType(4, "d", real=True),
}


def in_order(octets: bytes, kind: RegisterType) -> bytes:
    """High word first, as `kind.code` reads it. Its own inverse."""
    if not kind.swapped:
        return octets
    if kind.words == 1:
        return octets[::-1]
    return b"".join(octets[at : at + 2] for at in range(len(octets) - 2, -1, -2))


def decode(name: str, octets: bytes) -> int | float:
    """The raw value in these octets, exactly as many as the type has; of `bit` the lowest."""
    kind = TYPES[name]
    (raw,) = struct.unpack(f">{kind.code}", in_order(octets, kind))
    return raw & 1 if name == "bit" else raw  # type: ignore[no-any-return] # struct gives Any


def encode(name: str, raw: float) -> bytes:
    """ValueError where `raw` is not in the range of the type."""
    kind = TYPES[name]
    if name == "bit" and raw not in (0, 1):
        raise ValueError(f"{raw} is no bit")
    try:
        return in_order(struct.pack(f">{kind.code}", raw if kind.real else int(raw)), kind)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{raw} does not fit into {name}: {error}") from None


def words(octets: bytes) -> list[int]:
    """The registers that these octets are."""
    return list(struct.unpack(f">{len(octets) // 2}H", octets))
