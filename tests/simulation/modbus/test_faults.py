from collections.abc import Callable

import pytest

from datalogger.protocol.checksum import crc16_modbus
from datalogger.simulation.modbus.faults import AnswerFault, AnswerFaults, Reply

PDU = bytes.fromhex("0404 0001 0203".replace(" ", ""))


def frame(unit: int, pdu: bytes) -> bytes:
    octets = bytes((unit,)) + pdu
    return octets + crc16_modbus(octets).to_bytes(2, "little")


SOUND = frame(7, PDU)


def struck(fault: AnswerFault, seed: int = 0) -> Reply:
    reply = AnswerFaults({fault: 1}, seed=seed, pause=3).apply(7, PDU, frame)
    assert reply.struck == (fault,)
    return reply


def test_without_a_fault_the_answer_is_the_answer() -> None:
    faults = AnswerFaults({AnswerFault.CRC: 0})
    assert all(faults.apply(7, PDU, frame) == Reply(SOUND) for _ in range(100))


@pytest.mark.parametrize(
    ("fault", "is_so"),
    [
        (AnswerFault.EXCEPTION, lambda got: got[1] == 0x84 and got[2] in (2, 4, 6) and crc16_modbus(got) == 0),
        (AnswerFault.SILENCE, lambda got: got == b""),
        (AnswerFault.UNIT, lambda got: got[0] != 7 and got[1:-2] == PDU and crc16_modbus(got) == 0),
        (AnswerFault.FUNCTION, lambda got: got[1] in (1, 2, 3) and got[2:-2] == PDU[1:] and crc16_modbus(got) == 0),
        (AnswerFault.LATE, lambda got: got == SOUND),
        (AnswerFault.CRC, lambda got: len(got) == len(SOUND) and crc16_modbus(got) != 0),
        (AnswerFault.SHORT, lambda got: 0 < len(got) < len(SOUND) and SOUND.startswith(got)),
        (AnswerFault.LONG, lambda got: len(got) > len(SOUND) and got.startswith(SOUND)),
        (AnswerFault.NOISE, lambda got: len(got) > len(SOUND) and got.endswith(SOUND)),
        (AnswerFault.CLOSE, lambda got: 0 < len(got) < len(SOUND) and SOUND.startswith(got)),
    ],
)
def test_each_fault_does_what_it_says(fault: AnswerFault, is_so: Callable[[bytes], bool]) -> None:
    for seed in range(50):
        reply = struck(fault, seed)
        assert is_so(reply.octets), reply.octets.hex()
        assert reply.after == (3 if fault is AnswerFault.LATE else 0)
        assert reply.closes is (fault is AnswerFault.CLOSE)


def test_every_fault_has_its_test() -> None:
    (mark,) = test_each_fault_does_what_it_says.pytestmark  # type: ignore[attr-defined]
    assert {fault for fault, _ in mark.args[1]} == set(AnswerFault)


def test_a_rate_is_how_often_and_moves_no_other_fault() -> None:
    def hits(rates: dict[AnswerFault, float]) -> list[bool]:
        faults = AnswerFaults(rates, seed=1)
        return [AnswerFault.LATE in faults.apply(7, PDU, frame).struck for _ in range(1000)]

    alone = hits({AnswerFault.LATE: 0.1})
    assert 60 < sum(alone) < 140
    assert hits({AnswerFault.LATE: 0.1, AnswerFault.CRC: 0.5}) == alone
