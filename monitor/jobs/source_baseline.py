"""Learn a baseline from a range of the source in memory, without a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from detectors.binning import LABELLED
from detectors.profile import Profile
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.checks.window import BucketSummary
from monitor.config.models import Monitor
from monitor.jobs.baseline_builder import BaselineBuilder
from monitor.jobs.learn_layouts import learn_layouts
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.stretch import profile_buckets
from monitor.sources.base import Reader


def baseline_from_source(
    reader: Reader, monitor: Monitor, start: datetime, end: datetime, labels_until: datetime | None = None
) -> Baseline:
    """Learn a baseline from a range.

    Rows from ``labels_until`` on are excluded from the columns that need labels.
    """
    layouts = learn_layouts(reader, monitor, start, end)
    builder = BaselineBuilder(monitor, layouts, start, end)
    for bucket, profiler in profile_buckets(reader, monitor, layouts, start, end):
        profiles = profiler.profiles()
        if labels_until is not None and bucket.start >= labels_until:
            profiles = {segment: _without_labels(columns) for segment, columns in profiles.items()}
        builder.add({bucket.start: BucketSummary(profiler.facts, profiles)})
    return builder.build(reader.schema())


def _without_labels(columns: Mapping[str, Profile]) -> dict[str, Profile]:
    return {name: profile for name, profile in columns.items() if profile.layout.kind not in LABELLED}


def with_previous(reader: Reader, monitor: Monitor, baseline: Baseline, window_start: datetime) -> Baseline:
    """Return the baseline with the stretch before a window, read from the source, if windows are compared with it."""
    if monitor.baseline.previous is None:
        return baseline
    start, end = previous_stretch(monitor, monitor.baseline.previous, window_start)
    parts = profile_buckets(reader, monitor, baseline.layouts, start, end)
    return replace(baseline, previous=add_profiles([profiler.profiles() for _, profiler in parts]))
