"""What is asked of a column follows from its baseline, in a calibration and in a window alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from detectors.base import Finding, Status
from detectors.binning import Binning, learn_numeric
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from detectors.records import Column
from monitor.checks.baseline import Baseline
from monitor.checks.calibrate import calibrate
from monitor.checks.detect import detect
from monitor.checks.targets import expand_checks
from monitor.checks.window import Window
from monitor.config.models import Monitor
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.timeline import Timeline

HOUR, START = timedelta(hours=1), datetime(2026, 3, 2, tzinfo=UTC)
DAYS, ROWS = 10, 100


@pytest.fixture(scope="module")
def calibrated() -> tuple[Monitor, Baseline]:
    """Ten days of 100 rows an hour: a score, a flag that is 1 in one row of 1,000, and one that never is."""
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}
    monitor = Monitor.model_validate({"name": "bot", "source": source, "bucket": "1h", "window": "4h"})
    rng = np.random.default_rng(0)
    buckets = [rows(rng, 1e-3) for _ in range(DAYS * 24)]
    layouts = {name: layout_of(np.concatenate([bucket[name] for bucket in buckets])) for name in buckets[0]}
    timeline = Timeline.of_baseline(monitor, layouts, START, START + DAYS * 24 * HOUR)
    profiles: Mapping[str | None, Mapping[str, Profile]] = {}
    for place, bucket in enumerate(buckets):
        part = {None: profiled(bucket, layouts)}
        timeline.add(START + place * HOUR, ROWS, part)
        profiles = add_profiles([profiles, part])
    calibration, slots = calibrate(monitor, timeline, layouts, profiles[None])
    traffic = Traffic((ROWS,) * DAYS * 24, 3600.0)
    return monitor, Baseline(1, "x", layouts, profiles, traffic, DAYS * 24 * ROWS, calibration=calibration, slots=slots)


def rows(rng: np.random.Generator, rate: float, size: int = ROWS) -> dict[str, np.ndarray]:
    return {"score": rng.normal(size=size), "error": (rng.random(size) < rate) * 1.0, "pii": np.zeros(size)}


def layout_of(values: np.ndarray) -> Binning:
    return learn_numeric(values, float(values.min()), float(values.max()))


def profiled(columns: Mapping[str, np.ndarray], layouts: Mapping[str, Binning]) -> dict[str, Profile]:
    return {name: Profile.of(Column.floats(values), layouts[name]) for name, values in columns.items()}


def drifted(calibrated: tuple[Monitor, Baseline], columns: Mapping[str, np.ndarray]) -> dict[str, Finding]:
    """Return what a window shows of a change, by column and method."""
    monitor, baseline = calibrated
    now = profiled(columns, baseline.layouts)
    window = Window({None: now}, baseline.traffic, newest={None: now})
    found = {f"{f.column} {f.method}": f for f in detect(monitor, baseline, window) if f.column is not None}
    return {key: finding for key, finding in found.items() if finding.status is Status.DRIFTED}


def test_a_calibration_and_a_window_ask_the_same(calibrated: tuple[Monitor, Baseline]) -> None:
    monitor, baseline = calibrated
    questions = [q for q in expand_checks(monitor, baseline.layouts, baseline.profiles[None]) if q.check == "drift"]
    found = {column: [q.detector.name for q in questions if q.column == column] for column in baseline.layouts}
    assert found == {
        "score": ["kolmogorov_smirnov", "rank", "spread", "cusum", "rate_cusum"],
        "error": ["rate_ratio", "rate_cusum"],
        "pii": ["rate_ratio", "rate_cusum"],
    }
    keys = {q.finding(None).key for q in questions}
    assert keys <= set(baseline.calibration.nulls)


def test_one_row_of_a_column_that_never_changed_alerts_nobody_and_a_tenth_of_them_does(
    calibrated: tuple[Monitor, Baseline],
) -> None:
    window = rows(np.random.default_rng(1), 1e-3, 400)
    assert not drifted(calibrated, window)
    window["pii"][7] = 1.0
    assert not drifted(calibrated, window)
    window["pii"][:40] = 1.0
    assert set(drifted(calibrated, window)) >= {"pii rate_ratio"}


def test_a_rare_flag_that_rises_is_seen_though_it_is_few_points(calibrated: tuple[Monitor, Baseline]) -> None:
    window = rows(np.random.default_rng(2), 0.0, 400)
    window["error"][:8] = 1.0  # 2 % instead of 0.1
    seen = set(drifted(calibrated, window))
    assert "error rate_ratio" in seen
    assert seen <= {"error rate_ratio", "error rate_cusum"}
