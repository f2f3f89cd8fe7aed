"""The job of one monitor: its source, its baseline and its due buckets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.jobs.baseline_lifecycle import BaselineLifecycle
from monitor.jobs.bucket_planner import BucketPlanner
from monitor.jobs.bucket_schedule import BucketSchedule
from monitor.jobs.bucket_worker import BucketWorker
from monitor.jobs.escalation import EscalationTimer
from monitor.jobs.late_data import LateDataAuditor
from monitor.jobs.source_session import SourceSession
from monitor.store import claims, leases
from monitor.store.database import Database

BUCKETS_A_TURN = 20


class MonitorJob:
    """Runs the turns of one monitor.

    Parameters
    ----------
    source
        Session of the source and its clock.
    receivers
        All configured receivers, by name.
    """

    def __init__(
        self,
        database: Database,
        monitor: Monitor,
        source: SourceSession,
        receivers: Mapping[str, ReceiverConfig],
    ) -> None:
        self.database = database
        self.monitor = monitor
        self.source = source
        self.receivers = receivers
        self.owner = leases.new_owner()
        self.recorded_at: datetime | None = None
        self.is_blocked = False
        """Whether the last turn left a due bucket that waits for a retry or that another replica has."""
        self.lifecycle = BaselineLifecycle(database, monitor, source)
        self.schedule = BucketSchedule(database, monitor, source)
        self.auditor = LateDataAuditor(database, monitor, source)
        self._planner = BucketPlanner(database, monitor, self.lifecycle, receivers)
        self._worker = BucketWorker(database, source, self._planner)
        self._escalations = EscalationTimer(database, monitor, receivers)

    def prepare(self) -> None:
        """Begin a turn: start configured spans and comparisons, and advance the baseline."""
        now = self.source.prepare()
        self._planner.prepare(self.source.reader)
        self.schedule.prepare(now)
        self.lifecycle.advance(now)

    def take_turn(self, stopping: Callable[[], bool], note_progress: Callable[[], object]) -> int:
        """Compute a few due buckets, oldest first; return the number of finished buckets."""
        self.prepare()
        self.is_blocked = False
        finished = 0
        for bucket in self.schedule.due(self.lifecycle.baseline):
            if finished == BUCKETS_A_TURN or stopping():
                break
            with self.database.write() as connection:
                claim = claims.claim(connection, self.monitor.name, bucket, self.owner)
            if claim is None or not self.compute(claim):
                self.is_blocked = True
                break  # another replica has it or it waits for a retry, and buckets of a monitor are decided in order
            note_progress()
            finished += 1
        self._escalations.check(self.source.now())
        self.auditor.audit()
        return finished

    def compute(self, claim: claims.Claim) -> bool:
        """Compute one claimed bucket; return whether it has ended."""
        return self._worker.compute(claim)

    def is_heartbeat_due(self, now: datetime, every: timedelta) -> bool:
        """Return whether the last recorded heartbeat is older than ``every``."""
        return self.recorded_at is None or now - self.recorded_at >= every

    def has_settings_of(self, other: MonitorJob) -> bool:
        """Return whether another job would do the same."""
        return self.monitor == other.monitor and self.receivers == other.receivers

    def close(self) -> None:
        """Close the connections to the source."""
        self.source.close()
