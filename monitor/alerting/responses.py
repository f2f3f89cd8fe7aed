"""Acknowledge, assign and comment on incidents, and what follows for messages. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from monitor.config.rules import is_more_severe
from monitor.core.incident import Incident
from monitor.core.incident_response import Author, Handling, IncidentResponse, ResponseKind

LONGEST_NAME = 128
LONGEST_TEXT = 2000


class ResponseError(ValueError):
    """A response that is refused; the message says why."""


def respond(
    incident: Incident, kind: ResponseKind, author: Author, at: datetime, text: str = "", assignee: str | None = None
) -> IncidentResponse:
    """Return a response to an incident, whichever channel it came by.

    Parameters
    ----------
    text
        The reason; of a comment, the comment.
    assignee
        To whom the incident is assigned.

    Raises
    ------
    ResponseError
        If the incident is resolved already, or something that is required is missing or too long.
    """
    name, text, to = author.name.strip(), text.strip(), (assignee or "").strip()
    if not name:
        raise ResponseError("the name of who responds is missing")
    if kind == "comment" and not text:
        raise ResponseError("the comment is empty")
    if kind == "assign" and not to:
        raise ResponseError("the name of the assignee is missing")
    if max(len(name), len(to)) > LONGEST_NAME or len(text) > LONGEST_TEXT:
        raise ResponseError(f"names have at most {LONGEST_NAME} characters, reasons and comments {LONGEST_TEXT}")
    if kind == "acknowledge" and incident.state == "resolved":
        raise ResponseError("the incident is resolved; only an open incident can be acknowledged")
    to_whom = to if kind == "assign" else None
    return IncidentResponse(incident.id, at, kind, name, author.channel, text, to_whom, incident.severity)


def summarize_responses(responses: Iterable[IncidentResponse]) -> Handling:
    """Return who acknowledged an incident and who is assigned, from its responses in order."""
    handling = Handling()
    for one in responses:
        if one.kind == "acknowledge":
            handling = replace(handling, acknowledged_at=one.at, acknowledged_by=one.by, severity=one.severity)
        elif one.kind == "assign":
            handling = replace(handling, assignee=one.assignee)
    return handling


def is_acknowledged(incident: Incident, handling: Handling) -> bool:
    """Return whether an incident is acknowledged as it is: it neither changed since nor became more severe."""
    if handling.acknowledged_at is None or is_more_severe(incident.severity, handling.severity):
        return False
    changed_at = datetime.fromisoformat(incident.changes[-1]["at"]) if incident.changes else incident.opened_at
    return changed_at <= handling.acknowledged_at
