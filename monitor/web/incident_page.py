"""The web page of an incident."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from monitor.config.models import Config, Monitor
from monitor.core.clock import Clock
from monitor.core.incident import Incident
from monitor.jobs.incident_examples import load_examples
from monitor.store import reads
from monitor.store.database import Connection, Database
from monitor.store.distributions import load_distributions
from monitor.store.past_incidents import load_similar
from monitor.web import queries
from monitor.web.cases import load_case
from monitor.web.monitor_charts import ChartedFinding, draw_findings
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
            row, monitor = self._find(connection, request)
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
            has_examples=self._config.server.examples,
            span_end=row.resolved_at or self._clock.now(),
        )

    def show_examples(self, request: Request) -> Response:
        """Show the records of an incident that depart most from the baseline, read from the source now."""
        if not self._config.server.examples:
            raise LookupError("Example records are not shown: set `server.examples: true`.")
        with self._database.read() as connection:
            incident, monitor = self._find(connection, request)
            records = load_examples(connection, monitor, incident)
        return self._renderer.render(request, "examples.html", row=incident, records=records)

    def _find(self, connection: Connection, request: Request) -> tuple[Incident, Monitor]:
        row = queries.incident(connection, request.path_params["id"])
        monitor = next((one for one in self._config.monitors if row and one.name == row.monitor), None)
        if row is None or monitor is None:
            raise LookupError("There is no such incident.")
        return row, monitor
