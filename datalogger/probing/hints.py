"""What a person can do about a line that makes no sense: the classic mistakes, one sentence each."""

import re
from collections.abc import Iterable

from datalogger.line_settings import LineSettings
from datalogger.meters.profile import Profile
from datalogger.probing.ear import Ear, Verdict
from datalogger.probing.search import Attempt
from datalogger.probing.symptoms import Kind

_SELDOM = 15  # seconds between two pushes: more is longer than a first try lasts
_INTERVAL = re.compile(r"(\d+) (s|min|h)\b")
_UNITS = {"s": 1, "min": 60, "h": 3600}


def hint(attempt: Attempt | None, profiles: Iterable[Profile], *, tunable: bool) -> str:
    """Of the best attempt; `tunable`: a serial port of this machine, not one behind the network."""
    if attempt is None or attempt.ear.verdict is Verdict.SILENT:
        return _silent(profiles, tunable=tunable)
    if attempt.ear.verdict is Verdict.DAMAGED:
        return _damaged(attempt.ear, attempt.settings if tunable else None)
    heard = f"at {attempt.settings}" if tunable else "there"
    found = attempt.symptom
    match found.kind:
        case Kind.INVERTED:
            return (
                "the signal is inverted: a P1 telegram comes out upside down. No setting mends that: use a P1 cable "
                "with an inverter in it, or turn RXD round in the adapter (FTDI: FT_PROG)"
            )
        case Kind.SEVEN_BITS:
            parity = {"E": "even", "O": "odd"}[found.sent.parity if found.sent else "E"]
            form = found.sent.form if found.sent else "7E1"
            where = "use" if tunable else "set the port server to"
            return f"every octet has {parity} parity: this is {form}, read as 8N1; {where} {form}"
        case Kind.ONLY_NULS:
            return (
                f"only NULs {heard}: the line is many times slower than that, or it is held down (is the signal "
                "inverted, or a wire of the cable at the wrong place?)"
            )
        case Kind.SLOWER if found.sent is not None:
            if tunable:
                return f"the line is slower than {heard}: it looks like {found.sent.baud_rate} baud"
            times = attempt.settings.baud_rate // found.sent.baud_rate
            return f"the port server is set {times} times too fast: give it a {times} times lower baud rate"
        case Kind.PARITY:
            return (
                f"{attempt.faults} of {attempt.ear.octets} octets had a wrong parity or stop bit {heard}: another "
                "parity (8E1 read as 8N1, or the other way round), or another baud rate"
            )
    elsewhere = "" if tunable else "the port server's baud rate and parity may be wrong, or "
    return (
        f"octets come ({attempt.octets[:16].hex(' ').upper()} … {heard}), but no P1 telegram, HDLC or M-Bus frame and "
        f"no cipher block: {elsewhere}the cable picks up something else, or this is a protocol that datalogger does "
        "not read (an infrared head that has to be asked, SML, wireless M-Bus)"
    )


def _silent(profiles: Iterable[Profile], *, tunable: bool) -> str:
    cable = (
        "is the cable in the meter's customer port, and has the operator switched that port on? P1 ports speak only "
        "while the request line (pin 2) has 5 V; M-Bus ports need an M-Bus adapter; an infrared head must sit straight."
        if tunable
        else "does the port server hear the meter, and has it only one place, which another reader has taken?"
    )
    seldom = _speak_seldom(profiles)
    patience = f" Some meters speak seldom ({seldom}): try --time 3m" if seldom else ""
    return f"nothing was heard: {cable}{patience} A Modbus meter says nothing unasked: datalogger probe modbus"


def _speak_seldom(profiles: Iterable[Profile]) -> str:
    """ "Czech meters: 60 s, …": the families whose shortest interval is longer than a first try."""
    found = []
    for profile in profiles:
        intervals = [int(number) * _UNITS[unit] for number, unit in _INTERVAL.findall(profile.line.interval)]
        if intervals and min(intervals) > _SELDOM:
            found.append(f"{profile.title}: {profile.line.interval}")
    return "; ".join(found[:4])


def _damaged(ear: Ear, settings: LineSettings | None) -> str:
    at = f"{settings} is right" if settings else "the settings are right"
    return (
        f"{at}: frames come, but the check sum of {ear.damaged} of them was wrong. Octets are lost or changed on the "
        "way: is the cable long, loose, or beside a power line?"
    )
