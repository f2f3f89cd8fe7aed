"""Build a baseline from profiled buckets: sum, review and calibrate them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from detectors.binning import Binning
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from monitor.checks.baseline import Baseline
from monitor.checks.baseline_problems import review_baseline
from monitor.checks.calibrate import calibrate
from monitor.checks.sensitivity import measure_sensitivity
from monitor.checks.window import BucketSummary
from monitor.config.models import Monitor
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.stretch import merge_versions
from monitor.profiling.timeline import Timeline


class BaselineBuilder:
    """Builds a baseline from the buckets of a range, added in order of time."""

    def __init__(self, monitor: Monitor, layouts: Mapping[str, Binning], start: datetime, end: datetime) -> None:
        self._monitor = monitor
        self._layouts = layouts
        self._start, self._end = start, end
        self._timeline = Timeline.of_baseline(monitor, layouts, start, end)
        self._profiles: dict[Any, Any] = {}
        self._versions: dict[str, dict[str, list[float]]] = {}
        self._bucket_rows: list[int] = []
        self._rows = 0

    def add(self, buckets: Mapping[datetime, BucketSummary]) -> None:
        """Add the next buckets, by start."""
        self._profiles = add_profiles([self._profiles, *(bucket.profiles for bucket in buckets.values())])
        for at, bucket in buckets.items():
            facts = bucket.facts
            self._timeline.add(at, facts.whole_requests, bucket.profiles, facts.clients)
            self._bucket_rows.append(facts.whole_requests)
            self._rows += facts.rows
            merge_versions(self._versions, facts)

    def build(self, schema: Mapping[str, str] | None = None) -> Baseline:
        """Return the baseline of all buckets; it is not stored."""
        monitor, timeline, seconds = self._monitor, self._timeline, self._monitor.bucket.total_seconds()
        calibration, slots = calibrate(monitor, timeline, self._layouts, self._profiles.get(None))
        baseline = Baseline(
            id=0,
            layout="",
            layouts=self._layouts,
            profiles=self._profiles,
            traffic=Traffic(tuple(self._bucket_rows), seconds, dict(schema or {})),
            rows=self._rows,
            start=self._start,
            end=self._end,
            facts={
                "bucket_rows": self._bucket_rows,
                "bucket_seconds": seconds,
                "requests": sum(self._bucket_rows),
                "versions": self._versions,
                "review": review_baseline(monitor, timeline, self._versions).to_json(),
            },
            calibration=calibration,
            slots=slots,
            previous=self._last_stretch(),
        )
        return measure_sensitivity(monitor, baseline)

    def _last_stretch(self) -> dict[str | None, dict[str, Profile]] | None:
        """Return the reference of the next window if windows are compared with the stretch before them."""
        timeline, length = self._timeline, self._monitor.baseline.previous
        return None if length is None else timeline.profiles(timeline.places(timeline.end - length, timeline.end))
