"""Keep delivered messages up to date: their buttons show what can be done, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from monitor.actions.receivers.base import Deadline, Receiver, RevisingReceiver
from monitor.core.clock import Clock
from monitor.jobs.scheduler import Job
from monitor.store import posts
from monitor.store.database import Database, decision_time
from monitor.store.posts import PostRow

LOG = structlog.get_logger(__name__)
AFTER_END = timedelta(days=1)
"""How long messages of a resolved incident are kept up to date."""
LONGEST_CALL = timedelta(seconds=20)
PAUSE = timedelta(seconds=10)
"""Pause after an update that failed and is tried again."""


class MessageUpdates:
    """Updates the messages of one receiver. The state is that of the store, so nothing is lost by a restart."""

    def __init__(self, database: Database, name: str, receiver: RevisingReceiver, clock: Clock) -> None:
        self._database = database
        self.name = name
        self._receiver = receiver
        self._clock = clock
        self._not_before: datetime | None = None

    def run(self) -> int:
        """Update the messages that differ from the store; return how many were updated."""
        receiver = self._receiver
        with self._database.read() as connection:
            at = decision_time(connection, self._clock)
            if self._not_before is not None and at < self._not_before:
                return 0
            rows = [row for row in posts.load_posts(connection, self.name, at - AFTER_END) if row.receipt]
            situations = posts.load_situations(connection, list({row.incident for row in rows}), at)
        newest = {row.incident: _headline_first(row, rows) for row in rows}
        updated = 0
        for row in rows:
            result = receiver.revise(
                row.receipt or {}, newest[row.incident], situations[row.incident], Deadline.after(at, LONGEST_CALL)
            )
            if result is None:
                continue
            LOG.info("message_updated", receiver=self.name, action=row.id, outcome=result.reason)
            if result.retry:
                self._not_before = at + max(PAUSE, result.retry_after or PAUSE)
                break
            kept = result.receipt if result.delivered else {**(row.receipt or {}), "buttons": None}
            with self._database.write() as connection:
                posts.save_receipt(connection, row.id, kept)
            updated += 1
        return updated


def _headline_first(row: PostRow, rows: list[PostRow]) -> dict[str, object]:
    """Return the newest receipt of the incident that has a headline for its first message."""
    receipts = [one.receipt for one in rows if one.incident == row.incident and one.receipt]
    return dict(next((one for one in reversed(receipts) if one.get("thread_ts") and one.get("headline")), {}))


def plan_updates(database: Database, receivers: Mapping[str, Receiver], clock: Clock) -> list[Job]:
    """Return the jobs that update messages, one for each receiver whose messages change."""
    updates = [
        MessageUpdates(database, name, receiver, clock)
        for name, receiver in receivers.items()
        if isinstance(receiver, RevisingReceiver) and receiver.is_interactive
    ]
    return [Job(f"messages of {update.name}", update.run) for update in updates]
