from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger import units
from datalogger.errors import DecodeError
from datalogger.model import PushObject
from datalogger.obis import Obis, from_groups
from datalogger.protocol.dlms import apdu, axdr, layouts
from datalogger.protocol.dlms.block_transfer import BlockTransfer
from datalogger.protocol.dlms.items import Data, Item, Layout
from datalogger.protocol.dlms.messages import Block, DataNotification
from datalogger.protocol.framing import Frame
from datalogger.protocol.hdlc.framer import HdlcFramer
from datalogger.protocol.hdlc.segments import HdlcSegments
from datalogger.protocol.joining import Joined
from tests.protocol.dlms.corpus import METERS, SEED, SYNTHETIC, Case
from tests.protocol.dlms.values import values

LLC = bytes.fromhex("E6E700")
WRAPPER_HEADER = 8

LAYOUTS = {
    "pushlist+values": {Layout.PUSH_LIST},
    "array of structures (obis,value[,scaler-unit])": {Layout.STRUCTURES},
    "structure of structures (obis,value[,scaler-unit])": {Layout.STRUCTURES},
    "array flat obis/value": {Layout.STRUCTURES},
    "structure flat obis/value": {Layout.FLAT},
    "structure positional": {Layout.POSITIONAL},
    "scalar": {Layout.SCALAR},
}

(SEED_APDU,) = (one.octets for one in SEED if one.name == "seed_raw_apdu")
PLAIN = [one for one in METERS + SEED + SYNTHETIC if one.key is None and one.messages_out]


def _notification(octets: bytes) -> DataNotification:
    message, end = apdu.parse(octets)
    assert end == len(octets)
    assert isinstance(message, DataNotification)
    return message


def _messages(octets: bytes) -> Iterator[bytes]:
    """The APDUs of a capture, out of whatever framing."""
    if octets[:1] == b"\x7e":
        blocks, segments = BlockTransfer(), HdlcSegments()
        for frame in HdlcFramer().feed(octets):
            assert isinstance(frame, Frame)
            for joined in segments.take(frame):
                assert isinstance(joined, Joined)
                octets = joined.data.removeprefix(LLC)
                message, _ = apdu.parse(octets)
                if not isinstance(message, Block):
                    yield octets
                    continue
                for whole in blocks.take(message, joined.octets):
                    assert isinstance(whole, Joined)
                    yield whole.data
    else:
        yield octets[WRAPPER_HEADER:] if octets[:2] == b"\x00\x01" else octets.removeprefix(LLC)


@pytest.mark.parametrize("one", PLAIN, ids=lambda one: one.name)
def test_every_plain_push_of_the_corpus_gives_its_records(one: Case) -> None:
    notifications = [_notification(octets) for octets in _messages(one.octets)]
    assert len(notifications) == one.messages_out
    for notification, expected in zip(notifications, one.expected["messages"], strict=True):
        assert (notification.date_time.hex() if notification.date_time else None) == expected["header_time_raw"]
        layout, items = layouts.read(notification)
        assert layout in LAYOUTS[expected["layout"]]
        assert len(items) == len(expected["records"])
        for item, record in zip(items, expected["records"], strict=True):
            _compare(item, record)


def _compare(item: Item, record: dict[str, Any]) -> None:
    tag, value = item.data
    if "obis" in record:
        assert item.name is not None and from_groups(item.name) == record["obis"]
    else:
        assert item.name is None and item.position == record["position"]
    if "class" in record:
        assert item.class_id == record["class"]
    assert item.attribute == record.get("attribute", item.attribute)
    if "push_objects" in record:
        assert item.objects is not None and len(item.objects) == record["push_objects"]
        return
    assert item.objects is None
    assert tag == record["tag"]
    assert item.scaler == record.get("scaler")
    assert (None if item.unit is None else units.SYMBOLS[item.unit]) == record.get("unit")
    if "value" in record:
        assert value == record["value"]
    elif "float" in record:
        assert value == record["float"]
    elif raw := record.get("raw") or record.get("octets"):
        assert value == bytes.fromhex(raw)
    else:
        assert value in (record["text"].encode(), bytes.fromhex("E282AC"))


