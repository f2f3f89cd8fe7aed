"""The page of a monitor."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from monitor.config.models import Monitor
from monitor.metrics.monitor_status import find_quarantine
from monitor.store import reads
from monitor.web import queries
from monitor.web.endpoints import parse_range
from monitor.web.incident_chart import load_finding_charts
from monitor.web.monitor_charts import incident_spans, round_spans, volume_chart
from monitor.web.savings import make_panel
from monitor.web.traffic import draw_charts, limit_points, usage_tables
from monitor.web.views import make_row
from monitor.web.web_page import WebPage

MOST_FINDINGS = 100
FIRST_FINDINGS = 12
MOST_CHARTS = 6
MOST_CHANGES = 20
MOST_CASES = 20


class MonitorPage(WebPage):
    """Renders the page of a monitor."""

    def show(self, request: Request) -> Response:
        """Show one monitor: findings worst first, charts, volume, changes, incidents."""
        monitor = self._configured(request.path_params["name"])
        long, is_zoomed = request.query_params.get("span") == "long", "from" in request.query_params
        spans = round_spans(monitor.bucket)
        state = reads.snapshot(self._database, self._config.model_copy(update={"monitors": [monitor]}))
        item = state.monitors[0]
        with self._database.read() as connection:
            start, end = self._shown(request, item, monitor, spans[long])
            rows = queries.volumes(connection, monitor.name, start, end)
            start = rows[0].start if rows and not is_zoomed else start
            changes = reads.change_rows(connection, monitor.name, MOST_CHANGES)
            cases = reads.incident_rows(connection, monitor.name, most=MOST_CASES)
            around = queries.incidents_during(connection, monitor.name, start, end)
            chosen = [row for row in item.findings if row.statistic is not None][:MOST_CHARTS]
            drawn = load_finding_charts(connection, monitor, chosen, (start, end), around)
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
            is_zoomed=is_zoomed,
            spans=[(span, place == 1) for place, span in enumerate(spans)],
            window=monitor.window,
            quarantine=find_quarantine(item),
            notes=notes,
            sensitivity=sensitivity,
            experiments=[
                (spec.name, compared.get(("experiment", spec.name), {}).get(arm))
                for spec in monitor.experiments
                for arm in spec.treatments
            ],
            shadows=[(spec.name, compared.get(("shadow", spec.name))) for spec in monitor.shadows],
        )

    def _shown(
        self, request: Request, item: reads.MonitorState, monitor: Monitor, span: timedelta
    ) -> tuple[datetime, datetime]:
        """Return the time range that the address has, or the last part of a length."""
        if chosen := parse_range(request):
            return max(chosen[0], chosen[1] - queries.MOST_BUCKETS * monitor.bucket), chosen[1]
        end = item.newest.start + monitor.bucket if item.newest else self._clock.now()
        return end - span, end

    def _configured(self, name: str) -> Monitor:
        for monitor in self._config.monitors:
            if monitor.name == name:
                return monitor
        raise LookupError("There is no monitor of this name in the configuration.")


def by_status(findings: Any) -> list[Any]:
    """Return drifted findings first, then those that failed, each worst first."""
    order = {"drifted": 0, "error": 1, "ok": 2, "inconclusive": 3}
    return sorted(findings, key=lambda row: order.get(row.status, 4))
