"""Turn waiting messages of a receiver into a digest, in the transaction that leases its next action."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.actions.digests import ALL_MONITORS, Storm, StormIncident, plan_digest
from monitor.actions.storms import DIGESTIBLE, Announcement, QueueState, group_waiting
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import MESSAGES, STANDING, Action, ActionRecord
from monitor.store.firing import load_firing
from monitor.store.outbox import load_incidents_of, save_actions
from monitor.store.rows import ActionRow, columns, read_all
from monitor.store.tables import actions, incidents
from monitor.store.types import Utc

MOST_MESSAGES = 500
LONGEST_STORM = timedelta(days=30)
_DIGEST = actions.alias("digest_action")
_AT = sa.bindparam("at", type_=Utc)
_WAITING = (
    sa.select(*columns(actions, ActionRow))
    .join(incidents, actions.c.incident == incidents.c.id)
    .where(actions.c.name == sa.bindparam("name"), actions.c.state == "pending", actions.c.fence == 0)
    .where(actions.c.kind.in_(DIGESTIBLE), actions.c.next_attempt_at <= _AT, actions.c.owner.is_(None))
    .where(sa.or_(actions.c.not_after.is_(None), actions.c.not_after >= _AT))
    .order_by(actions.c.created_at, actions.c.sequence, actions.c.id)
    .limit(MOST_MESSAGES)
)
_SENT = (
    sa.select(actions.c.incident, actions.c.sequence, _DIGEST.c.incident.label("storm"))
    .select_from(actions.outerjoin(_DIGEST, actions.c.digest == _DIGEST.c.id))
    .where(actions.c.name == sa.bindparam("name"), actions.c.kind.in_(MESSAGES), actions.c.state.in_(STANDING))
    .where(actions.c.incident.in_(sa.bindparam("incidents", expanding=True)))
    .where(actions.c.id.not_in(sa.bindparam("waiting", expanding=True)))
    .order_by(actions.c.sequence)
)
_RECENT = (
    sa.select(*columns(actions, ActionRow), _DIGEST.c.incident.label("storm"))
    .select_from(
        actions.join(incidents, actions.c.incident == incidents.c.id).outerjoin(
            _DIGEST, actions.c.digest == _DIGEST.c.id
        )
    )
    .where(actions.c.name == sa.bindparam("name"), actions.c.created_at > sa.bindparam("since"))
    .where(actions.c.kind == "firing", actions.c.state.in_(STANDING), incidents.c.state != "resolved")
    .where(actions.c.id.not_in(sa.bindparam("waiting", expanding=True)))
    .order_by(actions.c.created_at, actions.c.sequence, actions.c.id)
    .limit(MOST_MESSAGES)
)
_STORMS = (
    sa.select(*columns(actions, ActionRow))
    .where(actions.c.name == sa.bindparam("name"), actions.c.monitor == ALL_MONITORS)
    .where(actions.c.created_at > sa.bindparam("since"))
    .order_by(actions.c.created_at, actions.c.sequence)
)
_PARTS = (
    sa.select(*columns(actions, ActionRow))
    .where(actions.c.digest == sa.bindparam("digest"))
    .order_by(actions.c.created_at, actions.c.sequence, actions.c.id)
)
_PART = actions.alias("part")
_OF_PART = actions.alias("of_part")
_END = actions.alias("end_action")
_OVER = (
    sa.select(actions.c.incident)
    .distinct()
    .where(actions.c.name == sa.bindparam("name"), actions.c.monitor == ALL_MONITORS)
    .where(actions.c.created_at > sa.bindparam("since"))
    .where(~sa.exists().where(_END.c.incident == actions.c.incident, _END.c.kind == "resolved"))
    .where(
        ~sa.exists()
        .where(_OF_PART.c.incident == actions.c.incident, _PART.c.digest == _OF_PART.c.id)
        .where(_PART.c.incident == incidents.c.id, incidents.c.state != "resolved")
    )
    .order_by(actions.c.incident)
)
"""Storms that have ended, also without a message: their last incident may have been resolved while it was muted."""
_INCIDENTS = sa.select(*columns(incidents, StormIncident)).where(
    incidents.c.id.in_(sa.bindparam("incidents", expanding=True))
)


@dataclass(frozen=True)
class Receipts:
    """What a receiver was sent: the digests of each storm, oldest first, and the announcements of late."""

    digests: Mapping[str, Sequence[ActionRow]]
    recent: Sequence[Announcement]

    @property
    def ended(self) -> set[str]:
        """Return the storms whose end was announced; one attempt is enough, as the text remains from then on."""
        rows = [row for each in self.digests.values() for row in each]
        return {row.incident for row in rows if row.kind == "resolved" and row.fence > 0}


def collect_digests(connection: Connection, name: str, receiver: ReceiverConfig, at: datetime) -> None:
    """Make digests of the due messages of a receiver, if many incidents fired within a few minutes.

    A message becomes part of a digest in the same transaction in which the digest is stored, or extended as long as no
    attempt was made to send it. So a message is always either to be sent by itself or part of one digest.
    """
    settings = receiver.digest_settings
    if settings is None:
        return
    lock_queue(connection, name)
    waiting = _load_waiting(connection, name, at)
    over = list(connection.execute(_OVER, {"name": name, "since": at - LONGEST_STORM}).scalars())
    if not waiting and not over:
        return
    receipts = _load_receipts(connection, name, waiting, at, settings.within)
    state = QueueState(receipts.recent, _load_storms(connection, name, waiting, receipts), receipts.ended)
    joined = group_waiting(name, waiting, state, settings)
    for storm in dict.fromkeys([*joined, *over]):
        messages = joined.get(storm, [])
        stored = _load_storm(connection, storm, messages, receipts)
        if not messages and not stored.is_over:
            continue
        digest = plan_digest(name, receiver, settings, stored, at)
        _save(connection, digest, [message.id for message in messages])


def lock_queue(connection: Connection, name: str) -> None:
    """Let one replica at a time choose what a receiver is sent next; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtext(f"driftd receiver {name}")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _load_waiting(connection: Connection, name: str, at: datetime) -> list[ActionRow]:
    """Return the due messages about incidents that no attempt was made to send, oldest first."""
    return read_all(connection, ActionRow, _WAITING, {"name": name, "at": at})


