"""Read and profile a bucket from its source."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Protocol

from monitor.checks.comparisons import ComparisonCounts
from monitor.checks.evaluation import Observed, StoredSums
from monitor.checks.monitor_plan import MonitorPlan
from monitor.checks.window_sum import StoredWindow, newest_time
from monitor.config.arms import Shadow
from monitor.core.schedule import Bucket
from monitor.core.tracing import traced
from monitor.profiling.comparison_reads import join_shadow
from monitor.profiling.profile import Profiled, profile_bucket
from monitor.sources.base import Reader


class BucketSource(Protocol):
    """The source of a monitor, as used to compute a bucket."""

    @property
    def reader(self) -> Reader:
        """Return the reader of the source."""

    def bucket_reader(self, *, labels_imported: bool | None) -> Reader:
        """Return the reader of a bucket; ``labels_imported`` None means that it is looked up."""

    def now(self) -> datetime:
        """Return the current time of the source's clock."""

    @property
    def prepared_at(self) -> datetime:
        """Return the time of the source's clock at the start of the current run of the monitor."""


@traced("observe")
def observe(source: BucketSource, plan: MonitorPlan, bucket: Bucket, *, labels_imported: bool | None) -> Observed:
    """Read and profile a bucket."""
    reader = source.bucket_reader(labels_imported=labels_imported)
    layouts = plan.baseline.layouts if plan.baseline else {}
    return Observed(bucket, profile_bucket(reader, plan.monitor, layouts, bucket))


@traced("observe_late")
def observe_late(
    source: BucketSource, plan: MonitorPlan, observed: Observed, stored: StoredSums, *, again: bool
) -> Observed:
    """Read the data that depends on stored state: the time of the newest record, and pairs of late records.

    ``again``: whether the bucket is computed again because of late records.
    """
    newest, window = observed.newest, stored.window
    if window is not None:
        newest = find_newest(source.reader, window, observed.profiled, observed.bucket.end - plan.monitor.window)
    return replace(observed, newest=newest, recounted=_recount_shadows(source, plan, observed, stored) if again else [])


def find_newest(reader: Reader, stored: StoredWindow, profiled: Profiled, start: datetime) -> float | None:
    """Return the time of the newest record of the window that begins at ``start``, else of the newest one before it."""
    newest = newest_time(stored, profiled)
    if newest is not None:
        return newest
    last = reader.newest()
    return None if last is None else min(last, start).timestamp()


def _recount_shadows(
    source: BucketSource, plan: MonitorPlan, observed: Observed, stored: StoredSums
) -> list[ComparisonCounts]:
    """Recompute the pairs of shadows that late records of a bucket may change."""
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
