"""Responses of people to incidents: an append-only log."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.alerting.responses import respond, summarize_responses
from monitor.core.incident_response import Author, Handling, IncidentResponse, ResponseKind
from monitor.store.incidents import find_incident
from monitor.store.rows import read_all
from monitor.store.tables import responses

_COLUMNS = [column for column in responses.c if column.name != "id"]


def add_response(
    connection: Connection,
    prefix: str,
    kind: ResponseKind,
    author: Author,
    at: datetime,
    text: str = "",
    assignee: str | None = None,
) -> IncidentResponse:
    """Respond to the incident whose id begins with a prefix; every channel responds by this function.

    Raises
    ------
    LookupError
        If no incident or several have such an id.
    ResponseError
        If the response is refused.
    """
    response = respond(find_incident(connection, prefix), kind, author, at, text, assignee)
    connection.execute(sa.insert(responses).values(**asdict(response)))
    return response


def load_responses(connection: Connection, incidents: Collection[str]) -> list[IncidentResponse]:
    """Return the responses to incidents, those of each incident in order."""
    query = sa.select(*_COLUMNS).where(responses.c.incident.in_(sorted(incidents)))
    return read_all(connection, IncidentResponse, query.order_by(responses.c.incident, responses.c.id))


def load_handling(connection: Connection, incidents: Collection[str]) -> dict[str, Handling]:
    """Return by incident who acknowledged it and who is assigned, for incidents with a response."""
    rows = load_responses(connection, incidents) if incidents else []
    return {incident: summarize_responses(each) for incident, each in groupby(rows, lambda one: one.incident)}
