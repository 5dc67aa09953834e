from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from datalogger.meters import profiles
from datalogger.meters.decoder import MeterDecoder
from datalogger.meters.meaning import Reading
from datalogger.model import Report
from datalogger.protocol import detect
from datalogger.protocol.decoder import Notice
from datalogger.protocol.dlms.keys import Keys
from datalogger.protocol.dlms.security import MemoryCounters, Security
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.simulation import meters
from datalogger.simulation.dlms import Pushes, PushFault
from datalogger.simulation.faults import Fault, Faults, Send
from datalogger.simulation.meters import Model
from datalogger.simulation.twin import Capture

START = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def sent(
    model: Model,
    count: int,
    *,
    start: datetime = START,
    seed: int = 0,
    counter: int | None = None,
    faults: Mapping[PushFault, float] | None = None,
) -> list[bytes]:
    pushes = Pushes(
        Capture(model.octets, model.keys),
        start=start,
        interval=MINUTE,
        zone=ZoneInfo(model.zone),
        standard_time=model.standard_time,
        counter=counter,
        seed=seed,
        faults=faults,
    )
    return list(islice(pushes, count))


def received(model: Model, octets: Iterable[bytes], keys: Keys | None = None) -> list[Report | Rejected]:
    """As the daemon makes them: with profiles, both keys, and no push twice."""
    found = events(model, octets, keys)
    return [one for one in found if isinstance(one, Report | Rejected) and getattr(one, "reason", "") != Reason.PADDING]


def events(model: Model, octets: Iterable[bytes], keys: Keys | None = None) -> list[Report | Rejected | Notice]:
    stream = b"".join(octets)
    framer = detect.document(stream)()
    decoder = MeterDecoder(
        Reading(zone=ZoneInfo(model.zone)), Security(keys or model.keys, counters=MemoryCounters()), profiles.load
    )
    found: list[Report | Rejected | Notice] = []
    for event in framer.feed(stream) + framer.idle():
        found += decoder.take(event) if isinstance(event, Frame) else [event]
    return found + decoder.idle()


@pytest.mark.parametrize("name", meters.names())
def test_what_a_simulated_meter_shows_is_plausible(name: str) -> None:
    model = meters.built_in(name)
    found = [one for one in events(model, sent(model, 40)) if isinstance(one, Notice)]
    assert [notice.detail for notice in found if notice.reason == "implausible"] == []


def values(report: Report) -> dict[str, int]:
    return {record.obis: record.value for record in report.records if record.value is not None}


@pytest.mark.parametrize("name", meters.names())
def test_every_built_in_meter_lives(name: str) -> None:
    model = meters.built_in(name)
    assert model.title
    reports = received(model, sent(model, 10))
    assert len(reports) == 10
    for before, after in pairwise(reports):
        assert isinstance(before, Report) and isinstance(after, Report)
        assert [record.obis for record in after.records] == [record.obis for record in before.records]
        if before.meter_time is not None:
            assert after.meter_time is not None
            assert after.meter_time - before.meter_time == MINUTE
        for obis, value in values(after).items():
            if obis.split(":")[1].startswith(("1.8.", "2.8.")):
                assert value >= values(before)[obis]
        if before.security is not None:
            assert after.security is not None
            assert after.security.invocation_counter == before.security.invocation_counter + 1
            assert after.security.tag == ("absent" if model.keys.authentication is None else "verified")
    first, last = reports[0], reports[-1]
    assert isinstance(first, Report) and isinstance(last, Report)
    assert first.records != last.records


@pytest.mark.parametrize("name", ["aidon-no", "kaifa-at", "iskra-ch", "kamstrup-se", "lg-e450-ch"])
def test_energy_grows_by_the_power(name: str) -> None:
    model = meters.built_in(name)
    reports = [one for one in received(model, sent(model, 600)) if isinstance(one, Report)]
    watts = [physical(report, "1.7.0") for report in reports]
    grown = physical(reports[-1], "1.8.0") - physical(reports[0], "1.8.0")
    assert grown == pytest.approx(sum(watts[:-1]) / 60, rel=0.01, abs=20)


def physical(report: Report, quantity: str) -> float:
    (record,) = (record for record in report.records if f":{quantity}*" in record.obis)
    assert record.value is not None
    return record.value * 10.0**record.scaler  # an unscaled one is counted in the plain unit


@pytest.mark.parametrize("name", ["kaifa-at", "iskra-si", "siemens-at", "kaifa-no", "aidon-se", "kamstrup-dk"])
@pytest.mark.parametrize("start", [START, datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)])
def test_the_clock_is_read_as_it_is_meant_in_summer_and_winter(name: str, start: datetime) -> None:
    model = meters.built_in(name)
    (report,) = received(model, sent(model, 1, start=start))
    assert isinstance(report, Report)
    assert report.meter_time == start


