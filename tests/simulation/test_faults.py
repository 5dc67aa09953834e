from itertools import pairwise

import pytest

from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.p1.framer import P1Framer
from datalogger.simulation.faults import Disconnect, Fault, Faults, Quiet, Send, Step
from datalogger.simulation.p1 import DSMR5, telegrams
from tests.virtual_time import START

TELEGRAM = next(telegrams(DSMR5, start=START))


def apply(fault: Fault, seed: int = 0) -> list[Step]:
    steps, struck = Faults({fault: 1}, seed=seed, pause=3).apply(TELEGRAM)
    assert struck == [fault]
    return steps


def sent(steps: list[Step]) -> bytes:
    return b"".join(step.octets for step in steps if isinstance(step, Send))


def read(octets: bytes) -> list[Frame | Rejected]:
    framer = P1Framer()
    return framer.feed(octets) + framer.idle()


def test_without_faults_a_telegram_is_sent_as_it_is() -> None:
    assert Faults({}).apply(TELEGRAM) == ([Send(TELEGRAM)], [])


@pytest.mark.parametrize("seed", range(20))
def test_a_flip_turns_one_bit(seed: int) -> None:
    damaged = sent(apply(Fault.FLIP, seed))
    assert len(damaged) == len(TELEGRAM)
    assert sum((a ^ b).bit_count() for a, b in zip(damaged, TELEGRAM, strict=True)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_drop_takes_one_octet(seed: int) -> None:
    damaged = sent(apply(Fault.DROP, seed))
    assert len(damaged) == len(TELEGRAM) - 1
    assert any(TELEGRAM[:at] + TELEGRAM[at + 1 :] == damaged for at in range(len(TELEGRAM)))


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_leaves_the_beginning(seed: int) -> None:
    damaged = sent(apply(Fault.CUT, seed))
    assert 0 < len(damaged) < len(TELEGRAM)
    assert TELEGRAM.startswith(damaged)


@pytest.mark.parametrize("seed", range(20))
def test_a_wrong_check_sum_is_all_that_is_wrong(seed: int) -> None:
    damaged = sent(apply(Fault.CRC, seed))
    assert damaged[:-6] == TELEGRAM[:-6] and damaged[-6:] != TELEGRAM[-6:]
    assert [event.reason for event in read(damaged) if isinstance(event, Rejected)] == [Reason.CHECKSUM]


@pytest.mark.parametrize("seed", range(20))
def test_noise_comes_before_the_telegram_and_costs_it_nothing(seed: int) -> None:
    steps = apply(Fault.NOISE, seed)
    assert steps[1:] == [Send(TELEGRAM)]
    noise, telegram = read(sent(steps))
    assert isinstance(noise, Rejected) and noise.reason is Reason.NOISE
    assert isinstance(telegram, Frame) and telegram.octets == TELEGRAM


def test_a_duplicate_comes_twice() -> None:
    assert apply(Fault.DUPLICATE) == [Send(TELEGRAM), Send(TELEGRAM)]


def test_a_silence_sends_nothing() -> None:
    assert apply(Fault.SILENCE) == [Quiet(3)]


@pytest.mark.parametrize("seed", range(20))
def test_a_disconnect_breaks_off_inside_the_telegram(seed: int) -> None:
    begun, end = apply(Fault.DISCONNECT, seed)
    assert isinstance(begun, Send) and TELEGRAM.startswith(begun.octets) and 0 < len(begun.octets) < len(TELEGRAM)
    assert end == Disconnect(3)


def test_a_telegram_that_dribbles_is_whole_and_has_one_beginning() -> None:
    steps = apply(Fault.DRIBBLE)
    assert sent(steps) == TELEGRAM
    pieces = [step for step in steps if isinstance(step, Send)]
    assert [piece.begins for piece in pieces] == [True] + [False] * (len(pieces) - 1)
    assert all(isinstance(before, Send) != isinstance(after, Send) for before, after in pairwise(steps))


def test_a_rate_is_how_often_a_fault_strikes() -> None:
    faults = Faults({Fault.CUT: 0.25, Fault.NOISE: 0})
    struck = [fault for _ in range(2000) for fault in faults.apply(TELEGRAM)[1]]
    assert set(struck) == {Fault.CUT}
    assert 400 < len(struck) < 600


def test_the_same_seed_gives_the_same_faults_and_one_fault_does_not_move_another() -> None:
    def cuts(rates: dict[Fault, float], seed: int = 1) -> list[bool]:
        faults = Faults(rates, seed=seed)
        return [Fault.CUT in faults.apply(TELEGRAM)[1] for _ in range(200)]

    assert cuts({Fault.CUT: 0.3}) == cuts({Fault.CUT: 0.3})
    assert cuts({Fault.CUT: 0.3}) == cuts({Fault.CUT: 0.3, Fault.FLIP: 0.5, Fault.DRIBBLE: 1})
    assert cuts({Fault.CUT: 0.3}) != cuts({Fault.CUT: 0.3}, seed=2)


@pytest.mark.parametrize("telegram", [b"/\r\n", b"/ISk5\\2MT382\r\n\r\n!\r\n"])
@pytest.mark.parametrize("seed", range(10))
def test_all_faults_at_once_strike_the_shortest_telegram_too(telegram: bytes, seed: int) -> None:
    faults = Faults({fault: 1 for fault in Fault if fault is not Fault.SILENCE}, seed=seed)
    steps, struck = faults.apply(telegram)
    assert len(struck) == len(Fault) - 1
    assert isinstance(steps[-1], Disconnect)
