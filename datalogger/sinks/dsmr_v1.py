"""DSMR-reader, API v1: every telegram as the meter sent it, one POST each."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from datalogger import __version__
from datalogger.clock import Clock
from datalogger.config.checks import POSITIVE, Check
from datalogger.config.concealment import Concealment
from datalogger.config.secrets import KeyOptions
from datalogger.errors import ReportsRejected, SinkUnavailable
from datalogger.model import Delivery, Report
from datalogger.sinks.dsmr_answers import judge, readings
from datalogger.sinks.form import CONTENT_TYPE, encode_telegram
from datalogger.sinks.http_exchange import Answer, HttpExchange, Origin, parse_origin
from datalogger.sinks.server_time import server_time
from datalogger.words import Duration

ENDPOINT = "/api/v1/datalogger/dsmrreading"
READINGS = "/api/v2/datalogger/dsmrreading"

# People paste the whole endpoint; what stands before it is the server.
_PASTED = re.compile(r"/+api/v[12](/.*)?$")

# A server that has no API v2 for us, and says so, is not asked again for this long. Seconds.
CONFIRM_PAUSE = 600.0

# So many questions in a row may hang before a telegram goes unasked: an overloaded server answers none of them, and
# has stored what was sent all the same; but where API v2 hangs for ever, telegrams must pass too.
CONFIRM_TRIES = 8


def dsmr_reader(url: str) -> Origin:
    """The server that `url` names: its address, with or without a path, or its whole endpoint."""
    return parse_origin(_PASTED.sub("", url.strip()))


class DsmrV1Config(KeyOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A DSMR-reader server, fed through its remote datalogger API."""

    url: Annotated[str, Check(dsmr_reader)]
    """Its address, as it stands in the browser: "http://dsmr.local" or "https://example.org/dsmr"."""
    auth: Literal["x-authkey", "token"] = "x-authkey"
    """The header that carries the key: X-AUTHKEY, or Authorization: Token."""
    verify_tls: bool = True
    """False: any certificate is taken, from anybody."""
    ca_file: Path | None = None
    """Who signed the server's certificate (PEM), where the system does not know them."""
    fresh: Annotated[Duration, POSITIVE] = Duration(60)
    """A telegram without its own time (DSMR 2.2 and 3) is sent no later than this: the server stamps it on arrival."""
    confirm: bool = True
    """Before a telegram is sent again after an unclear end, ask API v2 whether it is there already."""

    def __post_init__(self) -> None:
        if self.key is None:
            raise ValueError("key_file: missing; DSMR-reader shows the key under Configuration → API")
        if not self.key.reveal().isascii():
            raise ValueError("key: has letters that no DSMR-reader key has; copy it again")

    @property
    def accepts(self) -> frozenset[str]:
        return frozenset({"p1"})


