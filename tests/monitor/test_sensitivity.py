"""What a baseline says that it would find is what it finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from detectors.base import Status
from detectors.binning import learn_numeric
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from detectors.records import Column
from detectors.sensitivity import Sensitivity
from monitor.checks.baseline import Baseline
from monitor.checks.calibrate import calibrate
from monitor.checks.calibration import Calibration
from monitor.checks.sensitivity import (
    findings_of_calibration,
    findings_of_sensitivity,
    keep_finest,
    measure_sensitivity,
)
from monitor.config.models import Monitor, Rule
from monitor.profiling.timeline import Timeline

START, BUCKET = datetime(2026, 11, 1, tzinfo=UTC), timedelta(minutes=5)
STEPS, ROWS, WINDOW = 1440, 40, 12


def monitor() -> Monitor:
    source: dict[str, Any] = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "timestamp"}}
    return Monitor.model_validate({"name": "m", "source": source, "checks": ["drift"]})


def learn(columns: dict[str, np.ndarray]) -> Baseline:
    """Calibrate over columns, float64 of shape (STEPS, ROWS)."""
    layouts = {name: learn_numeric(x.ravel(), x.min(), x.max()) for name, x in columns.items()}
    timeline = Timeline(layouts, START, BUCKET, STEPS, WINDOW)
    for step in range(STEPS):
        part = {name: Profile.of(Column.floats(x[step]), layouts[name]) for name, x in columns.items()}
        timeline.add(START + step * BUCKET, ROWS, {None: part})
    calibration, slots = calibrate(monitor(), timeline, layouts)
    profiles = {name: Profile.of(Column.floats(x.ravel()), layouts[name]) for name, x in columns.items()}
    traffic = Traffic((ROWS,) * STEPS, 300.0)
    return Baseline(1, "", layouts, {None: profiles}, traffic, STEPS * ROWS, calibration=calibration, slots=slots)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    rng = np.random.default_rng(0)
    shape = (STEPS, ROWS)
    columns = {"smooth": rng.normal(size=shape), "flag": (rng.random(shape) < 0.01).astype(float)}
    return measure_sensitivity(monitor(), learn(columns))


def share_found(baseline: Baseline, column: str, draw: Any, factor: float = 1.0) -> float:  # noqa: ANN401
    """Return how many of 200 windows with a change reach a threshold of one of the window's methods."""
    from monitor.checks.detect import detect
    from monitor.checks.targets import expand_checks
    from monitor.checks.window import Window

    rng = np.random.default_rng(1)
    layout = baseline.layouts[column]
    assert any(question.column == column for question in expand_checks(monitor(), baseline.layouts))
    found = 0
    for _ in range(200):
        profile = Profile.of(Column.floats(draw(rng, factor)), layout)
        window = Window({None: {column: profile}}, Traffic((ROWS,) * WINDOW, 300.0), [START])
        findings = detect(monitor(), baseline, window)
        found += any(f.column == column and f.status is Status.DRIFTED for f in findings)
    return found / 200


def test_a_shift_of_the_size_that_is_promised_is_found_in_about_every_second_window(baseline: Baseline) -> None:
    promised = baseline.calibration.sensitivity["smooth"]
    assert promised.unit == "sd"
    assert promised.window is not None
    assert promised.day is not None
    assert promised.day < 0.6 * promised.window

    def draw(rng: np.random.Generator, factor: float) -> np.ndarray:
        return rng.normal(factor * promised.window, size=ROWS * WINDOW)

    assert 0.3 < share_found(baseline, "smooth", draw) < 0.95
    assert share_found(baseline, "smooth", draw, 0.6) < 0.2
    assert share_found(baseline, "smooth", draw, 1.5) > 0.95


def test_of_a_flag_the_rate_is_told_that_is_found(baseline: Baseline) -> None:
    promised = baseline.calibration.sensitivity["flag"]
    assert promised.unit == "share"
    assert promised.before == pytest.approx(0.01, rel=0.2)
    assert promised.window is not None
    assert promised.day is not None
    assert promised.before < promised.day < promised.window < 0.2


def test_a_column_that_is_seen_less_well_than_before_is_a_finding_that_alerts_nobody(baseline: Baseline) -> None:
    now = baseline.calibration
    assert list(findings_of_sensitivity(now)) == []
    smooth = now.sensitivity["smooth"]
    assert smooth.window is not None
    worse = replace(now, sensitivity={"smooth": Sensitivity("sd", 0.0, 2 * smooth.window, smooth.day)})
    renewed = keep_finest(now, worse)
    [finding] = findings_of_sensitivity(renewed)
    assert finding.status is Status.INCONCLUSIVE
    assert finding.column == "smooth"
    assert finding.reason.startswith("less_sensitive: detects a shift of ")
    again = keep_finest(renewed, worse)
    assert [f.column for f in findings_of_sensitivity(again)] == ["smooth"], "it is not forgotten at the next renewal"
    assert Calibration.from_json(again.to_json()) == again
    assert list(findings_of_sensitivity(keep_finest(again, now))) == []


def test_a_statistic_that_is_set_apart_is_named_by_a_finding() -> None:
    """A state that comes back twice a week has a threshold of its own; the columns beside it do not hear of it."""
    rng = np.random.default_rng(2)
    columns = {name: rng.normal(size=(STEPS, ROWS)) for name in "abc"}
    columns["state"] = (rng.random((STEPS, ROWS)) < 0.3).astype(float)
    for first in (200, 900):
        columns["state"][first : first + 24] = 1.0
    calibration = learn(columns).calibration
    findings = list(findings_of_calibration(calibration))
    assert [finding.column for finding in findings] == ["state"]
    assert findings[0].reason.startswith("set_apart: ")
    assert findings[0].status is Status.INCONCLUSIVE
    assert calibration.limit is not None
    assert calibration.limit.rarity < 14


def test_rules_that_watch_nothing_are_calibrated_to_nothing() -> None:
    """Neither no rules nor rules of another check make a limit fail that is learnt of nothing."""
    timeline = Timeline({}, START, BUCKET, STEPS, WINDOW)
    timeline.is_complete[:] = True
    for rules in ([], [{"when": ["unseen"]}]):
        watched = monitor().model_copy(update={"rules": [Rule.model_validate(rule) for rule in rules]})
        calibration, slots = calibrate(watched, timeline, {})
        assert calibration.nulls == {}
        assert slots == {}
        assert (calibration.limit is None) == (rules == [])
