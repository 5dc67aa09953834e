"""The composition root: the only module that knows all the others."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import structlog

from datalogger import __version__, registry
from datalogger.clock import Clock, SystemClock
from datalogger.config.checks import listen_address
from datalogger.config.load import load
from datalogger.config.metering import MeterOptions
from datalogger.config.polling import PollOptions
from datalogger.config.schema import Configuration, SinkOptions, SourceOptions
from datalogger.errors import ConfigError, SpoolError
from datalogger.meters import counters
from datalogger.metrics import Metrics
from datalogger.model import Report
from datalogger.pipeline import metering
from datalogger.pipeline.counting import CounterKeeper
from datalogger.pipeline.forwarder import Forwarder, State
from datalogger.pipeline.hub import Hub
from datalogger.pipeline.reader import Reader
from datalogger.pipeline.supervisor import Supervisor
from datalogger.pipeline.waiting import first
from datalogger.routing import Route, Router
from datalogger.service import log as service_log
from datalogger.service import signals
from datalogger.service.notify import Notifier
from datalogger.service.status import StatusServer
from datalogger.service.watchdog import Heartbeats, feed
from datalogger.sinks.base import Sink
from datalogger.sources.base import Source
from datalogger.spool.spool import Spool

if TYPE_CHECKING:
    from datalogger.meters.profiles import Profiles
    from datalogger.meters.register_maps import RegisterMaps
    from datalogger.pipeline.poller import Poller
    from datalogger.pipeline.polling import Asking

log = structlog.get_logger()

Options = TypeVar("Options")

# What the sinks may still take to deliver when the daemon stops; the spool keeps the rest. Seconds.
GRACE = 5.0

# Longest gaps between two turns of a healthy task, for the watchdog. Seconds. A forwarder's own timeout is added.
READER_GAP = 60.0
FORWARDER_GAP = 60.0
SPOOL_GAP = 120.0
COUNTERS_GAP = 60.0


class Daemon:
    """The sources, the spool and the sinks of one configuration.

    watchers are shown every report.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        metrics: Metrics,
        heartbeats: Heartbeats,
        clock: Clock,
        watchers: Sequence[Callable[[Report], None]] = (),
    ) -> None:
        self.configuration = configuration
        self._metrics = metrics
        self._heartbeats = heartbeats
        self._clock = clock
        self._tasks = Supervisor()
        self._forwarders: dict[str, Forwarder] = {}
        self._spool = Spool(configuration.spool, configuration.sinks, clock=clock, metrics=metrics)
        self._router = Router(_routes(configuration.sinks))
        spool = configuration.spool
        self._counters = CounterKeeper(None if spool.durability == "memory" else counters.beside(spool.path), clock)
        self._profiles = _profiles(configuration)
        self._maps = _maps(configuration)
        self._hub = Hub(self._spool, self._router, clock=clock, metrics=metrics, watchers=watchers)
        self._started = False

    async def start(self) -> None:
        """Everything runs when this returns; a source or sink that fails is tried again, for ever."""
        await self._spool.open()
        self._start_spool()
        self._counters.load()
        self._tasks.start("counters", partial(self._counters.keep, self._heartbeats.register("counters", COUNTERS_GAP)))
        for name, options in self.configuration.sinks.items():
            self._start_sink(name, options)
        for name, source in self.configuration.sources.items():
            self._start_source(name, source)
        self._started = True

    async def stop(self) -> None:
        """Sources first, then what the sinks still take within the grace, then the spool.

        The spool commits all the while: what is killed in its grace loses no more than a window.
        """
        self._started = False
        await self._stop_sources(self.configuration.sources)
        await self._tasks.stop("counters")
        await self._counters.write()
        await self._finish_sinks(self._forwarders, drain=True)
        await self._tasks.stop("spool")
        await self._spool.close()

    async def replace(self, configuration: Configuration) -> None:
        """Run `configuration` from now on. What did not change keeps running; nothing is lost or sent twice."""
        before, self.configuration = self.configuration, configuration
        if before.spool != configuration.spool:
            log.warning("[spool] has changed; that takes effect when the daemon is started again")
        gone_sinks = _changed(before.sinks, configuration.sinks)
        await self._finish_sinks(gone_sinks, drain=False)
        for name in gone_sinks:
            service_log.forget(f"sink:{name}", f"aside:{name}", f"defect:{name}")
        await self._spool.reconfigure(configuration.sinks)
        self._router.replace(_routes(configuration.sinks))
        for name in _changed(configuration.sinks, before.sinks):
            self._start_sink(name, configuration.sinks[name])
        # Sources last, and closed for no longer than it takes to open them: what the meter says meanwhile is gone.
        gone_sources = _changed(before.sources, configuration.sources)
        if self._profiles_changed(configuration):
            gone_sources = list(before.sources)
        elif self._maps_changed(configuration):
            polled = [name for name, options in before.sources.items() if isinstance(options, PollOptions)]
            gone_sources = list(dict.fromkeys((*gone_sources, *polled)))
        await self._stop_sources(gone_sources)
        for name in gone_sources:
            service_log.forget(
                *(f"{what}:{name}" for what in ("source", "rejected", "turned", "lost", "unit", "missed", "doubts"))
            )
        started = [name for name in configuration.sources if name in gone_sources or name not in before.sources]
        for name in started:
            self._start_source(name, configuration.sources[name])
        for name in before.sources.keys() - configuration.sources.keys():
            self._metrics.forget("source", name)
        for name in before.sinks.keys() - configuration.sinks.keys():
            self._metrics.forget("sink", name)
        log.info(
            "configuration reloaded",
            sources=", ".join(started) or "unchanged",
            sinks=", ".join(_changed(configuration.sinks, before.sinks)) or "unchanged",
        )

    def missing(self) -> list[str]:
        """What start-up still waits for; empty: it can take and deliver."""
        return [] if self._started else ["spool, sources and sinks are being opened"]

    def refresh(self) -> None:
        """Bring the gauges up to now; called before they are shown."""
        now = self._clock.now()
        for name in self._forwarders:
            backlog = self._spool.backlog(name)
            age = (now - backlog.oldest).total_seconds() if backlog.oldest else 0.0
            self._metrics.set("datalogger_sink_depth", name, value=backlog.depth)
            self._metrics.set("datalogger_sink_bytes", name, value=backlog.octets)
            self._metrics.set("datalogger_sink_oldest_age_seconds", name, value=max(0.0, age))

    def summary(self) -> str:
        """One line for `systemctl status`."""
        waiting = sum(self._spool.backlog(name).depth for name in self._forwarders)
        ailing = [name for name, forwarder in self._forwarders.items() if forwarder.state is not State.DELIVERING]
        trouble = f"; not delivering: {', '.join(ailing)}" if ailing else ""
        return f"{len(self.configuration.sources)} sources, {len(self._forwarders)} sinks, {waiting} waiting{trouble}"

    def _start_spool(self) -> None:
        beat = self._heartbeats.register("spool", SPOOL_GAP)
        self._tasks.start("spool", partial(self._spool.keep, beat))

    def _start_source(self, name: str, options: SourceOptions) -> None:
        task = f"source:{name}"
        source = registry.load(registry.SOURCES[options.kind])(name, options, self._clock)
        work = self._poller if isinstance(options, PollOptions) else self._reader
        self._tasks.start(task, partial(self._until_done, task, work(name, task, source, options).run))

    def _reader(self, name: str, task: str, source: Source, options: SourceOptions) -> Reader:
        assert isinstance(options, MeterOptions)  # of every kind but those that ask
        return Reader(
            name,
            source,
            metering.framer(options),
            metering.decoder(options, self._counters.counters, self._profiles),
            self._hub,
            silence=options.silence,
            clock=self._clock,
            metrics=self._metrics,
            beat=self._heartbeats.register(task, READER_GAP),
        )

    def _poller(self, name: str, task: str, source: "Asking", options: SourceOptions) -> "Poller":
        # What nobody has configured is not loaded, and pymodbus not with it.
        from datalogger.pipeline import polling
        from datalogger.pipeline.poller import Poller

        assert isinstance(options, PollOptions)
        maps = self._maps
        return Poller(
            name,
            polling.conversation(source, options, maps),
            polling.units(options, maps),
            self._hub,
            timeout=options.timeout,
            silence=options.silence,
            clock=self._clock,
            metrics=self._metrics,
            beat=self._heartbeats.register(task, READER_GAP + 4 * options.timeout),  # a mark, silence, and twice
        )

    def _start_sink(self, name: str, options: SinkOptions) -> None:
        task = f"sink:{name}"
        sink = cast(Sink, registry.load(registry.SINKS[options.kind])(name, options, self._clock))
        forwarder = self._forwarders[name] = Forwarder(
            name,
            sink,
            options,
            self._spool,
            clock=self._clock,
            metrics=self._metrics,
            beat=self._heartbeats.register(task, FORWARDER_GAP + options.timeout),
        )
        self._tasks.start(task, forwarder.run)

    async def _until_done(self, task: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """A replay that has ended beats no more, and need not."""
        await work()
        self._heartbeats.forget(task)

    async def _stop_sources(self, names: Iterable[str]) -> None:
        tasks = [f"source:{name}" for name in names]
        await self._tasks.stop(*tasks)
        for task in tasks:
            self._heartbeats.forget(task)

    def _profiles_changed(self, configuration: Configuration) -> bool:
        """Take up the profiles as they are now: the same directory may hold others."""
        before = self._profiles
        try:
            self._profiles = _profiles(configuration)
        except ConfigError as error:  # they were right a moment ago, when the configuration was read
            log.error("the meter profiles are not right; the old ones stay in force", problem=str(error))
        return self._profiles != before

    def _maps_changed(self, configuration: Configuration) -> bool:
        """As with the profiles."""
        before = self._maps
        try:
            self._maps = _maps(configuration)
        except ConfigError as error:
            log.error("the register maps are not right; the old ones stay in force", problem=str(error))
        return self._maps != before

    async def _finish_sinks(self, names: Iterable[str], *, drain: bool) -> None:
        names = list(names)
        tasks = [f"sink:{name}" for name in names]
        for name in names:
            self._forwarders.pop(name).finish(drain=drain)
        if not await self._tasks.finished(*tasks, timeout=GRACE):
            log.warning("some sinks did not finish in time; the spool keeps what they have not taken", seconds=GRACE)
        await self._tasks.stop(*tasks)
        for task in tasks:
            self._heartbeats.forget(task)


def _routes(sinks: Mapping[str, SinkOptions]) -> list[Route]:
    return [
        Route(name, None if options.sources is None else frozenset(options.sources), options.every, options.accepts)
        for name, options in sinks.items()
    ]


def _profiles(configuration: Configuration) -> "Profiles | None":
    """Those of a person's own directory and the built-in ones; None without one, so that P1 alone never reads any."""
    directory = configuration.meters.profiles
    if directory is None:
        return None
    from datalogger.meters import profiles

    return profiles.load(directory)


def _maps(configuration: Configuration) -> "RegisterMaps":
    """None at all where no meter is asked."""
    if not any(isinstance(options, PollOptions) for options in configuration.sources.values()):
        return {}
    from datalogger.meters import register_maps

    return register_maps.load(configuration.meters.maps)


def _changed(mine: Mapping[str, Options], theirs: Mapping[str, Options]) -> list[str]:
    """The names in `mine` that `theirs` does not have, or has otherwise."""
    return [name for name, options in mine.items() if theirs.get(name) != options]


async def serve(configuration: Configuration, *, watchers: Sequence[Callable[[Report], None]] = ()) -> None:
    """Run `configuration` as a service, until a signal says stop.

    SpoolError where another daemon has this spool: the one thing about a spool that stops a start.
    """
    clock = SystemClock()
    metrics = Metrics()
    heartbeats = Heartbeats(clock)
    notifier = Notifier(clock)
    stop, reload = asyncio.Event(), asyncio.Event()
    signals.handle(stop, reload)
    _apply_log_options(configuration)
    daemon = Daemon(configuration, metrics=metrics, heartbeats=heartbeats, clock=clock, watchers=watchers)
    service = Supervisor()

    def open_status_port(listen: str) -> None:
        if address := listen_address(listen):
            status = StatusServer(
                *address, metrics=metrics, stuck=heartbeats.stuck, missing=daemon.missing, refresh=daemon.refresh
            )
            service.start("status", status.run)

    log.info("starting", version=__version__, configuration=str(configuration.file))
    service.start("log", service_log.summarise)
    open_status_port(configuration.service.listen)
    try:
        await daemon.start()
    except SpoolError:
        await service.stop("status", "log")
        raise
    notifier.ready(daemon.summary())
    service.start("watchdog", partial(feed, notifier, heartbeats, daemon.summary))
    while True:
        await first(stop.wait(), reload.wait())
        if stop.is_set():
            break
        reload.clear()
        notifier.reloading()
        replacement = _load_again(configuration.file)
        if replacement is not None:
            before, configuration = configuration, replacement
            _apply_log_options(configuration)
            await daemon.replace(configuration)
            if before.service.listen != configuration.service.listen:
                await service.stop("status")
                open_status_port(configuration.service.listen)
        notifier.ready(daemon.summary())
    notifier.stopping()
    await daemon.stop()
    await service.stop("watchdog", "status", "log")
    log.info("stopped")


def _apply_log_options(configuration: Configuration) -> None:
    service_log.configure(configuration.service.log_level, configuration.service.log_format)
    service_log.hide_secrets([*configuration.sources.values(), *configuration.sinks.values()])


def _load_again(path: Path) -> Configuration | None:
    """None, and a loud line, where the file is not right: the old configuration stays."""
    try:
        configuration, warnings = load(path)
    except ConfigError as error:
        for problem in str(error).splitlines():
            log.error("the configuration is not right; the old one stays in force", problem=problem)
        return None
    for warning in warnings:
        log.warning(warning)
    return configuration
