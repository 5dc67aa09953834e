"""The register maps as people read them: a list, and one in full; the SunSpec models beside them."""

from collections.abc import Iterable, Sequence
from textwrap import shorten

from datalogger.meters.register_map_lint import serial_settings
from datalogger.meters.register_maps import SUNSPEC
from datalogger.protocol.modbus import sunspec
from datalogger.protocol.modbus.read_plan import Block, plan
from datalogger.protocol.modbus.register_map import BITS, HOLDING_REGISTERS, Register, RegisterMap, Where
from datalogger.protocol.modbus.sunspec import Model

CERTAINTY = {"own": "as its author knows"}
"""Where the word does not say it all."""

HEADS = ("name", "address", "", "function", "type", "unit", "scale", "offset", "obis", "access", "kind", "")


# Characters of the models in a list; `show` has them all.
MOST_MODELS = 48


def listing(maps: Iterable[RegisterMap], models: Iterable[Model]) -> list[str]:
    """One line each, columns aligned."""
    rows = [("id", "maker", "models", "line", "registers", "certainty")]
    rows += [
        (
            found.id,
            found.maker or "–",
            shorten(", ".join(found.models) or found.title or "–", MOST_MODELS, placeholder=" …"),
            _serial(found) or "–",
            str(len(found.reg)),
            found.certainty,
        )
        for found in maps
    ]
    rows += [
        (name_of(model), "any", model.title, "–", str(len(as_map(model).reg)), model.certainty) for model in models
    ]
    notes = [
        f'{SUNSPEC}:… is configured as map = "{SUNSPEC}": the device says by itself which of these it has',
        "sure: two sources agree on every register, or it was measured · likely: one source, or two that differ",
    ]
    return [*_aligned(rows), *notes]


def described(found: RegisterMap) -> list[str]:
    """Everything the map says."""
    option, limits, identity = found.option, found.limits, found.identity
    lines = [f"{found.id}: {found.title}" if found.title else found.id]
    lines += _said("maker", found.maker)
    lines += _said("models", ", ".join(found.models))
    lines += _said("unit", option.address or "1, as nothing is said")
    lines += _said("line", _serial(found) or "not said: look at the meter, or datalogger probe modbus PORT")
    lines += _said("TCP port", option.port or "502, as nothing is said")
    lines += _said("serial no.", "" if identity.serial is None else _where(identity.serial))
    lines += _said("model", "" if identity.model is None else _where(identity.model))
    lines += _said("request", f"at most {limits.most} registers, over gaps of at most {limits.gap}")
    lines += _said("pause", "" if limits.pause is None else f"{limits.pause} before each request")
    lines += _said("forbidden", ", ".join(f"{span.first:#06x} to {span.last:#06x}" for span in found.forbidden))
    lines += _said("certainty", CERTAINTY.get(found.certainty, found.certainty))
    lines += [*_polls(found), "registers", *_table(found.reg)]
    return lines + _sentences(found.sources, found.notes)


def described_model(model: Model) -> list[str]:
    """Everything a SunSpec model says."""
    found = as_map(model)
    lines = [f"{name_of(model)}: {model.title}"]
    lines += _said("map", f'"{SUNSPEC}": the device says by itself which models it has, and where')
    lines += _said("role", f"{model.role}: of several in a device the first is read")
    lines += _said("length", f"{model.length} registers behind its number and its length")
    lines += _said("certainty", model.certainty)
    lines += [*_polls(found), "registers, counted from the model's number on", *_table(found.reg)]
    return lines + _sentences(model.sources, model.notes)


def described_models(models: Iterable[Model]) -> list[str]:
    """What map = "sunspec" reads."""
    bases = " or ".join(map(str, sunspec.BASES))
    rows = [(name_of(model), model.title, model.role, str(len(model.reg)), model.certainty) for model in models]
    return [
        f"{SUNSPEC}: devices that say by themselves what they hold",
        *_said("map", f'"{SUNSPEC}": nothing else is to be said of the meter but its unit'),
        *_said("begins at", f"{bases}, with holding registers; further on as the device says"),
        *_said("serial no.", "of the common model, which stands before"),
        "models",
        *(f"  {line}" for line in _aligned([("id", "title", "role", "registers", "certainty"), *rows])),
        f"All registers of one: datalogger maps show {SUNSPEC}:103",
    ]


