"""Sum stored buckets to baselines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from detectors.profile import Profile
from monitor.checks.baseline import Baseline
from monitor.checks.sensitivity import keep_finest
from monitor.checks.window import BucketSummary
from monitor.config.models import Monitor
from monitor.jobs.baseline_builder import BaselineBuilder
from monitor.profiling.bucket_profiles import add_profiles
from monitor.store import windows
from monitor.store.database import Database

BATCH = timedelta(days=1)


def sum_buckets(
    database: Database,
    monitor: Monitor,
    baseline: Baseline,
    start: datetime,
    end: datetime,
    without: Sequence[tuple[datetime, datetime]],
) -> Baseline:
    """Sum stored buckets with the same bins, a day at a time and without excluded periods, and calibrate on them."""
    builder = BaselineBuilder(monitor, baseline.layouts, start, end)
    for rows in _stored_days(database, monitor, baseline, start, end):
        builder.add({at: row for at, row in rows.items() if not any(first <= at < last for first, last in without)})
    summed = builder.build()
    calibration = keep_finest(baseline.calibration, summed.calibration)
    return replace(summed, id=baseline.id, layout=baseline.layout, calibration=calibration)


def _stored_days(
    database: Database, monitor: Monitor, baseline: Baseline, start: datetime, end: datetime
) -> Iterator[dict[datetime, BucketSummary]]:
    """Yield the stored buckets of a range that have the bins of a baseline, a day at a time."""
    while start < end:
        stop = min(start + BATCH, end)
        with database.read() as connection:
            rows = windows.load_window(connection, monitor.name, baseline, start, stop)
        yield rows
        start = stop


def sum_previous(
    database: Database, monitor: Monitor, baseline: Baseline, start: datetime, end: datetime
) -> dict[str | None, dict[str, Profile]]:
    """Sum the stored buckets of the range before a window."""
    profiles: dict[str | None, dict[str, Profile]] = {}
    for rows in _stored_days(database, monitor, baseline, start, end):
        profiles = add_profiles([profiles, *(row.profiles for row in rows.values())])
    return profiles
