"""One monitor at work: its source, its baseline, and the buckets that are due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.jobs.baseline_lifecycle import BaselineLifecycle
from monitor.jobs.bucket_planner import BucketPlanner
from monitor.jobs.bucket_schedule import BucketSchedule
from monitor.jobs.bucket_worker import BucketWorker
from monitor.jobs.late_data import LateDataAuditor
from monitor.jobs.source_session import SourceSession
from monitor.store import claims, leases
from monitor.store.database import Database

BUCKETS_A_TURN = 20


class MonitorJob:
    """The work of one monitor, a turn at a time.

    Parameters
    ----------
    source
        What is read, and by whose clock.
    receivers
        All that are configured; the rules name them.
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
        self.lifecycle = BaselineLifecycle(database, monitor, source)
        self.schedule = BucketSchedule(database, monitor, source)
        self.auditor = LateDataAuditor(database, monitor, source)
        self._planner = BucketPlanner(database, monitor, self.lifecycle, receivers)
        self._worker = BucketWorker(database, source, self._planner)

    def prepare(self) -> None:
        """Begin a turn: what is configured is begun, and the baseline goes on."""
        now = self.source.prepare()
        self._planner.prepare(self.source.reader)
        self.schedule.prepare(now)
        self.lifecycle.advance(now)

    def take_turn(self, stopping: Callable[[], bool], note_progress: Callable[[], object]) -> int:
        """Compute what is due, oldest first, a few buckets at a time; returns how many have ended."""
        self.prepare()
        finished = 0
        for bucket in self.schedule.due(self.lifecycle.baseline):
            if finished == BUCKETS_A_TURN or stopping():
                break
            with self.database.write() as connection:
                claim = claims.claim(connection, self.monitor.name, bucket, self.owner)
            if claim is None or not self.compute(claim):
                break  # another replica has it or it is to be retried, and buckets of a monitor are decided in order
            note_progress()
            finished += 1
        self.auditor.audit()
        return finished

    def compute(self, claim: claims.Claim) -> bool:
        """Compute one claimed bucket; says whether it has ended."""
        return self._worker.compute(claim)

    def is_heartbeat_due(self, now: datetime, every: timedelta) -> bool:
        """Say whether it was not recorded for a while that the source can be read."""
        return self.recorded_at is None or now - self.recorded_at >= every

    def close(self) -> None:
        """Give the connections to the source back."""
        self.source.close()
