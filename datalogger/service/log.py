"""The log of the whole process: structlog to standard error, as a person or as a machine wants it.

    log = structlog.get_logger()
    log.error("cannot read", error=str(error), repeats="source:house")              # said once, then summarised
    log.info("reading", resolved=True, repeats="source:house")                      # ends that, with its count

Two keywords are not shown but steer: `repeats` and `resolved`, see `Repeats`.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, NoReturn, TextIO

import structlog
from msgspec import Struct
from structlog.typing import EventDict, Processor, WrappedLogger

from datalogger.clock import Clock, SystemClock
from datalogger.config.concealment import Concealment
from datalogger.config.secrets import Secret
from datalogger.service.lines_out import LinesOut
from datalogger.service.repeats import Repeats

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

# How often what was held is looked through. Seconds.
LOOK = 10.0

# sd-daemon(3): how a line names its priority to the journal.
PRIORITIES = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "critical": "<2>"}

# Escaped on a terminal, where they could move the cursor or change the colours: the text may come from a meter.
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}

# Escaped in JSON too, which leaves them as they are: control characters, what turns the direction of writing, line ends
# that are not every reader's, and halves of a character, which UTF-8 does not have.
UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

# Changed in place, so that a logger bound before a reload follows it too.
_processors: list[Processor] = []
_hidden: set[str] = set()
_conceal = Concealment([])
_repeats: Repeats | None = None
_out = LinesOut()


def configure(level: Level = "info", format: Format = "auto", *, clock: Clock | None = None) -> None:
    """Send all that is logged from now on to standard error; may be called again, on a reload.

    auto: lines for a person where standard error is a terminal, else JSON (systemd, supervisor, a pipe, a file).
    What the standard library's `logging` and `warnings` say, and an exception nobody caught, goes the same way.
    """
    global _repeats
    _repeats = _repeats or Repeats(clock or SystemClock())
    terminal = _is_terminal(sys.stderr)
    if format == "console" or (format == "auto" and terminal):
        colours = terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        renderers: list[Processor] = [
            _without_control,
            structlog.dev.ConsoleRenderer(
                colors=colours, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    else:
        renderers = [
            _time_level_event_first,
            structlog.processors.JSONRenderer(_json, ensure_ascii=not _is_utf_8(sys.stderr)),
        ]
    _processors[:] = [
        _repeats,
        _Threshold(level),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _plain,
        *renderers,
    ]
    structlog.configure(
        processors=_processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, _FromLogging)]
    root.addHandler(_FromLogging())
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


async def summarise() -> NoReturn:
    """Says of what is repeated and held how often it was, once a minute; at the end all that is still held."""
    try:
        while True:
            await asyncio.sleep(LOOK)
            _say_what_was_dropped()
            _say_what_is_held()
    finally:
        _say_what_is_held(all=True)


def forget(*keys: str) -> None:
    """Who repeated itself under these keys, or one that begins with them and a colon, is gone: `Repeats.forget`."""
    for key in keys:
        _say(_repeats.forget(key) if _repeats else ())


def _say_what_is_held(*, all: bool = False) -> None:
    _say(_repeats.due(all=all) if _repeats else ())


def _say_what_was_dropped() -> None:
    if count := _out.dropped(sys.stderr):
        structlog.get_logger().error("log lines dropped: whoever reads them did not", lines=count)


def _say(events: Iterable[tuple[str, EventDict]]) -> None:
    logger = structlog.get_logger()
    for level, event in events:
        logger.log(logging.getLevelNamesMapping()[level.upper()], **event)


def hide(secret_text: str) -> None:
    """Show `***` in its place in the log from now on: `Concealment`."""
    global _conceal
    _hidden.add(secret_text)
    _conceal = Concealment(_hidden)


def hide_secrets(options: Iterable[Struct]) -> None:
    """Hide every `Secret` among the fields of these sources' and sinks' options."""
    for struct in options:
        for field in struct.__struct_fields__:
            value = getattr(struct, field)
            if isinstance(value, Secret):
                hide(value.reveal())


def _plain(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Everything in the event as JSON has it, with the secrets left out. Level and time are ours, and stay."""
    return {key: value if key in ("level", "timestamp") else _value(value) for key, value in event.items()}


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_text(key): _value(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(each) for each in value]
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        # Foreign bytes are shown as hex; a secret must not hide in that.
        octets = bytes(value)
        return octets.hex(" ") if _conceal(text := octets.decode("latin-1")) == text else "***"
    return _conceal(str(value) or repr(value))


def _without_control(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return {key: value.translate(CONTROL) if isinstance(value, str) else value for key, value in event.items()}


def _time_level_event_first(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}


def _json(event: EventDict, **options: Any) -> str:
    line = json.dumps(event, **options)
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class _Threshold:
    """Drops what is less important than `level`. A processor, so that a reload can change it for every logger."""

    def __init__(self, level: Level) -> None:
        self._shown = tuple(PRIORITIES)[tuple(PRIORITIES).index(level) :]

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if method not in self._shown:
            raise structlog.DropEvent
        return event


class _Lines:
    """Where a rendered line leaves: one line, one write. A log that cannot be written stops nobody."""

    def __init__(self, *_: object) -> None:
        self._journal = _is_journal(sys.stderr)

    def _write(self, level: str, line: str) -> None:
        _say_what_was_dropped()
        # No standard error, a full disk, a closed pipe: nobody to tell.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            _out.write(sys.stderr, f"{PRIORITIES[level] if self._journal else ''}{line}")

    def debug(self, line: str) -> None:
        self._write("debug", line)

    def info(self, line: str) -> None:
        self._write("info", line)

    def warning(self, line: str) -> None:
        self._write("warning", line)

    def error(self, line: str) -> None:
        self._write("error", line)

    def critical(self, line: str) -> None:
        self._write("critical", line)


class _FromLogging(logging.Handler):
    """What asyncio, aiohttp and other libraries say, in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger().log(
                min(record.levelno // 10 * 10, logging.CRITICAL),
                record.getMessage(),
                logger=record.name,
                exc_info=record.exc_info or None,
                repeats=f"logging:{record.name}",
            )
        except Exception:  # noqa: BLE001 - the contract of a logging handler: whoever logs must not suffer for it
            self.handleError(record)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger().critical("crashed", exc_info=(kind, error, trace))


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        structlog.get_logger().critical(
            "a thread crashed",
            thread=args.thread.name if args.thread else None,
            exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
        )


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # none at all, or closed
        return False


def _is_utf_8(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


def _is_journal(stream: TextIO) -> bool:
    """systemd names, by device and inode, the stream that it connected to the journal."""
    try:
        status = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
