"""Under virtual time: hours of a capture pass at once, at the right moments."""

import asyncio
import contextlib
import io
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalogger.clock import SystemClock
from datalogger.errors import SourceEnded, SourceError
from datalogger.sources import replay
from datalogger.sources.replay import Replay, ReplayConfig, pieces
from datalogger.words import Duration
from tests.virtual_time import VirtualClock, run


def telegram(stamp: str) -> bytes:
    return f"/ISk5\\2MT382-1000\r\n\r\n0-0:1.0.0({stamp})\r\n1-0:1.8.1(000001.000*kWh)\r\n!ABCD\r\n".encode()


CAPTURE = [telegram("261120100000W"), telegram("261120100010W"), telegram("261120100500W")]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture.bin"
    path.write_bytes(b"".join(CAPTURE))
    return path


def source(path: Path, **options: Any) -> Replay:
    return Replay("old", ReplayConfig(kind="replay", path=path, **options), VirtualClock())


async def moments(line: Replay, most: int = 100) -> list[tuple[float, bytes]]:
    """What is read until the end, and when, seconds after the first."""
    await line.open()
    found: list[tuple[float, bytes]] = []
    try:
        while len(found) < most:
            piece = await line.read()
            found.append((VirtualClock().monotonic(), piece))
    except SourceEnded:
        pass
    await line.close()
    return [(at - found[0][0], piece) for at, piece in found]


def test_a_capture_is_replayed_at_its_own_speed(capture: Path) -> None:
    assert run(moments(source(capture))) == list(zip([0, 10, 300], CAPTURE, strict=True))


def test_a_factor_makes_it_faster(capture: Path) -> None:
    assert [at for at, _ in run(moments(source(capture, speed="10x")))] == [0, 1, 30]


def test_every_gives_each_telegram_the_same_time(capture: Path) -> None:
    assert [at for at, _ in run(moments(source(capture, every=Duration(0.5))))] == [0, 0.5, 1]


def test_at_full_speed_others_have_a_turn_between_two_telegrams(capture: Path) -> None:
    async def both() -> list[str]:
        order = []

        async def other() -> None:
            for _ in range(3):
                order.append("other")
                await asyncio.sleep(0)

        line = source(capture, speed="max")
        await line.open()
        turns = asyncio.create_task(other())
        for _ in CAPTURE:
            await line.read()
            order.append("telegram")
        await turns
        await line.close()
        assert VirtualClock().monotonic() == 1000  # no time has passed
        return order

    assert run(both()) == ["other", "telegram"] * 3


def test_at_the_end_it_has_ended_for_good(capture: Path) -> None:
    async def to_the_end() -> None:
        line = source(capture, speed="max")
        await line.open()
        for _ in CAPTURE:
            await line.read()
        for _ in range(2):
            with pytest.raises(SourceEnded, match=f"the replay of {capture} is done"):
                await line.read()
        await line.close()

    run(to_the_end())


def test_repeat_begins_again_a_step_after_the_end(capture: Path) -> None:
    found = run(moments(source(capture, repeat=True), most=5))
    assert found == list(zip([0, 10, 300, 310, 320], [*CAPTURE, *CAPTURE[:2]], strict=True))


def test_an_empty_file_ends_also_when_it_is_repeated(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert run(moments(source(empty, repeat=True))) == []


def test_a_cancelled_read_costs_neither_a_telegram_nor_its_moment(capture: Path) -> None:
    async def impatient() -> list[tuple[float, bytes]]:
        line = source(capture)
        await line.open()
        found: list[tuple[float, bytes]] = []
        while len(found) < len(CAPTURE):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    piece = await line.read()
                found.append((VirtualClock().monotonic() - 1000, piece))
        await line.close()
        return found

    assert run(impatient()) == list(zip([0, 10, 300], CAPTURE, strict=True))


@pytest.mark.parametrize("options", [{}, {"every": Duration(150)}])
def test_opened_again_it_goes_on_where_it_was(capture: Path, options: dict[str, Any]) -> None:
    async def reopened() -> list[tuple[float, bytes]]:
        line = source(capture, **options)
        await line.open()
        found = []
        for _ in CAPTURE:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await line.read()
            await line.close()
            await line.open()
            piece = await line.read()
            found.append((VirtualClock().monotonic() - 1000, piece))
            await line.close()
            await line.open()
        return found

    found = run(reopened())
    assert [piece for _, piece in found] == CAPTURE
    times = [at - found[0][0] for at, _ in found]
    assert times == ([0, 150, 300] if options else [0, 10, 300])


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None])
def test_what_is_no_file_is_refused_with_its_name(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "capture")
    with pytest.raises(SourceError, match=f"{tmp_path / 'capture'}: .*path names a capture"):
        asyncio.run(source(tmp_path / "capture").open())


def test_a_closed_replay_says_so(capture: Path) -> None:
    with pytest.raises(SourceError, match="is not open"):
        run(source(capture).read())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"speed": "quick"}, 'speed: expected "own"'),
        ({"speed": "max", "every": Duration(1)}, "every: beside speed"),
    ],
)
def test_a_pace_that_cannot_be_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Replay("old", ReplayConfig(kind="replay", path=Path("x"), **options), SystemClock())


# --- cutting a file before its telegrams


@given(
    st.lists(st.sampled_from([b"/", b"\n", b"\r\n", b"!", b"x", b"/ISK5\r\n"]), max_size=60),
    st.integers(min_value=1, max_value=7),
)
def test_the_pieces_are_the_file_cut_before_each_telegram(parts: list[bytes], block: int) -> None:
    whole = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "BLOCK", block)
        cut = list(pieces(io.BytesIO(whole)))
    assert b"".join(cut) == whole
    assert all(cut)
    assert all(before.endswith(b"\n") and after.startswith(b"/") for before, after in itertools.pairwise(cut))
    assert not any(b"\n/" in piece for piece in cut)


def test_a_file_without_telegrams_is_cut_into_bounded_pieces() -> None:
    noise = bytes(range(1, 10)) * 100_000
    cut = list(pieces(io.BytesIO(noise + b"\n/")))
    assert b"".join(cut) == noise + b"\n/"
    assert max(map(len, cut)) <= replay.LONGEST_PIECE + replay.BLOCK
    assert cut[-1] == b"/"
