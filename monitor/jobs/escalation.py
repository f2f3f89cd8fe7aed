"""Escalate incidents whose time comes between two buckets, so that long buckets do not delay it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from monitor.actions.decide_and_plan import decide_and_plan
from monitor.alerting.alert_context import AlertContext
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.schedule import Bucket
from monitor.store import incidents, outbox
from monitor.store.database import Database
from monitor.store.history import load_history

CHECK_EVERY = timedelta(seconds=15)


class EscalationTimer:
    """Plans the messages of firing incidents of one monitor that nobody acknowledged in time."""

    def __init__(self, database: Database, monitor: Monitor, receivers: Mapping[str, ReceiverConfig]) -> None:
        self._database = database
        self._monitor = monitor
        self._receivers = receivers
        self._checked_at: datetime | None = None
        steps = [
            *monitor.escalate,
            *monitor.no_data.escalate,
            *(step for rule in monitor.rules for step in rule.escalate),
        ]
        self._is_needed = bool(steps)

    def check(self, now: datetime) -> None:
        """Store the messages that are due, at most four times a minute.

        It changes no incident: that is left to the next bucket, which another replica may be computing.
        """
        if not self._is_needed or (self._checked_at is not None and now - self._checked_at < CHECK_EVERY):
            return
        self._checked_at = now
        monitor = self._monitor
        with self._database.read() as connection:
            if not any(one.state == "firing" for one in incidents.open_incidents(connection, monitor.name)):
                return
        with self._database.write() as connection:
            bucket = Bucket(now - monitor.bucket, now)
            context = AlertContext(load_history(connection, monitor, bucket))
            evaluation = Evaluation(is_between_buckets=True)
            _, plan = decide_and_plan(monitor, self._receivers, evaluation, context, bucket, now)
            outbox.save_actions(connection, plan.actions)
