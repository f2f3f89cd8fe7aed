"""One monitor at work: its source, its baseline, and the buckets that are due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from monitor.checks.comparisons import Comparisons
from monitor.checks.monitor_plan import MonitorPlan
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.schedule import Bucket
from monitor.jobs.baseline_lifecycle import BaselineLifecycle
from monitor.jobs.begin_comparisons import begin_comparisons
from monitor.jobs.bucket_schedule import BucketSchedule
from monitor.jobs.late_data import LateDataAuditor
from monitor.jobs.source_session import SourceSession
from monitor.pipeline import process_bucket
from monitor.store import claims, leases
from monitor.store.database import Database
from monitor.store.state import BucketCache

LOG = structlog.get_logger(__name__)
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
        self.comparisons = Comparisons(monitor)
        self._cache = BucketCache()
        self._comparisons_begun = False

    def prepare(self) -> None:
        """Begin a turn: what is configured is begun, and the baseline goes on."""
        now = self.source.prepare()
        if not self._comparisons_begun:
            begin_comparisons(self.database, self.comparisons, self.source.reader)
            self._comparisons_begun = True
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
        """Compute one claimed bucket; says whether it has ended.

        One that fails is put back, and given up the third time.
        """
        name, start = claim.monitor, str(claim.bucket.start)
        try:
            if reason := self.reason_to_give_up(claim):
                with self.database.write() as connection:
                    claims.give_up(connection, claim, reason)
                LOG.error("bucket_given_up", monitor=name, start=start, reason=reason)
                return True
            with claims.renewing(self.database, claim):
                plan = self.plan(claim.bucket)
                result = process_bucket(self.database, self.source, plan, claim, self._cache)
            LOG.debug("bucket", monitor=name, start=start, result=result.result)
        except claims.FenceLost as lost:
            LOG.warning("fence_lost", detail=str(lost))
            return False
        except Exception as error:
            with self.database.write() as connection:
                ended = claims.give_up_or_put_back(connection, claim, error)
            if claims.is_passing(error):
                raise
            LOG.exception("bucket_failed", monitor=name, start=start, attempt=claim.attempts, given_up=ended)
            return ended
        return True

    def plan(self, bucket: Bucket) -> MonitorPlan:
        """Return what a bucket is compared with."""
        baseline = self.lifecycle.compared_with(bucket)
        return MonitorPlan(self.monitor, self.comparisons, baseline, self.lifecycle.reason, self.receivers)

    def reason_to_give_up(self, claim: claims.Claim) -> str | None:
        """Return why a claimed bucket need not be tried again: it ended the process, or its rows are gone."""
        if claim.attempts > claims.ATTEMPTS:
            return f"killed: the process ended {claims.ATTEMPTS} times while it computed this bucket"
        if claim.retries:
            oldest = self.source.reader.oldest()
            if oldest is not None and claim.bucket.end <= oldest:
                return f"gone: the source keeps no rows before {oldest.isoformat()}"
        return None

    def is_heartbeat_due(self, now: datetime, every: timedelta) -> bool:
        """Say whether it was not recorded for a while that the source can be read."""
        return self.recorded_at is None or now - self.recorded_at >= every

    def close(self) -> None:
        """Give the connections to the source back."""
        self.source.close()
