"""Jobs of receivers beside delivery: updates of messages, and presses of their buttons."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.actions.receivers.base import Receiver
from monitor.core.clock import Clock
from monitor.jobs.message_updates import plan_updates
from monitor.jobs.scheduler import Job
from monitor.jobs.slack_connections import plan_connections
from monitor.store.database import Database


def plan_receiver_jobs(database: Database, receivers: Mapping[str, Receiver], clock: Clock) -> list[Job]:
    """Return the jobs."""
    return [*plan_updates(database, receivers, clock), *plan_connections(database, receivers, clock)]
