"""Every address at every setting, until somebody answers: in which order, at what cost, and what stays known."""

import asyncio
from collections.abc import Sequence

import pytest

from datalogger.errors import SourceError
from datalogger.line_settings import LineSettings
from datalogger.probing.modbus.identification import Finding
from datalogger.probing.modbus.scan import MOST_FAILURES, MOST_SAME, Progress, Scan
from tests.probing.modbus.meters import MAPS, MODELS, Line, meter, sunspec_device
from tests.virtual_time import VirtualClock, run

FAST, SLOW, EVEN = (LineSettings.parse(text) for text in ("9600 8N1", "2400 8N1", "19200 8E1"))
TIMEOUT = 0.4


class Watch:
    def __init__(self) -> None:
        self.progress: list[Progress] = []
        self.findings: list[Finding] = []

    def asking(self, progress: Progress) -> None:
        self.progress.append(progress)

    def found(self, finding: Finding) -> None:
        self.findings.append(finding)


def scan(
    line: Line,
    settings: Sequence[LineSettings | None] = (FAST, EVEN, SLOW),
    units: Sequence[int] = (1, 2, 3),
    *,
    seconds: float = 600.0,
    only_first: bool = False,
    watch: Watch | None = None,
) -> Scan:
    return Scan(
        line,
        settings,
        units,
        MAPS,
        MODELS,
        VirtualClock(),
        timeout=TIMEOUT,
        seconds=seconds,
        only_first=only_first,
        watch=watch or Watch(),
    )


def found(scanning: Scan) -> list[tuple[int, str]]:
    return [(finding.unit, finding.candidates[0].map if finding.candidates else "") for finding in scanning.findings]


def test_all_meters_of_a_line_are_found_at_the_settings_they_have() -> None:
    async def scenario() -> None:
        line = Line({1: meter("eastron-sdm630"), 3: meter("carlo-gavazzi-et112", 3)}, settings=EVEN)
        watch = Watch()
        scanning = scan(line, watch=watch)
        await scanning.run()
        assert found(scanning) == [(1, "eastron-sdm630"), (3, "carlo-gavazzi-et112")]
        assert watch.findings == scanning.findings
        assert scanning.settings == EVEN
        assert line.opened == line.closed == 3
        assert line.functions <= {3, 4}

    run(scenario())


def test_the_likeliest_unit_is_asked_at_every_setting_before_the_others() -> None:
    async def scenario() -> None:
        line = Line({2: meter("eastron-sdm120", 2)}, settings=EVEN)
        scanning = scan(line)
        await scanning.run()
        assert line.asked == [(FAST, 1), (EVEN, 1), (SLOW, 1), (FAST, 2), (FAST, 3), (EVEN, 2), (EVEN, 3)]
        assert found(scanning) == [(2, "eastron-sdm120")]

    run(scenario())


def test_a_unit_that_is_not_there_costs_two_timeouts() -> None:
    async def scenario() -> None:
        began = asyncio.get_running_loop().time()
        scanning = scan(Line({}), units=range(1, 11))
        await scanning.run()
        assert asyncio.get_running_loop().time() - began == pytest.approx(3 * 10 * 2 * TIMEOUT, rel=0.05)
        assert scanning.findings == []
        assert scanning.settings is None
        assert scanning.tried == [FAST, EVEN, SLOW]
        assert scanning.asked[FAST] == list(range(1, 11))

    run(scenario())


def test_whoever_refuses_everything_is_there_and_nobody_knows_who_it_is() -> None:
    async def scenario() -> None:
        scanning = scan(Line({2: lambda pdu: bytes((pdu[0] | 0x80, 2))}))
        await scanning.run()
        assert found(scanning) == [(2, "")]

    run(scenario())


def test_a_meter_that_is_silent_to_one_function_is_found_with_the_other() -> None:
    async def scenario() -> None:
        inverter = sunspec_device(2, 103)
        line = Line({2: lambda pdu: inverter(pdu) if pdu[0] == 3 else None})
        scanning = scan(line)
        await scanning.run()
        assert found(scanning) == [(2, "sunspec")]

    run(scenario())


def test_where_a_gateway_says_that_nobody_is_there_no_time_is_lost() -> None:
    async def scenario() -> None:
        nobody = {unit: lambda pdu: bytes((pdu[0] | 0x80, 11)) for unit in range(1, 248)}
        line = Line({**nobody, 200: meter("eastron-sdm120", 200)}, framing="tcp")
        began = asyncio.get_running_loop().time()
        scanning = scan(line, [None], range(1, 248))
        await scanning.run()
        assert found(scanning) == [(200, "eastron-sdm120")]
        assert asyncio.get_running_loop().time() - began < 1

    run(scenario())


def test_answers_that_nobody_can_read_are_remembered() -> None:
    async def scenario() -> None:
        scanning = scan(Line({2: meter("eastron-sdm120", 2)}, damages=[2]))
        await scanning.run()
        assert scanning.findings == []
        assert scanning.unreadable == {2}
        assert sum(scanning.noise.values()) > 0

    run(scenario())


def test_a_device_that_hangs_up_on_one_unit_is_asked_for_the_next() -> None:
    async def scenario() -> None:
        line = Line({3: meter("carlo-gavazzi-em24-ethernet", 3)}, framing="tcp", hangs_up_on=[1, 2])
        scanning = scan(line, [None])
        await scanning.run()
        assert found(scanning) == [(3, "carlo-gavazzi-em24-ethernet")]

    run(scenario())


