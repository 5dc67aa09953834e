"""Which line settings to try, the likeliest first."""

from collections.abc import Iterable

from datalogger.line_settings import LineSettings
from datalogger.meters.profile import Profile
from datalogger.probing.symptoms import Kind, Symptom

# By how many meters are read so. What the profiles name besides comes behind.
LIKELY = tuple(
    LineSettings.parse(text)
    for text in (
        "115200 8N1",  # P1 from DSMR 4 on, and DLMS on a P1 socket
        "2400 8E1",  # M-Bus sockets
        "2400 8N1",  # Kamstrup
        "9600 8N1",  # infrared heads, RS-485
        "9600 7E1",  # P1 before DSMR 4
        "115200 7E1",
        "38400 8N1",
        "19200 8N1",
        "19200 8E1",
        "9600 8E1",
        "4800 8N1",
        "300 7E1",
    )
)


def candidates(profiles: Iterable[Profile], *, shows_form: bool = True) -> tuple[LineSettings, ...]:
    """Each once.

    shows_form: parity and data bits make a difference on this line. They make none on a
        pseudo-terminal: there one of each speed is enough.
    """
    named = [settings for profile in profiles for settings in usual(profile)]
    unique = dict.fromkeys((*LIKELY, *named))
    if shows_form:
        return tuple(unique)
    one_each: dict[int, LineSettings] = {}
    for settings in unique:
        one_each.setdefault(settings.baud_rate, settings)
    return tuple(one_each.values())


def usual(profile: Profile) -> list[LineSettings]:
    """What the profile says of the line; words that are no settings ("optical") are left out."""
    found = []
    for text in profile.line.serial:
        try:
            found.append(LineSettings.parse(text))
        except ValueError:
            continue
    return found


def explains(settings: LineSettings, heard: LineSettings, symptom: Symptom) -> int:
    """How much speaks for `settings` (negative: against them) after this symptom at the settings `heard`."""
    speed, sent = settings.baud_rate, symptom.sent
    match symptom.kind:
        case Kind.SEVEN_BITS:
            return (speed == heard.baud_rate and settings.bytesize == 7) + (settings == sent)
        case Kind.SLOWER if sent is not None:
            return (speed == sent.baud_rate) - (speed > sent.baud_rate)
        case Kind.ONLY_NULS:
            near = sent is not None and sent.baud_rate <= 2 * speed <= 4 * sent.baud_rate
            return near - (speed * 9 > heard.baud_rate)
        case Kind.PARITY:
            return speed == heard.baud_rate
    return 0
