"""Deliver actions: lease one, send it outside of any transaction, and record the outcome, with retries and back-off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

import structlog

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, Receiver
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import DESTRUCTIVE, TEST
from monitor.core.clock import Clock
from monitor.core.plain import find_place
from monitor.store import digests, leases, outbox
from monitor.store.database import Database, decision_time
from monitor.store.effect_notices import save_sent_notice
from monitor.store.rows import ActionRow
from monitor.store.storm_holds import hold_in_storm

Configs = Mapping[str, ReceiverConfig]
"""Configurations of receivers by name."""
LOG = structlog.get_logger(__name__)
FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=10)
LONGEST_ATTEMPT = outbox.LEASE - timedelta(seconds=5)
"""Deadline of an attempt; shorter than its lease, so that no other replica sends the same action meanwhile."""
SHORTEST_ATTEMPT = timedelta(seconds=1)
"""Deadline of an attempt that begins at `not_after`, which is the last moment to send."""
MOST_SKEW = timedelta(seconds=5)
"""Largest difference between the clock of this host and that of the store with which effects are delivered."""
BATCH = 100
DRY_RUN = "dry run: nothing was sent"


OWNER = leases.new_owner()
"""Owner of the leases of this process; each receiver has one job, so the jobs need no owners of their own."""


def expire_late(database: Database, clock: Clock) -> None:
    """Expire the actions whose ``not_after`` has passed."""
    with database.write() as connection:
        expired = outbox.expire(connection, decision_time(connection, clock))
    if expired:
        LOG.warning("actions_expired", count=expired)


def deliver_due(
    database: Database,
    receivers: Mapping[str, Receiver],
    clock: Clock,
    only: str | None = None,
    stopping: Callable[[], bool] = lambda: False,
    config: ReceiverConfig | None = None,
) -> int:
    """Deliver due actions, at most 100 per call; return the number of attempts.

    Parameters
    ----------
    only
        Name of the receiver; None ends the actions of receivers that are no longer configured.
    stopping
        Called before each action; True ends the loop.
    config
        Configuration of the receiver, by which many incidents are one message; None to send each by itself.
    """
    attempted = 0
    while attempted < BATCH and not stopping():
        with database.write() as connection:
            at = decision_time(connection, clock)
            deadline = Deadline.after(at, LONGEST_ATTEMPT)  # begins before the lease, so that it ends before the lease
            if only is not None and config is not None:
                digests.collect_digests(connection, only, config, at)
            effects = not is_skewed(clock, at)
            claimed = outbox.claim_next(connection, at, OWNER, only=only, without=list(receivers), effects=effects)
            is_held = claimed is not None and hold_in_storm(connection, claimed, at)
        if claimed is None:
            break
        if is_held:
            LOG.warning("effect_held", action=claimed.id, name=claimed.name, reason="most monitors fire")
            continue
        attempted += 1
        deliver_claimed(database, receivers, claimed, deadline, clock)
    return attempted


def deliver_claimed(
    database: Database,
    receivers: Mapping[str, Receiver],
    claimed: ActionRow,
    deadline: Deadline,
    clock: Clock,
) -> None:
    """Make one attempt at a leased action, and record its outcome.

    Parameters
    ----------
    deadline
        Computed before the action was leased, so that an attempt of a process that was suspended sends nothing.
    """
    at = deadline.started_at
    outcome = _attempt(database, receivers, claimed, deadline)
    with database.write() as connection:
        now = decision_time(connection, clock)
        values = after(claimed, outcome, now)
        is_sent = values["state"] == "delivered" and claimed.kind in DESTRUCTIVE
        reaction = measure_reaction(claimed, at) if is_sent else None
        recorded = outbox.record(connection, claimed, reaction_seconds=reaction, **values)
        if recorded and is_sent:
            save_sent_notice(connection, claimed, reaction, now)
    LOG.info(
        "action_attempted",
        action=claimed.id,
        name=claimed.name,
        kind=claimed.kind,
        attempt=claimed.attempts,
        outcome=outcome.reason,
        state=values["state"] if recorded else "taken_over",
    )


def _attempt(
    database: Database, receivers: Mapping[str, Receiver], claimed: ActionRow, deadline: Deadline
) -> DeliveryResult:
    at = deadline.started_at
    if claimed.not_after is not None and at > claimed.not_after:
        return DeliveryResult("expired", "not_after has passed")
    receiver = receivers.get(claimed.name)
    if receiver is None and claimed.dry_run:
        return DeliveryResult("delivered", DRY_RUN)
    if receiver is None:
        return DeliveryResult(
            "other", f"no receiver {claimed.name!r} is configured; configure it, then replay the action"
        )
    with database.read() as connection:
        thread = outbox.first_receipt(connection, claimed.incident, claimed.name) if claimed.sequence else None
    delivery = Delivery(claimed.id, claimed.kind, claimed.payload, claimed.created_at, thread)
    try:
        if claimed.dry_run:
            return DeliveryResult(
                "delivered", DRY_RUN, receipt={"request": asdict(receiver.describe_request(delivery))}
            )
        if claimed.not_after is not None:
            deadline = deadline.earlier_by(LONGEST_ATTEMPT - max(claimed.not_after - at, SHORTEST_ATTEMPT))
        if not deadline.seconds:  # the process was suspended; by now, another replica may have sent the action
            return DeliveryResult("timeout", "nothing was sent, as the time for the attempt had passed", retry=True)
        return receiver.deliver(delivery, deadline)
    except Exception as error:  # noqa: BLE001  a defect of one receiver must not stop its queue
        LOG.error("receiver_failed", receiver=claimed.name, error=type(error).__name__, where=find_place(error))  # noqa: TRY400
        return DeliveryResult("other", f"the receiver failed with {type(error).__name__}", retry=True)


def is_skewed(clock: Clock, at: datetime) -> bool:
    """Return whether the clock of this host differs too much from that of the store, with a warning in the log.

    Its times in signatures and requests are then wrong, so it delivers no effects; another replica may.
    """
    skew = clock.now() - at
    if abs(skew) <= MOST_SKEW:
        return False
    LOG.warning("clock_skewed", seconds=skew.total_seconds(), detail="No effect is delivered; set the host's clock.")
    return True


def measure_reaction(effect: ActionRow, at: datetime) -> float | None:
    """Return the seconds from the first bad record of an incident to the attempt that sent its effect."""
    first = (effect.payload.get("data") or {}).get("first_bad_at")
    return (at - datetime.fromisoformat(first)).total_seconds() if first else None


def after(claimed: ActionRow, outcome: DeliveryResult, at: datetime) -> dict[str, object]:
    """Return the values of an action after an attempt. Pure."""
    reason = f"{outcome.reason}: {outcome.detail}" if outcome.detail else outcome.reason
    if outcome.delivered:
        state = "dry_run" if claimed.dry_run else "delivered"
        return {"state": state, "reason": reason, "receipt": dict(outcome.receipt), "finished_at": at}
    if outcome.reason == "expired":
        return {"state": "expired", "reason": reason, "finished_at": at}
    if not outcome.retry or claimed.kind == TEST:
        return {"state": "failed", "reason": reason, "finished_at": at}
    return {"state": "pending", "reason": reason, "next_attempt_at": at + delay(claimed, outcome)}


def delay(claimed: ActionRow, outcome: DeliveryResult) -> timedelta:
    """Return the delay before the next attempt: doubling from 2 s to 10 min, with a jitter derived from the id.

    `Retry-After` of a receiver can extend it up to 10 min, but not shorten it.
    """
    pause: timedelta = min(FIRST_DELAY * 2 ** min(claimed.attempts - 1, 20), LONGEST_DELAY)
    digest = hashlib.sha256(f"{claimed.id}/{claimed.attempts}".encode()).digest()
    return max(pause * (0.75 + digest[0] / 512), min(outcome.retry_after or timedelta(0), LONGEST_DELAY))
