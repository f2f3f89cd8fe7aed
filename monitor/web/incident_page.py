"""The web page of an incident."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from monitor.actions.receivers.preview import preview_action
from monitor.config.models import Monitor
from monitor.core.incident import Incident
from monitor.jobs.incident_examples import load_examples
from monitor.store.database import Connection
from monitor.store.incidents import find_incident
from monitor.web.effect_entries import list_results
from monitor.web.endpoints import parse_range
from monitor.web.incident_view import load_incident_view
from monitor.web.web_page import WebPage


class IncidentPage(WebPage):
    """Renders the page of an incident."""

    def show(self, request: Request) -> Response:
        """Show one incident: what is wrong, what to do, why, and what happened."""
        now, chosen = self._clock.now(), parse_range(request)
        with self._database.read() as connection:
            row, monitor = self._find(connection, request)
            view = load_incident_view(connection, monitor, row, now, chosen)
        return self._renderer.render(
            request,
            "incident.html",
            now=now,
            view=view,
            results=list_results(view.case.actions),
            requests={
                action.id: preview_action(self._config.receivers.get(action.name), action)
                for action in view.case.actions
            },
            case=view.case,
            is_zoomed=chosen is not None,
            has_examples=self._config.server.examples,
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
        try:
            row = find_incident(connection, request.path_params["id"])
        except LookupError as error:
            raise LookupError(f"The incident cannot be shown: {error.args[0]}.") from None
        monitor = next((one for one in self._config.monitors if one.name == row.monitor), None)
        if monitor is None:
            raise LookupError("There is no such incident.")
        return row, monitor
