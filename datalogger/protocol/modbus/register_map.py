"""A register map: which values a kind of meter holds, where, and what they mean. Data, in the eGauge's own form.

physical = (raw + offset) × scale, in `unit`: the offset is added before the scale. Beside what the eGauge has stand
`obis`, `function`, `absent`, `split`, `inverted`, `deadband`, `interval` and (SunSpec) `scale_register`.
"""

from decimal import Decimal
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from datalogger.protocol.modbus.register_types import TYPES, TypeName

Address = Annotated[int, Meta(ge=0, le=0xFFFF)]

Function = Literal[1, 2, 3, 4]
COILS: Final = 1
DISCRETE_INPUTS: Final = 2
HOLDING_REGISTERS: Final = 3
INPUT_REGISTERS: Final = 4
BITS = (COILS, DISCRETE_INPUTS)
"""Functions that read bits, one an address."""

MOST_REGISTERS = 125  # of one request: its answer is 250 octets, and a PDU holds 253
MOST_BITS = 2000  # the same

DEFAULT_GAP = 8
"""Words between two registers that are read along: 16 octets more cost less than another request, which is 8 octets,
an answer's head and tail, and the turn-round of the meter."""


class Split(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logical names of the two halves of a signed power: what is above 0, and what is below."""

    imported: str = field(name="import")
    exported: str = field(name="export")


class Register(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value. `type`, `kind`, `unit`, `offset`, `scale` and `access` are the eGauge's."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    addr: Address
    type: TypeName
    kind: Literal["analog", "enum", "bitset", "factor"] = "analog"
    """factor: no value, but the power of ten of others (SunSpec)."""
    unit: str = ""
    offset: Decimal = Decimal(0)
    scale: Decimal = Decimal(1)
    access: Literal["ro", "rw"] = "ro"
    """Shown, and not used: nothing is ever written."""
    function: Function | None = None
    """Default as the eGauge has it: 4 for what can only be read, 3 for what can be written; of a bit 2 and 1."""
    obis: str = ""
    absent: tuple[int, ...] = ()
    """Raw values, unsigned, that say "not measured". A float that is none (NaN, infinity) always does."""
    split: Split | None = None
    inverted: bool = False
    """For `split`: what is above 0 is exported."""
    absolute: bool = False
    """It counts downwards from 0 in some models, and upwards in others: the sign means nothing."""
    deadband: Decimal | None = None
    """A change of no more than this, in `unit`, is not reported."""
    interval: str | None = None
    """Read no more often than this, such as "1m"."""
    scale_register: Address | None = None
    """SunSpec: where the power of ten stands that the value is multiplied with."""

    @property
    def reads(self) -> Function:
        """The function code that reads it."""
        if self.function is not None:
            return self.function
        bit, writable = self.type == "bit", self.access == "rw"
        return (COILS if writable else DISCRETE_INPUTS) if bit else (HOLDING_REGISTERS if writable else INPUT_REGISTERS)

    @property
    def words(self) -> int:
        """Addresses that it takes up."""
        return 1 if self.reads in BITS else TYPES[self.type].words

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.addr + self.words


class Where(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A register that says what the meter is: a number, or a text of so many registers."""

    addr: Address
    type: TypeName | Literal["text"]
    words: Annotated[int, Meta(ge=1, le=MOST_REGISTERS)] | None = None
    """Of a text."""
    function: Function = HOLDING_REGISTERS
    values: tuple[int | str, ...] = ()
    """What stands there in this family of meters."""

    @property
    def count(self) -> int:
        return self.words or 1 if self.type == "text" else TYPES[self.type].words


class Identity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    serial: Where | None = None
    model: Where | None = None


class Span(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses from the first to the last."""

    first: Address
    last: Address


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    most: Annotated[int, Meta(ge=1, le=MOST_REGISTERS)] = MOST_REGISTERS
    """Registers of one request."""
    gap: Annotated[int, Meta(ge=0, le=MOST_REGISTERS)] = DEFAULT_GAP
    """Unwanted words that are read along, to make two requests one."""
    pause: str | None = None
    """Of silence between an answer and the next request, such as "20ms", where the meter wants it."""


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The eGauge's options, texts as there."""

    address: str | None = field(default=None, name="default-modbus-addr")
    serial: str | None = field(default=None, name="default-serial-params")
    port: str | None = field(default=None, name="default-tcp-port")


class RegisterMap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """id: the name of its file, without the ending. Everything but `option` and `reg` is ours."""

    id: str = ""
    title: str = ""
    maker: str = ""
    models: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Where the table is from."""
    certainty: Literal["sure", "likely", "own"] = "own"
    notes: str = ""
    option: Options = Options()
    limits: Limits = Limits()
    forbidden: tuple[Span, ...] = ()
    """Addresses that no request may touch."""
    identity: Identity = Identity()
    reg: tuple[Register, ...] = ()
