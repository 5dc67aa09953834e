"""The poller with units on a scripted line, under virtual time."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import cast

import pytest
from structlog.testing import capture_logs

from datalogger.config.polling import UnitOptions
from datalogger.errors import SourceError
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.pipeline.hub import Hub
from datalogger.pipeline.polled_meter import ASK_AGAIN, SAY_AGAIN
from datalogger.pipeline.polled_unit import PolledUnit
from datalogger.pipeline.poller import Poller
from datalogger.protocol.modbus.register_map import Identity, Limits, Register, RegisterMap, Where
from datalogger.words import Duration
from tests.sources.modbus.bus import SOUND, Bus, Deed, word
from tests.virtual_time import VirtualClock, run


def register(name: str, address: int, **more: object) -> Register:
    return Register(name=name, addr=address, type="u16", function=4, **more)  # type: ignore[arg-type]


FAR = [register("a", 0), register("b", 100), register("c", 200)]  # three requests
NEAR = [register(name, address) for address, name in enumerate("abcdefgh")]  # one


def unit(
    registers: Sequence[Register] = FAR,
    address: int = 1,
    interval: float = 10,
    identity: Identity | None = None,
    options: UnitOptions | None = None,
) -> PolledUnit:
    found = RegisterMap(id="own", limits=Limits(gap=4), reg=tuple(registers), identity=identity or Identity())
    return PolledUnit(address, options or UnitOptions(map="own"), interval, found=found)


class Played:
    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.reports: list[Report] = []
        self.times: list[float] = []
        self.metrics = Metrics()
        self.logs: list[dict[str, object]] = []

    def publish(self, report: Report) -> None:
        self.reports.append(report)
        self.times.append(asyncio.get_running_loop().time() - 1000)

    def names(self) -> list[str]:
        return ["".join(record.name for record in report.records) for report in self.reports]

    def events(self, event: str) -> list[dict[str, object]]:
        return [log for log in self.logs if log["event"] == event]


def play(
    bus: Bus,
    units: Sequence[PolledUnit],
    seconds: float,
    *,
    silence: float = 120.0,
    then: Callable[[], None] | None = None,
    at: float = 0.0,
    played: Played | None = None,
) -> Played:
    """then: called `at` seconds after the beginning"""
    played = played or Played(bus)

    async def scenario() -> None:
        poller = Poller(
            "cabinet",
            lambda reject: bus.conversation(heard=reject),
            units,
            cast(Hub, played),
            timeout=1.0,
            silence=silence,
            clock=VirtualClock(),
            metrics=played.metrics,
            beat=lambda: None,
        )
        if then is not None:
            asyncio.get_running_loop().call_later(at, then)
        task = asyncio.create_task(poller.run())
        await asyncio.wait([task], timeout=seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with capture_logs() as logs:
        run(scenario())
    played.logs = cast(list[dict[str, object]], logs)
    return played


def test_a_unit_is_asked_at_once_and_then_on_an_even_grid_of_the_wall_clock() -> None:
    played = play(Bus(), [unit()], 31)
    assert [round(time) for time in played.times] == [0, 10, 20, 30]
    first_of_poll = [time - 1000 for request, time in zip(played.bus.requests, played.bus.times, strict=True)
                     if request.address == 0 and request.count == 1]  # fmt: skip
    assert first_of_poll[1:] == pytest.approx([10, 20, 30])


def test_all_registers_of_one_poll_are_one_report_under_one_time() -> None:
    played = play(Bus(), [unit()], 5)
    (report,) = played.reports
    assert (report.protocol, report.source, report.meter, report.profile) == ("modbus", "cabinet", "own-1", "own")
    assert [record.name for record in report.records] == ["a", "b", "c"]
    assert [record.value for record in report.records] == [word(2, 0), word(3, 100), word(4, 200)]
    assert report.received_at is not None and report.meter_time is None


def test_the_meter_is_what_its_serial_number_says_or_the_configuration() -> None:
    bus = Bus()
    bus.values = {300: 0x0012, 301: 0x3456, 302: 0x4142, 303: 0x3132, 304: 0, 305: 0x41, 306: 0x42}
    number = Identity(serial=Where(addr=300, type="u32"))
    text = Identity(serial=Where(addr=302, type="text", words=3))
    one_a_register = Identity(serial=Where(addr=305, type="text", words=2))
    named = UnitOptions(map="own", meter="main")
    units = [
        unit(address=1, identity=number),
        unit(address=2, identity=text),
        unit(address=3, identity=one_a_register),
        unit(address=4, identity=number, options=named),
    ]
    played = play(bus, units, 5)
    assert [report.meter for report in played.reports] == ["1193046", "AB12", "AB", "main"]


def test_a_meter_of_another_model_than_the_map_is_for_is_told() -> None:
    bus = Bus()
    bus.values = {300: 71}
    played = play(bus, [unit(identity=Identity(model=Where(addr=300, type="u16", values=(72, 73))))], 5)
    (said,) = played.events("notice")
    assert "model 71" in str(said["detail"]) and "72, 73" in str(said["detail"])
    assert len(played.reports) == 1


def test_units_on_one_line_are_asked_in_turn() -> None:
    played = play(Bus(), [unit(address=1), unit(address=2), unit(address=3, interval=5)], 21)
    meters = [report.meter for report in played.reports]
    assert meters[:3] == ["own-1", "own-2", "own-3"]
    assert [meters.count(f"own-{address}") for address in (1, 2, 3)] == [3, 3, 5]


def test_a_unit_that_is_gone_costs_its_neighbours_little_and_is_asked_less_often() -> None:
    bus = Bus()
    bus.units = {2}
    played = play(bus, [unit(address=1, interval=2), unit(address=2, interval=2)], 301)
    assert [report.meter for report in played.reports] == ["own-2"] * len(played.reports)
    assert len(played.reports) >= 149
    assert 10 <= sum(request.unit == 1 for request in bus.requests) <= 20
    (said,) = played.events("no answer")
    assert (said["unit"], said["map"]) == (1, "own")
    assert "is this its address?" in str(said["mend"])


def test_a_unit_that_is_back_is_read_again() -> None:
    bus = Bus()
    bus.units = {2}
    played = play(bus, [unit(address=1), unit(address=2)], 300, then=lambda: setattr(bus, "units", None), at=130)
    times = [time for report, time in zip(played.reports, played.times, strict=True) if report.meter == "own-1"]
    assert 130 < times[0] <= 170
    assert len(times) >= 13


def test_what_one_register_is_refused_for_costs_that_register_only() -> None:
    bus = Bus()
    bus.holes = {4}
    played = play(bus, [unit(NEAR)], 61)
    assert played.names() == ["abcdfgh"] * 7
    (said,) = played.events("registers that this meter does not have")
    assert (said["registers"], said["count"], said["log_level"]) == ("e", "1 of 8", "warning")


def test_a_map_of_another_meter_is_told_in_one_line() -> None:
    bus = Bus()
    bus.holes = set(range(300))
    played = play(bus, [unit(NEAR)], 61)
    assert played.reports == []
    (said,) = played.events("registers that this meter does not have")
    assert (said["count"], said["log_level"]) == ("8 of 8", "error")
    assert "is this the map of this very model?" in str(said["mend"])
    assert played.metrics.get("datalogger_unit_up", "cabinet", "1") == 0


def test_a_gateway_that_hears_nothing_of_a_unit_is_told_by_its_own_word_alone() -> None:
    gone = Deed(form="exception", code=11)
    played = play(Bus([gone] * 50, framing="tcp"), [unit()], 35)
    assert played.events("no answer") == []
    assert {log["reason"] for log in played.events("rejected")} == {"exception_11"}
    assert played.metrics.get("datalogger_unit_up", "cabinet", "1") == 0


def test_a_refused_register_is_asked_again_later() -> None:
    bus = Bus()
    bus.holes = {100}
    played = play(bus, [unit()], ASK_AGAIN + 30, then=lambda: bus.holes.clear(), at=60)
    assert played.names()[0] == "ac"
    assert played.names()[-1] == "abc"
    asked = [
        round(time - 1000) for request, time in zip(bus.requests, bus.times, strict=True) if request.address == 100
    ]
    assert asked == [0, ASK_AGAIN, ASK_AGAIN + 10, ASK_AGAIN + 20]


def test_what_was_answered_before_is_not_taken_for_missing_when_it_is_refused_once() -> None:
    bus = Bus()
    played = play(bus, [unit(NEAR)], 45, then=lambda: bus.deeds.append(Deed(form="exception", code=4)), at=15)
    assert [round(time) for time in played.times] == [0, 10, 30, 40]
    assert {request.count for request in bus.requests[1:]} == {8}


def test_what_is_asked_for_in_pieces_is_asked_for_as_a_whole_again_later() -> None:
    bus = Bus()
    bus.holes = {4}
    played = play(bus, [unit(NEAR)], ASK_AGAIN + 30, then=bus.holes.clear, at=60)
    assert played.names()[1] == "abcdfgh"
    assert played.names()[-1] == "abcdefgh"
    assert [request.count for request in bus.requests[-3:]] == [8, 8, 8]


def test_a_function_that_the_meter_does_not_know_is_not_asked_for_piece_by_piece() -> None:
    bus = Bus([SOUND, Deed(form="exception", code=1)])
    play(bus, [unit(NEAR)], 35)
    assert [request.count for request in bus.requests] == [6, 8]


@pytest.mark.parametrize("code", [5, 6])
def test_a_busy_meter_loses_that_block_of_that_poll_only(code: int) -> None:
    played = play(Bus([SOUND, SOUND, Deed(form="exception", code=code)]), [unit()], 15)
    assert played.names() == ["ac", "abc"]


def test_an_answer_that_was_damaged_is_asked_for_again_in_the_same_poll() -> None:
    played = play(Bus([SOUND, SOUND, Deed(form="crc")]), [unit()], 5)
    assert played.names() == ["abc"]
    assert played.metrics.get("datalogger_frames_rejected_total", "cabinet", "checksum") == 1


def test_a_lost_answer_is_asked_for_again_in_the_same_poll() -> None:
    played = play(Bus([SOUND, SOUND, Deed(after=None)]), [unit()], 5)
    assert played.names() == ["abc"]
    assert played.metrics.get("datalogger_frames_rejected_total", "cabinet", "no_answer") == 1


def test_what_came_before_the_meter_fell_silent_is_reported() -> None:
    played = play(Bus([SOUND, SOUND, *[Deed(after=None)] * 2]), [unit()], 15)
    assert played.names() == ["a", "abc"]


def test_a_connection_that_was_closed_while_nothing_was_asked_is_opened_again_without_a_word() -> None:
    bus = Bus()
    played = play(bus, [unit()], 35, then=lambda: bus.fail("idle"), at=15)
    assert [round(time) for time in played.times] == [0, 10, 20, 30]
    assert played.events("cannot read") == []
    assert bus.opened == 2
    assert played.metrics.get("datalogger_source_reconnects_total", "cabinet") == 1


def test_a_request_whose_connection_breaks_is_made_again_on_a_new_one() -> None:
    bus = Bus([SOUND, SOUND, Deed(after=None)])
    played = play(bus, [unit()], 15, then=lambda: bus.fail("closed"), at=0.5)
    assert played.names() == ["abc", "abc"]
    assert played.metrics.get("datalogger_frames_rejected_total", "cabinet", "closed") == 1
    assert played.metrics.get("datalogger_source_reconnects_total", "cabinet") == 1


def test_what_came_before_a_line_was_lost_is_reported_and_the_loss_is_told() -> None:
    bus = Bus([SOUND, SOUND, Deed(after=None), *[Deed(after=None)] * 2])

    async def closed() -> None:
        raise SourceError("the cable is out")

    def cut() -> None:
        bus.fail("the cable is out")
        bus.open = closed  # type: ignore[method-assign]

    played = play(bus, [unit()], 15, then=cut, at=0.5)
    assert played.names() == ["a"]
    assert played.events("cannot read")[0]["error"] == "the cable is out"
    assert played.metrics.get("datalogger_source_up", "cabinet") == 0
    assert played.metrics.get("datalogger_unit_up", "cabinet", "1") == 0


def test_a_unit_is_shown_to_be_there_while_it_is_read() -> None:
    seen: list[float] = []
    bus = Bus()
    played = Played(bus)

    def look() -> None:
        seen.append(played.metrics.get("datalogger_unit_up", "cabinet", "1"))

    play(bus, [unit()], 15, then=look, at=5, played=played)
    assert seen == [1]
    assert played.metrics.get("datalogger_unit_up", "cabinet", "1") == 0  # it was stopped


def test_a_server_that_closes_after_each_answer_is_read_all_the_same() -> None:
    bus = Bus(framing="tcp")
    say = bus._say

    def and_close(pdu: bytes, unit: int, transaction: int) -> None:
        say(pdu, unit, transaction)
        bus.fail("closed")

    bus._say = and_close  # type: ignore[method-assign]
    played = play(bus, [unit()], 35)
    assert played.names() == ["abc"] * 4
    assert played.events("cannot read") == []


def test_another_meter_behind_an_address_is_known_when_the_connection_is_a_new_one() -> None:
    bus = Bus(framing="tcp")
    bus.values = {300: 0, 301: 111}

    def swapped() -> None:
        bus.values = {300: 0, 301: 222}
        bus.fail("closed")

    played = play(bus, [unit(identity=Identity(serial=Where(addr=300, type="u32")))], 25, then=swapped, at=5)
    assert [report.meter for report in played.reports] == ["111", "222", "222"]


def test_another_meter_behind_an_address_is_known_after_a_while_also_where_nothing_showed() -> None:
    bus = Bus()
    bus.values = {300: 0, 301: 111}
    identity = Identity(serial=Where(addr=300, type="u32"))
    played = play(bus, [unit(identity=identity)], 1300, then=lambda: bus.values.update({301: 222}), at=5)
    assert played.reports[-1].meter == "222"


def test_a_meter_that_is_busy_is_not_given_another_name_for_that() -> None:
    bus = Bus([SOUND, Deed(form="exception", code=6)])
    bus.values = {300: 0, 301: 111}
    played = play(bus, [unit(identity=Identity(serial=Where(addr=300, type="u32")))], 25)
    assert {report.meter for report in played.reports} == {"111"}


def test_a_unit_that_is_dead_for_weeks_stops_nobody() -> None:
    bus = Bus()
    bus.units = {2}
    dead = unit(address=1, interval=10.0)
    dead.failures = 5000
    played = play(bus, [dead, unit(address=2, interval=10.0)], 100)
    assert [report.meter for report in played.reports] == ["own-2"] * 10


def test_a_meter_of_a_long_interval_that_was_missed_is_asked_again_soon() -> None:
    bus = Bus([Deed(after=None)])
    played = play(bus, [unit(interval=86400)], 100)
    assert 25 < played.times[0] < 40
    assert played.events("cannot read") == []


def test_what_is_always_damaged_is_told_as_no_answer_in_the_end() -> None:
    bus = Bus([SOUND, *[Deed(form="crc")] * 500])
    played = play(bus, [unit(interval=2)], 60)
    assert played.reports == []
    assert len(played.events("no answer that could be read")) == 1
    assert played.metrics.get("datalogger_unit_up", "cabinet", "1") == 0


def test_a_line_on_which_nobody_answers_is_opened_again() -> None:
    bus = Bus()
    bus.units = set()
    played = play(bus, [unit(interval=5)], 100, silence=30)
    assert 3 <= bus.opened <= 4
    assert "no octet for 30 s" in str(played.events("cannot read")[0]["error"])


def test_polls_that_a_slow_line_leaves_out_are_counted_and_told() -> None:
    bus = Bus([SOUND] * 4 + [Deed(after=0.9)] * 3)
    played = play(bus, [unit(interval=1)], 10)
    assert played.metrics.get("datalogger_polls_missed_total", "cabinet") == 2
    assert played.events("polls left out")[0]["missed"] == 2
    assert [round(time, 1) for time in played.times][:3] == [0.0, 3.7, 4.0]


def test_a_register_of_a_longer_interval_is_asked_less_often() -> None:
    options = UnitOptions(map="own", intervals={"b": Duration(30)})
    played = play(Bus(), [unit(options=options)], 65)
    assert played.names() == ["abc", "ac", "ac", "abc", "ac", "ac", "abc"]


def test_a_register_of_a_longer_interval_keeps_to_the_grid_however_long_a_poll_takes() -> None:
    bus = Bus([Deed(after=0.01 + 0.02 * (at % 7)) for at in range(300)])
    options = UnitOptions(map="own", intervals={"b": Duration(60)})
    played = play(bus, [unit(options=options), unit(address=2)], 605)
    slow = [time for report, time in zip(played.reports, played.times, strict=True) if "b" in
            [record.name for record in report.records] and report.meter == "own-1"]  # fmt: skip
    assert [round(b - a) for a, b in itertools.pairwise(slow)] == [60] * (len(slow) - 1)
    assert len(slow) == 11


def test_a_refused_register_makes_no_slow_one_fast() -> None:
    bus = Bus()
    bus.holes = {200}
    options = UnitOptions(map="own", intervals={"b": Duration(86400)})
    played = play(bus, [unit(options=options)], 3 * ASK_AGAIN)
    assert sum("b" in names for names in played.names()) == 1


def test_only_the_registers_that_are_wanted_are_asked_for() -> None:
    played = play(Bus(), [unit(options=UnitOptions(map="own", registers=("c", "a")))], 5)
    assert played.names() == ["ac"]


def test_what_has_not_changed_beyond_its_deadband_is_not_reported_but_for_now_and_then() -> None:
    bus = Bus()
    bus.values = {0: 100, 100: 100, 200: 100}
    options = UnitOptions(map="own", deadbands={"a": Decimal(5), "b": Decimal(0)})
    played = play(bus, [unit(options=options)], 15, then=lambda: bus.values.update({0: 105, 100: 101}), at=5)
    assert played.names() == ["abc", "bc"]
    bus = Bus()
    bus.values = {0: 100, 100: 100, 200: 100}
    options = UnitOptions(map="own", deadbands={name: Decimal(5) for name in "abc"})
    played = play(bus, [unit(options=options)], SAY_AGAIN + 25)
    assert [round(time) for time in played.times] == [0, SAY_AGAIN]