def name_of(model: Model) -> str:
    return f"{SUNSPEC}:{model.model}"


def as_map(model: Model) -> RegisterMap:
    """As if the model stood at address 0."""
    device = sunspec.Device(maker="", name="", serial="", model=model.model, address=0)
    return sunspec.register_map(device, {model.model: model})


def requests(found: RegisterMap, *, interval: str | None = None) -> Sequence[Block]:
    """That read all registers of this interval, with their scale factors. None: those of every poll."""
    wanted = [register for register in found.reg if register.interval == interval]
    factors = {
        register.scale_register: Register(
            name="factor", addr=register.scale_register, type="s16", kind="factor", function=register.reads
        )
        for register in wanted
        if register.scale_register is not None
    }
    there = {register.addr for register in wanted if register.kind == "factor"}
    missing = [factor for address, factor in factors.items() if address not in there]
    return plan([*wanted, *missing], found.limits, found.forbidden)


def _polls(found: RegisterMap) -> list[str]:
    lines = _said("one poll", _asked(requests(found)))
    for interval in dict.fromkeys(register.interval for register in found.reg if register.interval is not None):
        lines += _said(f"every {interval}", _asked(requests(found, interval=interval)))
    return lines


def _asked(blocks: Sequence[Block]) -> str:
    each = ", ".join(f"{block.address:#06x}+{block.count}" for block in blocks)
    return f"{len(blocks)} request{'' if len(blocks) == 1 else 's'}: {each}" if blocks else "no request"


def _table(registers: Iterable[Register]) -> list[str]:
    rows = [
        (
            register.name,
            f"{register.addr:#06x}",
            str(register.addr),
            str(register.reads),
            register.type,
            register.unit or "–",
            f"{register.scale:f}",
            f"{register.offset:f}",
            register.obis or "–",
            register.access,
            register.kind,
            "; ".join(_remarks(register)),
        )
        for register in sorted(registers, key=lambda register: (register.reads, register.addr))
    ]
    return [f"  {line}" for line in _aligned([HEADS, *rows])]


def _remarks(register: Register) -> list[str]:
    digits = 4 if register.reads in BITS else 4 * register.words
    remarks = []
    if register.split is not None:
        first, second = register.split.imported, register.split.exported
        if register.inverted:
            first, second = second, first
        remarks.append(f"above 0 {first}, below {second}")
    if register.absolute:
        remarks.append("without its sign")
    if register.absent:
        markers = " ".join(f"0x{raw:0{digits}X}" for raw in register.absent)
        remarks.append(f"not measured where {markers}")
    if register.scale_register is not None:
        remarks.append(f"times ten to the power in {register.scale_register}")
    if register.deadband is not None:
        remarks.append(f"reported when it changes by more than {register.deadband}")
    if register.interval is not None:
        remarks.append(f"every {register.interval}")
    return remarks


def _where(where: Where) -> str:
    of = f"text of {where.count} registers" if where.type == "text" else where.type
    function = "" if where.function == HOLDING_REGISTERS else f", function {where.function}"
    values = f": {' or '.join(_value(value) for value in where.values)}" if where.values else ""
    return f"at {where.addr:#06x} ({where.addr}), {of}{function}{values}"


def _value(value: int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value} ({value:#x})"


def _serial(found: RegisterMap) -> str:
    return "" if found.option.serial is None else str(serial_settings(found.option.serial))


def _sentences(sources: Iterable[str], notes: str) -> list[str]:
    lines = []
    for head, sentences in (("sources", list(sources)), ("notes", [notes] if notes else [])):
        if sentences:
            lines += [head, *(f"  {sentence}" for sentence in sentences)]
    return lines


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _said(head: str, what: str) -> list[str]:
    return [f"{head:10} {what}"] if what else []
