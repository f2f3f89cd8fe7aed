"""The web page of an incident."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store import reads
from monitor.store.database import Database
from monitor.store.distributions import load_distributions
from monitor.store.past_incidents import load_similar
from monitor.web import queries
from monitor.web.cases import load_case
from monitor.web.monitor_charts import ChartedFinding, draw_findings
from monitor.web.share_bars import share_bars
from monitor.web.templating import Renderer

MOST_BUCKETS = 3000
FIRST_FINDINGS = 12
MOST_CHARTS = 6
MOST_CHANGES = 200


class IncidentPage:
    """Renders the page of an incident from committed state.

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

    def show(self, request: Request) -> Response:
        """Show one incident: its history, evidence and actions."""
        with self._database.read() as connection:
            row = queries.incident(connection, request.path_params["id"])
            monitor = next((one for one in self._config.monitors if row and one.name == row.monitor), None)
            if row is None or monitor is None:
                raise LookupError("There is no such incident.")
            case = load_case(connection, monitor, row, self._clock.now())
            steps = reads.transition_rows(connection, row.id)
            end = row.resolved_at + 12 * monitor.bucket if row.resolved_at else row.updated_at
            start = row.opened_at - max(36 * monitor.bucket, 2 * monitor.window)
            start = max(start, end - MOST_BUCKETS * monitor.bucket)
            changes = reads.change_rows(connection, monitor.name, MOST_CHANGES)
            chosen = [item for item in case.evidence if item["key"]][:MOST_CHARTS]
            named = [ChartedFinding(**{k: item[k] for k in ("key", "check", "column", "segment")}) for item in chosen]
            drawn = draw_findings(connection, monitor, named, start, end, [row], changes)
            distributions = load_distributions(connection, monitor, row)
            similar = load_similar(connection, row)
        return self._renderer.render(
            request,
            "incident.html",
            now=self._clock.now(),
            case=case,
            steps=steps,
            charts=drawn,
            first=FIRST_FINDINGS,
            distributions=distributions,
            similar=similar,
            share_bars=share_bars,
            span_end=row.resolved_at or self._clock.now(),
        )