@pytest.mark.parametrize("one", SEED, ids=lambda one: one.name)
def test_the_seed_is_its_objects_in_every_framing(one: Case) -> None:
    (octets,) = _messages(one.octets)
    _, items = layouts.read(_notification(octets))
    assert len(items) == len(one.expected["seed_objects"]) == 28
    for item, wanted in zip(items, one.expected["seed_objects"], strict=True):
        assert item.name is not None
        assert from_groups(item.name).removesuffix("*255") == wanted["logical_name"]
        assert item.class_id == wanted["class"]
        tag, value = item.data
        if "push_object_list" in wanted:
            assert item.objects is not None
            assert [
                (entry.obis.removesuffix("*255"), entry.class_id, entry.attribute, entry.data_index)
                for entry in item.objects
            ] == [tuple(line.values()) for line in wanted["push_object_list"]]
        else:
            assert tag == wanted["tag"]
            assert (value.hex().upper() if isinstance(value, bytes) else value) == wanted["value"]


# Forms of which the corpus has no example


def _read(body: Data, *, untagged: bool = False) -> tuple[Layout, list[Item]]:
    return layouts.read(_notification(apdu.build(DataNotification(0, None, body, 6, untagged=untagged))))


def _name(text: str) -> Data:
    return (9, bytes(map(int, text.replace("-", ".").replace(":", ".").replace("*", ".").split("."))))


def _structure(*members: Data) -> Data:
    return (2, list(members))


def _object(class_id: int, name: str, attribute: int, *more: Data) -> Data:
    return _structure((18, class_id), _name(name), (15, attribute), (18, 0), *more)


ENERGY, POWER, PUSH_SETUP = "1-0:1.8.0*255", "1-0:1.7.0*255", "0-0:25.9.0*255"
WATT_HOURS = _structure((15, -1), (22, 30))


@pytest.mark.parametrize(
    "more",
    [
        (),
        (_structure((22, 0), (0, None)),),  # a restriction
        (_structure((22, 0), (0, None)), (1, [])),  # a restriction and columns, as Energomera sends
    ],
    ids=["4 members", "5 members", "6 members"],
)
def test_a_push_list_pairs_whatever_its_entries_have_beside_the_object(more: tuple[Data, ...]) -> None:
    event = _structure(_name("0-0:99.98.4*255"), (18, 7))
    objects: Data = (
        1,
        [_object(40, PUSH_SETUP, 2, *more), _object(3, ENERGY, 2, *more), _object(1, "0-0:96.5.135*255", 2, *more)],
    )
    layout, items = _read(_structure(objects, (6, 1234), event))
    assert layout is Layout.PUSH_LIST
    assert [(item.position, item.class_id, item.attribute) for item in items] == [(0, 40, 2), (1, 3, 2), (2, 1, 2)]
    assert items[0].objects == (
        PushObject(Obis(PUSH_SETUP), 40, 2, 0),
        PushObject(Obis(ENERGY), 3, 2, 0),
        PushObject(Obis("0-0:96.5.135*255"), 1, 2, 0),
    )
    assert items[1].data == (6, 1234)
    assert items[2].data == event and items[2].encoded == axdr.encode(event)


def test_a_push_list_that_does_not_pair_is_refused() -> None:
    objects: Data = (1, [_object(40, PUSH_SETUP, 2), _object(3, ENERGY, 2)])
    with pytest.raises(DecodeError, match="list of 2 with 3 values") as caught:
        _read(_structure(objects, (6, 1), (6, 2)))
    assert caught.value.reason == "axdr"


def test_an_array_of_objects_that_is_not_the_push_list_is_a_value() -> None:
    captured: Data = (1, [_object(8, "0-0:1.0.0*255", 2), _object(3, ENERGY, 2)])
    layout, items = _read(_structure(captured, (6, 1)))
    assert layout is Layout.POSITIONAL
    assert items == [Item(0, captured, encoded=axdr.encode(captured)), Item(1, (6, 1))]


def test_flat_pairs_and_structures_may_be_mixed() -> None:
    clock: Data = (9, bytes.fromhex("07E80B0F050E2D2D00FFC402"))
    layout, items = _read(
        _structure(
            _name("0-0:1.0.0*255"), clock,
            _structure(_name("0-0:96.1.0*255"), (9, b"1234")),
            _structure(_name(ENERGY), (6, 5), WATT_HOURS),
        )
    )  # fmt: skip
    assert layout is Layout.STRUCTURES
    assert items == [
        Item(1, clock, _name("0-0:1.0.0*255")[1]),
        Item(2, (9, b"1234"), _name("0-0:96.1.0*255")[1]),
        Item(3, (6, 5), _name(ENERGY)[1], scaler=-1, unit=30),
    ]


