"""SunSpec: a device that says by itself which models it holds, one behind the other, and where.

`SunS`, then models, each with its number and length, up to the number FFFF. The common model (1) names the maker, the
model and the serial number of what follows; an inverter with a meter of its own has a second one before that.
"""

from collections.abc import Generator, Mapping, Sequence

from msgspec import Struct

from datalogger.protocol.modbus.answers import Request
from datalogger.protocol.modbus.register_map import HOLDING_REGISTERS, Register, RegisterMap

BASES = (40000, 50000, 0)
"""Where the chain may begin, most usual first."""

MARKER = [0x5375, 0x6E53]  # SunS
COMMON, END = 1, 0xFFFF

_HEAD = 2  # registers before each model: number and length
_MOST_MODELS = 100  # a device with more has a chain that leads nowhere
_COMMON_LENGTH = 66
_TEXTS = {"maker": (2, 16), "model": (18, 16), "serial": (50, 16)}  # of the common model: offset and registers


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of readings, as `meters/modbus/sunspec/*.toml` say it: addresses count from its number on."""

    model: int
    title: str
    role: str
    """What it is of: "inverter" or "meter". A device has one of each role, the first in its chain."""
    length: int
    """Registers behind the head. A device that says less is of another standard, one that says more has more."""
    sources: tuple[str, ...] = ()
    certainty: str = "sure"
    notes: str = ""
    reg: tuple[Register, ...]


class Device(Struct, frozen=True, kw_only=True):
    """What was found in one chain behind one common model: readings of one model."""

    maker: str
    name: str
    serial: str
    model: int
    address: int
    """Of the model's number."""


Reading = Generator[Request, Sequence[int] | None, list[Device]]
"""Gives what is to be read, is sent the words (None where the unit refuses), and returns what was found."""


def discover(unit: int, models: Mapping[int, Model]) -> Reading:
    """Read the chain of a unit. Empty: it is no SunSpec device, or has none of the `models`."""
    for base in BASES:
        found = yield Request(unit, HOLDING_REGISTERS, base, len(MARKER))
        if found is not None and list(found) == MARKER:
            return (yield from _chain(unit, base + len(MARKER), models))
    return []


def _chain(unit: int, at: int, models: Mapping[int, Model]) -> Reading:
    devices: list[Device] = []
    common = dict.fromkeys(_TEXTS, "")
    roles: set[str] = set()
    for _ in range(_MOST_MODELS):
        if at + _HEAD > 0x10000:
            break
        head = yield Request(unit, HOLDING_REGISTERS, at, _HEAD)
        if head is None or head[0] == END:
            break
        number, length = head
        if at + _HEAD + length > 0x10000:
            break
        if number == COMMON:
            words = yield Request(unit, HOLDING_REGISTERS, at, min(length, _COMMON_LENGTH) + _HEAD)
            common = {key: text((words or [])[first : first + count]) for key, (first, count) in _TEXTS.items()}
            roles = set()
        elif (model := models.get(number)) is not None and length >= model.length and model.role not in roles:
            roles.add(model.role)
            devices.append(
                Device(maker=common["maker"], name=common["model"], serial=common["serial"], model=number, address=at)
            )
        at += _HEAD + length
    return devices


def text(words: Sequence[int]) -> str:
    """Two characters a register, up to the first NUL; what is not printable is left out.

    Where no register has a high octet it is one character a register, as some Carlo Gavazzi meters have it.
    """
    octets = b"".join(word.to_bytes(2, "big") for word in words)
    if not any(octets[::2]):
        octets = octets[1::2]
    return "".join(filter(str.isprintable, octets.partition(b"\0")[0].decode("ascii", "ignore"))).strip()


def register_map(device: Device, models: Mapping[int, Model]) -> RegisterMap:
    """Where this very device has what the model says."""
    model = models[device.model]

    def moved(register: Register) -> Register:
        factor = register.scale_register
        return _replace(
            register,
            addr=device.address + register.addr,
            function=HOLDING_REGISTERS,
            scale_register=None if factor is None else device.address + factor,
        )

    return RegisterMap(
        id=f"sunspec-{model.model}",
        title=model.title,
        maker=device.maker,
        models=(device.name,),
        reg=tuple(moved(register) for register in model.reg),
    )


def _replace(register: Register, **changes: object) -> Register:
    fields = {name: getattr(register, name) for name in register.__struct_fields__}
    return Register(**{**fields, **changes})
