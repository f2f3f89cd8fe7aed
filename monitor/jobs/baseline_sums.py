"""The sums of stored buckets in the lifecycle of a baseline, and how each is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

import structlog

from monitor.checks.anchor import with_anchor
from monitor.checks.baseline import Baseline
from monitor.config.models import Monitor
from monitor.jobs.baseline_events import renewal_end
from monitor.jobs.baseline_sum import SumRequest
from monitor.jobs.sum_buckets import sum_buckets
from monitor.store import baselines, buckets, incidents
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)
Spans = Sequence[tuple[datetime, datetime]]


class BaselineSums:
    """Prepares the sums of baselines; a method returns None if the baseline has no range."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def freeze(self, monitor: Monitor, learning: Baseline, schema: Mapping[str, str]) -> SumRequest | None:
        """Sum the buckets of the range and learn the thresholds."""
        if learning.start is None or learning.end is None:
            return None
        labels = self._count_labels(monitor, learning.start, learning.end)

        def store(summed: Baseline) -> None:
            with self._database.write() as connection:
                facts = {**summed.facts, "schema": schema, "labels": labels}
                baselines.freeze(connection, learning.id, summed, facts)
            for problem in summed.review.problems if summed.review else ():
                LOG.warning("baseline_problem", monitor=monitor.name, kind=problem.kind, detail=problem.text)
            thresholds = summed.calibration.reason
            LOG.info("baseline_frozen", monitor=monitor.name, rows=summed.rows, thresholds=thresholds)

        return self._request(monitor, learning, (learning.start, learning.end), [], store)

    def add_labels(self, monitor: Monitor, old: Baseline) -> SumRequest | None:
        """Sum a fixed baseline again over the same bins, including labels that arrived later."""
        if old.start is None or old.end is None:
            return None
        start, end = old.start, old.end
        labels, before = self._count_labels(monitor, start, end), int(old.facts.get("labels", 0))

        def store(summed: Baseline) -> None:
            with self._database.write() as connection:
                facts = {**summed.facts, "schema": dict(old.traffic.schema), "labels": labels}
                baselines.renew(connection, old, summed, facts, start, end)
            LOG.info("baseline_labels_taken_up", monitor=monitor.name, labels=labels, before=before)

        return self._request(monitor, old, (start, end), [], store)

    def calibrate(self, monitor: Monitor, baseline: Baseline) -> SumRequest | None:
        """Learn the thresholds again over the same buckets, after a change of rules, checks or budget."""
        if baseline.start is None or baseline.end is None:
            return None

        def store(again: Baseline) -> None:
            with self._database.write() as connection:
                baselines.save_calibration(connection, baseline.id, again)
            LOG.info("calibrated", monitor=monitor.name, reason=again.calibration.reason)

        stretch = baseline.start, baseline.end
        return self._request(monitor, baseline, stretch, self._find_incidents(monitor, *stretch), store)

    def renew(self, monitor: Monitor, old: Baseline, now: datetime) -> SumRequest | None:
        """Sum a newer range of a rolling baseline over the same bins, without periods of incidents."""
        rolling, end = monitor.baseline.rolling, renewal_end(monitor, now)
        if rolling is None:
            return None
        start = end - rolling

        def store(summed: Baseline) -> None:
            if summed.rows < monitor.baseline.min_rows:
                return
            facts = {**summed.facts, "schema": dict(old.traffic.schema), **with_anchor(old, summed)}
            with self._database.write() as connection:
                baselines.renew(connection, old, summed, facts, start, end)

        return self._request(monitor, old, (start, end), self._find_incidents(monitor, start, end), store)

    def _request(
        self,
        monitor: Monitor,
        baseline: Baseline,
        stretch: tuple[datetime, datetime],
        without: Spans,
        store: Callable[[Baseline], None],
    ) -> SumRequest:
        work = partial(sum_buckets, self._database, monitor, baseline, *stretch, without)
        return SumRequest(work, baseline.standing, store)

    def _count_labels(self, monitor: Monitor, start: datetime, end: datetime) -> int:
        with self._database.read() as connection:
            return buckets.count_records(connection, monitor.name, start, end)[1]

    def _find_incidents(self, monitor: Monitor, start: datetime, end: datetime) -> Spans:
        with self._database.read() as connection:
            return incidents.firing_during(connection, monitor.name, start, end)
