"""Deliver: claim an action, send it outside any transaction, record the outcome; back off, give up, replay."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from monitor.channels.base import Channel, Message, Outcome
from monitor.clock import Clock
from monitor.store import leases, outbox
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)
FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=10)
BATCH = 100


OWNER = leases.new_owner()
"""Of this process: an action is sent by one of its loops only, so that they need no names of their own."""


def deliver_due(database: Database, channels: Mapping[str, Channel], clock: Clock) -> int:
    """Deliver what is due and return how many actions were attempted; at most 100 a call."""
    with database.write() as connection:
        expired = outbox.expire(connection, clock.now())
    if expired:
        LOG.warning("actions_expired", count=expired)
    attempted = 0
    while attempted < BATCH:
        with database.write() as connection:
            claimed = outbox.claim_next(connection, clock.now(), OWNER)
        if claimed is None:
            break
        attempted += 1
        _deliver(database, channels, claimed, clock)
    return attempted


def _deliver(database: Database, channels: Mapping[str, Channel], claimed: Any, clock: Clock) -> None:  # noqa: ANN401
    outcome = _attempt(database, channels, claimed, clock.now())
    values = after(claimed, outcome, clock.now())
    with database.write() as connection:
        kept = outbox.record(connection, claimed, **values)
    LOG.info(
        "action_attempted",
        action=claimed.id,
        name=claimed.name,
        kind=claimed.kind,
        attempt=claimed.attempts,
        outcome=outcome.reason,
        state=values["state"] if kept else "taken_over",
    )


def _attempt(database: Database, channels: Mapping[str, Channel], claimed: Any, now: datetime) -> Outcome:  # noqa: ANN401
    if claimed.not_after is not None and now > claimed.not_after:
        return Outcome("expired", "not_after has passed")
    if claimed.dry_run:
        return Outcome("delivered", "dry run: nothing was sent")
    channel = channels.get(claimed.name)
    if channel is None:
        return Outcome("other", f"no channel {claimed.name!r} is configured any more; replay it when it is")
    with database.read() as connection:
        thread = outbox.thread_of(connection, claimed.incident, claimed.name) if claimed.sequence else None
    message = Message(claimed.id, claimed.kind, claimed.payload, claimed.created_at, thread)
    return channel.deliver(message, now)


def after(claimed: Any, outcome: Outcome, now: datetime) -> dict[str, Any]:  # noqa: ANN401
    """Return the values of an action after an attempt. Pure."""
    said = f"{outcome.reason}: {outcome.detail}" if outcome.detail else outcome.reason
    if outcome.delivered:
        state = "dry_run" if claimed.dry_run else "delivered"
        return {"state": state, "reason": said, "receipt": dict(outcome.receipt), "finished_at": now}
    if outcome.reason == "expired":
        return {"state": "expired", "reason": said, "finished_at": now}
    if not outcome.retry:
        return {"state": "failed", "reason": said, "finished_at": now}
    return {"state": "pending", "reason": said, "next_attempt_at": now + delay(claimed, outcome)}


def delay(claimed: Any, outcome: Outcome) -> timedelta:  # noqa: ANN401
    """Return the pause before the next attempt: doubling from 2 s to 10 min, with a jitter fixed by the id."""
    if outcome.retry_after is not None:
        return outcome.retry_after
    pause: timedelta = min(FIRST_DELAY * 2 ** min(claimed.attempts - 1, 20), LONGEST_DELAY)
    digest = hashlib.sha256(f"{claimed.id}/{claimed.attempts}".encode()).digest()
    return pause * (0.75 + digest[0] / 512)