def test_the_same_arguments_give_the_same_pushes() -> None:
    model = meters.built_in("kaifa-at")
    assert sent(model, 5) == sent(model, 5)
    assert sent(model, 5) != sent(model, 5, seed=1)
    assert len({len(octets) for octets in sent(model, 5)}) == 1


def test_a_meter_started_again_is_no_replay_unless_it_is_told_to() -> None:
    model = meters.built_in("kaifa-at")
    both = sent(model, 3) + sent(model, 3, start=START + MINUTE)
    assert all(isinstance(one, Report) for one in received(model, both))
    again = received(model, sent(model, 3, counter=7) + sent(model, 3, counter=7))
    assert [getattr(one, "reason", None) for one in again] == [None] * 3 + [Reason.REPLAY] * 3


def test_a_replay_is_refused_and_costs_only_itself() -> None:
    model = meters.built_in("kamstrup-dk")
    pushes = sent(model, 60, faults={PushFault.REPLAY: 0.3})
    replays = sum(after == before for before, after in pairwise(pushes))
    assert 8 < replays < 30
    found = received(model, pushes)
    assert sum(isinstance(one, Rejected) and one.reason is Reason.REPLAY for one in found) == replays
    assert sum(isinstance(one, Report) for one in found) == 60 - replays


@pytest.mark.parametrize(("name", "reason"), [("kamstrup-dk", Reason.WRONG_KEY), ("kaifa-at", Reason.WRONG_KEY)])
def test_a_wrong_key_is_known_as_one(name: str, reason: Reason) -> None:
    model = meters.built_in(name)
    found = received(model, sent(model, 3, faults={PushFault.WRONG_KEY: 1}))
    assert [one.reason for one in found if isinstance(one, Rejected)] == [reason] * 3


@pytest.mark.parametrize("name", ["iskra-ch", "kaifa-at", "lg-e450-at", "lg-e450-ch"])
def test_a_push_with_a_lost_segment_gives_no_report_and_the_next_one_does(name: str) -> None:
    model = meters.built_in(name)
    whole = sent(model, 40)
    pushes = sent(model, 40, faults={PushFault.LOST_SEGMENT: 0.5})
    torn = sum(len(octets) < len(whole[0]) for octets in pushes)
    assert 8 < torn < 32
    assert sum(isinstance(one, Report) for one in received(model, pushes)) == 40 - torn


@pytest.mark.parametrize(
    ("name", "fault", "told"),
    [
        ("aidon-no", PushFault.WRONG_KEY, "wrong-key: this meter does not cipher"),
        ("aidon-no", PushFault.LOST_SEGMENT, "lost-segment: this push comes in one frame"),
    ],
)
def test_a_fault_that_a_push_cannot_suffer_is_refused(name: str, fault: PushFault, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        sent(meters.built_in(name), 1, faults={fault: 1})


def test_a_capture_that_cannot_be_read_says_why() -> None:
    with pytest.raises(ValueError, match=r"no push that could be read: no_key: .*encryption key"):
        Pushes(Capture(meters.built_in("kaifa-at").octets), start=START, interval=MINUTE, zone=ZoneInfo("UTC"))


def test_a_tag_without_an_authentication_key_is_refused_with_the_mend() -> None:
    model = meters.built_in("kamstrup-dk")
    capture = Capture(model.octets, Keys(model.keys.encryption))
    with pytest.raises(ValueError, match="give an authentication key, too"):
        Pushes(capture, start=START, interval=MINUTE, zone=ZoneInfo("UTC"))


def test_other_keys_are_used_to_send() -> None:
    model = meters.built_in("kamstrup-dk")
    mine = Keys(b"k" * 16, b"a" * 16)
    pushes = Pushes(
        Capture(model.octets, model.keys), start=START, interval=MINUTE, zone=ZoneInfo(model.zone), keys=mine
    )
    (report,) = received(model, islice(pushes, 1), mine)
    assert isinstance(report, Report)
    assert report.security is not None and report.security.tag == "verified"


@pytest.mark.parametrize("name", ["aidon-no", "kaifa-at", "lg-e450-at"])
def test_on_a_bad_line_every_push_that_was_not_struck_is_read(name: str) -> None:
    model = meters.built_in(name)
    faults = Faults(dict.fromkeys((Fault.FLIP, Fault.DROP, Fault.CUT, Fault.NOISE, Fault.DRIBBLE), 0.1))
    stream, sound = [], 0
    for octets in sent(model, 100):
        steps, struck = faults.apply(octets)
        stream += [step.octets for step in steps if isinstance(step, Send)]
        sound += not set(struck) - {Fault.NOISE, Fault.DRIBBLE}
    assert 50 < sound < 90
    assert sum(isinstance(one, Report) for one in received(model, stream)) == sound
