"""The profiles as people read them: a list, one in full, and the table of the documentation."""

from collections.abc import Iterable

from datalogger.meters import type_vector
from datalogger.meters.profile import Match, Member, Profile, Register

_INFERRED, _OPEN = "I", "?"
_MOST_NAMES = 4  # of what is not sure, in one cell of the table
_CHECKED = frozenset("GVON")  # by a value known to be right, a document, an operator, or arithmetic on a frame

KEYS = {
    "none": "no key",
    "encryption": "encryption key",
    "both": "encryption and authentication key",
    "operator's choice": "operator's choice",
}

COUNTRIES = {
    "AT": "Austria", "CH": "Switzerland", "CY": "Cyprus", "CZ": "Czechia", "DK": "Denmark", "HR": "Croatia",
    "LU": "Luxembourg", "NO": "Norway", "PL": "Poland", "RU": "Russia", "SE": "Sweden", "SI": "Slovenia",
}  # fmt: skip
"""Those of the built-in profiles; another one is called by its two letters."""

HEADS = ("Meter", "Line", "Interface", "Interval", "Key", "Profiles and meaning")


def markdown(profiles: Iterable[Profile]) -> str:
    """Which meters work, by country, with which settings and keys. One line a family: its lists share it."""
    countries: dict[str, dict[tuple[str, str, str, str, str], list[Profile]]] = {}
    for profile in profiles:
        for country in profile.countries:
            # Operators are those of the first country; another one has its own.
            operators = profile.operators if country == profile.countries[0] else ()
            row = (
                ", ".join(profile.makers), ", ".join(operators), _line(profile), profile.line.interface, _key(profile),
            )  # fmt: skip
            countries.setdefault(COUNTRIES.get(country, country), {}).setdefault(row, []).append(profile)
    lines = []
    for country, rows in sorted(countries.items()):
        lines += [f"### {country}", "", _row(HEADS), _row(["---"] * len(HEADS))]
        lines += [_row(_family(*key, rows[key])) for key in sorted(rows)]
        lines.append("")
    return "\n".join(lines)


def _family(makers: str, operators: str, line: str, interface: str, key: str, lists: list[Profile]) -> tuple[str, ...]:
    models = ", ".join(_each(model for profile in lists for model in profile.models))
    meter = f"{makers} {models}".strip() + (f" ({operators})" if operators else "")
    intervals = "; ".join(_each(interval for profile in lists if (interval := _interval(profile))))
    meanings: dict[str, list[str]] = {}
    for profile in lists:
        chosen = " (only where configured)" if profile.by_configuration_only and profile.match.layout else ""
        meanings.setdefault(certainty(profile), []).append(f"`{profile.id}`{chosen}")
    told = "; ".join(f"{', '.join(ids)}: {meaning}" for meaning, ids in meanings.items())
    return meter, line, interface or "unknown", intervals or "unknown", key, told


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
    lines += _said("interval", _interval(profile))
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
    """How sure it is that the values mean what the profile says, and of which nobody knows."""
    marks = {_short(member): member.sure for member in profile.members if member.kind in ("register", "unknown")}
    marks |= {name: register.sure for register in profile.registers for name in register.obis}
    if not marks:
        return "names and scalers on the wire"
    unknown = [name for name, mark in marks.items() if _OPEN in mark or not mark]
    inferred = [name for name, mark in marks.items() if _INFERRED in mark and name not in unknown]
    rest = [mark for name, mark in marks.items() if name not in unknown and name not in inferred]
    if not rest:
        return "inferred" if inferred else "unknown"
    sure = "checked" if all(_CHECKED & set(mark) for mark in rest) else "as other readers have it"
    but = [
        f"{word}: {', '.join(names) if len(names) <= _MOST_NAMES else f'{len(names)} of {len(marks)} values'}"
        for word, names in (("inferred", inferred), ("unknown", unknown))
        if names
    ]
    return f"{sure} ({'; '.join(but)})" if but else sure


def _short(member: Member) -> str:
    return member.obis.partition(":")[2] or f"position {member.index}"


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
        alone = match.types and not match.texts and not match.titles
        when = "" if alone else ", where others fit too"
        tests.append(f"HDLC destination/source {' or '.join(match.addresses)}{when}")
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


def _line(profile: Profile) -> str:
    framing = " or ".join(profile.line.framing)
    return f"{' or '.join(profile.line.serial) or 'unknown'}, {framing}"


def _interval(profile: Profile) -> str:
    inferred = " (inferred)" if profile.line.interval and _INFERRED in profile.line.sure else ""
    return profile.line.interval + inferred


def _key(profile: Profile) -> str:
    need = KEYS[profile.key.need]
    return f"{need}: {profile.key.ask}" if profile.key.ask else need


def _each(words: Iterable[str]) -> list[str]:
    """Each once, in their order."""
    return list(dict.fromkeys(words))


def _said(head: str, what: str) -> list[str]:
    return [f"{head:10} {what}"] if what else []


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
