"""The web pages: home and monitor."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from monitor.config.models import Config, Monitor
from monitor.core.clock import Clock
from monitor.store import reads
from monitor.store.database import Database
from monitor.web import formatting, queries
from monitor.web.cases import load_case
from monitor.web.monitor_charts import (
    draw_findings,
    draw_spark,
    incident_spans,
    round_spans,
    volume_chart,
)
from monitor.web.savings import make_panel
from monitor.web.templating import Renderer
from monitor.web.traffic import draw_charts, limit_points, usage_tables
from monitor.web.views import make_row, rank

MOST_BUCKETS = 3000
MOST_FINDINGS = 100
FIRST_FINDINGS = 12
MOST_CHARTS = 6
MOST_CHANGES = 20
MOST_CASES = 20


class Pages:
    """Renders the pages from committed state.

    Parameters
    ----------
    database, config, clock, renderer
        As for :func:`monitor.web.app.create_app`.
    """

    def __init__(self, database: Database, config: Config, clock: Clock, renderer: Renderer) -> None:
        self._database = database
        self._config = config
        self._clock = clock
        self._renderer = renderer

    def home(self, request: Request) -> Response:
        """Show open incidents and every monitor."""
        state = reads.snapshot(self._database, self._config)
        now = self._clock.now()
        settings = {monitor.name: monitor for monitor in self._config.monitors}
        with self._database.read() as connection:
            rows = [
                make_row(item, settings[item.name], state.at, draw_spark(connection, item, settings[item.name]))
                for item in state.monitors
            ]
            open_now = [(settings[item.name], row) for item in state.monitors for row in item.open]
            firing = [
                load_case(connection, monitor, row, self._clock.now())
                for monitor, row in open_now
                if row.state == "firing"
            ]
            settled = [row for row in reads.incident_rows(connection, most=MOST_CASES) if row.state == "resolved"]
        return self._renderer.render(
            request,
            "home.html",
            now=now,
            cases=rank(firing),
            pending=[row for _, row in open_now if row.state == "pending"],
            rows=sorted(rows, key=lambda row: (row.order, row.name)),
            suites=state.evaluations,
            settled=[row for row in settled if row.monitor in settings][:8],
            breakers=[
                one for rows in state.breakers.values() for one in rows if one.state != "closed" or not one.value
            ],
            waiting=sum(count for (_, _, stage), count in state.actions.items() if stage == "awaiting_approval"),
        )

    def monitor(self, request: Request) -> Response:
        """Show one monitor: findings worst first, charts, volume, changes, incidents."""
        monitor = self._configured(request.path_params["name"])
        long = request.query_params.get("span") == "long"
        spans = round_spans(monitor.bucket)
        state = reads.snapshot(self._database, self._config.model_copy(update={"monitors": [monitor]}))
        item = state.monitors[0]
        with self._database.read() as connection:
            end = item.newest.start + monitor.bucket if item.newest else self._clock.now()
            rows = queries.volumes(connection, monitor.name, end - spans[long], end)
            start = rows[0].start if rows else end - spans[long]
            changes = reads.change_rows(connection, monitor.name, MOST_CHANGES)
            cases = reads.incident_rows(connection, monitor.name, most=MOST_CASES)
            around = queries.incidents_during(connection, monitor.name, start, end)
            chosen = [row for row in item.findings if row.statistic is not None][:MOST_CHARTS]
            drawn = draw_findings(connection, monitor, chosen, start, end, around)
            starts, every = limit_points([each.start for each in rows])
            notes = queries.baseline_notes(connection, monitor.name)
            sensitivity = queries.sensitivity(connection, monitor.name)
            used = draw_charts(
                queries.usages(connection, monitor.name, starts),
                start,
                end,
                every * monitor.bucket,
                incident_spans(around),
            )
        compared = {(row.kind, row.name): row.told for row in item.compared}
        volume = volume_chart(rows, monitor, start, end, around)
        return self._renderer.render(
            request,
            "monitor.html",
            now=self._clock.now(),
            row=make_row(item, monitor, state.at, Markup("")),
            findings=by_status(item.findings)[:MOST_FINDINGS],
            first=FIRST_FINDINGS,
            more=max(0, item.finding_count - MOST_FINDINGS),
            charts=drawn,
            volume=volume,
            used=used,
            savings=make_panel(item.saved),
            usage=usage_tables(item.newest.usage if item.newest else None),
            changes=changes,
            cases=cases,
            long=long,
            spans=[(formatting.length(span), place == 1) for place, span in enumerate(spans)],
            window=monitor.window,
            notes=notes,
            sensitivity=sensitivity,
            experiments=[
                (spec.name, compared.get(("experiment", spec.name), {}).get(arm))
                for spec in monitor.experiments
                for arm in spec.treatments
            ],
            shadows=[(spec.name, compared.get(("shadow", spec.name))) for spec in monitor.shadows],
        )

    def _configured(self, name: str) -> Monitor:
        for monitor in self._config.monitors:
            if monitor.name == name:
                return monitor
        raise LookupError("There is no monitor of this name in the configuration.")


def by_status(findings: Any) -> list[Any]:
    """Return drifted findings first, then those that failed, each worst first."""
    order = {"drifted": 0, "error": 1, "ok": 2, "inconclusive": 3}
    return sorted(findings, key=lambda row: order.get(row.status, 4))
