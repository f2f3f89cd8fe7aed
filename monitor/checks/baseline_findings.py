"""Findings about a baseline: lost sensitivity, problems of its range, and change since the first baseline."""

from __future__ import annotations

from collections.abc import Iterator

from detectors import Finding
from monitor.checks.anchor import evaluate_anchor
from monitor.checks.baseline import Baseline
from monitor.checks.baseline_review import review_finding
from monitor.checks.sensitivity import findings_of_calibration, findings_of_sensitivity


def evaluate_baseline(baseline: Baseline) -> Iterator[Finding]:
    """Yield the findings of a baseline."""
    yield from findings_of_calibration(baseline.calibration)
    yield from findings_of_sensitivity(baseline.calibration)
    yield from review_finding(baseline.review)
    yield from evaluate_anchor(baseline)
