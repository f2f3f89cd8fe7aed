"""Messages whose buttons a receiver keeps up to date, and the present state of what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.action import DESTRUCTIVE, MESSAGES
from monitor.core.operation import AuditEntry
from monitor.core.situation import PerformedKind, PerformedOperation, Situation
from monitor.store.rows import columns, read_all
from monitor.store.tables import actions, audit, incidents

MOST_POSTS = 500
_ANSWERS: Mapping[str, PerformedKind] = {
    "approve": "approve",
    "reject": "reject",
    "acknowledge": "acknowledge",
    "silence": "silence",
}


@dataclass(frozen=True)
class PostRow:
    """A delivered message about an incident."""

    id: str
    incident: str
    name: str
    sequence: int
    receipt: Mapping[str, object] | None


@dataclass(frozen=True)
class _EffectRow:
    id: str
    incident: str
    state: str
    not_after: datetime | None


_POSTS = (
    sa.select(*columns(actions, PostRow))
    .where(actions.c.kind.in_((*MESSAGES, "effect")), actions.c.state == "delivered")
    .order_by(actions.c.incident, actions.c.sequence)
    .limit(MOST_POSTS)
)
_RECENT = sa.select(incidents.c.id).where(
    sa.or_(incidents.c.state != "resolved", incidents.c.resolved_at >= sa.bindparam("since"))
)
_EFFECTS = (
    sa.select(*columns(actions, _EffectRow))
    .where(actions.c.incident.in_(sa.bindparam("incidents", expanding=True)), actions.c.kind.in_(DESTRUCTIVE))
    .order_by(actions.c.incident, actions.c.sequence)
)
_OPEN = sa.select(incidents.c.id).where(
    incidents.c.id.in_(sa.bindparam("incidents", expanding=True)), incidents.c.state != "resolved"
)
_ENTRIES = (
    sa.select(*columns(audit, AuditEntry))
    .where(audit.c.incident.in_(sa.bindparam("incidents", expanding=True)))
    .where(audit.c.operation.in_(list(_ANSWERS)), audit.c.result == "done")
    .order_by(audit.c.id)
)


def load_posts(connection: Connection, name: str, since: datetime) -> list[PostRow]:
    """Return the messages of a receiver about incidents that are open or were resolved after a time."""
    return read_all(
        connection, PostRow, _POSTS.where(actions.c.name == name, actions.c.incident.in_(_RECENT)), {"since": since}
    )


def load_incident_posts(connection: Connection, incident: str) -> list[PostRow]:
    """Return the messages of all receivers about an incident."""
    return read_all(connection, PostRow, _POSTS.where(actions.c.incident == incident))


def load_situations(connection: Connection, wanted: Sequence[str], at: datetime) -> dict[str, Situation]:
    """Return the present state of incidents."""
    given = {"incidents": list(wanted)}
    still_open = set(connection.execute(_OPEN, given).scalars())
    situations = {incident: Situation(is_open=incident in still_open) for incident in wanted}
    for row in read_all(connection, _EffectRow, _EFFECTS, given):
        before = situations[row.incident]
        is_late = row.state == "awaiting_approval" and row.not_after is not None and row.not_after < at
        state = "expired" if is_late else row.state
        situations[row.incident] = replace(before, effects={**before.effects, row.id: state})
    for entry in read_all(connection, AuditEntry, _ENTRIES, given):
        if entry.incident is not None:
            situations[entry.incident] = _add(situations[entry.incident], entry, at)
    return situations


def save_receipt(connection: Connection, identity: str, receipt: Mapping[str, object]) -> None:
    """Store what a receiver needs to find and change a message."""
    connection.execute(sa.update(actions).where(actions.c.id == identity).values(receipt=dict(receipt)))


def _add(before: Situation, entry: AuditEntry, at: datetime) -> Situation:
    """Return a situation after an entry of the audit log."""
    answer = PerformedOperation(_ANSWERS[entry.operation], entry.by, entry.at)
    if entry.subject_kind == "action":
        return replace(before, resolutions={**before.resolutions, entry.subject: answer})
    if entry.operation == "acknowledge":
        return replace(before, acknowledgement=answer)
    ends = datetime.fromisoformat(str(entry.detail.get("ends_at")))
    return replace(before, silence=replace(answer, until=ends)) if ends > at else before
