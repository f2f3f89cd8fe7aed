"""Baselines of windows that are compared with the stretch before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from detectors.profile import Profile
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.jobs.sum_buckets import sum_previous
from monitor.store.database import Database


class PreviousStretch:
    """Sums the stored buckets before a window; consecutive buckets share the sum."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sum: tuple[str, datetime, Mapping[str | None, Mapping[str, Profile]]] | None = None

    def add_to(self, baseline: Baseline, monitor: Monitor, bucket: Bucket) -> Baseline:
        """Return the baseline with the sum of the stretch before the window of a bucket."""
        length = monitor.baseline.previous
        if baseline.state != "active" or length is None:
            return baseline
        if baseline.end is not None and bucket.end <= baseline.end:
            return baseline
        start, end = previous_stretch(monitor, length, bucket.end - monitor.window)
        if self._sum is None or self._sum[:2] != (baseline.layout, end):
            self._sum = baseline.layout, end, sum_previous(self._database, monitor, baseline, start, end)
        return replace(baseline, previous=self._sum[2])
