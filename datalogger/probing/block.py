"""The [source.NAME] table of what was found, as a person pastes it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from datalogger.line_settings import LineSettings
from datalogger.probing.findings import Finding

ZONES = {
    "AT": "Europe/Vienna",
    "BE": "Europe/Brussels",
    "CH": "Europe/Zurich",
    "CY": "Asia/Nicosia",
    "CZ": "Europe/Prague",
    "DE": "Europe/Berlin",
    "DK": "Europe/Copenhagen",
    "FI": "Europe/Helsinki",
    "HR": "Europe/Zagreb",
    "HU": "Europe/Budapest",
    "LT": "Europe/Vilnius",
    "LU": "Europe/Luxembourg",
    "NL": "Europe/Amsterdam",
    "NO": "Europe/Oslo",
    "PL": "Europe/Warsaw",
    "RU": "Europe/Moscow",
    "SE": "Europe/Stockholm",
    "SI": "Europe/Ljubljana",
}

ELSEWHERE = "Europe/Amsterdam"
_ZONE_FILES = "/zoneinfo/"


def block(
    name: str,
    line: Mapping[str, str | int],
    found: Finding,
    keys: Mapping[str, str],
    *,
    zone: str,
) -> str:
    """TOML that the configuration takes as it stands.

    line: kind, and the port or the host; keys: key_file, auth_key_env … with what to write there
    """
    rows: list[tuple[str, str | int]] = list(line.items())
    if found.settings is not None:
        rows += _of_line(found.settings)
    rows += [("framing", found.framing), *_keys(name, found, keys), ("zone", zone)]
    if found.needs_key:
        comments = [f"{found.maker or 'unknown maker'}, system title {found.system_title or 'left out'}"]
    else:
        comments = [f"{family.title} ({', '.join(family.countries)})" for family in found.families]
        comments += [each for family in found.families for each in family.ask]
    if found.report is not None and not found.meter:
        comments.append('This meter does not say its number: give it one, such as meter = "house"')
    lines = [f"[source.{name}]", *(f"# {_one_line(comment)}" for comment in dict.fromkeys(comments))]
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in rows]
    return "\n".join(lines) + "\n"


def _of_line(settings: LineSettings) -> Sequence[tuple[str, str | int]]:
    stopbits = [("stopbits", settings.stopbits)] if settings.stopbits != 1 else []
    return [
        ("baud_rate", settings.baud_rate),
        ("bytesize", settings.bytesize),
        ("parity", settings.parity),
        *stopbits,
    ]


def _keys(name: str, found: Finding, given: Mapping[str, str]) -> list[tuple[str, str]]:
    """What was given, if the meter enciphers; where a key is needed and none is there, the place to put it."""
    rows = dict(given) if found.system_title or found.needs_key else {}
    security = found.report and found.report.security
    if security and security.tag == "absent":  # with an authentication key the daemon would want one
        rows = {key: place for key, place in rows.items() if not key.startswith("auth_")}
    if found.needs_key and not any(key.startswith("key_") for key in rows):
        rows["key_file"] = f"/etc/datalogger/{name}.key"
        if found.both_keys:
            rows["auth_key_file"] = f"/etc/datalogger/{name}.auth.key"
    return list(rows.items())


def zone_of(countries: Sequence[str], machine: str | None) -> str:
    """Of the meter's country; of several, the one this machine lives in; where none is known, the machine's."""
    zones = [ZONES[country] for country in countries if country in ZONES]
    if not zones:
        return machine or ELSEWHERE
    return machine if machine in zones else zones[0]


def machine_zone(link: Path = Path("/etc/localtime")) -> str | None:
    """None where the machine says none, or UTC: no meter lives there."""
    try:
        _, _, name = str(link.readlink()).partition(_ZONE_FILES)
    except OSError:
        return None
    return name if "/" in name and not name.startswith("Etc/") else None


def _one_line(text: str) -> str:
    return " ".join(text.split())