def test_a_value_without_name_between_named_ones_keeps_its_position() -> None:
    layout, items = _read(
        _structure(
            (10, b"list"), _name(ENERGY), (6, 5), WATT_HOURS, (0, None), (0, None), _name(POWER), (6, 9), (9, b"id")
        )
    )
    assert layout is Layout.FLAT
    assert [(item.position, item.name, item.data, item.unit) for item in items] == [
        (0, None, (10, b"list"), None),
        (2, _name(ENERGY)[1], (6, 5), 30),
        (4, None, (0, None), None),
        (5, None, (0, None), None),
        (7, _name(POWER)[1], (6, 9), None),
        (8, None, (9, b"id"), None),
    ]


def test_a_named_value_may_be_null() -> None:
    assert _read(_structure(_name(ENERGY), (0, None)))[1] == [Item(1, (0, None), _name(ENERGY)[1])]


def test_the_name_of_a_push_setup_is_a_value_never_a_key() -> None:
    layout, items = _read(_structure(_name("0-6:25.9.0*255"), (9, b"0123"), (6, 1)))
    assert layout is Layout.POSITIONAL
    assert [item.name for item in items] == [None, None, None]


def test_six_octets_that_are_no_name_are_a_value() -> None:
    assert _read(_structure((9, b"123456"), (6, 1)))[0] is Layout.POSITIONAL


def test_a_name_without_value_is_kept() -> None:
    assert _read(_structure((6, 1), _name(ENERGY)))[1] == [Item(0, (6, 1)), Item(1, _name(ENERGY))]


def test_an_entry_with_class_and_attribute_may_have_scaler_and_unit() -> None:
    layout, items = _read((1, [_object(3, ENERGY, 2, (6, 7), WATT_HOURS), _object(3, POWER, 2, (6, 8))]))
    assert layout is Layout.STRUCTURES
    assert items == [
        Item(0, (6, 7), _name(ENERGY)[1], 3, 2, -1, 30),
        Item(1, (6, 8), _name(POWER)[1], 3, 2),
    ]


def test_a_structure_that_no_layout_takes_apart_is_kept_whole() -> None:
    odd = _structure(_name(ENERGY), (6, 7), (6, 8))
    assert _read(_structure(odd, (6, 1)))[1] == [Item(0, odd, encoded=axdr.encode(odd)), Item(1, (6, 1))]


def test_a_named_array_is_kept_whole() -> None:
    array: Data = (1, [(18, 9400)])
    assert _read(_structure(_name(ENERGY), array))[1] == [Item(1, array, _name(ENERGY)[1], encoded=axdr.encode(array))]


# 0F, invoke id, no date-time; enum 1, array of two; names as an E.GD meter sends them
CZECH_HEAD = "0F00000001 00 0202 1601 01"
RELAY, IMPORT = "0202 0046 00006003 0AFF 03 1601", "0202 0003 010001 0700FF 02 06000007A4"
CZECH = bytes.fromhex(f"{CZECH_HEAD} 02 {RELAY} {IMPORT}")


def test_the_czech_form_has_names_without_tags() -> None:
    layout, items = layouts.read(_notification(CZECH))
    assert layout is Layout.UNTAGGED
    assert items == [
        Item(0, (22, 1), _name("0-0:96.3.10*255")[1], 70, 3),
        Item(1, (6, 1956), _name(POWER)[1], 3, 2),
    ]


def test_a_czech_body_may_be_longer_than_a_hundred_values() -> None:
    octets = bytes.fromhex(f"{CZECH_HEAD} 8182 {IMPORT * 130}")
    assert len(layouts.read(_notification(octets))[1]) == 130


@pytest.mark.parametrize("cut", range(1, len(CZECH)))
def test_a_czech_body_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(DecodeError):
        apdu.parse(CZECH[:cut])


@given(values)
def test_any_body_gives_every_value_a_place_or_is_refused(body: Data) -> None:
    try:
        layout, items = _read(body)
    except DecodeError:
        return
    positions = [item.position for item in items]
    assert positions == sorted(set(positions))
    assert (layout is Layout.SCALAR) == (body[0] not in (1, 2, 19))
    if layout is Layout.POSITIONAL:
        assert [item.data for item in items] == body[1]


@given(st.binary(max_size=40), st.integers(20, 700))
def test_any_octets_in_a_sound_push_give_items_or_a_decode_error(noise: bytes, at: int) -> None:
    with suppress(DecodeError):
        message, _ = apdu.parse(SEED_APDU[:at] + noise + SEED_APDU[at + len(noise) :])
        assert isinstance(message, DataNotification)
        layouts.read(message)
