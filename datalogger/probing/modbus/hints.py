"""What a person can do about a line on which nobody answers: one sentence."""

from typing import Literal

from datalogger.probing.modbus import places
from datalogger.probing.modbus.scan import Scan

# Octets: more than disturbances bring.
UNASKED = 2000

Kind = Literal["rtu", "tcp", "rtu-over-tcp"]


def hint(scan: Scan, kind: Kind, units: tuple[int, ...]) -> str:
    """Of a scan that has found nobody; units: that were to be asked."""
    most: list[int] = max(scan.asked.values(), key=len, default=[])
    asked = places.shown(most)
    if not asked:
        return "nobody was asked: give it more time"
    if scan.unreadable:
        who = f"unit {places.shown(scan.unreadable)}"
        return (
            f"{who} answers, and nobody can read it: two meters with the same address (take one off the line), another "
            f"parity than its own, or a line that is too long, not terminated, or beside a power line"
        )
    heard = sum(scan.noise.values())
    why = "" if kind == "tcp" else ": another speed or parity, or a disturbed line"
    if heard > UNASKED:
        why = ": somebody speaks unasked, as meters with a customer port do: datalogger probe, without modbus"
    noise = f" ({heard} octets came that are no answer{why})" if heard else ""
    more = "" if len(units) >= places.MOST_UNIT else " (--units 1-247)"
    where = f"nobody answers at unit {asked}"
    match kind:
        case "tcp":
            return (
                f"{where}{noise} in Modbus TCP: is that switched on in the device, does it have one of these "
                f"addresses{more}, and is it no serial port server, which hands on RTU frames (--rtu-over-tcp)?"
            )
        case "rtu-over-tcp":
            return (
                f"{where}{noise}: are speed and parity of the port server those of the meters, are A and B the right "
                f"way round, does a meter have one of these addresses{more}, and is the server no gateway, which "
                "speaks Modbus TCP (--tcp)?"
            )
    tried = ", ".join(str(settings) for settings in scan.tried)
    return (
        f"{where} at {tried}{noise}: are A and B the right way round (swap them, it breaks nothing), is the meter "
        f"switched on, does it have one of these addresses{more} and one of these settings (--settings; its display "
        "tells both), and is a long line terminated with 120 ohm at both ends?"
    )
