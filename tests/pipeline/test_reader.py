"""The reader with a scripted line, under virtual time."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import cast

from structlog.testing import capture_logs

from datalogger.errors import SourceEnded, SourceError
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.pipeline.hub import Hub
from datalogger.pipeline.reader import Reader
from datalogger.protocol.decoder import Notice
from datalogger.protocol.framing import Frame, Framer, Reason, Rejected
from datalogger.protocol.wrapper import WrapperFramer, enclose
from datalogger.sources.base import Heard, Source
from tests.virtual_time import VirtualClock, run

Step = bytes | Heard | float | SourceError


class ScriptedLine:
    """Each opening plays one list of steps: octets to hand on, seconds of silence, or a failure; then it is silent."""

    def __init__(self, *openings: Sequence[Step] | SourceError) -> None:
        self.openings = list(openings)
        self.opened = 0
        self.closed = 0
        self.steps: list[Step] = []

    async def open(self) -> None:
        self.opened += 1
        opening = self.openings.pop(0) if self.openings else []
        if isinstance(opening, SourceError):
            raise opening
        self.steps = list(opening)

    async def read(self) -> bytes | Heard:
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, float):
                try:
                    await asyncio.sleep(step)
                except asyncio.CancelledError:
                    self.steps.insert(0, max(0.0, step - 2.0))
                    raise
            elif isinstance(step, SourceError):
                raise step
            else:
                return step
        await asyncio.sleep(1e9)
        raise AssertionError

    async def close(self) -> None:
        self.closed += 1


class Lines:
    """A framer for tests: a frame is a line; `?` begins one that is refused; a blank one is padding."""

    def __init__(self) -> None:
        self.buffer = b""

    def feed(self, data: bytes) -> list[Frame | Rejected]:
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        return [self.event(line) for line in lines]

    def event(self, line: bytes) -> Frame | Rejected:
        if not line:
            return Rejected(Reason.PADDING, line)
        reason = {b"?": Reason.CHECKSUM, b"#": Reason.WRONG_KEY}.get(line[:1])
        return Rejected(reason, line) if reason else Frame(line, line)

    def idle(self) -> list[Frame | Rejected]:
        half, self.buffer = self.buffer, b""
        return [Rejected(Reason.TRUNCATED, half)] if half else []


class Published:
    def __init__(self) -> None:
        self.reports: list[Report] = []

    def publish(self, report: Report) -> None:
        self.reports.append(report)

    @property
    def meters(self) -> list[str]:
        return [report.meter for report in self.reports]


class Meters:
    """A decoder for tests: the frame is the meter's name. `a+` waits for `b`: half a message."""

    def __init__(self) -> None:
        self.half = b""

    def take(self, frame: Frame) -> list[Report | Rejected | Notice]:
        if frame.payload == b"odd":
            return [Rejected(Reason.MALFORMED, frame.octets, "odd")]
        if frame.payload == b"told":
            return [Notice("unscaled", "1.8.0"), Report(protocol="dlms", meter="told")]
        name = self.half + frame.payload
        self.half = name[:-1] if name[-1:] == b"+" else b""
        return [] if self.half else [Report(protocol="p1", meter=name.decode())]

    def damaged(self, rejected: Rejected) -> list[Rejected]:
        return self.idle()

    def idle(self) -> list[Rejected]:
        half, self.half = self.half, b""
        return [Rejected(Reason.SEGMENT_MISSING, half)] if half else []


def play(
    line: ScriptedLine, seconds: float, *, silence: float = 120, framer: type[Framer] = Lines
) -> tuple[Published, Metrics]:
    published, metrics = Published(), Metrics()

    async def scenario() -> None:
        reader = Reader(
            "house",
            cast(Source, line),
            framer,
            Meters,
            cast(Hub, published),
            silence=silence,
            clock=VirtualClock(),
            metrics=metrics,
            beat=lambda: None,
        )
        task = asyncio.create_task(reader.run())
        await asyncio.wait([task], timeout=seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())
    return published, metrics


def test_what_the_line_says_is_published_with_source_and_time_of_receipt() -> None:
    published, _ = play(ScriptedLine([b"on", b"e\ntwo\n"]), 1)
    assert published.meters == ["one", "two"]
    assert all(report.source == "house" and report.received_at is not None for report in published.reports)


def test_refused_frames_and_frames_that_cannot_be_decoded_are_counted_by_reason() -> None:
    published, metrics = play(ScriptedLine([b"?bad\nodd\ngood\n"]), 1)
    assert published.meters == ["good"]
    assert metrics.get("datalogger_frames_rejected_total", "house", "checksum") == 1
    assert metrics.get("datalogger_frames_rejected_total", "house", "malformed") == 1


