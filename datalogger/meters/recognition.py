"""Which profile says what a push means: by what the meter says about itself, never by trying."""

import re
from collections.abc import Callable, Iterable
from operator import attrgetter

from msgspec import Struct

from datalogger.meters import type_vector
from datalogger.meters.profile import Match, Profile, groups, title_prefix
from datalogger.meters.profiles import Profiles
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms.items import Data, Item, Layout, Push

_name_of = attrgetter("name")

MOST_SHAPES = 512  # remembered; a line has a handful, noise that deciphers to bodies could have any number

MOST_ITEMS = 256  # of a shape that is remembered: several times the longest real list

_OCTET_STRING = type_vector.TAGS["os"]
_NAME_OCTETS, _ANY_F = 6, 255
_ROOTS = {"array": type_vector.TAGS["array"], "structure": type_vector.TAGS["structure"]}


class Candidate(Struct, frozen=True):
    """A profile that fits the shape of a push.

    tests:  what only the values can tell: (index into the items, test)
    hinted: the HDLC addresses are those of the profile
    """

    profile: Profile
    tests: tuple[tuple[int, Callable[[Data], bool]], ...]
    hinted: bool

    def holds(self, items: list[Item]) -> bool:
        for index, test in self.tests:  # noqa: SIM110 a generator costs as much as what it would ask
            if not test(items[index].data):
                return False
        return True


def recognise(
    push: Push, profiles: Profiles, *, pinned: str | None = None, last: Profile | None = None
) -> tuple[Profile | None, list[Notice]]:
    """The one profile that fits; None where there is none, or where several do and nothing decides between them.

    pinned: the id the configuration names. It is used or, where the push cannot be of it, none is.
    last:   the profile last recognised on this line: it, or else its maker, decides between equals.
    """
    if pinned is not None:
        return _pinned(push, profiles, pinned)
    security = push.security
    shape = (
        push.layout, push.root, push.types, tuple(map(_name_of, push.items)), push.link,
        None if security is None else security.system_title,
    )  # fmt: skip
    candidates: tuple[Candidate, ...] | None = profiles.remembered.get(shape)
    if candidates is None:
        candidates = tuple(candidates_for(push, profiles.values()))
        if len(profiles.remembered) >= MOST_SHAPES:
            profiles.remembered.clear()
        if len(push.items) <= MOST_ITEMS:
            profiles.remembered[shape] = candidates
    if not candidates:
        return None, []
    found = [candidate for candidate in candidates if candidate.holds(push.items)]
    if len(found) == 1 and not found[0].profile.by_configuration_only:
        return found[0].profile, []
    return _decide(found, last)


def _pinned(push: Push, profiles: Profiles, pinned: str) -> tuple[Profile | None, list[Notice]]:
    profile = profiles.get(pinned)
    if profile is None:
        return None, [Notice("profile_mismatch", f'there is no profile "{pinned}": see `datalogger profiles list`')]
    fitting, _ = recognise(push, profiles)
    if _can_be_of(push, profile.match):
        if fitting is None or set(fitting.makers) & set(profile.makers):
            return profile, []
        told = f"this push looks like {fitting.id}, and is read as {pinned} because that is configured"
        return profile, [Notice("profile_mismatch", told)]
    if fitting is not None:
        mend = f"it is of {fitting.id}; leave profile out of the configuration, and each list of a meter gets its own"
    else:
        mend = f"{push.layout}, {type_vector.describe(push.items)}"
    return None, [Notice("profile_mismatch", f"this push is not of the configured profile {pinned}: {mend}")]


def _can_be_of(push: Push, match: Match) -> bool:
    """Whether what is said of positions would be said of the right values. Names on the wire need no such care."""
    if match.layout != "positional":
        return push.layout is not Layout.POSITIONAL
    if not _shape_fits(push, match):
        return False
    tests = _slot_tests(push, match)
    return all(test(push.items[index].data) for index, test in tests)


