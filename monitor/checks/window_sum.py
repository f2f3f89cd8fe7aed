"""Sum the stored buckets of a window and its newest bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from detectors.cost.objective import EventCounts
from detectors.performance.interval_calibration import Residual
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from detectors.sequential import State
from monitor.checks.baseline import Baseline
from monitor.checks.objectives import count_events
from monitor.checks.window import BucketSummary, Window
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.profile import Profiled


@dataclass(frozen=True)
class StoredWindow:
    """The stored part of the window that ends with a bucket.

    Parameters
    ----------
    starts, parts
        Earlier buckets over the bins of the baseline, oldest first.
    labelled
        Sum of the window that ended `labels_after` ago.
    sums
        State of sequential detectors before the bucket, by finding key.
    truths
        Errors of estimates in earlier labelled windows, by metric.
    counted
        Counts for objectives by signal and start of the period, up to the bucket; None if not loaded.
    """

    starts: Sequence[datetime] = ()
    parts: Sequence[BucketSummary] = ()
    labelled: Mapping[str | None, Mapping[str, Profile]] = field(default_factory=dict)
    sums: Mapping[str, State] = field(default_factory=dict)
    truths: Mapping[str, Sequence[Residual]] = field(default_factory=dict)
    counted: Mapping[str, Mapping[datetime, EventCounts]] | None = None


def newest_time(stored: StoredWindow, profiled: Profiled) -> float | None:
    """Return the time of the newest record of a window, in seconds since 1970; None if it has no records."""
    facts = [*(part.facts for part in stored.parts), profiled.facts]
    return max((one.last for one in facts if one.last is not None), default=None)


def sum_window(
    monitor: Monitor,
    baseline: Baseline,
    bucket: Bucket,
    profiled: Profiled,
    stored: StoredWindow,
    newest: float | None,
) -> Window:
    """Sum the window that ends with a bucket; ``newest`` is the time of the newest record, in it or before it."""
    parts = [*stored.parts, BucketSummary(profiled.facts, profiled.profiles)]
    facts = [part.facts for part in parts]
    own = count_events(monitor, profiled)
    traffic = Traffic(
        # baselines of earlier versions, without weights, counted rows
        bucket_rows=tuple(one.whole_requests if "requests" in baseline.facts else one.rows for one in facts),
        bucket_seconds=monitor.bucket.total_seconds(),
        schema=profiled.facts.schema,
        seconds_since_newest=None if newest is None else max(0.0, bucket.end.timestamp() - newest),
    )
    return Window(
        add_profiles([part.profiles for part in parts]),
        traffic,
        (*stored.starts, bucket.start),
        profiled.profiles,
        stored.sums,
        stored.labelled,
        None
        if stored.counted is None
        else {
            signal: {start: events + own[signal] for start, events in before.items()}
            for signal, before in stored.counted.items()
        },
        bucket.end,
        stored.truths,
        parts,
    )


def select_after(window: Window, start: datetime) -> Window | None:
    """Return the part of a window from a time on; None if it has no buckets.

    Accumulated statistics begin anew with the first bucket. Labels that arrive later are not awaited.
    """
    kept = [(at, part) for at, part in zip(window.starts, window.parts, strict=True) if at >= start]
    if not kept:
        return None
    parts = [part for _, part in kept]
    traffic = replace(window.traffic, bucket_rows=window.traffic.bucket_rows[-len(kept) :])
    return Window(
        add_profiles([part.profiles for part in parts]),
        traffic,
        [at for at, _ in kept],
        parts[-1].profiles,
        window.sums if len(kept) > 1 else {},
        end=window.end,
        truths=window.truths,
        parts=parts,
    )
