"""One timeline of an incident: changes before it, its transitions, messages, effects and what people did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from monitor.alerting.messages.headline import first_clause
from monitor.core.deploy_event import DeployEvent
from monitor.core.incident import Change
from monitor.store import reads
from monitor.store.database import Connection
from monitor.store.deploy_events import load_events
from monitor.web.effect_entries import describe_action
from monitor.web.formatting import capital, shorten
from monitor.web.natural_headline import parse_quantity
from monitor.web.people_entries import load_people_entries
from monitor.web.views import IncidentView, TimelineEntry

MOST_CHANGES = 30
MOST_LOADED = 200


def load_timeline(connection: Connection, case: IncidentView, start: datetime, end: datetime) -> list[TimelineEntry]:
    """Return the timeline of an incident, with the changes and deploy events of a time range."""
    monitor = case.row.monitor
    changes = reads.change_rows(connection, monitor, MOST_LOADED)
    return make_timeline(
        reads.transition_rows(connection, case.row.id),
        case.actions,
        load_people_entries(connection, case.row.id),
        [change for change in changes if start <= change.first_seen <= end],
        [event for event in load_events(connection, [monitor]) if start <= event.at <= end],
    )


def make_timeline(
    transitions: Iterable[Any],
    actions: Iterable[Any],
    people: Iterable[TimelineEntry],
    changes: Sequence[Change],
    deployments: Sequence[DeployEvent],
) -> list[TimelineEntry]:
    """Return all entries, oldest first."""
    entries = [
        *(TimelineEntry(step.at, step.state, capital(step.state), _measurement(step.reason)) for step in transitions),
        *(entry for action in actions for entry in describe_action(action)),
        *people,
        *(_describe_change(change) for change in changes[:MOST_CHANGES]),
        *(_describe_deployment(event) for event in deployments[:MOST_CHANGES]),
    ]
    order = {"change": 0, "pending": 1, "firing": 2, "verification": 3, "resolved": 4}
    return sorted(entries, key=lambda entry: (entry.at, order.get(entry.kind, 5)))


def _measurement(reason: str) -> str:
    """Return the quantity of a transition, else the beginning of its reason."""
    quantity = parse_quantity({}, reason)
    return f"{quantity.value}, {quantity.before} {quantity.reference}" if quantity else first_clause(reason)


def _describe_change(change: Change) -> TimelineEntry:
    what = f"{change.column.replace('_', ' ')} {shorten(change.value, 60)}"
    return TimelineEntry(change.first_seen, "change", f"{capital(what)} first seen")


def _describe_deployment(event: DeployEvent) -> TimelineEntry:
    what = event.version or event.commit[:12] or event.link
    return TimelineEntry(event.at, "change", f"{capital(event.kind)} {shorten(what, 60)}", event.sentence())
