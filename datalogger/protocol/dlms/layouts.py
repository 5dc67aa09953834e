"""How a body names its values: recognised by form alone, whatever meter sends it."""

from functools import lru_cache

from datalogger.errors import DecodeError
from datalogger.model import PushObject
from datalogger.obis import from_groups
from datalogger.protocol.dlms import axdr, untagged
from datalogger.protocol.dlms.items import Data, Item, Layout
from datalogger.protocol.dlms.messages import DataNotification
from datalogger.protocol.framing import Reason

LONG_UNSIGNED, ENUM, INTEGER = 18, 22, 15
PUSH_SETUP, PUSH_OBJECT_LIST = 40, 2
NAME_SIZE = 6

_obis = lru_cache(maxsize=1024)(from_groups)  # a line has some dozens of names, and sends them every few seconds
_NESTED = frozenset((axdr.ARRAY, axdr.STRUCTURE, axdr.COMPACT_ARRAY))


def read(message: DataNotification) -> tuple[Layout, list[Item]]:
    """Every value of the body, in its order. Raises DecodeError where a push list and its values do not pair."""
    tag, members = message.body
    if message.untagged:
        return Layout.UNTAGGED, _untagged(message.body)
    if tag not in _NESTED:
        return Layout.SCALAR, [Item(0, message.body)]
    if tag == axdr.STRUCTURE and members and (entries := _push_list(members[0])):
        return Layout.PUSH_LIST, _paired(entries, members)
    return _named(members)


def types(body: Data) -> tuple[int, ...]:
    """The tags of the body's members, in order; of a scalar body its own."""
    tag, members = body
    return tuple([member[0] for member in members]) if tag in _NESTED else (tag,)


def is_name(data: Data) -> bool:
    """Is this octet string a logical name? The name of a push setup (C=25, D=9) comes as a value, never as a key."""
    tag, value = data
    return tag == axdr.OCTET_STRING and len(value) == NAME_SIZE and value[5] == 255 and value[2:4] != b"\x19\x09"


def _value(position: int, data: Data, name: bytes | None, class_id: int | None, attribute: int | None) -> Item:
    if data[0] in _NESTED:
        return Item(position, data, name, class_id, attribute, encoded=axdr.encode(data))
    return Item(position, data, name, class_id, attribute)


# Names beside their values


def _named(members: list[Data]) -> tuple[Layout, list[Item]]:
    """(name, value[, scaler and unit]) as structures, or one after the other, or both; else values alone."""
    layout = Layout.POSITIONAL
    items: list[Item] = []
    append = items.append
    skip = 0
    for position, member in enumerate(members):
        if skip:  # a value, scaler and unit that went with the name before them
            skip -= 1
            continue
        tag, inner = member
        if tag == axdr.STRUCTURE:
            if item := _entry(position, inner):
                append(item)
                layout = Layout.STRUCTURES
                continue
        elif tag == axdr.OCTET_STRING and position + 1 < len(members) and is_name(member):
            value = members[position + 1]
            scale = _scale(members[position + 2]) if position + 2 < len(members) else None
            if value[0] in _NESTED:
                append(_value(position + 1, value, inner, None, None))
                scale = None
            elif scale:
                append(Item(position + 1, value, inner, None, None, scale[0], scale[1]))
            else:
                append(Item(position + 1, value, inner))
            skip = 2 if scale else 1
            if layout is Layout.POSITIONAL:
                layout = Layout.FLAT
            continue
        append(_value(position, member, None, None, None))
    return layout, items


def _entry(position: int, members: list[Data]) -> Item | None:
    """One structure of (name, value[, scaler and unit]) or (class, name, attribute, data index, value[, the same])."""
    count = len(members)
    if count < 2:
        return None
    if is_name(members[0]):
        name, value, rest, class_id, attribute = members[0][1], members[1], members[2:], None, None
    elif count >= 5 and is_name(members[1]) and _is_object(members):
        (_, class_id), (_, name), (_, attribute), _, value, *rest = members
    else:
        return None
    if not rest:
        return _value(position, value, name, class_id, attribute)
    scale = _scale(rest[0])
    if scale is None or len(rest) > 1 or value[0] in _NESTED:
        return None
    return Item(position, value, name, class_id, attribute, scale[0], scale[1])


def _scale(data: Data) -> tuple[int, int] | None:
    """Scaler and unit, where this is their structure."""
    tag, members = data
    if tag == axdr.STRUCTURE and len(members) == 2:
        (scaler_tag, scaler), (unit_tag, unit) = members
        if scaler_tag == INTEGER and unit_tag == ENUM:
            return scaler, unit
    return None


def _is_object(members: list[Data]) -> bool:
    """Do these members begin as a push object does: class, name, attribute, data index?"""
    (class_tag, _), (name_tag, name), (attribute_tag, _), (index_tag, _) = members[:4]
    return (
        class_tag == LONG_UNSIGNED
        and name_tag == axdr.OCTET_STRING
        and len(name) == NAME_SIZE
        and attribute_tag == INTEGER
        and index_tag == LONG_UNSIGNED
    )


# A push object list, and then its values


def _push_list(data: Data) -> tuple[PushObject, ...] | None:
    """The push object list, where this is one: an array of objects, of which the first is the list itself."""
    tag, entries = data
    if tag != axdr.ARRAY or not entries:
        return None
    objects = []
    for tag, members in entries:
        if tag != axdr.STRUCTURE or len(members) < 4 or not _is_object(members):
            return None
        objects.append(PushObject(_obis(members[1][1]), members[0][1], members[2][1], members[3][1]))
    return tuple(objects) if objects[0].class_id == PUSH_SETUP and objects[0].attribute == PUSH_OBJECT_LIST else None


def _paired(objects: tuple[PushObject, ...], members: list[Data]) -> list[Item]:
    if len(objects) != len(members):
        raise DecodeError(Reason.AXDR, f"a push object list of {len(objects)} with {len(members)} values: no pairs")
    names = [entry[1][1][1] for entry in members[0][1]]
    first = objects[0]
    items = [Item(0, members[0], names[0], first.class_id, first.attribute, objects=objects)]
    for position in range(1, len(members)):
        entry = objects[position]
        items.append(_value(position, members[position], names[position], entry.class_id, entry.attribute))
    return items


# The Czech form


def _untagged(body: Data) -> list[Item]:
    """By position in the array. The number before it is the same in every push, and has no known meaning."""
    items = []
    for position, (_, ((_, descriptor), value)) in enumerate(body[1][1][1]):
        class_id, name, attribute = untagged.DESCRIPTOR.unpack(descriptor)
        items.append(_value(position, value, name, class_id, attribute))
    return items
