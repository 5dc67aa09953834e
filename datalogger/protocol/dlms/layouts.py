"""How a body names its values: recognised by form alone, whatever meter sends it."""

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter

from msgspec.structs import replace

from datalogger.errors import DecodeError
from datalogger.model import PushObject
from datalogger.obis import from_groups
from datalogger.protocol.dlms import axdr, untagged
from datalogger.protocol.dlms.axdr import ARRAY, COMPACT_ARRAY, OCTET_STRING, STRUCTURE
from datalogger.protocol.dlms.items import Data, Item, Layout
from datalogger.protocol.dlms.messages import DataNotification
from datalogger.protocol.framing import Reason

LONG_UNSIGNED, ENUM, INTEGER = 18, 22, 15
PUSH_SETUP, PUSH_OBJECT_LIST = 40, 2
NAME_SIZE = 6
_OBJECT = (LONG_UNSIGNED, OCTET_STRING, INTEGER, LONG_UNSIGNED)  # class, name, attribute, data index

_tag_of: Callable[[Data], int] = itemgetter(0)
_NESTED = frozenset((ARRAY, STRUCTURE, COMPACT_ARRAY))


def read(message: DataNotification) -> tuple[Layout, list[Item]]:
    """Every value of the body, in its order. Raises DecodeError where a push list and its values do not pair."""
    tag, members = message.body
    if message.untagged:
        return Layout.UNTAGGED, _untagged(message.body)
    if tag not in _NESTED:
        return Layout.SCALAR, [Item(0, message.body)]
    if tag == STRUCTURE and members and (entries := _push_list(members[0])):
        return Layout.PUSH_LIST, _paired(entries, members)
    return _named(members)


def types(body: Data) -> tuple[int, ...]:
    """The tags of the body's members, in order; of a scalar body its own."""
    tag, members = body
    return tuple(map(_tag_of, members)) if tag in _NESTED else (tag,)


@lru_cache(maxsize=1024)  # a line has some dozens of names, and sends them every few seconds
def _is_name(octets: bytes) -> bool:
    """Are these six octets a logical name? That of a push setup (C=25, D=9) comes as a value, never as a key."""
    return octets[5] == 255 and octets[2:4] != b"\x19\x09"


def _value(
    position: int,
    data: Data,
    name: bytes | None = None,
    class_id: int | None = None,
    attribute: int | None = None,
) -> Item:
    if data[0] in _NESTED:
        return Item(position, data, name, class_id, attribute, encoded=axdr.encode(data))
    return Item(position, data, name, class_id, attribute)


# Names beside their values


def _named(members: list[Data]) -> tuple[Layout, list[Item]]:
    """(name, value[, scaler and unit]) as structures, or one after the other, or both; else values alone."""
    layout = Layout.POSITIONAL
    items: list[Item] = []
    append = items.append
    count = len(members)
    last = count - 1
    position = 0
    while position < count:
        tag, inner = members[position]
        if tag == STRUCTURE:
            if item := _entry(position, inner):
                append(item)
                layout = Layout.STRUCTURES
                position += 1
                continue
        elif tag == OCTET_STRING and len(inner) == NAME_SIZE and position < last and _is_name(inner):
            following = members[position + 1]
            if following[0] in _NESTED or (position + 1 < last and members[position + 2][0] == STRUCTURE):
                item, size = _pair(members, position)
                append(item)
                position += size
            else:
                append(Item(position + 1, following, inner))
                position += 2
            if layout is Layout.POSITIONAL:
                layout = Layout.FLAT
            continue
        append(_value(position, members[position]))
        position += 1
    return layout, items


def _pair(members: list[Data], position: int) -> tuple[Item, int]:
    """The value behind the name at `position`, and how many members the two are, with scaler and unit."""
    name, value = members[position][1], members[position + 1]
    if value[0] not in _NESTED and position + 2 < len(members) and (scale := _scale(members[position + 2])):
        return Item(position + 1, value, name, None, None, *scale), 3
    return _value(position + 1, value, name), 2


