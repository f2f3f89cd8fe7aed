"""Profile a whole window from the source, bucket by bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from detectors.binning import LABELLED, Binning
from monitor.checks.baseline import Baseline
from monitor.checks.window import BucketSummary
from monitor.config.models import Monitor
from monitor.core.schedule import floor
from monitor.profiling.profiler import Profiler
from monitor.profiling.source_columns import columns_to_read
from monitor.sources.base import Reader


def profile_window(
    reader: Reader, monitor: Monitor, layouts: Mapping[str, Binning], end: datetime
) -> dict[datetime, BucketSummary]:
    """Profile the window that ends at ``end``; return summaries by bucket start. An id counts once."""
    columns = columns_to_read(monitor, layouts, reader.schema())
    parts: dict[datetime, BucketSummary] = {}
    ids: set[object] = set()
    start = end - monitor.window
    while start < end:
        profiler = Profiler(monitor, layouts, keys=ids)
        for page in reader.read(start, start + monitor.bucket, columns):
            profiler.add(page)
        parts[start] = BucketSummary(profiler.facts, profiler.profiles())
        start += monitor.bucket
    return parts


def profile_labelled(reader: Reader, monitor: Monitor, baseline: Baseline, end: datetime) -> Iterable[BucketSummary]:
    """Profile the labelled columns of the newest window whose labels are due; nothing if labels arrive at once."""
    if not monitor.labels_after:
        return ()
    layouts = {name: layout for name, layout in baseline.layouts.items() if layout.kind in LABELLED}
    return profile_window(reader, monitor, layouts, newest_labelled_end(monitor, end)).values()


def newest_labelled_end(monitor: Monitor, end: datetime) -> datetime:
    """Return the end of the newest window whose labels are complete at ``end``."""
    return floor(end - monitor.labels_after, monitor.bucket)
