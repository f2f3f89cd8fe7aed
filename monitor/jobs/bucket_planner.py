"""Plan the buckets of a monitor: its baseline, the preceding stretch, experiments and shadows."""

from __future__ import annotations

from monitor.actions.plan_context import Receivers
from monitor.checks.comparisons import Comparisons
from monitor.checks.monitor_plan import MonitorPlan
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.jobs.baseline_lifecycle import BaselineLifecycle
from monitor.jobs.begin_comparisons import begin_comparisons
from monitor.jobs.previous_stretch import PreviousStretch
from monitor.sources.base import Reader
from monitor.store.database import Database


class BucketPlanner:
    """Makes the plan of each bucket of one monitor."""

    def __init__(
        self, database: Database, monitor: Monitor, lifecycle: BaselineLifecycle, receivers: Receivers
    ) -> None:
        self._database = database
        self._monitor = monitor
        self._lifecycle = lifecycle
        self._receivers = receivers
        self._comparisons = Comparisons(monitor)
        self._previous = PreviousStretch(database)
        self._comparisons_begun = False

    def prepare(self, reader: Reader) -> None:
        """Start new experiments and shadows, once per process."""
        if not self._comparisons_begun:
            begin_comparisons(self._database, self._comparisons, reader)
            self._comparisons_begun = True

    def plan(self, bucket: Bucket) -> MonitorPlan:
        """Return the plan of a bucket."""
        baseline, reason = self._lifecycle.baseline, self._lifecycle.reason
        if baseline is not None:
            baseline = self._previous.add_to(baseline, self._monitor, bucket)
        return MonitorPlan(self._monitor, self._comparisons, baseline, reason, self._receivers)
