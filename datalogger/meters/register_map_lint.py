"""What is wrong with a register map that can be read."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from datalogger import obis
from datalogger.line_settings import LineSettings
from datalogger.protocol.modbus import units
from datalogger.protocol.modbus.register_map import BITS, Options, Register, RegisterMap, Where
from datalogger.protocol.modbus.register_types import TYPES
from datalogger.words import Duration

MOST_POWER = 30  # of ten, of a scale or an offset: beyond it somebody slipped

# By the words of an integer: how many digits its scale may have, so that the product still has room in 64 bits.
MOST_DIGITS = {1: 14, 2: 9, 4: 9}

MOST_PAUSE = Duration(5)

_ADDRESSES = 0x10000
_SERIAL = re.compile(r"(\d+)/([78])([neo])([12])", re.IGNORECASE)


def faults(found: RegisterMap) -> list[str]:
    """What is wrong with it: `register "power": key: what is wrong; the mend`."""
    wrong: list[str] = []
    for check in (_head, _names, _registers, _overlaps, _forbidden, _identity):
        wrong += check(found)
    return wrong


def serial_settings(text: str) -> LineSettings:
    """Of "9600/8n1"; ValueError with the mend."""
    found = _SERIAL.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'"{text}": expected <baud>/<bits><n|e|o><stop>, such as "9600/8n1"')
    baud, bits, parity, stop = found.groups()
    return LineSettings.parse(f"{baud} {bits}{parity}{stop}")


def _head(found: RegisterMap) -> Iterator[str]:
    if not found.reg:
        yield "reg: empty: a map has at least one register"
    yield from _option(found.option)
    if found.limits.pause is not None:
        yield from _duration("limits.pause", found.limits.pause)
        if not any(_duration("", found.limits.pause)) and Duration.parse(found.limits.pause) > MOST_PAUSE:
            yield f'limits.pause: "{found.limits.pause}": expected up to {MOST_PAUSE}, such as "20ms"'


def _option(option: Options) -> Iterator[str]:
    if option.serial is not None:
        try:
            serial_settings(option.serial)
        except ValueError as error:
            yield f"option.default-serial-params: {error}"
    for key, text, allowed, such_as in (
        ("default-modbus-addr", option.address, range(256), "1"),
        ("default-tcp-port", option.port, range(1, 65536), "502"),
    ):
        if text is not None and not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) in allowed):
            yield (
                f'option.{key}: "{text}": expected a number from {allowed.start} to {allowed.stop - 1}, '
                f'as a text: "{such_as}"'
            )


def _names(found: RegisterMap) -> Iterator[str]:
    for name in _twice(register.name for register in found.reg):
        yield f'register "{name}": stands there twice: give one of them another name'
    names = {register.name for register in found.reg}
    for register in found.reg:
        if not register.name.isprintable() or register.name != register.name.strip():
            yield f"register {register.name!r}: name: expected letters, digits and signs, without a blank at its ends"
        if register.split is not None:
            for half in names & {f"{register.name}_import", f"{register.name}_export"}:
                yield f'register "{half}": that is what a half of "{register.name}" is called: give it another name'
    given = [(name, register.name) for register in found.reg for name in _logical_names(register)]
    owners: dict[str, str] = {}
    for name, owner in given:
        spelt = obis.parse(name)
        if spelt is None:
            yield f'register "{owner}": obis: "{name}" is no logical name: write such as "1-0:1.8.0"'
        elif spelt not in owners:
            owners[spelt] = owner
        elif owners[spelt] == owner:
            yield f'register "{owner}": obis: "{name}" stands there twice: it has one meaning'
        else:
            yield f'register "{owner}": obis: "{name}" is that of register "{owners[spelt]}" already'


def _logical_names(register: Register) -> Iterator[str]:
    if register.obis:
        yield register.obis
    if register.split is not None:
        yield register.split.imported
        yield register.split.exported


def _registers(found: RegisterMap) -> Iterator[str]:
    for register in found.reg:
        for check in (_place, _number, _absent, _ours):
            yield from (f'register "{register.name}": {fault}' for fault in check(register))
        if register.reads not in BITS and register.words > found.limits.most:
            yield (
                f'register "{register.name}": type: takes up {register.words}, and limits.most is {found.limits.most}'
            )


def _place(register: Register) -> Iterator[str]:
    if register.end > _ADDRESSES:
        yield f"addr: {register.addr}: a {register.type} takes up {register.words}, and 65535 is the last there is"
    if register.reads in BITS and register.type != "bit":
        yield f'function: {register.reads} reads bits, and type is "{register.type}": "bit", or function 3 or 4'


def _number(register: Register) -> Iterator[str]:
    kind = TYPES[register.type]
    if units.parse(register.unit) is None:
        near = _near(register.unit)
        yield f'unit: "{register.unit}" is not known; {near or "such as V, A, W, kW, var, VA, Hz, kWh, %, degC"}'
    for key, number in (("scale", register.scale), ("offset", register.offset)):
        if not number.is_finite() or abs(number.adjusted()) > MOST_POWER:
            yield f"{key}: {number}: expected a number such as 0.1"
        elif key == "scale" and number == 0:
            yield "scale: 0: everything would be 0; leave it out for 1"
        elif not kind.real and len(number.normalize().as_tuple().digits) > MOST_DIGITS[kind.words]:
            yield (
                f"{key}: {number}: {MOST_DIGITS[kind.words]} digits are all that leave room for a {register.type}: "
                "write fewer"
            )
    if register.kind == "analog":
        return
    if kind.real:
        yield f'kind: {register.kind} wants an integer type, and type is "{register.type}"'
    if register.scale != 1 or register.offset != 0 or register.unit:
        yield f"kind: {register.kind} has no scale, offset or unit: its value is a code; leave them out"
    if register.split is not None:
        yield f"split: of {register.kind}: only a signed power has two directions"
    if register.kind == "factor" and register.type != "s16":
        yield 'kind: factor wants type = "s16"'


def _near(unit: str) -> str:
    """The unit that differs in letter case alone."""
    found = next((known for known in units.SPELLINGS if known.lower() == unit.strip().lower() and known), None)
    return f'did you mean "{found}"?' if found else ""


def _absent(register: Register) -> Iterator[str]:
    most = 256 ** (2 * TYPES[register.type].words) - 1
    for raw in register.absent:
        if not 0 <= raw <= most:
            yield f"absent: {raw}: the raw value, without a sign: 0 to {most:#x} for a {register.type}"


def _ours(register: Register) -> Iterator[str]:
    if register.deadband is not None and not (
        register.deadband.is_finite() and Decimal(0) <= register.deadband < Decimal(10) ** MOST_POWER
    ):
        yield f"deadband: {register.deadband}: expected 0 or more, in {register.unit or 'the unit of the register'}"
    if register.interval is not None:
        yield from _duration("interval", register.interval)
    if register.inverted and register.split is None:
        yield "inverted: says which half of a split is which, and there is none; to turn the sign, write scale = -1"
    if register.absolute and register.split is not None:
        yield "absolute: without its sign there is nothing to split: leave one of them out"
    if register.scale_register is not None and (TYPES[register.type].real or register.kind != "analog"):
        yield "scale_register: only an integer has one"


def _duration(key: str, text: str) -> Iterator[str]:
    try:
        Duration.parse(text)
    except ValueError as error:
        yield f'{key}: "{text}": {error}'


def _overlaps(found: RegisterMap) -> Iterator[str]:
    ordered = sorted(found.reg, key=lambda register: (register.reads, register.addr))
    furthest: Register | None = None
    for register in ordered:
        if furthest is not None and furthest.reads == register.reads and register.addr < furthest.end:
            yield (
                f'register "{register.name}": addr: {register.addr} ({register.addr:#06x}) is inside '
                f'"{furthest.name}", which takes up {furthest.addr} to {furthest.end - 1} (function {register.reads})'
            )
        if furthest is None or furthest.reads != register.reads or register.end > furthest.end:
            furthest = register


def _forbidden(found: RegisterMap) -> Iterator[str]:
    for number, span in enumerate(found.forbidden, start=1):
        if span.first > span.last:
            yield f"forbidden: number {number}: first {span.first} is behind last {span.last}"
    for register in found.reg:
        if any(span.first < register.end and register.addr <= span.last for span in found.forbidden):
            yield f'register "{register.name}": addr: {register.addr} is forbidden by the map itself: which one holds?'


def _identity(found: RegisterMap) -> Iterator[str]:
    for key, where in (("serial", found.identity.serial), ("model", found.identity.model)):
        if where is not None:
            yield from (f"identity.{key}: {fault}" for fault in _where(where))


def _where(where: Where) -> Iterator[str]:
    if where.type == "text" and where.words is None:
        yield "words is missing: how many registers the text has"
    if where.addr + where.count > _ADDRESSES:
        yield f"addr: {where.addr}: ends behind 65535, the last there is"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
