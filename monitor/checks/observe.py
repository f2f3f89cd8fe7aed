"""Observe: a bucket as it is read from its source."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Protocol

from monitor.checks.comparisons import ComparisonCounts
from monitor.checks.evaluation import Observed, StoredSums
from monitor.checks.monitor_plan import MonitorPlan
from monitor.checks.window_sum import StoredWindow, newest_time
from monitor.config.arms import Shadow
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.profiling.comparison_reads import join_shadow
from monitor.profiling.profile import Profiled, newest_served, profile_bucket
from monitor.sources.base import Reader


class BucketSource(Protocol):
    """The source of a monitor as a bucket reads it."""

    @property
    def reader(self) -> Reader:
        """Return the reader of the source."""

    def bucket_reader(self, *, labels_imported: bool | None) -> Reader:
        """Return the reader of one bucket; ``labels_imported`` need not be looked up where it is known."""

    def now(self) -> datetime:
        """Return the source's own time."""

    @property
    def prepared_at(self) -> datetime:
        """Return the source's time when the turn of the monitor began."""


def observe(source: BucketSource, plan: MonitorPlan, bucket: Bucket, *, labels_imported: bool | None) -> Observed:
    """Read and profile a bucket."""
    reader = source.bucket_reader(labels_imported=labels_imported)
    layouts = plan.baseline.layouts if plan.baseline else {}
    return Observed(bucket, profile_bucket(reader, plan.monitor, layouts, bucket))


def observe_late(
    source: BucketSource, plan: MonitorPlan, observed: Observed, stored: StoredSums, *, again: bool
) -> Observed:
    """Read what depends on what is stored: when the newest record came, and the pairs of late records.

    ``again`` says that the bucket is computed again, because late records of it have come.
    """
    newest, window = observed.newest, stored.window
    if window is not None:
        newest = find_newest(source.reader, plan.monitor, window, observed.profiled, observed.bucket.end)
    return replace(observed, newest=newest, recounted=_recount_shadows(source, plan, observed, stored) if again else [])


def find_newest(
    reader: Reader, monitor: Monitor, stored: StoredWindow, profiled: Profiled, end: datetime
) -> float | None:
    """Return when the newest record of the window that ends at a time came, or the newest one before the window."""
    newest = newest_time(stored, profiled)
    return newest_served(reader, monitor, end - monitor.window) if newest is None else newest


def _recount_shadows(
    source: BucketSource, plan: MonitorPlan, observed: Observed, stored: StoredSums
) -> list[ComparisonCounts]:
    """Join again the pairs that late records of a bucket may belong to."""
    bucket, counts = observed.bucket, list[ComparisonCounts]()
    for key, spec in plan.comparisons.specs.items():
        standing = plan.comparisons.state_during(key, stored.comparisons, bucket)
        if not isinstance(spec, Shadow) or standing is None:
            continue
        start, until = plan.comparisons.recount_range(spec, standing, bucket)
        if start < until:
            schema, step = observed.profiled.facts.schema, plan.monitor.bucket
            pairs = join_shadow(source.reader, plan.monitor, spec, start, until, step, schema)
            counts += [plan.comparisons.count(spec, at, sums) for at, sums in pairs]
    return counts
