"""Load an incident with what a page shows of it."""

from __future__ import annotations

from datetime import datetime

from monitor.config.models import Monitor
from monitor.core.incident import Incident
from monitor.store import reads
from monitor.store.audit import load_responses
from monitor.store.database import Connection
from monitor.store.silences import load_silences
from monitor.web.views import IncidentView, make_case


def load_case(connection: Connection, monitor: Monitor, incident: Incident, now: datetime) -> IncidentView:
    """Return the view of an incident with its actions, silences and responses."""
    return make_case(
        monitor,
        incident,
        reads.action_rows(connection, incident=incident.id),
        load_silences(connection, monitor.name, now),
        load_responses(connection, [incident.id]),
        now,
    )