def _load_receipts(
    connection: Connection, name: str, waiting: Sequence[ActionRow], at: datetime, within: timedelta
) -> Receipts:
    values = {"name": name, "since": at - within, "waiting": [message.id for message in waiting]}
    recent = []
    for row in connection.execute(_RECENT, values).mappings():
        parts = dict(row)
        storm = parts.pop("storm")
        recent.append(Announcement(ActionRow(**parts), storm))
    digests: dict[str, list[ActionRow]] = {}
    for digest in read_all(connection, ActionRow, _STORMS, {"name": name, "since": at - LONGEST_STORM}):
        digests.setdefault(digest.incident, []).append(digest)
    return Receipts(digests, recent)


def _load_storms(connection: Connection, name: str, waiting: Sequence[ActionRow], receipts: Receipts) -> dict[str, str]:
    """Return by incident the storm whose digest has the last message about it."""
    values = {
        "name": name,
        "incidents": sorted({message.incident for message in waiting}),
        "waiting": [message.id for message in waiting],
    }
    last = {row.incident: row.storm for row in connection.execute(_SENT, values)}
    return {incident: storm for incident, storm in last.items() if storm in receipts.digests}


def _load_storm(connection: Connection, name: str, messages: Sequence[ActionRecord], receipts: Receipts) -> Storm:
    """Return a storm with the parts of its next digest: those of one that was not sent yet, and the new messages."""
    digests = receipts.digests.get(name, ())
    newest = digests[-1] if digests else None
    unsent = newest if newest and newest.fence == 0 and newest.state == "pending" else None
    sent = [digest for digest in digests if digest is not unsent]
    parts = read_all(connection, ActionRow, _PARTS, {"digest": unsent.id}) if unsent else []
    if digests:
        known = digests[0].payload["data"]["digest"]["alone"]
    else:
        known = [one.message.incident for one in receipts.recent if one.storm is None]
    alone = [] if sent else [one.message for one in receipts.recent if one.message.incident in known]
    earlier = [digest.id for digest in sent]
    ids = load_incidents_of(connection, earlier) | {*known, *(one.incident for one in (*parts, *messages))}
    rows = read_all(connection, StormIncident, _INCIDENTS, {"incidents": sorted(ids)})
    previous = max((digest.finished_at or digest.created_at for digest in sent), default=None)
    sequence = unsent.sequence if unsent else sent[-1].sequence + 1 if sent else 0
    suspect = sent[-1].payload["data"]["digest"].get("suspect") if sent else None
    return Storm(name, sequence, rows, alone, [*parts, *messages], load_firing(connection), previous, suspect)


def _save(connection: Connection, digest: Action, messages: Collection[str]) -> None:
    """Store a digest, or replace one that was not sent yet, and make messages part of it."""
    save_actions(connection, [digest])
    values = {
        "kind": digest.kind,
        "payload": dict(digest.payload),
        "reason": digest.reason,
        "next_attempt_at": digest.not_before,
        "not_after": digest.not_after,
    }
    unsent = sa.update(actions).where(actions.c.id == digest.id, actions.c.fence == 0, actions.c.state == "pending")
    if connection.execute(unsent.values(**values)).rowcount != 1:
        return  # the messages are sent by themselves
    reason = f"part of the digest {digest.id}"
    connection.execute(
        sa.update(actions)
        .where(actions.c.id.in_(list(messages)))
        .values(state="digested", digest=digest.id, reason=reason)
    )
