"""Profile long time ranges bucket by bucket, in one pass over the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np

from detectors.binning import Binning
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.profiling.facts import Facts
from monitor.profiling.profiler import Profiler
from monitor.profiling.source_columns import columns_to_read
from monitor.sources.base import Reader, read_in_steps


def profile_buckets(
    reader: Reader, monitor: Monitor, layouts: Mapping[str, Binning], start: datetime, end: datetime
) -> Iterator[tuple[Bucket, Profiler]]:
    """Yield every bucket of a time range with its profiler, in order of time, including empty buckets."""
    columns = columns_to_read(monitor, layouts, reader.schema())
    bucket = Bucket(start, start + monitor.bucket)
    profiler = Profiler(monitor, layouts)
    for page in read_in_steps(reader, columns, start, end):
        seconds = page.times
        first = 0
        while first < len(seconds):
            last = int(np.searchsorted(seconds, bucket.end.timestamp(), side="left"))
            if last > first:
                profiler.add(page.take(np.arange(first, last)))
                first = last
            if last < len(seconds):
                yield bucket, profiler
                bucket, profiler = Bucket(bucket.end, bucket.end + monitor.bucket), Profiler(monitor, layouts)
    while bucket.start < end:
        yield bucket, profiler
        bucket, profiler = Bucket(bucket.end, bucket.end + monitor.bucket), Profiler(monitor, layouts)


def merge_versions(total: dict[str, dict[str, list[float]]], facts: Facts) -> None:
    """Add the versions of a bucket to ``total``, in place."""
    for role, values in facts.versions.items():
        versions = total.setdefault(role, {})
        for value, (count, first, last) in values.items():
            old = versions.get(value, [0, first, last])
            versions[value] = [old[0] + count, min(old[1], first), max(old[2], last)]
