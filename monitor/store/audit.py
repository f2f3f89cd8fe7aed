"""The audit log: what people did, by which channel, and why. Rows are only added."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.alerting.responses import summarize_responses
from monitor.core.incident_response import Handling, IncidentResponse
from monitor.core.operation import AuditEntry, RepeatedRequest
from monitor.store.rows import columns, read_all
from monitor.store.tables import audit

RESPONSES = ("acknowledge", "assign", "comment")
_ENTRIES = sa.select(*columns(audit, AuditEntry))
_RESPONSES = (
    sa.select(
        audit.c.incident,
        audit.c.at,
        audit.c.operation.label("kind"),
        audit.c.by,
        audit.c.channel,
        audit.c.reason.label("text"),
        audit.c.detail["assignee"].as_string().label("assignee"),
        audit.c.detail["severity"].as_string().label("severity"),
    )
    .where(audit.c.incident.in_(sa.bindparam("incidents", expanding=True)))
    .where(audit.c.operation.in_(RESPONSES), audit.c.result == "done")
    .order_by(audit.c.incident, audit.c.id)
)


def add_entry(connection: Connection, entry: AuditEntry, request: str | None = None) -> None:
    """Add an entry; raise RepeatedRequest if there is one of the same request."""
    values = {**asdict(entry), "detail": dict(entry.detail), "request": request}
    try:
        connection.execute(sa.insert(audit).values(**values))
    except sa.exc.IntegrityError:
        raise RepeatedRequest("this was received already") from None


def load_entries(
    connection: Connection,
    *,
    incident: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    most: int = 1000,
) -> list[AuditEntry]:
    """Return entries, newest first."""
    query = _ENTRIES
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    if incident is not None:
        query = query.where(audit.c.incident == incident)
    if since is not None:
        query = query.where(audit.c.at >= since)
    return read_all(connection, AuditEntry, query.order_by(audit.c.id.desc()).limit(most))


def load_responses(connection: Connection, incidents: Collection[str]) -> list[IncidentResponse]:
    """Return the responses to incidents, those of each incident in order."""
    return read_all(connection, IncidentResponse, _RESPONSES, {"incidents": sorted(incidents)})


def load_handling(connection: Connection, incidents: Collection[str]) -> dict[str, Handling]:
    """Return by incident who acknowledged it and who is assigned, for incidents with a response."""
    rows = load_responses(connection, incidents) if incidents else []
    return {incident: summarize_responses(each) for incident, each in groupby(rows, lambda one: one.incident)}
