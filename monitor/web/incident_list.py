"""The web page that lists incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from monitor.alerting.responses import is_acknowledged
from monitor.core.incident import Incident
from monitor.core.incident_response import Handling
from monitor.store.audit import load_handling
from monitor.store.incident_search import OPEN, IncidentFilter, count_incidents, search_incidents
from monitor.web.endpoints import parse_offset
from monitor.web.natural_headline import write_title
from monitor.web.web_page import WebPage

PAGE_SIZE = 50
LONGEST_TEXT = 200
STATES: Mapping[str, Sequence[str]] = {
    "open": OPEN,
    "firing": ("firing",),
    "pending": ("pending",),
    "resolved": ("resolved",),
    "all": (),
}
SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True)
class ListedIncident:
    """An incident as a row of the list."""

    incident: Incident
    title: str
    lasted: timedelta
    acknowledged_by: str | None
    assignee: str | None


class IncidentList(WebPage):
    """Renders the list of incidents; its filters are in the address."""

    def show(self, request: Request) -> Response:
        """Show a page of the list: firing before pending before resolved, then by severity, then the newest."""
        given, offset = request.query_params, parse_offset(request)
        text = given.get("q", "").strip()[:LONGEST_TEXT]
        state = given.get("state", "all" if text else "open")
        severity, monitor = given.get("severity", ""), given.get("monitor", "")
        if state not in STATES or severity not in ("", *SEVERITIES):
            raise ValueError(f"`state` can be {', '.join(STATES)}, and `severity` {', '.join(SEVERITIES)}.")
        names = [name for name in self._names if monitor in ("", name)]
        wanted = IncidentFilter(names, STATES[state], severity, text)
        with self._database.read() as connection:
            rows = search_incidents(connection, wanted, PAGE_SIZE, offset)
            counts = count_incidents(connection, wanted)
            handling = load_handling(connection, [row.id for row in rows])
        now = self._clock.now()
        chosen = {"q": text, "state": state, "severity": severity, "monitor": monitor}
        total = sum(count for name, count in counts.items() if name in (STATES[state] or counts))
        return self._renderer.render(
            request,
            "incidents.html",
            now=now,
            rows=[self._describe(row, handling.get(row.id, Handling())) for row in rows],
            chosen=chosen,
            tabs=[(name, link(chosen, state=name), _count(counts, states)) for name, states in STATES.items()],
            names=self._names,
            severities=SEVERITIES,
            total=total,
            first=offset + 1,
            last=offset + len(rows),
            newer=link(chosen, offset=max(0, offset - PAGE_SIZE)) if offset else None,
            older=link(chosen, offset=offset + PAGE_SIZE) if offset + len(rows) < total else None,
        )

    def _describe(self, row: Incident, handling: Handling) -> ListedIncident:
        is_open = row.state != "resolved"
        return ListedIncident(
            incident=row,
            title=write_title(row),
            lasted=(row.resolved_at or self._clock.now()) - row.opened_at,
            acknowledged_by=handling.acknowledged_by if is_open and is_acknowledged(row, handling) else None,
            assignee=handling.assignee,
        )


def link(chosen: Mapping[str, str], **changes: object) -> str:
    """Return the address of the list with changed filters; empty ones and an offset of 0 are omitted."""
    given = {name: value for name, value in {**chosen, **changes}.items() if value}
    return f"/incidents?{urlencode(given)}"


def _count(counts: Mapping[str, int], states: Sequence[str]) -> int:
    return sum(count for name, count in counts.items() if not states or name in states)
