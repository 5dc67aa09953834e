"""Where the values of a push stand in its octets, so that they can be written in place."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from datalogger.errors import DecodeError
from datalogger.model import Security
from datalogger.protocol.dlms import apdu, axdr, layouts, untagged
from datalogger.protocol.dlms.apdu import DATE_TIME_SIZE
from datalogger.protocol.dlms.axdr import Leaf
from datalogger.protocol.dlms.items import Data, Item, Link, Push
from datalogger.protocol.dlms.messages import DataNotification
from datalogger.simulation.twin import Message

_ENUM = 2  # octets of the number before the array
_LAST_OF_A_NAME = b"\xff"


class Place(NamedTuple):
    """One value of a push and where its octets are: `leaves`, more than one where it is an array or structure."""

    item: Item
    leaves: tuple[Leaf, ...]


class Body(NamedTuple):
    """date_time: where the header's twelve octets begin; None where there is no time.

    places: of the values, in body order
    others: what holds no value: names, classes, scalers, units, the push object list
    """

    push: Push
    date_time: int | None
    places: tuple[Place, ...]
    others: tuple[Leaf, ...]


def take_apart(message: Message) -> Body | None:
    """None where the message is no push: an event, a telegram, octets that no layout knows."""
    found = _push(message)
    if found is None:
        return None
    notification, push = found
    at = notification.body_at
    left = list(_untagged(message.text, at) if notification.untagged else axdr.leaves(message.text, at))
    places = []
    for item in push.items:
        leaves = () if item.objects is not None else _find(item, left, message.text)
        places.append(Place(item, leaves))
        left = [leaf for leaf in left if leaf not in leaves]
    date_time = None if push.date_time is None else at - DATE_TIME_SIZE
    return Body(push, date_time, tuple(places), tuple(left))


def written(text: bytes, edits: Mapping[int, bytes]) -> bytes:
    """The text with these octets at these places."""
    octets = bytearray(text)
    for at, new in edits.items():
        octets[at : at + len(new)] = new
    return bytes(octets)


def content(text: bytes, leaf: Leaf) -> bytes:
    return text[leaf.value_at : leaf.value_at + leaf.size]


def is_name(octets: bytes) -> bool:
    """Whether an octet string is a logical name."""
    return len(octets) == 6 and octets.endswith(_LAST_OF_A_NAME)


def _push(message: Message) -> tuple[DataNotification, Push] | None:
    try:
        notification, end = apdu.parse(message.text)
        if not isinstance(notification, DataNotification) or end != len(message.text):
            return None
        layout, items = layouts.read(notification)
    except DecodeError:
        return None
    said = None
    if message.counter is not None:
        said = Security(message.title.hex().upper(), message.counter, "unchecked")
    body = notification.body
    types = layouts.types(body)
    link = Link(message.framing, message.destination, message.source)
    return notification, Push(layout, items, body[0], types, notification.date_time, link, message.text, said)


def _untagged(text: bytes, at: int) -> Iterator[Leaf]:
    """The values of the Czech body; its descriptors are no A-XDR."""
    count, at = axdr.length(text, at + len(untagged.ENTRY) + _ENUM + 1)
    for index in range(count):
        at += len(untagged.ENTRY) + untagged.DESCRIPTOR.size
        yield from (leaf._replace(path=(index, *leaf.path)) for leaf in axdr.leaves(text, at))
        at = axdr.end_of(text, at)


def _find(item: Item, leaves: list[Leaf], text: bytes) -> tuple[Leaf, ...]:
    """The leaves of an item's value: in the member it came from, behind its name."""
    wanted = [
        (tag, value if isinstance(value, bytes) else axdr.encode((tag, value))[1:]) for tag, value in _flat(item.data)
    ]
    own = [leaf for leaf in leaves if not leaf.path or leaf.path[0] == item.position]
    named = next(
        (at for at, leaf in enumerate(own, 1) if item.name is not None and content(text, leaf) == item.name), 0
    )
    for among in (own[named:], own, leaves):
        for at in range(len(among) - len(wanted) + 1):
            run = among[at : at + len(wanted)]
            if [(leaf.tag, content(text, leaf)) for leaf in run] == wanted:
                return tuple(run)
    return ()


def _flat(data: Data) -> Iterator[Data]:
    if isinstance(data[1], list):
        for inner in data[1]:
            yield from _flat(inner)
    else:
        yield data
