"""Endpoints for Prometheus and orchestrators: /metrics, /healthz and /readyz."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from monitor.config.models import Config
from monitor.core.clock import Clock, SystemClock
from monitor.core.log import count_dropped
from monitor.jobs.delivery import MOST_SKEW
from monitor.jobs.liveness import Liveness
from monitor.metrics.export import StateCollector
from monitor.metrics.monitor_status import unready
from monitor.store.database import Database
from monitor.web import queries
from monitor.web.bounded_reads import BoundedReads

LOG = structlog.get_logger(__name__)
SYSTEM_CLOCK = SystemClock()
PING_SECONDS = 0.6
COLLECT_SECONDS = 9.0
READY_SECONDS = 2.0

STORE_DOWN = b"""\
# HELP driftd_store_up 1 when our own database answered this scrape and accepts writes.
# TYPE driftd_store_up gauge
driftd_store_up 0.0
"""


class Health:
    """Answers Prometheus and the orchestrator, even while our database is down or hangs.

    Each endpoint has threads of its own, so that a waiting web page cannot delay a scrape.
    """

    def __init__(
        self, database: Database, config: Config, liveness: Liveness | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._database = database
        self._config = config
        self._liveness = liveness = liveness or Liveness()
        self._clock = clock
        self._skew = _SkewCollector()
        self._state = CollectorRegistry()
        self._state.register(StateCollector(database, config, liveness.progress.store_refuses))
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._process.register(_LogCollector())
        self._process.register(self._skew)
        PlatformCollector(registry=self._process)
        self._pings, self._reads, self._passes = BoundedReads(2), BoundedReads(2), BoundedReads(2)

    async def metrics(self, request: Request) -> Response:
        """Return all metrics, or `driftd_store_up 0` if our database does not answer within a second."""
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        try:
            at = await self._pings.run(lambda: queries.ping(self._database), PING_SECONDS)
            self._skew.seconds = (self._clock.now() - at).total_seconds()
            own = encode(self._process)
            state = await self._reads.run(lambda: encode(self._state), COLLECT_SECONDS)
        except Exception as error:  # noqa: BLE001  a scrape is answered whatever the store raises
            LOG.warning("store_down", error=type(error).__name__)
            self._skew.seconds = None
            own = encode(self._process)
            state = STORE_DOWN + (b"# EOF\n" if own.endswith(b"# EOF\n") else b"")
        return Response(own.removesuffix(b"# EOF\n") + state, headers={"content-type": kind})

    async def alive(self, _request: Request) -> Response:
        """Return 200 while all parts of the process work, else 503; anyone may ask, so it does not say which."""
        if self._liveness.watchdog.stopped():
            return PlainTextResponse("A part of driftd has stopped; see its log.\n", 503)
        return PlainTextResponse("ok")

    async def ready(self, _request: Request) -> Response:
        """Return 200 if every monitor was read recently and its last turn did not fail, else 503 with the reasons."""
        names = [monitor.name for monitor in self._config.monitors]
        try:
            at, watches = await self._passes.run(lambda: queries.passes(self._database, names), READY_SECONDS)
        except Exception as error:  # noqa: BLE001  not ready, whatever the reason
            LOG.warning("store_down", error=type(error).__name__)
            return JSONResponse({"ready": False, "reasons": ["driftd's own database does not answer"]}, 503)
        progress, skew = self._liveness.progress, self._clock.now() - at
        reasons = [self._liveness.watchdog.stopped(), progress.standstill()]
        if abs(skew) > MOST_SKEW:
            seconds = f"{skew.total_seconds():+.1f} s"
            reasons.append(
                f"the clock of this host differs by {seconds} from that of the store: no effect is delivered"
            )
        for monitor in self._config.monitors:
            watch = watches.get(monitor.name)
            reasons.append(progress.failure(monitor.name) or unready(monitor.name, monitor.bucket, watch, at))
        reasons = [reason for reason in reasons if reason]
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)


class _SkewCollector(Collector):
    """The difference of the clocks at this scrape; nothing while our database does not answer."""

    seconds: float | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge."""
        if self.seconds is not None:
            about = "Clock of this host minus clock of the store, in seconds; above 5, it delivers no effects."
            yield GaugeMetricFamily("driftd_clock_skew_seconds", about, value=self.seconds)


class _LogCollector(Collector):
    """Counts dropped log lines of this process."""

    def collect(self) -> Iterator[Metric]:
        """Yield the counter."""
        lost = "Log lines of this process that were dropped because they could not be written."
        yield CounterMetricFamily("driftd_log_lines_dropped", lost, value=count_dropped())
