"""Acknowledge, assign, comment on and silence incidents, and what follows for messages. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from monitor.config.rules import UNMEASURED, is_more_severe
from monitor.core.incident import Incident
from monitor.core.incident_response import Handling, IncidentResponse
from monitor.core.matchers import LONGEST_MATCHER
from monitor.core.operation import Acknowledge, Assign, Comment, OperationError, RefusedOperation


def respond(incident: Incident, operation: Acknowledge | Assign | Comment) -> dict[str, object]:
    """Return what is stored of a response to an incident besides who, when and why.

    Raises
    ------
    RefusedOperation
        If the incident is resolved already and is acknowledged.
    """
    if isinstance(operation, Acknowledge) and incident.state == "resolved":
        raise RefusedOperation("the incident is resolved; only an open incident can be acknowledged")
    to_whom = {"assignee": operation.assignee.strip()} if isinstance(operation, Assign) else {}
    return {"severity": incident.severity, **to_whom}


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


def match_incident(incident: Incident) -> list[str]:
    """Return the matchers of a silence of an incident, besides that of its monitor: they match its rules.

    Raises
    ------
    OperationError
        If it has so many rules that they make no valid matcher.
    """
    rules = sorted({name.removeprefix(UNMEASURED) for name in incident.announcing_rules})
    names = "|".join(re.escape(name) for name in rules)
    matcher = f'rule="{rules[0]}"' if len(rules) == 1 else f'rule=~"{names}"'
    if len(matcher) > LONGEST_MATCHER:
        raise OperationError(f"the incident has {len(rules)} rules, too many for one silence; add silences by rule")
    return [matcher]
