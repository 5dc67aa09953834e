"""Any A-XDR value, for property tests."""

from typing import Any

from hypothesis import strategies as st

from datalogger.protocol.dlms.items import Data

_INTEGERS = {5: (4, True), 6: (4, False), 13: (1, False), 15: (1, True), 16: (2, True), 17: (1, False), 18: (2, False),
             20: (8, True), 21: (8, False), 22: (1, False)}  # fmt: skip


def _of(tag: int) -> st.SearchStrategy[Any]:
    if tag in _INTEGERS:
        size, signed = _INTEGERS[tag]
        low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
        return st.integers(low, high)
    match tag:
        case 0 | 255:
            return st.none()
        case 3:
            return st.booleans()
        case 4 | 9 | 10 | 12:
            return st.binary(max_size=12) | st.just(bytes(130))
        case 23:
            return st.floats(width=32, allow_nan=False)
        case 24:
            return st.floats(allow_nan=False)
        case 25 | 26 | 27:
            size = {25: 12, 26: 5, 27: 4}[tag]
            return st.binary(min_size=size, max_size=size)
    raise ValueError(tag)


SCALAR_TAGS = (0, 3, 4, 5, 6, 9, 10, 12, 13, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 255)

_SCALARS: dict[int, st.SearchStrategy[Data]] = {tag: st.tuples(st.just(tag), _of(tag)) for tag in SCALAR_TAGS}
scalars: st.SearchStrategy[Data] = st.one_of(*_SCALARS.values())


def _compact(tags: list[int]) -> st.SearchStrategy[Data]:
    """A compact array of structures with these members, the first of which takes octets."""
    members = [_SCALARS[tag] for tag in [6, *tags]]
    element: st.SearchStrategy[Data] = st.tuples(st.just(2), st.tuples(*members).map(list))
    return st.tuples(st.just(19), st.lists(element, max_size=3))


compact_arrays = st.lists(st.sampled_from(SCALAR_TAGS), max_size=2).flatmap(_compact)


def _structure(*members: st.SearchStrategy[Data]) -> st.SearchStrategy[Data]:
    return st.tuples(st.just(2), st.tuples(*members).map(list))


# What meters push most, and the decoder reads in ways of its own; and what only begins like it.
_six_octets: st.SearchStrategy[Data] = st.tuples(st.just(9), st.binary(min_size=6, max_size=6))
_scale = _structure(_SCALARS[15], _SCALARS[22])
usual = st.one_of(
    _scale,
    _structure(_SCALARS[15], scalars),
    _structure(_six_octets, scalars),
    _structure(_six_octets, scalars, _scale),
    _structure(_six_octets, scalars, _structure(_SCALARS[15], scalars)),
    _structure(_SCALARS[9], scalars, scalars),
    _structure(_SCALARS[18], _six_octets, _SCALARS[15], _SCALARS[18]),
    _structure(_SCALARS[18], scalars, scalars, scalars),
)

values: st.SearchStrategy[Data] = st.recursive(
    scalars | compact_arrays | usual,
    lambda inner: st.tuples(st.sampled_from((1, 2)), st.lists(inner, max_size=4)),
    max_leaves=8,
)
