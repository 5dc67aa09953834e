"""What a source may say about the meter behind it: how it speaks, its keys, what its values mean."""

import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from datalogger import units
from datalogger.config.checks import Check
from datalogger.config.problems import shown
from datalogger.config.schema import SourceOptions
from datalogger.config.secrets import NOT_READ, Secret
from datalogger.protocol.dlms.keys import Keys, parse_key
from datalogger.protocol.dlms.security import Policy

_SCALING = re.compile(r"(?P<name>[\d:.-]+?)(?:\*255)?\s*=\s*(?P<worth>\d[\d.,]*)\s*(?P<unit>.*)", re.ASCII)
_NAME = re.compile(r"(?:\d{1,3}-\d{1,3}:)?\d{1,3}\.\d{1,3}\.\d{1,3}", re.ASCII)
_POWER = re.compile(r"10*|0\.0*1")
_MOST_DIGITS = 13

_FORM = 'expected what 1 of an object counts for, a power of ten, such as "1.8.0 = 10 Wh" or "31.7.0 = 0.01 A"'


class Scaling(str):
    """ "1.8.0 = 10 Wh": what 1 of this object counts for, a power of ten.

    name: A-B:C.D.E, or C.D.E for any A-B · scaler: that power · unit: None where it is not written
    """

    name: str
    scaler: int
    unit: str | None

    @classmethod
    def parse(cls, text: object) -> "Scaling":
        """ValueError with the text and the mend where it is none."""
        if not isinstance(text, str):
            raise ValueError(_FORM)
        try:
            return cls._parse(text)
        except ValueError as error:
            raise ValueError(f"{shown(text)}: {error}") from None

    @classmethod
    def _parse(cls, text: str) -> "Scaling":
        found = _SCALING.fullmatch(text.strip())
        if found is None:
            raise ValueError(_FORM)
        name, worth, unit = found["name"], found["worth"], found["unit"]
        if not _NAME.fullmatch(name) or any(int(group) > 255 for group in re.findall(r"\d+", name)):
            raise ValueError(f'"{name}" is no name of an object: write such as "1.8.0", or "1-1:1.8.0"')
        if "," in worth:
            raise ValueError(f"write {worth.replace(',', '.')} {unit}".rstrip())
        if not _POWER.fullmatch(worth) or len(worth) > _MOST_DIGITS:
            raise ValueError(f"{worth} is no power of ten; the ratio of a current transformer is factor")
        scaling = cls(text)
        scaling.name, scaling.unit, scaling.scaler = name, unit or None, _power(worth)
        if unit and unit not in units.SYMBOLS.values():
            raise ValueError(_unknown_unit(unit, scaling.scaler))
        return scaling


def _power(worth: str) -> int:
    """Of "100" 2, of "0.01" -2."""
    return len(worth) - 1 if worth[0] == "1" else 2 - len(worth)


def _unknown_unit(unit: str, power: int) -> str:
    known = units.parse(unit)
    if known is None:
        return f'unknown unit "{unit}": base units only, such as Wh, W, varh, var, V, A'
    base, more = known
    power += more
    return f"no prefix before a unit: write {10**power if power >= 0 else f'{Decimal(10) ** power:f}'} {base}"


def _scalings(scalings: Iterable[Scaling]) -> None:
    names = [scaling.name for scaling in scalings]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice} stands there twice: which one holds?")


def _system_title(text: str) -> None:
    if not re.fullmatch(r"[0-9A-Fa-f]{16}", text):
        raise ValueError(f"{len(text)} characters: expected 16 hex digits, the system title of the meter")


def _printable(text: str) -> None:
    if not text.isprintable():
        raise ValueError("expected a text without control characters")


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
    meter: Annotated[str, Meta(max_length=64), Check(_printable)] = ""
    """The meter's identifier, where it sends none."""
    scalers: Annotated[tuple[Scaling, ...], Check(_scalings)] = ()
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
        if self.framing == "p1" and self.key is not None:
            problems.append(
                "framing: telegrams in the clear need no key, and enciphered ones come with framing "
                '"auto" or "apdu": write one of these, or take the key away'
            )
        if self.key is None and self.auth_key is not None:
            problems.append("auth_key: can check nothing alone: give the encryption key as well (key_file), or neither")
        elif not problems:
            try:
                # A key that was not read is one all the same.
                Policy.of(
                    Keys(*(None if key is None else bytes(16) for key in (self.key, self.auth_key))), self.demanded
                )
            except ValueError as error:
                problems.append(str(error))
        return problems

    def line_problems(self) -> list[str]:
        """What a kind of source has to say of its own options."""
        return []

    def worth_knowing(self) -> list[str]:
        said = []
        if self.key is not None:
            if NOT_READ not in (self.key, self.auth_key) and self.keys.encryption == self.keys.authentication:
                said.append("auth_key: the same as key: operators give two different ones; is one pasted twice?")
            if not self.replay_check:
                said.append("replay_check: false: who has recorded a message can send it again")
        return said

    @property
    def protocols(self) -> frozenset[str]:
        """Of the reports that can come of it. Enciphered P1 telegrams are cipher blocks, as pushes are."""
        match self.framing:
            case "p1":
                return frozenset({"p1"})
            case "auto" | "apdu":
                return frozenset({"p1", "dlms"})
            case _:
                return frozenset({"dlms"})

    @property
    def keys(self) -> Keys:
        encryption, authentication = (
            None if key is None else parse_key(key.reveal()) for key in (self.key, self.auth_key)
        )
        return Keys(encryption, authentication)

    @property
    def demanded(self) -> Policy | None:
        return None if self.policy is None else Policy(self.policy)
