"""Run all checks of a monitor on a window and its baseline."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from detectors import Finding
from detectors.correct import false_discovery
from monitor.checks.baseline import Baseline
from monitor.checks.baseline_findings import evaluate_baseline
from monitor.checks.columns import evaluate_columns
from monitor.checks.left_out import find_left_out
from monitor.checks.protocols import BucketData
from monitor.checks.registry import make_checks
from monitor.checks.stattests import Stattests, evaluate_stattests
from monitor.checks.window import Window
from monitor.checks.window_comparison import WindowComparison
from monitor.config.models import Monitor


def detect(monitor: Monitor, baseline: Baseline, window: Window, stattests: Stattests | None = None) -> list[Finding]:
    """Run every check and return the findings. A check that fails yields a finding with status error.

    ``stattests`` runs the statistical tests of Evidently; without it, their findings are inconclusive.
    """
    comparison = WindowComparison(monitor, baseline, window)
    evaluated = [finding for check in make_checks(monitor) for finding in check.evaluate(baseline, window)]
    findings = [
        *(finding for finding in evaluated if finding.column is None),
        *find_left_out(window),
        *evaluate_columns(comparison),
        *(finding for finding in evaluated if finding.column is not None),
        *evaluate_stattests(comparison, stattests),
        *evaluate_baseline(baseline),
    ]
    unique = list({finding.key: finding for finding in findings}.values())
    p_values = np.array([math.nan if finding.p_value is None else finding.p_value for finding in unique])
    q_values = false_discovery(p_values)
    return [
        finding if math.isnan(q) else replace(finding, q_value=q)
        for finding, q in zip(unique, q_values.tolist(), strict=True)
    ]


def evaluate_bucket(monitor: Monitor, bucket: BucketData) -> list[Finding]:
    """Return the findings that need neither a window nor a baseline."""
    return [finding for check in make_checks(monitor) for finding in check.evaluate_bucket(bucket)]
