"""Observe a whole window from the source, without a store."""

from __future__ import annotations

from datetime import datetime

from monitor.checks.baseline import Baseline
from monitor.checks.evaluation import Observed
from monitor.checks.observe import find_newest
from monitor.checks.sequential import fold_sequential
from monitor.checks.window_sum import StoredWindow
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.jobs.count_comparisons import read_arms
from monitor.jobs.profile_window import profile_labelled, profile_window
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.profile import Profiled
from monitor.sources.base import Counts, Reader


def observe_window(
    reader: Reader, monitor: Monitor, baseline: Baseline, end: datetime
) -> tuple[Observed, StoredWindow]:
    """Read a whole window; return its last bucket, and the earlier buckets in the form of the store."""
    summaries = profile_window(reader, monitor, baseline.layouts, end)
    starts, parts = list(summaries), list(summaries.values())
    facts, columns = parts[-1].facts, parts[-1].profiles
    facts.schema = dict(reader.schema())
    bucket = Bucket(end - monitor.bucket, end)
    stored = StoredWindow(
        starts[:-1],
        parts[:-1],
        add_profiles([part.profiles for part in profile_labelled(reader, monitor, baseline, end)]),
        fold_sequential(monitor, baseline, add_profiles([part.profiles for part in parts]), starts[:-1], parts[:-1]),
    )
    by_segment = {segment: dict(profiles) for segment, profiles in columns.items()}
    profiled = Profiled(Counts(facts.rows), facts, by_segment, read_arms(reader, monitor, bucket))
    return Observed(bucket, profiled, find_newest(reader, stored, profiled, end - monitor.window)), stored
