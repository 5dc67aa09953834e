"""Where every report passes, once: counted, routed, handed to the spool."""

from collections.abc import Callable, Sequence

from datalogger.clock import Clock
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.routing import Router
from datalogger.spool.spool import Spool


class Hub:
    """Publishes reports. Never blocks and never waits: the meter cannot be asked again.

    watchers are shown each report after the spool has it (a terminal, the register database).
    """

    def __init__(
        self,
        spool: Spool,
        router: Router,
        *,
        clock: Clock,
        metrics: Metrics,
        watchers: Sequence[Callable[[Report], None]] = (),
    ) -> None:
        self._spool = spool
        self._router = router
        self._clock = clock
        self._metrics = metrics
        self._watchers = watchers

    def publish(self, report: Report) -> None:
        """`report` carries its source and its time of receipt."""
        received_at = report.received_at or self._clock.now()
        if report.meter_time is not None:
            self._clock.witness(report.meter_time)
        self._metrics.add("datalogger_frames_good_total", report.source)
        self._metrics.set("datalogger_last_frame_timestamp_seconds", report.source, value=received_at.timestamp())
        if report.odd_lines:
            self._metrics.add("datalogger_odd_lines_total", report.source, amount=report.odd_lines)
        self._spool.append(report, self._router.wanted(report, received_at))
        for watch in self._watchers:
            watch(report)
