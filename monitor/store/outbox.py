"""The outbox: store planned actions, lease them for delivery, and record the outcomes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.actions.identity import MESSAGE_NOT_AFTER, identity
from monitor.alerting.messages.notices import write_expired_headline
from monitor.core.action import DESTRUCTIVE, MESSAGES, STANDING, TEST, Action, ActionRecord, PastAction
from monitor.core.payload import ActionSummary, EventData, Verification
from monitor.core.process_counters import FENCES_LOST
from monitor.store import leases
from monitor.store.database import now, upsert
from monitor.store.rows import ActionRow, columns, read_all, read_first
from monitor.store.silences import is_silenced
from monitor.store.tables import actions, incidents

LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class PastRow:
    """An action as `PastAction` needs it; the last six are parts of its payload."""

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
    finished_at: datetime | None
    reason: str
    verification: Verification | None
    reaction_seconds: float | None
    digest: str | None
    at: str | None
    suspect: str | None
    severity: str | None
    observed: Mapping[str, str] | None
    target: Mapping[str, object] | None
    verify_within: float | None


_NEWEST_SEQUENCES = (
    sa.select(actions.c.incident, sa.func.max(actions.c.sequence))
    .where(actions.c.incident.in_(sa.bindparam("incidents", expanding=True)))
    .group_by(actions.c.incident)
)
_OPEN = sa.select(incidents.c.id).where(incidents.c.monitor == sa.bindparam("monitor"), incidents.c.state != "resolved")
_PAST = (
    sa.select(
        *columns(actions, PastRow, "at", "suspect", "severity", "observed", "target", "verify_within"),
        actions.c.payload["timestamp"].as_string().label("at"),
        actions.c.payload[("data", "suspected_change", "value")].as_string().label("suspect"),
        actions.c.payload[("data", "severity")].as_string().label("severity"),
        actions.c.payload[("data", "observed_version")].as_json().label("observed"),
        actions.c.payload[("data", "target")].as_json().label("target"),
        actions.c.payload[("data", "verify_within")].as_float().label("verify_within"),
    )
    .where(actions.c.monitor == sa.bindparam("monitor"))
    .where(sa.or_(actions.c.created_at >= sa.bindparam("since"), actions.c.incident.in_(_OPEN)))
    .order_by(actions.c.created_at, actions.c.sequence)
)
_EARLIER = actions.alias("earlier")
_DUE = (
    sa.select(actions)
    .where(
        actions.c.state == "pending",
        actions.c.kind != TEST,  # sent by who started it
        actions.c.next_attempt_at <= sa.bindparam("at"),
        leases.is_free(actions.c.owner, actions.c.lease_until, sa.bindparam("moment"), sa.bindparam("owner")),
        sa.or_(sa.bindparam("effects", type_=sa.Boolean) == sa.true(), actions.c.kind.not_in(DESTRUCTIVE)),
        ~sa.exists().where(
            _EARLIER.c.incident == actions.c.incident,
            _EARLIER.c.name == actions.c.name,
            _EARLIER.c.sequence < actions.c.sequence,
            _EARLIER.c.state.in_(["pending", "digested"]),
        ),
    )
    .order_by(actions.c.next_attempt_at, actions.c.created_at, actions.c.sequence, actions.c.id)
    .limit(1)
    .with_for_update(skip_locked=True, of=actions)  # SQLite has no locks of rows and ignores it
)
_DUE_OF_RECEIVER = _DUE.where(actions.c.name == sa.bindparam("receiver"))
_DUE_OF_OTHERS = _DUE.where(actions.c.name.not_in(sa.bindparam("receivers", expanding=True)))
_ACTION = sa.select(actions).where(actions.c.id == sa.bindparam("action"))
_LATE = (
    sa.select(actions)
    .where(
        actions.c.state.in_(["pending", "awaiting_approval"]),
        actions.c.not_after.is_not(None),
        actions.c.not_after < sa.bindparam("at"),
        sa.or_(actions.c.lease_until.is_(None), actions.c.lease_until < sa.bindparam("moment")),
    )
    .with_for_update(skip_locked=True)
)


def save_actions(connection: Connection, planned: Sequence[Action]) -> None:
    """Insert actions; one whose id exists remains unchanged."""
    rows = [
        {
            **{field.name: getattr(action, field.name) for field in fields(ActionRecord)},
            "next_attempt_at": action.not_before or action.created_at,
        }
        for action in planned
        if action.replaces is None or _replace(connection, action)
    ]
    for action in planned:
        if action.supersedes:
            _supersede(connection, action)
    upsert(connection, actions, rows)


SUPERSEDED = "replaced by a newer decision about the incident"


def _replace(connection: Connection, effect: Action) -> bool:
    """Supersede the effect that another one replaces; False if it is being sent or was sent, and so remains."""
    done = connection.execute(
        sa.update(actions)
        .where(actions.c.id == effect.replaces, actions.c.attempts == 0)
        .where(actions.c.state.in_(["pending", "awaiting_approval"]))
        .values(state="superseded", reason=SUPERSEDED, finished_at=effect.created_at)
    )
    return done.rowcount == 1


def _supersede(connection: Connection, message: Action) -> None:
    """Supersede older undelivered messages of an incident to the receiver: those on hold and those that failed."""
    waits = sa.or_(actions.c.attempts > 0, actions.c.next_attempt_at > actions.c.created_at)
    connection.execute(
        sa.update(actions)
        .where(actions.c.incident == message.incident, actions.c.name == message.name, actions.c.kind.in_(MESSAGES))
        .where(actions.c.state == "pending", actions.c.sequence < message.sequence, waits)
        .where(sa.or_(actions.c.lease_until.is_(None), actions.c.lease_until < now(connection)))
        .values(state="superseded", reason="replaced by a newer message", finished_at=message.created_at)
    )


def next_sequence(connection: Connection, incident: str) -> int:
    """Return the sequence number of the next decision of an incident that leads to actions."""
    return next_sequences(connection, [incident])[incident]


def next_sequences(connection: Connection, incidents: Collection[str]) -> dict[str, int]:
    """Return the next sequence number of each of several incidents."""
    if not incidents:
        return {}
    rows = connection.execute(_NEWEST_SEQUENCES, {"incidents": list(incidents)})
    newest = {incident: int(number) for incident, number in rows}
    return {incident: newest.get(incident, -1) + 1 for incident in incidents}


def past_actions(connection: Connection, monitor: str, since: datetime) -> list[PastAction]:
    """Return earlier actions of a monitor: those since a time, for cooldown and cap, and all of open incidents."""
    return [_past(row) for row in read_all(connection, PastRow, _PAST, {"monitor": monitor, "since": since})]


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
        target=row.target,
        not_after=row.not_after,
        finished_at=row.finished_at,
        backlog=waits and not row.attempts and (row.next_attempt_at or row.created_at) > row.created_at,
        refused=waits and row.attempts > 0,
        missed=never_sent and (decided_late or row.mode == "auto"),
        verify_within=None if row.verify_within is None else timedelta(seconds=row.verify_within),
        verification=row.verification,
        reaction=None if row.reaction_seconds is None else timedelta(seconds=row.reaction_seconds),
        in_digest=row.digest is not None,
    )


def claim_next(
    connection: Connection,
    at: datetime,
    owner: str,
    only: str | None = None,
    without: Sequence[str] = (),
    *,
    effects: bool = True,
) -> ActionRow | None:
    """Lease the oldest due action, or return None.

    An owner sends one action at a time; an action that it has already leased is one whose outcome it could not record.
    Messages of one incident are sent in order: each waits until the earlier ones to its receiver have ended.

    Parameters
    ----------
    only
        Name of the receiver whose actions are considered; None for all.
    without
        Names of receivers to exclude.
    effects
        Whether to consider actions that change a system.
    """
    moment = now(connection)
    values = {"at": at, "moment": moment, "owner": owner, "effects": effects}
    if only is not None:
        row = read_first(connection, ActionRow, _DUE_OF_RECEIVER, {**values, "receiver": only})
    else:
        row = read_first(connection, ActionRow, _DUE_OF_OTHERS, {**values, "receivers": list(without)})
    return _lease(connection, row, owner, moment) if row is not None else None


def claim_test(connection: Connection, action: str, owner: str) -> ActionRow | None:
    """Lease a test of a receiver; None if it is not pending."""
    row = load_action(connection, action)
    if row is None or row.kind != TEST or row.state != "pending":
        return None
    return _lease(connection, row, owner, now(connection))


def load_action(connection: Connection, action: str) -> ActionRow | None:
    """Return the action with an id."""
    return read_first(connection, ActionRow, _ACTION, {"action": action})


def _lease(connection: Connection, row: ActionRow, owner: str, moment: datetime) -> ActionRow | None:
    lease = {"fence": row.fence + 1, "owner": owner, "lease_until": moment + LEASE, "attempts": row.attempts + 1}
    connection.execute(sa.update(actions).where(actions.c.id == row.id).values(**lease))
    return load_action(connection, row.id)


def record(connection: Connection, claimed: ActionRow, **values: object) -> bool:
    """Store the outcome of an attempt; False if another replica has taken the action over."""
    done = connection.execute(
        sa.update(actions)
        .where(actions.c.id == claimed.id, actions.c.fence == claimed.fence, actions.c.state == "pending")
        .values(owner=None, lease_until=None, **values)
    )
    if done.rowcount != 1:
        FENCES_LOST.add("action")
        return False
    state = values.get("state", "pending")
    if state != "pending":
        _end_parts(connection, [claimed.id], state, values.get("finished_at"))
        if state in ("failed", "expired"):
            _forget_notices(connection, [claimed.incident, *load_incidents_of(connection, [claimed.id])])
    return True


def _end_parts(connection: Connection, digests: Sequence[str], state: object, at: object) -> None:
    """End the messages that digests stand for as the digests have ended."""
    parts = sa.update(actions).where(actions.c.digest.in_(digests))
    connection.execute(parts.values(state=state, finished_at=at))


def load_incidents_of(connection: Connection, digests: Collection[str]) -> set[str]:
    """Return the ids of the incidents that digests are about."""
    query = sa.select(actions.c.incident).distinct().where(actions.c.digest.in_(list(digests)))
    return set(connection.execute(query).scalars())


def release_orphaned(connection: Connection) -> int:
    """Release the actions of ended processes, so that a restart need not wait for their leases."""
    pending = sa.and_(actions.c.state == "pending", actions.c.owner.is_not(None))
    owners = connection.execute(sa.select(actions.c.owner).distinct().where(pending)).scalars()
    freed = sa.update(actions).where(pending, actions.c.owner.in_(leases.dead(owners)))
    return connection.execute(freed.values(owner=None, lease_until=None)).rowcount


def _forget_notices(connection: Connection, names: Sequence[str]) -> None:
    """Mark incidents as not announced if none of their messages was delivered or is pending."""
    standing = sa.exists().where(
        actions.c.incident == incidents.c.id, actions.c.kind.in_(MESSAGES), actions.c.state.in_(STANDING)
    )
    planned = sa.exists().where(actions.c.incident == incidents.c.id, actions.c.kind.in_(MESSAGES))
    connection.execute(
        sa.update(incidents).where(incidents.c.id.in_(names), planned, ~standing).values(notified_at=None)
    )


def first_receipt(connection: Connection, incident: str, name: str) -> Mapping[str, object] | None:
    """Return the receipt of the first delivered message of an incident to a receiver."""
    query = (
        sa.select(actions.c.receipt)
        .where(actions.c.incident == incident, actions.c.name == name, actions.c.state == "delivered")
        .where(actions.c.digest.is_(None))  # a part of a digest has no thread of its own
        .order_by(actions.c.sequence)
        .limit(1)
    )
    receipt: Mapping[str, object] | None = connection.execute(query).scalar_one_or_none()
    return receipt


def expire(connection: Connection, at: datetime) -> int:
    """Expire actions after their ``not_after``; announce effects that expired without approval."""
    rows = read_all(connection, ActionRow, _LATE, {"at": at, "moment": now(connection)})
    if not rows:
        return 0
    connection.execute(
        sa.update(actions)
        .where(actions.c.id.in_([row.id for row in rows]))
        .values(state="expired", reason="not_after has passed", finished_at=at)
    )
    digests = [row.id for row in rows]
    _end_parts(connection, digests, "expired", at)
    _forget_notices(connection, [*(row.incident for row in rows), *load_incidents_of(connection, digests)])
    save_actions(
        connection,
        [m for row in rows if row.state == "awaiting_approval" for m in _messages_unapproved(connection, row, at)],
    )
    return len(rows)


def _messages_unapproved(connection: Connection, effect: ActionRow, at: datetime) -> list[Action]:
    """Return messages about an effect that expired without approval, to the receivers of its incident."""
    data: EventData = effect.payload.get("data") or {}
    incident = data.get("incident")
    if incident is None or is_silenced(connection, data, at):
        return []
    receivers = sa.select(actions.c.name).where(actions.c.incident == effect.incident, actions.c.kind.in_(MESSAGES))
    headline = write_expired_headline(effect.monitor, effect.kind, effect.name, effect.not_after)
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
            reason="an effect expired without approval",
            payload={"type": "driftd.action.expired", "timestamp": at.isoformat(), "data": event},
            created_at=at,
            sequence=next_sequence(connection, effect.incident),
            not_after=at + MESSAGE_NOT_AFTER,
        )
        for name in sorted(set(connection.execute(receivers).scalars()))
    ]
