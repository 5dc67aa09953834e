"""The meter's loop, on a line that only remembers; under virtual time."""

import asyncio
from collections.abc import Sequence

import pytest

from datalogger.simulation.faults import Fault, Faults
from datalogger.simulation.serve import SETTLE, serve
from tests.virtual_time import VirtualClock, run


class Line:
    def __init__(self) -> None:
        self.address = "somewhere"
        self.heard = True
        self.told: list[tuple[float, str]] = []

    def _note(self, what: str) -> None:
        self.told.append((round(VirtualClock().monotonic() - 1000, 3), what))

    async def open(self) -> None:
        self._note("open")

    def send(self, octets: bytes, *, begins: bool) -> None:
        self._note(octets.decode())

    async def disconnect(self) -> None:
        self._note("disconnect")

    async def close(self) -> None:
        self._note("close")


async def served(
    line: Line, telegrams: list[bytes], *, interval: float = 1, faults: Faults | None = None, wait: bool = False
) -> list[tuple[bytes, Sequence[Fault]]]:
    told: list[tuple[bytes, Sequence[Fault]]] = []
    announced: list[str] = []
    await serve(
        [line],
        telegrams,
        interval=interval,
        faults=faults or Faults({}),
        announce=lambda line: announced.append(line.address),
        tell=lambda telegram, struck: told.append((telegram, struck)),
        wait=wait,
    )
    assert len(announced) == [what for _, what in line.told].count("open")
    return told


def test_a_telegram_an_interval_then_the_end() -> None:
    line = Line()
    assert run(served(line, [b"one", b"two", b"three"], interval=10)) == [(b"one", []), (b"two", []), (b"three", [])]
    assert line.told == [(0, "open"), (0, "one"), (10, "two"), (20, "three"), (20, "close")]


def test_a_silence_is_not_made_up_for_by_a_burst() -> None:
    line = Line()
    told = run(served(line, [b"one", b"two", b"three"], faults=Faults({Fault.SILENCE: 1}, pause=5)))
    assert [struck for _, struck in told] == [[Fault.SILENCE]] * 3
    assert line.told == [(0, "open"), (15, "close")]


def test_a_disconnect_opens_the_line_again_after_the_pause() -> None:
    line = Line()
    run(served(line, [b"telegram"], faults=Faults({Fault.DISCONNECT: 1}, pause=5)))
    assert [what for _, what in line.told][2:] == ["disconnect", "open", "close"]
    assert line.told[3] == (5, "open")


def test_it_waits_for_somebody_to_listen() -> None:
    async def late() -> list[tuple[float, str]]:
        line = Line()
        line.heard = False
        serving = asyncio.create_task(served(line, [b"one"], wait=True))
        await asyncio.sleep(60)
        line.heard = True
        await serving
        return line.told

    opened, (at, first), _ = run(late())
    assert opened == (0, "open")
    assert first == "one"
    assert 60 + SETTLE <= at < 61


def test_cancelled_it_closes_its_lines() -> None:
    async def cancelled() -> list[tuple[float, str]]:
        line = Line()
        serving = asyncio.create_task(served(line, [b"one", b"two"], interval=100))
        await asyncio.sleep(1)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        return line.told

    assert run(cancelled()) == [(0, "open"), (0, "one"), (1, "close")]


def test_a_line_that_cannot_be_opened_is_closed_all_the_same() -> None:
    class Broken(Line):
        async def open(self) -> None:
            raise OSError("no terminals left")

    line = Broken()
    with pytest.raises(OSError, match="no terminals left"):
        run(served(line, [b"one"]))
    assert [what for _, what in line.told] == ["close"]
