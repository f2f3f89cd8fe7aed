"""One timeline of an incident: changes before it, its transitions, messages, effects and what people did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.alerting.messages.headline import first_clause
from monitor.core.action import DESTRUCTIVE
from monitor.core.deploy_event import DeployEvent
from monitor.core.incident import Change
from monitor.core.incident_response import IncidentResponse
from monitor.store import reads
from monitor.store.database import Connection
from monitor.store.deploy_events import load_events
from monitor.web.formatting import capital, shorten
from monitor.web.natural_headline import parse_quantity
from monitor.web.views import IncidentView

MOST_CHANGES = 30
MOST_LOADED = 200
ENDS = {
    "delivered": "was sent",
    "failed": "could not be sent",
    "expired": "expired",
    "rejected": "was rejected",
    "dry_run": "was a dry run, nothing was sent",
    "superseded": "was replaced",
    "held": "is held",
    "told": "is announced only",
}
"""What became of an action, by its state."""


@dataclass(frozen=True)
class TimelineEntry:
    """Something that happened.

    Parameters
    ----------
    kind
        `pending`, `firing`, `resolved`, `change`, `message`, `effect` or `response`.
    note
        Further text.
    """

    at: datetime
    kind: str
    text: str
    note: str = ""


def load_timeline(connection: Connection, case: IncidentView, start: datetime, end: datetime) -> list[TimelineEntry]:
    """Return the timeline of an incident, with the changes and deploy events of a time range."""
    monitor = case.row.monitor
    changes = reads.change_rows(connection, monitor, MOST_LOADED)
    return make_timeline(
        reads.transition_rows(connection, case.row.id),
        case.actions,
        case.responses,
        [change for change in changes if start <= change.first_seen <= end],
        [event for event in load_events(connection, [monitor]) if start <= event.at <= end],
    )


def make_timeline(
    transitions: Iterable[Any],
    actions: Iterable[Any],
    responses: Iterable[IncidentResponse],
    changes: Sequence[Change],
    deployments: Sequence[DeployEvent],
) -> list[TimelineEntry]:
    """Return all entries, oldest first."""
    entries = [
        *(TimelineEntry(step.at, step.state, capital(step.state), _measurement(step.reason)) for step in transitions),
        *(entry for action in actions for entry in _describe_action(action)),
        *(_describe_response(response) for response in responses),
        *(_describe_change(change) for change in changes[:MOST_CHANGES]),
        *(_describe_deployment(event) for event in deployments[:MOST_CHANGES]),
    ]
    order = {"change": 0, "pending": 1, "firing": 2, "resolved": 3}
    return sorted(entries, key=lambda entry: (entry.at, order.get(entry.kind, 4)))


def _measurement(reason: str) -> str:
    """Return the quantity of a transition, else the beginning of its reason."""
    quantity = parse_quantity({}, reason)
    return f"{quantity.value}, {quantity.before} {quantity.reference}" if quantity else first_clause(reason)


def _describe_action(action: Any) -> Iterator[TimelineEntry]:
    is_effect = action.kind in DESTRUCTIVE
    kind = "effect" if is_effect else "message"
    if is_effect:
        waits = " and waits for approval" if action.mode == "approve" else ""
        yield TimelineEntry(action.created_at, kind, f"{capital(action.kind)} by {action.name} planned{waits}")
    if action.finished_at is not None and action.state in ENDS:
        what = f"{capital(action.kind)} by {action.name}" if is_effect else f"{capital(action.name)}: {action.kind}"
        yield TimelineEntry(action.finished_at, kind, f"{what} {ENDS[action.state]}", _note(action))


def _note(action: Any) -> str:
    return action.reason if action.state not in ("delivered", "superseded") else ""


def _describe_response(response: IncidentResponse) -> TimelineEntry:
    verbs = {"acknowledge": "acknowledged", "assign": f"assigned to {response.assignee}", "comment": "commented"}
    return TimelineEntry(response.at, "response", f"{response.by} {verbs[response.kind]}", response.text)


def _describe_change(change: Change) -> TimelineEntry:
    what = f"{change.column.replace('_', ' ')} {shorten(change.value, 60)}"
    return TimelineEntry(change.first_seen, "change", f"{capital(what)} first seen")


def _describe_deployment(event: DeployEvent) -> TimelineEntry:
    what = event.version or event.commit[:12] or event.link
    return TimelineEntry(event.at, "change", f"{capital(event.kind)} {shorten(what, 60)}", event.sentence())
