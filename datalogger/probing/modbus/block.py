"""The [source.NAME] table of the meters that were found, as a person pastes it."""

import json
from collections.abc import Mapping, Sequence

from datalogger.line_settings import LineSettings
from datalogger.probing.modbus.identification import Finding

MOST_OTHERS = 4  # of maps that fit as well


def block(name: str, line: Mapping[str, str | int], settings: LineSettings | None, findings: Sequence[Finding]) -> str:
    """TOML that the configuration takes as it stands; "" where no meter was known.

    line: kind, and the port or the host; settings: None where they are somebody else's
    """
    known = [finding for finding in findings if finding.candidates]
    if not known:
        return ""
    lines = [f"[source.{name}]", *_rows(line)]
    if settings is not None:
        lines += _rows({"baud_rate": settings.baud_rate, "parity": settings.parity, "stopbits": settings.stopbits})
    strangers = [finding for finding in findings if not finding.candidates]
    lines += [f"# unit {finding.unit} answers too: which meter that is, is not known" for finding in strangers]
    if len(known) == 1:
        lines += _meter(known[0])
    else:
        for finding in known:
            lines += ["", f"[[source.{name}.units]]", *_meter(finding)]
    return "\n".join(lines) + "\n"


def _meter(finding: Finding) -> list[str]:
    first, *others = finding.candidates
    serial = f", serial number {finding.serial}" if finding.serial else ""
    lines = [_comment(f"{'' if first.sure else 'perhaps '}{first.title}{serial}: {first.why}")]
    if not first.sure:
        lines.append(_comment("not sure: compare what it says with the meter's display before you trust it"))
    lines += _rows({"map": first.map})
    for other in others[:MOST_OTHERS]:
        (row,) = _rows({"map": other.map})
        lines.append(_comment(f"{row}  fits too: {other.title}"))
    lines += _rows({"unit": finding.unit})
    if not finding.serial:
        lines.append(
            _comment(f'it does not say its serial number: give it one, such as meter = "meter-{finding.unit}"')
        )
    return lines


def _rows(rows: Mapping[str, str | int]) -> list[str]:
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in rows.items()]


def _comment(text: str) -> str:
    return f"# {' '.join(text.split())}"
