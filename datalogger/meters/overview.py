"""The profiles as people read them: a list, one in full, and the table of the documentation."""

from collections.abc import Iterable

from datalogger.meters import type_vector
from datalogger.meters.profile import Match, Profile, Register

_INFERRED, _OPEN = "I", "?"
_CHECKED = frozenset("GVON")  # by a value known to be right, a document, an operator, or arithmetic on a frame

KEYS = {
    "none": "no key",
    "encryption": "encryption key",
    "both": "encryption and authentication key",
    "operator's choice": "as the operator chose",
}

HEADS = ("Country", "Meter", "Models", "Line", "Interface", "Interval", "Key", "Meaning", "Profiles")


def markdown(profiles: Iterable[Profile]) -> str:
    """Which meters work, by country, with which settings and keys. One line a family: its lists share it."""
    rows: dict[tuple[str, ...], list[Profile]] = {}
    for profile in profiles:
        for country in profile.countries:
            key: tuple[str, ...] = (
                country, _meter(profile), _line(profile), profile.line.interface, profile.line.interval,
                _key(profile), certainty(profile),
            )  # fmt: skip
            rows.setdefault(key, []).append(profile)
    lines = [_row(HEADS), _row(["---"] * len(HEADS))]
    for key in sorted(rows):
        models = ", ".join(dict.fromkeys(model for profile in rows[key] for model in profile.models))
        ids = ", ".join(f"`{profile.id}`" for profile in rows[key])
        lines.append(_row((*key[:2], models, *key[2:], ids)))
    return "\n".join(lines) + "\n"


def listing(profiles: Iterable[Profile]) -> list[str]:
    """One line each, columns aligned."""
    rows = [("id", "maker", "models", "country", "key")]
    rows += [
        (
            profile.id,
            ", ".join(profile.makers),
            ", ".join(profile.models) or "–",
            " ".join(profile.countries),
            profile.key.need,
        )
        for profile in profiles
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def described(profile: Profile) -> list[str]:
    """Everything the profile says."""
    line, clock = profile.line, profile.clock
    lines = [f"{profile.id}: {profile.title}"]
    lines += _said("makers", ", ".join(profile.makers))
    lines += _said("models", ", ".join(profile.models))
    lines += _said("countries", " ".join(profile.countries))
    lines += _said("operators", ", ".join(profile.operators))
    lines += _said("line", _line(profile))
    lines += _said("interface", line.interface)
    lines += _said("interval", line.interval)
    lines += _said("key", _key(profile))
    lines += _said("clock", f"{clock.policy}, body {clock.body}" if clock.body else clock.policy)
    lines += _said("meter id", "" if profile.meter is None else str(profile.meter))
    lines += _said("meaning", certainty(profile))
    lines += ["recognised by", *(f"  {test}" for test in _tests(profile))]
    if profile.members:
        lines += ["members", *_members(profile)]
    if profile.registers:
        lines += ["registers", *(f"  {_register(register)}" for register in profile.registers)]
    for absent in profile.absent:
        unless = f", unless {' '.join(absent.unless)} is so too" if absent.unless else ""
        where = f", and {' '.join(absent.where)} too" if absent.where else ""
        lines.append(f"not measured where {absent.value}: {' '.join(absent.obis)}{where}{unless}")
    for head, sentences in (("sources", profile.sources), ("ask the owner", profile.ask), ("notes", profile.notes)):
        if sentences:
            lines += [head, *(f"  {sentence}" for sentence in sentences)]
    return lines


def certainty(profile: Profile) -> str:
    """How sure it is that the values mean what the profile says."""
    marks = [member.sure for member in profile.members if member.kind == "register"]
    marks += [register.sure for register in profile.registers]
    if not marks:
        return "names and scalers on the wire"
    if any(_OPEN in mark for mark in marks) or not all(marks):
        return "partly unknown"
    if all(_CHECKED & set(mark) for mark in marks):
        return "checked"
    return "partly inferred" if any(_INFERRED in mark for mark in marks) else "as other readers have it"


def _tests(profile: Profile) -> list[str]:
    match = profile.match
    tests = []
    if profile.by_configuration_only:
        tests.append("configuration only: the meter does not say which it is")
    elif match == Match():
        tests.append("configuration only")
    if match.layout:
        tests.append(f"layout {match.layout}")
    if match.root:
        tests.append(f"body {match.root}")
    if match.counts:
        tests.append(f"members {' or '.join(map(str, match.counts))}")
    if match.types:
        tests.append(f"types {match.types}")
    tests += [f"text of {place} is {pattern}" for place, pattern in match.texts.items()]
    if match.names:
        tests.append(f"has {' '.join(match.names)}")
    if match.without:
        tests.append(f"has not {' '.join(match.without)}")
    if match.titles:
        tests.append(f"system title, where ciphered, begins {' or '.join(match.titles)}")
    if match.addresses:
        tests.append(f"HDLC destination/source {' or '.join(match.addresses)}, where others fit too")
    return tests


def _members(profile: Profile) -> list[str]:
    slots = type_vector.parse(profile.match.types)
    rows = []
    for member in profile.members:
        word = type_vector.WORDS[slots[member.index].tag] if member.index < len(slots) else ""
        scale = "" if member.scaler is None else f"{member.scaler:+d}"
        rows.append((str(member.index), word, member.obis or "–", member.kind, scale, member.unit or "", member.sure))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _register(register: Register) -> str:
    scale = "scaler unknown" if register.scaler is None else f"scaler {register.scaler:+d}"
    if register.ranges:
        parts = [f"{part.least}…{part.most}: {part.scaler:+d}" for part in register.ranges]
        scale = (
            "scaler by value: " + ", ".join(parts) + ("" if register.scaler is None else f", else {register.scaler:+d}")
        )
    sure = f"  ({register.sure})" if register.sure else ""
    return f"{' '.join(register.obis)}: {scale}, {register.unit or 'no unit'}{sure}"


def _meter(profile: Profile) -> str:
    makers = ", ".join(profile.makers)
    return f"{makers} ({', '.join(profile.operators)})" if profile.operators else makers


def _line(profile: Profile) -> str:
    framing = " or ".join(profile.line.framing)
    return f"{' or '.join(profile.line.serial) or 'unknown'}, {framing}"


def _key(profile: Profile) -> str:
    need = KEYS[profile.key.need]
    return f"{need}: {profile.key.ask}" if profile.key.ask else need


def _said(head: str, what: str) -> list[str]:
    return [f"{head:10} {what}"] if what else []


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