def test_padding_is_nothing_wrong() -> None:
    published, metrics = play(ScriptedLine([b"\n\none\n\n"]), 1)
    assert published.meters == ["one"]
    assert "rejected" not in metrics.render()


def test_a_line_that_fails_is_opened_again() -> None:
    line = ScriptedLine([b"one\n", SourceError("unplugged")], SourceError("no such port"), [b"two\n"])
    published, metrics = play(line, 30)
    assert published.meters == ["one", "two"]
    assert metrics.get("datalogger_source_reconnects_total", "house") == 2
    assert line.closed >= 2


def test_half_a_telegram_from_before_an_unplugging_is_given_up() -> None:
    published, metrics = play(ScriptedLine([b"hal", SourceError("unplugged")], [b"f\nwhole\n"]), 30)
    assert published.meters == ["f", "whole"]
    assert metrics.get("datalogger_frames_rejected_total", "house", "truncated") == 1


def test_a_line_that_goes_quiet_gives_up_what_is_half_read() -> None:
    published, metrics = play(ScriptedLine([b"hal", 5.0, b"two\n"]), 30)
    assert published.meters == ["two"]
    assert metrics.get("datalogger_frames_rejected_total", "house", "truncated") == 1


def test_a_silent_line_is_closed_and_opened_again() -> None:
    line = ScriptedLine([b"one\n"], [b"two\n"])
    published, _ = play(line, 200, silence=60)
    assert published.meters == ["one", "two"]
    assert line.opened >= 2


def test_a_source_that_has_ended_is_not_opened_again() -> None:
    line = ScriptedLine([b"one\n", SourceEnded("done")], [b"two\n"])
    published, metrics = play(line, 600)
    assert published.meters == ["one"]
    assert (line.opened, metrics.get("datalogger_source_up", "house")) == (1, 0)


def test_a_source_that_cannot_be_opened_is_tried_for_as_long_as_it_takes() -> None:
    line = ScriptedLine(*[SourceError("no such port")] * 50, [b"at last\n"])
    assert play(line, 600)[0].meters == ["at last"]


def test_the_half_telegram_that_every_port_opens_in_is_no_news_but_the_next_refusal_is() -> None:
    with capture_logs() as logs:
        _, metrics = play(ScriptedLine([b"?half\n?wrong speed\ngood\n"]), 1)
    refusals = [entry for entry in logs if entry["event"] == "rejected"]
    assert metrics.get("datalogger_frames_rejected_total", "house", "checksum") == 2
    assert len(refusals) == 1
    assert "speed" in refusals[0]["mend"]


def test_a_line_that_takes_long_to_open_is_no_stuck_task() -> None:
    class Slow(ScriptedLine):
        async def open(self) -> None:
            await asyncio.sleep(90)
            await super().open()

    beats: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        reader = Reader(
            "house",
            cast(Source, Slow([b"one\n", SourceEnded("done")])),
            Lines,
            Meters,
            cast(Hub, Published()),
            silence=120,
            clock=VirtualClock(),
            metrics=Metrics(),
            beat=lambda: beats.append(loop.time()),
        )
        await reader.run()

    run(scenario())
    assert beats[-1] - beats[0] >= 90
    assert max(later - earlier for earlier, later in itertools.pairwise(beats)) <= 10


def test_each_client_of_a_listener_is_a_line_of_its_own() -> None:
    steps = [Heard("a", b"on"), Heard("b", b"two\n"), Heard("a", b"e\n")]
    published, _ = play(ScriptedLine(steps), 1)
    assert published.meters == ["two", "one"]


def test_what_a_client_left_unfinished_is_given_up_when_it_goes() -> None:
    steps = [Heard("a", b"on"), Heard("a", b"", gone=True), Heard("a", b"e\n")]
    published, metrics = play(ScriptedLine(steps), 1)
    assert published.meters == ["e"]
    assert metrics.get("datalogger_frames_rejected_total", "house", "truncated") == 1


def test_half_a_message_goes_with_its_client() -> None:
    steps = [Heard("a", b"one+\n"), Heard("a", b"", gone=True), Heard("a", b"two\n")]
    published, metrics = play(ScriptedLine(steps), 1)
    assert published.meters == ["two"]
    assert metrics.get("datalogger_frames_rejected_total", "house", "segment_missing") == 1


