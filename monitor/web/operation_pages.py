"""The web pages of actions, silences and the audit log."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from monitor.core.action import label_state
from monitor.core.plain import plain
from monitor.store import reads
from monitor.store.audit import load_entries
from monitor.store.incidents import find_incident
from monitor.store.silences import list_silences
from monitor.web.endpoints import MOST
from monitor.web.web_page import WebPage

PAGE_ROWS = 200
STATES = ("awaiting_approval", "pending", "delivered", "failed", "expired", "held", "rejected", "told", "superseded")


class OperationPages(WebPage):
    """Renders the lists of actions, silences and audit entries."""

    def actions(self, request: Request) -> Response:
        """Show effects and messages, newest first."""
        state = request.query_params.get("state", "")
        if state not in ("", *STATES):
            raise ValueError(f"`state` can be {', '.join(STATES)}.")
        with self._database.read() as connection:
            rows = reads.action_rows(connection, state=state or None, most=MOST)
        shown = [row for row in rows if row.monitor in self._names][:PAGE_ROWS]
        tabs = [(label_state(name), f"/actions?{urlencode({'state': name})}", name) for name in STATES]
        return self._renderer.render(
            request,
            "actions.html",
            now=self._clock.now(),
            rows=shown,
            state=state,
            tabs=[("all", "/actions", ""), *tabs],
            most=PAGE_ROWS,
        )

    def audit(self, request: Request) -> Response:
        """Show what people did, newest first."""
        prefix = request.query_params.get("incident", "")
        with self._database.read() as connection:
            incident = find_incident(connection, prefix).id if prefix else None
            entries = load_entries(connection, incident=incident, most=MOST)
        shown = [entry for entry in entries if entry.monitor in ("*", "", *self._names)][:PAGE_ROWS]
        return self._renderer.render(
            request,
            "audit.html",
            now=self._clock.now(),
            entries=[(entry, plain(entry.detail)) for entry in shown],
            incident=incident,
            most=PAGE_ROWS,
        )

    def silences(self, request: Request) -> Response:
        """Show the silences that have not ended, and a form for a new one."""
        now = self._clock.now()
        with self._database.read() as connection:
            rows = list_silences(connection, now)
        shown = [row for row in rows if row.monitor in ("*", *self._names)]
        return self._renderer.render(request, "silences.html", now=now, rows=shown, names=self._names)
