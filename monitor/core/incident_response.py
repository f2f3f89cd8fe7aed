"""What people did about an incident: acknowledgements, assignments and comments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class IncidentResponse:
    """An entry of the audit log about an incident.

    Parameters
    ----------
    kind
        ``acknowledge``, ``assign`` or ``comment``.
    text
        The reason, or the comment.
    severity
        Severity of the incident at that time.
    """

    incident: str
    at: datetime
    kind: str
    by: str
    channel: str
    text: str = ""
    assignee: str | None = None
    severity: str | None = None


@dataclass(frozen=True)
class Handling:
    """Who acknowledged an incident last and who is assigned to it.

    Parameters
    ----------
    severity
        Severity of the incident when it was acknowledged.
    """

    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    severity: str | None = None
    assignee: str | None = None