class DsmrV1:
    """One server. Which answers mean what: `dsmr_answers`."""

    config_type: ClassVar[type[DsmrV1Config]] = DsmrV1Config
    batch_limit: ClassVar[int] = 1

    def __init__(self, name: str, config: DsmrV1Config, clock: Clock) -> None:
        assert config.key is not None, "the configuration has seen to it"
        origin = dsmr_reader(config.url)
        self._clock = clock
        self._fresh = config.fresh.delta
        self._confirm = config.confirm
        self._confirm_after = 0.0  # on the monotonic clock; API v2 is not asked before
        self._unanswered = 0  # questions to API v2 in a row that hung
        self._url = str(origin)
        # A little less than what the forwarder allows, so that the sink can say what it was that took so long.
        self._limit = config.timeout * 0.95
        self._mend_key = _mend_key(config)
        key = config.key.reveal()
        self._conceal = Concealment([key])
        self._headers = {
            "User-Agent": f"datalogger/{__version__}",
            **({"X-AUTHKEY": key} if config.auth == "x-authkey" else {"Authorization": f"Token {key}"}),
        }
        self._post_headers = {**self._headers, "Content-Type": CONTENT_TYPE}
        self._exchange = HttpExchange(origin, clock, verify_tls=config.verify_tls, ca_file=config.ca_file)

    async def open(self) -> None:
        await self._exchange.open()

    async def deliver(self, batch: Sequence[Delivery]) -> None:
        (delivery,) = batch
        report = delivery.report
        if report.protocol != "p1" or not report.frame:
            raise ReportsRejected({0: f"{self._url} takes P1 telegrams only, and this report has none"})
        self._check_fresh(delivery)
        limit = self._limit
        if delivery.doubtful and self._confirm and self._clock.monotonic() >= self._confirm_after:
            if await self._is_there(report, limit / 4):
                return
            limit *= 0.75
        body = encode_telegram(report.frame)
        answer = await self._exchange.ask("POST", ENDPOINT, self._post_headers, body, timeout=limit)
        if answer.status == 201:
            return
        now = self._clock.now()
        error = judge(self._without_key(answer), self._url, self._url + ENDPOINT, now, self._mend_key)
        if error is not None:
            raise error

    async def reachable(self) -> bool:
        return await self._exchange.reachable()

    async def close(self) -> None:
        await self._exchange.close()

    def _check_fresh(self, delivery: Delivery) -> None:
        """ReportsRejected where the server would stamp the telegram with a time that is not its own."""
        received_at = delivery.report.received_at
        age = None if received_at is None else self._clock.now() - received_at
        # A negative age is a clock that was set back since: such a telegram is old too.
        if (age is not None and abs(age) <= self._fresh) or delivery.forced or server_time(delivery.report.frame):
            return
        late = "at an unknown time" if age is None else f"{age.total_seconds():.0f} s ago"
        raise ReportsRejected(
            {0: f"the telegram has no time of its own and came in {late}: {self._url} would take it for a new one"},
            reason="stale",
        )

    async def _is_there(self, report: Report, limit: float) -> bool:
        """Whether the server has the reading of this very second; False where it does not say.

        SinkUnavailable where it says nothing at all just now: then the telegram is kept, and still doubtful.
        """
        moment = server_time(report.frame)
        if moment is None:
            return False
        stamp = quote(moment.strftime("%Y-%m-%dT%H:%M:%SZ"), safe="")
        query = f"{READINGS}?timestamp__gte={stamp}&timestamp__lte={stamp}&limit=1"
        try:
            answer = await self._exchange.ask("GET", query, self._headers, timeout=limit)
        except SinkUnavailable as error:
            if error.unreached:
                raise  # nor could the telegram be sent
            self._unanswered += 1
            if self._unanswered < CONFIRM_TRIES:
                raise
            self._unanswered = 0
            return False
        count = readings(answer)
        if count is None and (answer.status >= 500 or answer.status == 429):
            return False  # for now; ask again next time
        self._unanswered = 0
        if count is None:
            self._confirm_after = self._clock.monotonic() + CONFIRM_PAUSE
        return bool(count)

    def _without_key(self, answer: Answer) -> Answer:
        """A server that shows the key in its answer must not bring it into a message."""
        headers = {name: self._conceal(value) for name, value in answer.headers.items()}
        return Answer(answer.status, headers, self._conceal(answer.body.decode("utf-8", "replace")).encode())


def _mend_key(config: DsmrV1Config) -> str:
    """Where the key stands that is refused, and when another one there counts."""
    counts = "then: systemctl reload datalogger, or SIGHUP"
    if config.key_file is not None:
        place = f"key_file {config.key_file}"
    elif config.key_env is not None:
        place, counts = f"key_env {config.key_env}", "then start datalogger again: a reload sees no new environment"
    elif config.key_credential is not None:
        place = f"key_credential {config.key_credential}"
        counts = "then start datalogger again: systemd hands a new one over only then"
    else:
        place = "key in the configuration"
    return (
        f"from {place}: copy it again from DSMR-reader, Configuration → API, {counts}; "
        "until then the old one is tried again"
    )
