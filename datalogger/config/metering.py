"""What a source may say about the meter behind it: how it speaks, its keys, what its values mean."""

import re
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from datalogger.config.checks import Check
from datalogger.config.schema import SourceOptions
from datalogger.config.secrets import NOT_READ, Secret
from datalogger.protocol.dlms.security import Keys, Policy, parse_key
from datalogger.units import SYMBOLS

_SCALING = re.compile(r"((?:\d{1,3}-\d{1,3}:)?\d{1,3}\.\d{1,3}\.\d{1,3})\s*=\s*(10*|0\.0{0,11}1)\s*(\S*)", re.ASCII)
_MOST_DIGITS = 13


class Scaling(str):
    """ "1.8.0 = 10 Wh": what 1 of this object counts for, a power of ten.

    name: A-B:C.D.E, or C.D.E for any A-B · scaler: that power · unit: None where it is not written
    """

    name: str
    scaler: int
    unit: str | None

    @classmethod
    def parse(cls, text: object) -> "Scaling":
        """ValueError with the mend where `text` is none."""
        found = _SCALING.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None or len(found[2]) > _MOST_DIGITS:
            raise ValueError(
                'expected what 1 of an object counts for, a power of ten, such as "1.8.0 = 10 Wh" or "31.7.0 = 0.01 A"'
            )
        if found[3] and found[3] not in SYMBOLS.values():
            raise ValueError(f'unknown unit "{found[3]}": base units only, such as Wh, W, varh, var, V, A')
        scaling = cls(text)
        worth = found[2]
        scaling.name, scaling.unit = found[1], found[3] or None
        scaling.scaler = len(worth) - 1 if worth[0] == "1" else 2 - len(worth)
        return scaling


def _system_title(text: str) -> None:
    if not re.fullmatch(r"[0-9A-Fa-f]{16}", text):
        raise ValueError("expected 16 hex digits, the system title of the meter")


class MeterOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every source has whose meter speaks by itself: P1 telegrams or DLMS pushes."""

    framing: Literal["auto", "p1", "hdlc", "mbus", "wrapper", "apdu"] = "auto"
    """auto: P1, HDLC, M-Bus or cipher blocks, whichever the first sound frame is of."""
    key: Secret | None = None
    """The encryption key itself, 32 hex digits; a file is better, because this one is read by many."""
    key_file: Path | None = None
    """File that holds the key and nothing else."""
    key_env: str | None = None
    """Environment variable that holds the key."""
    key_credential: str | None = None
    """Name of a systemd credential (LoadCredential=) that holds the key."""
    auth_key: Secret | None = None
    """The authentication key, where the operator gave one too."""
    auth_key_file: Path | None = None
    auth_key_env: str | None = None
    auth_key_credential: str | None = None
    policy: Literal["plain", "encrypted", "authenticated"] | None = None
    """What a message must keep to; None: authenticated with both keys, encrypted with one, plain without."""
    system_title: Annotated[str | None, Check(_system_title)] = None
    """Of a meter that leaves it out of its messages."""
    replay_check: bool = True
    """Whether an invocation counter that does not rise is refused."""
    profile: str | None = None
    """The meter profile, where the meter does not say by itself which it is."""
    clock: Literal["trust", "local", "standard", "arrival"] | None = None
    """What the meter's clock shows; None: as its profile says."""
    meter: str = ""
    """The meter's identifier, where it sends none."""
    scalers: tuple[Scaling, ...] = ()
    """What 1 of an object counts for; before what the profile says, behind what the meter sends."""
    factor: Annotated[int, Meta(ge=1, le=100_000)] = 1
    """Of the current transformer, where the meter pushes what it sees behind it: 50 for 250/5 A."""

    def __post_init__(self) -> None:
        if problems := [*self.meter_problems(), *self.line_problems()]:
            raise ValueError(*problems)

    def meter_problems(self) -> list[str]:
        problems = []
        for name, key in (("key", self.key), ("auth_key", self.auth_key)):
            if key is not None and key is not NOT_READ:
                try:
                    parse_key(key.reveal())
                except ValueError as error:
                    problems.append(f"{name}: {error}")
        if not problems and NOT_READ not in (self.key, self.auth_key):
            try:
                Policy.of(self.keys, self.demanded)
            except ValueError as error:
                problems.append(str(error))
        return problems

    def line_problems(self) -> list[str]:
        """What a kind of source has to say of its own options."""
        return []

    @property
    def keys(self) -> Keys:
        encryption, authentication = (
            None if key is None else parse_key(key.reveal()) for key in (self.key, self.auth_key)
        )
        return Keys(encryption, authentication)

    @property
    def demanded(self) -> Policy | None:
        return None if self.policy is None else Policy(self.policy)
