"""The JSON API: the data of the web pages, responses to incidents, and deploy events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from detectors.cost.budget import PERIODS
from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.core.plain import plain
from monitor.core.prompts import Prompt, catalogue, describe, difference, find
from monitor.metrics.monitor_status import monitor_status
from monitor.store import prompts as registry
from monitor.store import reads
from monitor.store import savings as stored
from monitor.store.database import Database
from monitor.web.endpoints import Endpoints, parse_limit, parse_offset
from monitor.web.write_routes import write_routes


class Api:
    """The endpoints under /api/v1."""

    def __init__(self, database: Database, config: Config, clock: Clock) -> None:
        self._database = database
        self._config = config
        self._clock = clock

    def routes(self, endpoints: Endpoints) -> list[Route]:
        """Return the routes, without those of breakers, experiments and guardrails."""
        reads = endpoints.reading
        return [
            Route("/api/v1/status", reads(self.status)),
            Route("/api/v1/incidents", reads(self.incidents)),
            *write_routes(self._database, self._config, self._clock, endpoints),
            Route("/api/v1/spend", reads(self.spend)),
            Route("/api/v1/savings", reads(self.savings)),
            Route("/api/v1/prompts", reads(self.prompts)),
            Route("/api/v1/prompts/{which:path}", reads(self.prompt)),
        ]

    def status(self, _request: Request) -> Response:
        """Return the status of every monitor."""
        state = reads.snapshot(self._database, self._config)
        settings = {monitor.name: monitor for monitor in self._config.monitors}
        monitors = [_monitor(item, settings[item.name].bucket, state.at) for item in state.monitors]
        return JSONResponse(plain({"at": state.at, "monitors": monitors}))

    def incidents(self, request: Request) -> Response:
        """Return incidents, newest first; filters: `?monitor=`, `?open=true`, `?limit=`."""
        query = request.query_params
        with self._database.read() as connection:
            rows = reads.incident_rows(
                connection,
                query.get("monitor"),
                only_open=query.get("open") in ("1", "true"),
                most=parse_limit(request),
            )
            entries = [{**_row(row), "transitions": _transitions(connection, row.id)} for row in rows]
        return JSONResponse(plain({"incidents": entries}))

    def spend(self, _request: Request) -> Response:
        """Return every budget of the newest buckets: cost so far, unpriced requests and forecast."""
        state = reads.snapshot(self._database, self._config)
        budgets = [
            {"monitor": item.name, "bucket": item.newest.start, **_budget(row)}
            for item in state.monitors
            for row in item.findings
            if item.newest and row.method in (*PERIODS, "burn_rate", "forecast", "per_request")
        ]
        return JSONResponse(plain({"at": state.at, "budgets": budgets}))

    def savings(self, request: Request) -> Response:
        """Return the newest estimates of savings of every monitor that computes them; filter: `?monitor=`."""
        monitor_name = request.query_params.get("monitor")
        names = [monitor.name for monitor in self._config.monitors if monitor.savings]
        with self._database.read() as connection:
            rows = [stored.load_report(connection, name) for name in names if monitor_name in (None, name)]
        return JSONResponse(plain({"savings": [{**row.told, "told_at": row.at} for row in rows if row]}))

    def prompts(self, request: Request) -> Response:
        """Return versions of prompts with their traffic, without their text; `?limit=` and `?offset=` select a page."""
        limit, offset = parse_limit(request), parse_offset(request)
        with self._database.read() as connection:
            page = registry.load_prompts(connection, limit=limit, offset=offset)
            entries = catalogue(page, registry.load_prompts(connection, words=False), registry.load_traffic(connection))
            total = registry.count(connection)
        after = offset + len(page)
        return JSONResponse(plain({**entries, "total": total, "next": after if after < total else None}))

    def prompt(self, request: Request) -> Response:
        """Return one version with its text: `NAME`, `NAME@3`, `NAME@TAG`, or a prefix of its hash.

        `?against=` names another version and adds the differences from it.
        """
        against = request.query_params.get("against")
        with self._database.read() as connection:
            prompts = registry.load_prompts(connection, words=False)
            version = self._version(connection, prompts, request.path_params["which"])
            before = self._version(connection, prompts, against) if against else None
        changed = {"difference": difference(before, version)} if before else {}
        return JSONResponse(plain({**describe(version), "content": version.content, **changed}))

    def _version(self, connection: Any, prompts: Sequence[Prompt], which: str) -> Prompt:
        prompt = find(prompts, which)
        if prompt is None:
            raise LookupError("There is no such prompt.")
        return registry.with_words(connection, prompt)


def _budget(row: Any) -> dict[str, Any]:
    entry = {name: getattr(row, name) for name in ("check", "method", "segment", "status", "statistic", "reason")}
    return {**entry, **(row.detail or {})}


def _row(row: Any) -> dict[str, Any]:
    return dict(vars(row))


def _transitions(connection: Any, incident: str) -> list[dict[str, Any]]:
    rows = reads.transition_rows(connection, incident)
    return [{"at": row.at, "state": row.state, "reason": row.reason} for row in rows]


def _monitor(item: reads.MonitorState, bucket: timedelta, at: datetime) -> dict[str, Any]:
    status = monitor_status(item, bucket, at)
    worst = item.findings[0] if item.findings else None
    return {
        "monitor": item.name,
        "state": status.state,
        "detail": status.detail,
        "newest_bucket": item.newest.start if item.newest else None,
        "rows": item.newest.source_rows if item.newest else None,
        "baseline_rows": item.baseline.rows if item.baseline else None,
        "open_incidents": [row.id for row in item.open],
        "findings": item.finding_count,
        "drifted": item.drifted,
        "worst": {
            name: getattr(worst, name)
            for name in ("check", "column", "method", "segment", "status", "statistic", "threshold", "reason")
        }
        if worst
        else None,
        "last_pass": item.watch.seen_at if item.watch else None,
        "source_error": item.watch.error if item.watch else None,
    }
