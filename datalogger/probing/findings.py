"""What a search found out, put together for a person."""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from datalogger.line_settings import LineSettings
from datalogger.meters.profile import Profile, title_prefix
from datalogger.model import Report
from datalogger.pipeline.hints import HINTS
from datalogger.probing.candidates import usual
from datalogger.probing.ear import CIPHERED, Ear, Verdict
from datalogger.probing.search import Attempt
from datalogger.protocol.decoder import Notice
from datalogger.protocol.framing import Framing, Reason

# P1 telegrams have no profile; so their lines are set, where the line itself does not show it.
_P1_FORMS = {9600: LineSettings(9600, 7, "E"), 300: LineSettings(300, 7, "E")}

# The three letters that a system title begins with, as the FLAG association gives them out.
MAKERS = {
    "ELS": "Elster",
    "ISK": "Iskraemeco",
    "KAM": "Kamstrup",
    "KFM": "Kaifa",
    "LGZ": "Landis+Gyr",
    "SAG": "Sagemcom",
    "SMS": "Siemens",
}

# Of general-glo- and general-ded-ciphering: tag, length, and the system title in clear, three letters first.
_TITLE = re.compile(rb"[\xdb\xdc]\x08([A-Z]{3}.{5})", re.DOTALL)


class Finding(Struct, frozen=True, kw_only=True):
    """settings:     None where they are somebody else's (TCP)
    form_unseen:     the line shows no parity: it is the usual one of the family
    families:        the profiles; where nothing could be opened, those that it may be of
    maker:           of a meter that enciphers, "" where its system title does not say
    report:          the fullest
    needs_key:       ciphered, and not opened
    both_keys:       whatever family it is of, there is an authentication key, too
    key:             one sentence; "" where nothing is ciphered
    """

    settings: LineSettings | None
    form_unseen: bool
    framing: Framing
    families: tuple[Profile, ...]
    maker: str
    report: Report | None
    meter: str
    system_title: str
    needs_key: bool
    both_keys: bool
    key: str
    notices: tuple[Notice, ...]
    unread: tuple[str, ...]

    @property
    def countries(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(country for family in self.families for country in family.countries))


def finding(attempt: Attempt, profiles: Mapping[str, Profile], *, tunable: bool, shows_form: bool) -> Finding | None:
    """None where nothing was understood."""
    ear = attempt.ear
    if ear.verdict < Verdict.SOUND or ear.framing is None:
        return None
    report = max(ear.reports, key=lambda report: (len(report.records), bool(report.meter)), default=None)
    title = _system_title(ear)
    families = _families(ear, title, profiles, speed=attempt.settings.baud_rate if tunable else None)
    refused = next((ear.refused[reason] for reason in CIPHERED if reason in ear.refused), None)
    return Finding(
        settings=_settings(attempt, families, ear.framing, shows_form=shows_form) if tunable else None,
        form_unseen=tunable and not shows_form,
        framing=ear.framing,
        families=families,
        maker=_maker(title),
        report=report,
        meter=next((each.meter for each in reversed(ear.reports) if each.meter), ""),
        system_title=title,
        needs_key=report is None and refused is not None,
        both_keys=bool(families) and all(family.key.need == "both" for family in families),
        key=_key(ear, report, families),
        notices=tuple(ear.notices),
        unread=tuple(
            f"{each.detail or reason}{f' ({HINTS[reason]})' if reason in HINTS else ''}"
            for reason, each in ear.refused.items()
            if reason not in CIPHERED
        ),
    )


def _settings(attempt: Attempt, families: Iterable[Profile], framing: Framing, *, shows_form: bool) -> LineSettings:
    heard = attempt.settings
    if shows_form:
        return heard
    for family in families:
        for settings in usual(family):
            if settings.baud_rate == heard.baud_rate:
                return settings
    return _P1_FORMS.get(heard.baud_rate, heard) if framing == "p1" else heard


def _system_title(ear: Ear) -> str:
    """Upper-case hex, of whatever was ciphered last; "" where nothing was."""
    for report in reversed(ear.reports):
        if report.security is not None:
            return report.security.system_title
    for reason in CIPHERED:
        if reason in ear.refused and (title := _TITLE.search(ear.refused[reason].octets)):
            return title[1].hex().upper()
    return ""


def _families(ear: Ear, title: str, profiles: Mapping[str, Profile], *, speed: int | None) -> tuple[Profile, ...]:
    """Those that were recognised; else those of this maker that encipher, and speak so on such a line."""
    named = dict.fromkeys(report.profile for report in reversed(ear.reports) if report.profile in profiles)
    if named or not title:
        return tuple(profiles[name] for name in named)
    maker = _maker(title)
    possible = [
        profile
        for profile in profiles.values()
        if maker in profile.makers
        and profile.key.need != "none"
        and ear.framing in profile.line.framing
        and (speed is None or speed in {settings.baud_rate for settings in usual(profile)})
    ]
    titled = [
        profile
        for profile in possible
        if any(title.startswith(title_prefix(prefix)) for prefix in profile.match.titles)
    ]
    return tuple(titled or possible)


def _maker(title: str) -> str:
    return MAKERS.get(bytes.fromhex(title)[:3].decode("ascii", "replace"), "")


def _key(ear: Ear, report: Report | None, families: Iterable[Profile]) -> str:
    if report is not None:
        match report.security and report.security.tag:
            case "verified":
                return "both keys are right: the authentication tag holds"
            case "unchecked":
                return (
                    "the encryption key is right; the authentication tag was not checked (that takes --auth-key-file)"
                )
            case "absent":
                return "the encryption key is right; the meter sends no authentication tag"
        return ""
    for reason in (Reason.WRONG_KEY, Reason.TAG, Reason.NO_KEY, Reason.POLICY, Reason.REPLAY):
        if reason in ear.refused:
            ask = " ".join(dict.fromkeys(family.key.ask for family in families if family.key.ask))
            return f"{_WORDS[reason]}: {ear.refused[reason].detail}{f'. {ask}' if ask else ''}"
    return ""


_WORDS = {
    Reason.WRONG_KEY: "the encryption key is wrong",
    Reason.TAG: "the authentication key is wrong",
    Reason.NO_KEY: "needed",
    Reason.POLICY: "refused",
    Reason.REPLAY: "refused",
}
