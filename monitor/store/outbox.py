"""The outbox: actions are planned, leased to be delivered, and their outcomes recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.actions.plan import MESSAGE_NOT_AFTER, identity
from monitor.core.action import MESSAGES, STANDING, Action, ActionRecord, PastAction
from monitor.core.payload import ActionSummary, EventData
from monitor.store import leases
from monitor.store.database import now, upsert
from monitor.store.incidents import find_silence
from monitor.store.rows import ActionRow, columns, read_all, read_first
from monitor.store.tables import actions, incidents

LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class PastRow:
    """An action as `PastAction` needs it; the last four are parts of its payload."""

    id: str
    name: str
    created_at: datetime
    state: str
    incident: str
    kind: str
    mode: str
    sequence: int
    attempts: int
    not_after: datetime | None
    next_attempt_at: datetime | None
    reason: str
    at: str | None
    suspect: str | None
    severity: str | None
    observed: Mapping[str, str] | None


def save_actions(connection: Connection, planned: Sequence[Action]) -> None:
    """Write intended effects; one that stands already, by its id, is left as it is."""
    rows = [
        {
            **{field.name: getattr(action, field.name) for field in fields(ActionRecord)},
            "payload": dict(action.payload),
            "next_attempt_at": action.not_before or action.created_at,
            "attempts": 0,
            "fence": 0,
        }
        for action in planned
        if action.replaces is None or _replace(connection, action)
    ]
    for action in planned:
        if action.supersedes:
            _supersede(connection, action)
    upsert(connection, actions, rows)


def _replace(connection: Connection, effect: Action) -> bool:
    """End the effect whose place another one takes; false when it is being sent or was, so that it keeps its place."""
    done = connection.execute(
        sa.update(actions)
        .where(actions.c.id == effect.replaces, actions.c.attempts == 0)
        .where(actions.c.state.in_(["pending", "awaiting_approval"]))
        .values(state="superseded", reason="another change is suspected now", finished_at=effect.created_at)
    )
    return done.rowcount == 1


def _supersede(connection: Connection, message: Action) -> None:
    """End the older messages of an incident that its receiver has not got: those held back, and those refused."""
    waits = sa.or_(actions.c.attempts > 0, actions.c.next_attempt_at > actions.c.created_at)
    connection.execute(
        sa.update(actions)
        .where(actions.c.incident == message.incident, actions.c.name == message.name, actions.c.kind.in_(MESSAGES))
        .where(actions.c.state == "pending", actions.c.sequence < message.sequence, waits)
        .where(sa.or_(actions.c.lease_until.is_(None), actions.c.lease_until < now(connection)))
        .values(state="superseded", reason="a newer message says more", finished_at=message.created_at)
    )


def next_sequence(connection: Connection, incident: str) -> int:
    """Return the number of the next decision of an incident that leads to actions."""
    query = sa.select(sa.func.coalesce(sa.func.max(actions.c.sequence), -1)).where(actions.c.incident == incident)
    return int(connection.execute(query).scalar_one()) + 1


def next_sequences(connection: Connection, incidents: Collection[str]) -> dict[str, int]:
    """Return the same of several incidents."""
    query = sa.select(actions.c.incident, sa.func.max(actions.c.sequence)).where(actions.c.incident.in_(incidents))
    newest = {incident: int(number) for incident, number in connection.execute(query.group_by(actions.c.incident))}
    return {incident: newest.get(incident, -1) + 1 for incident in incidents}


def past_actions(connection: Connection, monitor: str, since: datetime) -> list[PastAction]:
    """Return earlier actions of a monitor: the recent ones, for cooldown and cap, and all of its open incidents."""
    going = sa.select(incidents.c.id).where(incidents.c.monitor == monitor, incidents.c.state != "resolved")
    query = sa.select(
        *columns(actions, PastRow, "at", "suspect", "severity", "observed"),
        actions.c.payload["timestamp"].as_string().label("at"),
        actions.c.payload[("data", "suspected_change", "value")].as_string().label("suspect"),
        actions.c.payload[("data", "severity")].as_string().label("severity"),
        actions.c.payload[("data", "observed_version")].as_json().label("observed"),
    ).where(actions.c.monitor == monitor, sa.or_(actions.c.created_at >= since, actions.c.incident.in_(going)))
    return [
        _past(row) for row in read_all(connection, PastRow, query.order_by(actions.c.created_at, actions.c.sequence))
    ]


def _past(row: PastRow) -> PastAction:
    never_sent = row.state == "expired" and not row.attempts
    decided_late = row.not_after is not None and row.created_at > row.not_after
    waits = row.state == "pending"
    return PastAction(
        name=row.name,
        created_at=row.created_at,
        state=row.state,
        id=row.id,
        incident=row.incident,
        kind=row.kind,
        mode=row.mode,
        sequence=row.sequence,
        at=datetime.fromisoformat(row.at) if row.at else None,
        suspect=row.suspect,
        severity=row.severity,
        observed=next(iter((row.observed or {}).items()), None),
        reason=row.reason,
        backlog=waits and not row.attempts and (row.next_attempt_at or row.created_at) > row.created_at,
        refused=waits and row.attempts > 0,
        missed=never_sent and (decided_late or row.mode == "auto"),
    )


def claim_next(
    connection: Connection, at: datetime, owner: str, only: str | None = None, without: Sequence[str] = ()
) -> ActionRow | None:
    """Take the oldest action that is due, or None.

    An owner sends one action at a time: one that it has a lease on already is one whose outcome it could not record.
    Messages of one incident keep their order: one waits until those before it to its receiver have ended.

    Parameters
    ----------
    only
        The receiver whose actions may be taken; None for every receiver.
    without
        Receivers whose actions may not.
    """
    moment = now(connection)
    earlier = actions.alias("earlier")
    waits = sa.exists().where(
        earlier.c.incident == actions.c.incident,
        earlier.c.name == actions.c.name,
        earlier.c.sequence < actions.c.sequence,
        earlier.c.state == "pending",
    )
    query = (
        sa.select(actions)
        .where(
            actions.c.state == "pending",
            actions.c.next_attempt_at <= at,
            leases.is_free(actions.c.owner, actions.c.lease_until, moment, owner),
            ~waits,
            actions.c.name == only if only is not None else actions.c.name.not_in(list(without)),
        )
        .order_by(actions.c.next_attempt_at, actions.c.created_at, actions.c.sequence, actions.c.id)
        .limit(1)
    )
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True, of=actions)
    row = read_first(connection, ActionRow, query)
    if row is None:
        return None
    lease = {"fence": row.fence + 1, "owner": owner, "lease_until": moment + LEASE, "attempts": row.attempts + 1}
    connection.execute(sa.update(actions).where(actions.c.id == row.id).values(**lease))
    return read_first(connection, ActionRow, sa.select(actions).where(actions.c.id == row.id))


def record(connection: Connection, claimed: ActionRow, **values: object) -> bool:
    """Write the outcome of an attempt; false when another replica has taken the action over."""
    done = connection.execute(
        sa.update(actions)
        .where(actions.c.id == claimed.id, actions.c.fence == claimed.fence, actions.c.state == "pending")
        .values(owner=None, lease_until=None, **values)
    )
    if done.rowcount == 1 and values.get("state") in ("failed", "expired"):
        _forget_notices(connection, [claimed.incident])
    return done.rowcount == 1


def release_orphaned(connection: Connection) -> int:
    """Release the actions of processes that are known to have ended, so that a restart need not wait."""
    pending = sa.and_(actions.c.state == "pending", actions.c.owner.is_not(None))
    owners = connection.execute(sa.select(actions.c.owner).distinct().where(pending)).scalars()
    freed = sa.update(actions).where(pending, actions.c.owner.in_(leases.dead(owners)))
    return connection.execute(freed.values(owner=None, lease_until=None)).rowcount


def _forget_notices(connection: Connection, names: Sequence[str]) -> None:
    """Note of incidents that nobody was told of them, where no message has arrived or is on its way."""
    standing = sa.exists().where(
        actions.c.incident == incidents.c.id, actions.c.kind.in_(MESSAGES), actions.c.state.in_(STANDING)
    )
    planned = sa.exists().where(actions.c.incident == incidents.c.id, actions.c.kind.in_(MESSAGES))
    connection.execute(
        sa.update(incidents).where(incidents.c.id.in_(names), planned, ~standing).values(notified_at=None)
    )


def first_receipt(connection: Connection, incident: str, name: str) -> Mapping[str, object] | None:
    """Return the receipt of the first message of an incident to a receiver."""
    query = (
        sa.select(actions.c.receipt)
        .where(actions.c.incident == incident, actions.c.name == name, actions.c.state == "delivered")
        .order_by(actions.c.sequence)
        .limit(1)
    )
    receipt: Mapping[str, object] | None = connection.execute(query).scalar_one_or_none()
    return receipt


def resolve_approval(connection: Connection, identity: str, state: str, reason: str, at: datetime) -> str | None:
    """Approve or reject a waiting action; returns the state it is in, None when there is no such action."""
    where = sa.and_(actions.c.id == identity, actions.c.state == "awaiting_approval")
    connection.execute(sa.update(actions).where(where).values(state=state, reason=reason, next_attempt_at=at))
    return connection.execute(sa.select(actions.c.state).where(actions.c.id == identity)).scalar_one_or_none()


def replay(connection: Connection, identity: str, at: datetime) -> bool:
    """Send a failed action again, with the same id."""
    done = connection.execute(
        sa.update(actions)
        .where(actions.c.id == identity, actions.c.state == "failed")
        .values(state="pending", next_attempt_at=at, attempts=0)
    )
    return done.rowcount == 1


def expire(connection: Connection, at: datetime) -> int:
    """End what may no longer happen: a late effect is worse than none. An approval that nobody gave is announced."""
    query = sa.select(actions).where(
        actions.c.state.in_(["pending", "awaiting_approval"]),
        actions.c.not_after.is_not(None),
        actions.c.not_after < at,
        sa.or_(actions.c.lease_until.is_(None), actions.c.lease_until < now(connection)),
    )
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    rows = read_all(connection, ActionRow, query)
    if not rows:
        return 0
    connection.execute(
        sa.update(actions)
        .where(actions.c.id.in_([row.id for row in rows]))
        .values(state="expired", reason="not_after has passed", finished_at=at)
    )
    _forget_notices(connection, [row.incident for row in rows])
    save_actions(
        connection,
        [m for row in rows if row.state == "awaiting_approval" for m in _messages_unapproved(connection, row, at)],
    )
    return len(rows)


def _messages_unapproved(connection: Connection, effect: ActionRow, at: datetime) -> list[Action]:
    """Return the messages that an effect expired because nobody approved it, for those who know of its incident."""
    data = effect.payload["data"]
    incident = data.get("incident")
    if incident is None or find_silence(connection, effect.monitor, incident["rule"], at) is not None:
        return []
    receivers = sa.select(actions.c.name).where(actions.c.incident == effect.incident, actions.c.kind.in_(MESSAGES))
    what = f"the {effect.kind} {effect.name!r}"
    headline = (
        f"{effect.monitor}: nobody approved {what} before {effect.not_after:%Y-%m-%d %H:%M} UTC; it will not be sent"
    )
    mention: ActionSummary = {
        "id": effect.id,
        "name": effect.name,
        "kind": effect.kind,
        "mode": effect.mode,
        "state": "expired",
    }
    event: EventData = {
        "monitor": effect.monitor,
        "severity": "warning",
        "headline": headline,
        "incident": incident,
        "action": mention,
    }
    return [
        Action(
            id=identity(effect.incident, name, f"expired/{effect.name}", effect.sequence),
            monitor=effect.monitor,
            incident=effect.incident,
            name=name,
            kind="expired",
            mode="auto",
            state="pending",
            reason="people are told when nobody approves",
            payload={"type": "driftd.action.expired", "timestamp": at.isoformat(), "data": event},
            created_at=at,
            sequence=next_sequence(connection, effect.incident),
            not_after=at + MESSAGE_NOT_AFTER,
        )
        for name in sorted(set(connection.execute(receivers).scalars()))
    ]
