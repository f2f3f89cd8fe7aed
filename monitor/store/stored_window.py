"""Load the stored part of the window that ends with a bucket, with two statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy.engine import Connection

from detectors.cost.objective import EventCounts
from detectors.cost.objective import starts as objective_starts
from detectors.outcome import OUTCOME
from monitor.checks.baseline import Baseline
from monitor.checks.objectives import count_events
from monitor.checks.window_sum import StoredWindow
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket, floor, window_starts
from monitor.profiling.profile import Profiled
from monitor.store import aggregates, estimate_accuracy, windows
from monitor.store.aggregates import Range
from monitor.store.findings import load_sequential_state


def load_stored_window(
    connection: Connection, monitor: Monitor, baseline: Baseline, bucket: Bucket, profiled: Profiled
) -> StoredWindow:
    """Load the stored part of the window that ends with a bucket."""
    start, _ = window_starts(bucket, monitor.window)
    labelled = _labelled_interval(monitor, bucket)
    objectives = _objective_ranges(monitor, profiled, bucket)
    ranges = windows.window_ranges(baseline, start, bucket.start)
    ranges += [Range(*windows.PROFILE, *labelled, baseline.layout)] if labelled else []
    facts, profiles, *others = aggregates.load(connection, monitor.name, [*ranges, *(one for _, one in objectives)])
    before = windows.decode_window(baseline, facts, profiles)
    events = [EventCounts.sum_bytes(row.data for row in rows) for rows in others[bool(labelled) :]]
    return StoredWindow(
        starts=list(before),
        parts=list(before.values()),
        labelled=windows.sum_profiles(baseline, others[0]) if labelled else {},
        sums=load_sequential_state(connection, monitor.name, bucket.start - monitor.bucket),
        truths=estimate_accuracy.before(connection, monitor, bucket.start) if OUTCOME in baseline.layouts else {},
        counted=_sum_objectives([one for one, _ in objectives], events),
    )


def _labelled_interval(monitor: Monitor, bucket: Bucket) -> tuple[datetime, datetime] | None:
    """Return the window whose labels are complete, delayed by one more window, because its audit comes first."""
    after = monitor.labels_after
    if not after:
        return None
    back = floor(bucket.start - after - monitor.window, monitor.bucket)
    end = back + monitor.bucket
    return window_starts(Bucket(back, end), monitor.window)[0], end


def _objective_ranges(monitor: Monitor, profiled: Profiled, bucket: Bucket) -> list[tuple[tuple[str, datetime], Range]]:
    """Return by signal and start the event ranges between the window starts of an objective."""
    signals = count_events(monitor, profiled)
    starts: dict[str, set[datetime]] = {}
    for check in monitor.objectives:
        if check.signal in signals:
            starts.setdefault(str(check.signal), set()).update(objective_starts(bucket.end, check.period))
    return [
        ((signal, start), Range("events", signal, start, end, dated=False))
        for signal, moments in starts.items()
        for start, end in pairwise([*sorted(moments), max(bucket.start, *moments)])
    ]


def _sum_objectives(
    keys: Sequence[tuple[str, datetime]], events: Sequence[EventCounts]
) -> dict[str, dict[datetime, EventCounts]]:
    """Accumulate the events between window starts to the events from each start to the bucket."""
    sums: dict[str, dict[datetime, EventCounts]] = {}
    for (signal, start), counted in reversed(list(zip(keys, events, strict=True))):
        later = sums.setdefault(signal, {})
        later[start] = counted + (later[min(later)] if later else EventCounts())
    return sums
