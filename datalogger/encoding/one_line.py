"""A report as one line for a person at a terminal."""

import re
from decimal import Decimal

from datalogger.model import Report

_ENERGY = {"1.8": "import", "2.8": "export"}
_POWER = {"1.7.0": "power", "2.7.0": "feeding in"}
_C_D_E = re.compile(r"1-\d+:(\d+\.\d+)\.(\d+)\*255")

MOST_DECIMALS = 3  # of kWh, kW and m3
_SUB_METER = re.compile(r"0-[1-9]:24\.2\.\d+\*255")


def render(report: Report) -> str:
    """`13:04:11 house E001… import 1037.229 kWh, power 0.494 kW, 212.529 m3 (36 records)`, in the meter's own time."""
    stamp = report.meter_time or report.received_at
    parts = [stamp.strftime("%H:%M:%S") if stamp else "--:--:--", report.source, report.meter or report.identification]
    values = [f"{name} {_plain(amount)} {unit}" for name, amount, unit in _readings(report)]
    check = "" if report.check == "ok" else ", no check sum"
    return f"{' '.join(filter(None, parts))}  {', '.join(values)} ({len(report.records)} records{check})"


def _readings(report: Report) -> list[tuple[str, Decimal, str]]:
    """Energy (the total, or the sum of its tariffs), power, and what the sub-meters count."""
    energy: dict[str, dict[str, Decimal]] = {}
    others: list[tuple[str, Decimal, str]] = []
    for record in report.records:
        physical = record.physical
        if physical is None:
            continue
        if (found := _C_D_E.fullmatch(record.obis)) is not None:
            quantity, tariff = found.groups()
            if quantity in _ENERGY and record.unit == "Wh":
                energy.setdefault(_ENERGY[quantity], {})[tariff] = physical.scaleb(-3)
            elif f"{quantity}.{tariff}" in _POWER and record.unit == "W" and (physical or quantity == "1.7"):
                others.append((_POWER[f"{quantity}.{tariff}"], physical.scaleb(-3), "kW"))
        elif _SUB_METER.fullmatch(record.obis) and record.unit is not None:  # a dead channel says 0 without a unit
            others.append(("sub-meter", physical, record.unit or ""))
    totals = [(name, tariffs.get("0") or sum(tariffs.values(), Decimal()), "kWh") for name, tariffs in energy.items()]
    return totals + others


def _plain(amount: Decimal) -> str:
    """As the meter has it; of a float, whose decimal form has a dozen digits, three behind the point."""
    _, _, exponent = amount.as_tuple()
    return f"{amount:.{MOST_DECIMALS}f}" if isinstance(exponent, int) and exponent < -MOST_DECIMALS else f"{amount:f}"
