"""Pushes and profiles in a few words, for tests."""

from typing import Any

from datalogger.meters.profile import Profile
from datalogger.meters.profiles import parse
from datalogger.meters.type_vector import TAGS
from datalogger.model import Security
from datalogger.obis import parse as parse_name
from datalogger.obis import to_groups
from datalogger.protocol.dlms.items import Data, Item, Layout, Link, Push

HEAD = 'id = "{id}"\ntitle = "A meter"\nmakers = ["Maker"]\ncountries = ["NO"]\nsources = ["N: a frame"]\n'


NO_HINT = Link("apdu")


def profile(name: str, toml: str) -> Profile:
    """The profile of this name that says `toml` beside what every profile has to say."""
    return parse(HEAD.format(id=name) + toml, f"{name}.toml", f"{name}.toml")


def u16(value: int) -> Data:
    return TAGS["u16"], value


def u32(value: int) -> Data:
    return TAGS["u32"], value


def octets(value: bytes) -> Data:
    return TAGS["os"], value


def name(text: str) -> bytes:
    """The six octets of A-B:C.D.E."""
    found = parse_name(text)
    assert found is not None
    return bytes(to_groups(found))


def push(
    items: list[Item],
    layout: Layout,
    *,
    root: int = TAGS["structure"],
    types: tuple[int, ...] | None = None,
    date_time: bytes | None = None,
    link: Link = NO_HINT,
    security: Security | None = None,
) -> Push:
    tags = tuple(item.data[0] for item in items) if types is None else types
    return Push(layout, items, root, tags, date_time, link, b"the frame", security)


def positional(*values: Data, **more: Any) -> Push:
    items = [Item(position, value) for position, value in enumerate(values)]
    return push(items, Layout.POSITIONAL, **more)


def flat(values: dict[str, Data], **more: Any) -> Push:
    items = [Item(2 * place + 1, value, name(text)) for place, (text, value) in enumerate(values.items())]
    return push(items, Layout.FLAT, **more)
