"""T3 and T4: claim an action, and record what its delivery came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.act import Action, Past
from monitor.store import leases
from monitor.store.database import now, upsert
from monitor.store.tables import actions

LEASE = timedelta(seconds=60)


def save_actions(connection: Connection, planned: Sequence[Action]) -> None:
    """Write intended effects; one that stands already, by its id, is left as it is."""
    rows = [
        {
            "id": action.id,
            "monitor": action.monitor,
            "incident": action.incident,
            "name": action.name,
            "kind": action.kind,
            "mode": action.mode,
            "state": action.state,
            "reason": action.reason,
            "payload": dict(action.payload),
            "dry_run": action.dry_run,
            "created_at": action.created_at,
            "sequence": action.sequence,
            "not_after": action.not_after,
            "next_attempt_at": action.created_at,
            "attempts": 0,
            "fence": 0,
        }
        for action in planned
    ]
    upsert(connection, actions, rows)


def next_sequence(connection: Connection, incident: str) -> int:
    """Return the number of the next decision of an incident that leads to actions."""
    query = sa.select(sa.func.coalesce(sa.func.max(actions.c.sequence), -1)).where(actions.c.incident == incident)
    return int(connection.execute(query).scalar_one()) + 1


def past_actions(connection: Connection, monitor: str, since: datetime) -> list[Past]:
    """Return earlier effects of a monitor, for cooldown and cap."""
    query = sa.select(actions.c.name, actions.c.created_at, actions.c.state, actions.c.payload).where(
        actions.c.monitor == monitor, actions.c.created_at >= since
    )
    return [Past(row.name, row.created_at, row.state, observed_in(row.payload)) for row in connection.execute(query)]


def observed_in(payload: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return role and value of the version that an action was about."""
    observed = (payload.get("data") or {}).get("observed_version") or {}
    return next(((str(role), str(value)) for role, value in observed.items()), None)


def claim_next(
    connection: Connection, at: datetime, owner: str, only: str | None = None, without: Sequence[str] = ()
) -> Any:  # noqa: ANN401
    """Take the oldest action that is due, or None.

    An owner sends one action at a time: one that it has a lease on already is one whose outcome it could not record.
    Messages of one incident keep their order: one waits until those before it on its channel have ended.

    Parameters
    ----------
    only
        The channel whose actions may be taken; None for every channel.
    without
        Channels whose actions may not.
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
        .order_by(actions.c.next_attempt_at, actions.c.created_at)
        .limit(1)
    )
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True, of=actions)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    connection.execute(
        sa.update(actions)
        .where(actions.c.id == row.id)
        .values(fence=row.fence + 1, owner=owner, lease_until=moment + LEASE, attempts=row.attempts + 1)
    )
    return connection.execute(sa.select(actions).where(actions.c.id == row.id)).one()


def record(connection: Connection, claimed: Any, **values: Any) -> bool:  # noqa: ANN401
    """Write the outcome of an attempt; false when another replica has taken the action over."""
    done = connection.execute(
        sa.update(actions)
        .where(actions.c.id == claimed.id, actions.c.fence == claimed.fence, actions.c.state == "pending")
        .values(owner=None, lease_until=None, **values)
    )
    return done.rowcount == 1


def free_the_dead(connection: Connection) -> int:
    """Release the actions of processes that are known to have ended, so that a restart need not wait."""
    pending = sa.and_(actions.c.state == "pending", actions.c.owner.is_not(None))
    owners = connection.execute(sa.select(actions.c.owner).distinct().where(pending)).scalars()
    freed = sa.update(actions).where(pending, actions.c.owner.in_(leases.dead(owners)))
    return connection.execute(freed.values(owner=None, lease_until=None)).rowcount


def thread_of(connection: Connection, incident: str, name: str) -> Mapping[str, Any] | None:
    """Return the receipt of the first message of an incident on a channel."""
    query = (
        sa.select(actions.c.receipt)
        .where(actions.c.incident == incident, actions.c.name == name, actions.c.state == "delivered")
        .order_by(actions.c.sequence)
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


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
    """End what may no longer happen: a late effect is worse than none."""
    done = connection.execute(
        sa.update(actions)
        .where(
            actions.c.state.in_(["pending", "awaiting_approval"]),
            actions.c.not_after.is_not(None),
            actions.c.not_after < at,
            sa.or_(actions.c.lease_until.is_(None), actions.c.lease_until < now(connection)),
        )
        .values(state="expired", reason="not_after has passed", finished_at=at)
    )
    return done.rowcount