def _decide(found: list[Candidate], last: Profile | None) -> tuple[Profile | None, list[Notice]]:
    equals = [candidate for candidate in found if not candidate.profile.by_configuration_only]
    if not equals:
        return None, [_choice(found)] if found else []
    if any(candidate.hinted for candidate in equals):
        equals = [candidate for candidate in equals if candidate.hinted]
    if last is not None and len(equals) > 1:
        equals = (
            [candidate for candidate in equals if candidate.profile.id == last.id]
            or [candidate for candidate in equals if set(candidate.profile.makers) & set(last.makers)]
            or equals
        )
    if len(equals) == 1:
        return equals[0].profile, []
    names = " and ".join(candidate.profile.id for candidate in equals)
    return None, [Notice("profile_ambiguous", f"this push fits {names} alike: name one in the configuration")]


def _choice(found: list[Candidate]) -> Notice:
    """The meter does not say which of several it is: a person has to."""
    names = " or ".join(candidate.profile.id for candidate in found)
    asked = " ".join(dict.fromkeys(line for candidate in found for line in candidate.profile.ask))
    return Notice("profile_wanted", f"the meter does not say which it is: configure {names}. {asked}".rstrip())


def candidates_for(push: Push, profiles: Iterable[Profile]) -> list[Candidate]:
    """Every profile that fits as far as the shape tells."""
    return [found for profile in profiles if (found := _candidate(push, profile)) is not None]


def _candidate(push: Push, profile: Profile) -> Candidate | None:
    match = profile.match
    if match == Match() or not _shape_fits(push, match):
        return None
    names = [item.name for item in push.items if item.name is not None]
    there = {name[:5] for name in names} | {name[2:5] for name in names}
    if not all(groups(name) in there for name in match.names) or any(groups(name) in there for name in match.without):
        return None
    if match.titles and push.security is not None:
        title = push.security.system_title.upper()
        if not any(title.startswith(title_prefix(text)) for text in match.titles):
            return None
    texts = _text_tests(push, match)
    if texts is None:
        return None
    address = _address(push)
    titled = bool(match.titles) and push.security is not None
    if match.types and not texts and not titled and address and match.addresses and address not in match.addresses:
        return None  # a few numbers, and nothing in them that names the meter: they could be anybody's
    return Candidate(profile, (*_slot_tests(push, match), *texts), address in match.addresses)


def _shape_fits(push: Push, match: Match) -> bool:
    root = match.root or ("structure" if match.types else None)
    return (
        (match.layout is None or match.layout == push.layout)
        and (root is None or _ROOTS[root] == push.root)
        and (not match.counts or len(push.types) in match.counts)
        and (not match.types or type_vector.fits(type_vector.parse(match.types), push.types))
    )


def _slot_tests(push: Push, match: Match) -> list[tuple[int, Callable[[Data], bool]]]:
    slots = type_vector.parse(match.types)
    return [
        (index, slots[item.position].holds)
        for index, item in enumerate(push.items)
        if slots and not slots[item.position].tag_is_enough
    ]


def _text_tests(push: Push, match: Match) -> list[tuple[int, Callable[[Data], bool]]] | None:
    """None where a value that is asked for is not there."""
    tests = []
    for key, pattern in match.texts.items():
        index = next((index for index, item in enumerate(push.items) if _is_called(item, key)), None)
        if index is None:
            return None
        tests.append((index, _text_test(pattern)))
    return tests


def _is_called(item: Item, key: str) -> bool:
    if key.isdecimal():
        return item.name is None and item.position == int(key)
    return item.name is not None and groups(key) in (item.name[:5], item.name[2:5])


def _text_test(pattern: str) -> Callable[[Data], bool]:
    fits = re.compile(pattern.encode()).fullmatch

    def test(data: Data) -> bool:
        tag, value = data
        if not isinstance(value, bytes):
            return False
        if tag == _OCTET_STRING and len(value) == _NAME_OCTETS and value[-1] == _ANY_F:
            value = b"%d-%d:%d.%d.%d" % tuple(value[:-1])
        return fits(value.strip(b"\0 ")) is not None

    return test


def _address(push: Push) -> str:
    """As profiles write it; "" outside HDLC, which is no profile's."""
    link = push.link
    return f"{link.destination.hex().upper()}/{link.source.hex().upper()}" if link.destination else ""