def _entry(position: int, members: list[Data]) -> Item | None:
    """One structure of (name, value[, scaler and unit]) or (class, name, attribute, data index, value[, the same])."""
    count = len(members)
    if count == 3:  # nearly all are so, hence in place
        (tag, name), value, (scale_tag, scale) = members
        if (
            tag == OCTET_STRING
            and len(name) == NAME_SIZE
            and scale_tag == STRUCTURE
            and len(scale) == 2
            and value[0] not in _NESTED
            and _is_name(name)
        ):
            (scaler_tag, scaler), (unit_tag, unit) = scale
            if scaler_tag == INTEGER and unit_tag == ENUM:
                return Item(position, value, name, None, None, scaler, unit)
        return None
    if count == 2:
        (tag, name), value = members
        if tag == OCTET_STRING and len(name) == NAME_SIZE and _is_name(name):
            return _value(position, value, name)
        return None
    if not 5 <= count <= 6 or tuple([tag for tag, _ in members[:4]]) != _OBJECT or len(members[1][1]) != NAME_SIZE:
        return None
    (_, class_id), (_, name), (_, attribute), _, value = members[:5]
    if count == 5:
        return _value(position, value, name, class_id, attribute)
    if value[0] in _NESTED or not (found := _scale(members[5])):
        return None
    return Item(position, value, name, class_id, attribute, *found)


def _scale(data: Data) -> tuple[int, int] | None:
    """Scaler and unit, where this is their structure."""
    tag, members = data
    if tag == STRUCTURE and len(members) == 2:
        (scaler_tag, scaler), (unit_tag, unit) = members
        if scaler_tag == INTEGER and unit_tag == ENUM:
            return scaler, unit
    return None


# A push object list, and then its values


def _push_list(data: Data) -> tuple[PushObject, ...] | None:
    """The push object list, where this is one: an array of objects, of which the first is the list itself."""
    tag, entries = data
    if tag != ARRAY or not entries:
        return None
    objects = []
    for tag, members in entries:
        if tag != STRUCTURE or len(members) < len(_OBJECT):
            return None
        (class_tag, class_id), (name_tag, name), (attribute_tag, attribute), (index_tag, index) = members[:4]
        if (class_tag, name_tag, attribute_tag, index_tag) != _OBJECT or len(name) != NAME_SIZE:
            return None
        objects.append(_object(name, class_id, attribute, index))
    first = objects[0]
    return tuple(objects) if first.class_id == PUSH_SETUP and first.attribute == PUSH_OBJECT_LIST else None


@lru_cache(maxsize=1024)
def _object(name: bytes, class_id: int, attribute: int, index: int) -> PushObject:
    return PushObject(from_groups(name), class_id, attribute, index)


def _paired(objects: tuple[PushObject, ...], members: list[Data]) -> list[Item]:
    entries = members[0][1]
    if len(entries) != len(members):
        raise DecodeError(Reason.AXDR, f"a push object list of {len(entries)} with {len(members)} values: no pairs")
    items = []
    for position, (value, (_, entry)) in enumerate(zip(members, entries, strict=True)):
        class_id, name, attribute = entry[0][1], entry[1][1], entry[2][1]
        if value[0] in _NESTED and position:
            items.append(_value(position, value, name, class_id, attribute))
        else:
            items.append(Item(position, value, name, class_id, attribute))
    items[0] = replace(items[0], objects=objects)
    return items


# The Czech form


def _untagged(body: Data) -> list[Item]:
    """By position in the array. The number before it is the same in every push, and has no known meaning."""
    items = []
    for position, (_, ((_, descriptor), value)) in enumerate(body[1][1][1]):
        class_id, name, attribute = untagged.DESCRIPTOR.unpack(descriptor)
        items.append(_value(position, value, name, class_id, attribute))
    return items
