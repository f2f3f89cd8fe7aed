"""Endpoints for Prometheus and orchestrators: /metrics, /healthz and /readyz."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from monitor.config.models import Config
from monitor.core.clock import Clock, SystemClock
from monitor.jobs.liveness import Liveness
from monitor.jobs.readiness import NO_STORE, Readiness
from monitor.metrics.export import StateCollector
from monitor.metrics.process import ProcessState, ProcessStateCollector
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
        self._liveness = liveness = liveness or Liveness()
        self._clock = clock
        self._readiness = Readiness(database, config.monitors, liveness, clock)
        self._known = ProcessState(liveness)
        self._state = CollectorRegistry()
        self._state.register(StateCollector(database, config, liveness.progress.store_refuses))
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._process.register(ProcessStateCollector(self._known))
        PlatformCollector(registry=self._process)
        self._pings, self._reads, self._passes = BoundedReads(2), BoundedReads(2), BoundedReads(2)

    async def metrics(self, request: Request) -> Response:
        """Return all metrics, or `driftd_store_up 0` if our database does not answer within a second."""
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        try:
            at = await self._pings.run(lambda: queries.ping(self._database), PING_SECONDS)
            self._known.skew = (self._clock.now() - at).total_seconds()
            own = encode(self._process)
            state = await self._reads.run(lambda: encode(self._state), COLLECT_SECONDS)
        except Exception as error:  # noqa: BLE001  a scrape is answered whatever the store raises
            LOG.warning("store_down", error=type(error).__name__)
            self._known.skew = None
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
        try:
            reasons = await self._passes.run(self._readiness.find_reasons, READY_SECONDS)
        except Exception as error:  # noqa: BLE001  not ready, whatever the reason
            LOG.warning("store_down", error=type(error).__name__)
            return JSONResponse({"ready": False, "reasons": [NO_STORE]}, 503)
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)