def test_what_a_client_sends_first_and_cannot_be_read_is_told() -> None:
    with capture_logs() as logs:
        play(ScriptedLine([Heard("a", b"on"), Heard("a", b"", gone=True)]), 1)
    (said,) = (log for log in logs if log["event"] == "rejected")
    assert (said["line"], said["reason"]) == ("a", "truncated")
    assert "parity" not in said.get("mend", "")


def test_a_datagram_that_ends_too_early_takes_nothing_of_the_next() -> None:
    published, metrics = play(ScriptedLine([Heard("a", b"on", last=True), Heard("a", b"e\n", last=True)]), 1)
    assert published.meters == ["e"]
    assert metrics.get("datalogger_frames_rejected_total", "house", "truncated") == 1


def test_a_message_may_come_in_several_datagrams() -> None:
    published, _ = play(ScriptedLine([Heard("a", b"one+\n", last=True), Heard("a", b"two\n", last=True)]), 1)
    assert published.meters == ["onetwo"]


def test_half_a_message_is_given_up_when_its_line_goes_quiet_while_others_speak() -> None:
    steps: list[Step] = [Heard("a", b"one+\n"), Heard("b", b"x\n"), 1.5, Heard("b", b"x\n"), 1.5, Heard("b", b"x\n")]
    published, metrics = play(ScriptedLine([*steps, Heard("a", b"two\n")]), 4)
    assert published.meters == ["x", "x", "x", "two"]
    assert metrics.get("datalogger_frames_rejected_total", "house", "segment_missing") == 1


def test_half_a_message_is_given_up_when_a_frame_is_damaged_behind_it() -> None:
    published, metrics = play(ScriptedLine([b"one+\n?damaged\ntwo\n"]), 1)
    assert published.meters == ["two"]
    assert metrics.get("datalogger_frames_rejected_total", "house", "segment_missing") == 1


def test_a_meter_that_connects_anew_for_each_push_is_said_to_be_read_once() -> None:
    steps = [Heard(f"a:{port}", b"one\n", last=True) for port in range(5)] + [Heard("a:9", b"two\n")]
    with capture_logs() as logs:
        play(ScriptedLine(steps), 1)
    assert [log["meter"] for log in logs if log["event"] == "reading"] == ["one", "two"]


FOREIGN = b"\0\2" + enclose(b"\x0f more")[2:]  # a wrapper of version 2


def test_a_line_that_can_be_read_no_further_is_opened_again() -> None:
    line = ScriptedLine([FOREIGN, enclose(b"\x0flost")], [enclose(b"\x0fread")])
    published, metrics = play(line, 5, framer=WrapperFramer)
    assert published.meters == ["\x0fread"]
    assert line.opened == 2
    assert metrics.get("datalogger_frames_rejected_total", "house", "version") == 1


def test_a_client_that_can_be_read_no_further_is_dropped_and_no_other() -> None:
    class Listening(ScriptedLine):
        dropped: list[str]

        def drop(self, line: str) -> None:
            self.dropped.append(line)

    line = Listening([Heard("a", FOREIGN), Heard("b", enclose(b"\x0fone"), last=True)])
    line.dropped = []
    published, _ = play(line, 1, framer=WrapperFramer)
    assert line.dropped == ["a"]
    assert published.meters == ["\x0fone"]


def test_a_report_that_came_out_of_a_quiet_line_was_received_when_the_line_was_last_heard() -> None:
    class Late(Lines):
        def feed(self, data: bytes) -> list[Frame | Rejected]:
            self.buffer += data
            return []

        def idle(self) -> list[Frame | Rejected]:
            frame, self.buffer = self.buffer, b""
            return [Frame(frame, frame)] if frame else []

    published, _ = play(ScriptedLine([b"one"]), 5, framer=Late)
    at_once, _ = play(ScriptedLine([b"one\n"]), 5)
    assert published.reports[0].received_at == at_once.reports[0].received_at


def test_a_notice_is_said_once_and_counted_each_time() -> None:
    with capture_logs() as logs:
        published, metrics = play(ScriptedLine([b"told\ntold\ntold\n"]), 1)
    assert published.meters == ["told"] * 3
    assert [log["reason"] for log in logs if log["event"] == "notice"] == ["unscaled"]
    assert metrics.get("datalogger_notices_total", "house", "unscaled") == 3


def test_a_wrong_key_is_said_with_its_mend_from_the_first_frame_on() -> None:
    with capture_logs() as logs:
        play(ScriptedLine([b"#secret\n"]), 1)
    (said,) = [log for log in logs if log["event"] == "rejected"]
    assert said["reason"] == "wrong_key"
    assert "copy it again" in said["mend"]
