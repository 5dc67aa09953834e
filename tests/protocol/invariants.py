"""The stream contract as checks that hold for every framer; `test_invariants.py` runs them over all."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from hypothesis import strategies as st

from datalogger.protocol.framing import Frame, Framer, Reason, Rejected

Event = Frame | Rejected


def _unchanged(octets: bytes) -> bytes:
    return octets


class Speaker(NamedTuple):
    """A framer, and what somebody on its line says."""

    name: str
    framer: Callable[[], Framer]
    frames: tuple[bytes, ...]  # sound ones as they stand in a stream, with check sums that hold
    tokens: tuple[bytes, ...]  # what its grammar is made of: noise that looks like frames, and fillers
    bound: int  # octets it may hold back at most
    payload: Callable[[bytes], bytes] = _unchanged  # the payload of a frame that stands in a stream
    dispensable: int = 0  # last octets a frame can do without: a line end, a flag that the next frame brings
    covered: Callable[[bytes], bytes] = _unchanged  # a payload without what its check sum does not cover
    checked: bool = True  # frames have a check sum: a flipped bit shows
    searches: bool = True  # for the next frame behind what is none; over TCP nothing is torn but the end

    @property
    def payloads(self) -> list[bytes]:
        return [self.payload(frame) for frame in self.frames]


def events_of(framer: Framer, parts: Iterable[bytes]) -> list[Event]:
    return [event for part in parts for event in framer.feed(part)] + framer.idle()


def payloads(events: Iterable[Event]) -> list[bytes]:
    return [event.payload for event in events if isinstance(event, Frame)]


def joined(events: Iterable[Event]) -> bytes:
    return b"".join(event.octets for event in events)


def noise(events: Iterable[Event]) -> list[Rejected]:
    return [event for event in events if isinstance(event, Rejected) and event.reason is not Reason.PADDING]


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """The stream in pieces, cut at these places."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[begin:end] for begin, end in pairwise(edges)]


def streams(speaker: Speaker) -> st.SearchStrategy[bytes]:
    """Sound frames, torn ones, pieces of grammar and plain noise, in any order."""
    frame = st.sampled_from(speaker.frames)
    torn = st.builds(
        lambda octets, a, b: octets[: a % len(octets)] + octets[b % len(octets) :],
        frame,
        st.integers(min_value=0),
        st.integers(min_value=0),
    )
    part = st.one_of(frame, torn, st.sampled_from(speaker.tokens), st.binary(max_size=64))
    return st.lists(part, max_size=12).map(b"".join)


PLACES = st.lists(st.integers(min_value=0), max_size=12)