def test_a_device_that_hangs_up_on_everybody_ends_it() -> None:
    async def scenario() -> None:
        line = Line({}, framing="tcp", hangs_up_on=range(1, 248))
        scanning = scan(line, [None], range(1, 248))
        with pytest.raises(SourceError, match="it hung up"):
            await scanning.run()
        assert len(line.asked) <= MOST_FAILURES
        assert line.opened == line.closed

    run(scenario())


def test_a_device_that_answers_at_every_address_is_one_meter() -> None:
    async def scenario() -> None:
        one = meter("carlo-gavazzi-em24-ethernet")
        line = Line(dict.fromkeys(range(1, 248), one), framing="tcp")
        scanning = scan(line, [None], range(1, 248))
        await scanning.run()
        assert scanning.has_no_address
        assert [finding.unit for finding in scanning.meters] == [1]
        assert len(scanning.findings) == MOST_SAME

    run(scenario())


def test_three_meters_of_one_kind_behind_a_gateway_are_three() -> None:
    async def scenario() -> None:
        line = Line({unit: meter("eastron-sdm630", unit) for unit in (1, 2, 3)}, framing="tcp")
        scanning = scan(line, [None])
        await scanning.run()
        assert len(scanning.meters) == 3

    run(scenario())


def test_only_the_first_is_looked_for_where_that_is_wanted() -> None:
    async def scenario() -> None:
        line = Line({1: lambda pdu: bytes((pdu[0] | 0x80, 2)), 2: meter("eastron-sdm120", 2), 3: meter("abb-b23", 3)})
        scanning = scan(line, only_first=True)
        await scanning.run()
        assert found(scanning) == [(1, ""), (2, "eastron-sdm120")]

    run(scenario())


def test_a_setting_that_the_port_does_not_know_is_left_out() -> None:
    async def scenario() -> None:
        scanning = scan(Line({2: meter("eastron-sdm120", 2)}, settings=SLOW, refuses=[FAST]))
        await scanning.run()
        assert found(scanning) == [(2, "eastron-sdm120")]
        assert scanning.tried == [EVEN, SLOW]
        assert list(scanning.refused) == [FAST]

    run(scenario())


def test_a_port_that_knows_none_of_them_is_told() -> None:
    async def scenario() -> None:
        with pytest.raises(SourceError, match="cannot do 9600 8N1"):
            await scan(Line({}, refuses=[FAST, EVEN, SLOW])).run()

    run(scenario())


def test_a_device_that_needs_a_moment_between_two_connections_is_given_one() -> None:
    async def scenario() -> None:
        line = Line({2: meter("eastron-sdm120", 2)}, framing="tcp", hangs_up_on=[1])
        line.fails_to_open = [False, True, False, True]  # the second time, and the fourth
        scanning = scan(line, [None])
        await scanning.run()
        assert found(scanning) == [(2, "eastron-sdm120")]

    run(scenario())


def test_a_line_that_is_gone_in_the_middle_ends_it_with_its_reason() -> None:
    async def scenario() -> None:
        line = Line({}, hangs_up_on=[1])
        line.fails_to_open = [False, *[True] * 9]
        with pytest.raises(SourceError, match="it is gone"):
            await scan(line).run()

    run(scenario())


def test_when_time_is_up_what_was_found_stays() -> None:
    async def scenario() -> None:
        scanning = scan(Line({1: meter("eastron-sdm630")}), units=range(1, 248), seconds=5.0)
        await scanning.run()
        assert scanning.time_is_up
        assert found(scanning) == [(1, "eastron-sdm630")]
        assert scanning.settings == FAST

    run(scenario())


def test_when_it_is_interrupted_what_was_found_stays_and_the_line_is_closed() -> None:
    async def scenario() -> None:
        line = Line({1: meter("eastron-sdm630")})
        scanning = scan(line, units=range(1, 248))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await scanning.run()
        assert found(scanning) == [(1, "eastron-sdm630")]
        assert line.opened == line.closed

    run(scenario())


def test_who_was_being_asked_when_time_was_up_is_known_to_be_there() -> None:
    async def scenario() -> None:
        answers = [b"\x84\x02"] * 4  # the marks and the first question; then silence

        def falters(pdu: bytes) -> bytes | None:
            return answers.pop() if answers else None

        scanning = scan(Line({1: falters}), seconds=2.0)
        await scanning.run()
        assert scanning.answering == 1
        assert scanning.findings == []

    run(scenario())


def test_progress_tells_how_much_is_left_in_the_worst_case() -> None:
    async def scenario() -> None:
        watch = Watch()
        await scan(Line({2: meter("eastron-sdm120", 2)}, settings=EVEN), watch=watch).run()
        assert [(one.done, one.total) for one in watch.progress] == [
            (0, 9), (1, 9), (2, 9), (3, 9), (4, 9), (5, 9), (6, 7),
        ]  # fmt: skip

    run(scenario())


def test_progress_tells_where_it_is() -> None:
    async def scenario() -> None:
        watch = Watch()
        await scan(Line({2: meter("eastron-sdm120", 2)}), [FAST], watch=watch).run()
        assert [(one.settings, one.units, one.unit, one.done, one.total, one.found) for one in watch.progress] == [
            (FAST, (1, 2, 3), 1, 0, 3, 0),
            (FAST, (1, 2, 3), 2, 1, 3, 0),
            (FAST, (1, 2, 3), 3, 2, 3, 1),
        ]

    run(scenario())
