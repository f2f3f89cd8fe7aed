"""Sensitivity of a monitor: the smallest detectable change of each column, and whether it has increased."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import numpy as np

from detectors.base import Detector, Finding, Measurement, Status, Values, effective_threshold
from detectors.binning import COUNTED
from detectors.family import Family
from detectors.profile import Profile, samples
from detectors.sensitivity import Bound, Sensitivity, smallest_change
from monitor.checks.base import CheckTarget
from monitor.checks.baseline import Baseline
from monitor.checks.calibration import Calibration
from monitor.checks.targets import expand_checks
from monitor.config.models import Monitor

DAY = timedelta(days=1)
MOST_NAMED = 3
COARSER = 1.5
"""Ratio of the smallest detectable changes above which a loss of sensitivity is reported."""


def measure_sensitivity(monitor: Monitor, baseline: Baseline) -> Baseline:
    """Return the baseline with the smallest detectable change of each column, for windows of median size."""
    rows = [rows for rows in baseline.traffic.bucket_rows if rows]
    if not rows or baseline.calibration.limit is None:
        return baseline
    tests: dict[str, list[tuple[Detector, Bound]]] = {}
    for question in expand_checks(monitor, baseline.layouts, baseline.profiles.get(None)):
        if not question.late:
            tests.setdefault(question.column, []).append((question.detector, _bound(question, baseline.calibration)))
    usual, buckets, day = float(np.median(rows)), monitor.window // monitor.bucket, DAY // monitor.bucket
    measured: dict[str, Sensitivity] = {}
    compared = baseline.profiles if baseline.previous is None else baseline.previous
    for column, profile in samples(compared).get(None, {}).items():
        if profile.layout.kind in COUNTED and column in tests and profile.rows:
            smallest = _smallest(profile, usual, buckets, day, tests[column])
            if smallest is not None:
                measured[column] = smallest
    return replace(baseline, calibration=replace(baseline.calibration, sensitivity=measured))


def _smallest(
    profile: Profile, usual: float, buckets: int, day: int, tests: list[tuple[Detector, Bound]]
) -> Sensitivity | None:
    fitting = [(detector, bound) for detector, bound in tests if profile.layout.kind in detector.kinds]
    return smallest_change(profile, usual * profile.n / profile.rows, buckets, day, fitting)


def _bound(question: CheckTarget, calibration: Calibration) -> Bound:
    calibrated = calibration.of(question.finding(None))

    def bound(statistic: Values, noise: Values) -> Values:
        return effective_threshold(question.detector, Measurement(statistic, noise), question.threshold, calibrated)

    return bound


def keep_finest(before: Calibration, after: Calibration) -> Calibration:
    """Return ``after`` with the best sensitivity of all earlier baselines."""
    finest = dict(before.finest)
    for column, measured in before.sensitivity.items():
        best = finest.get(column)
        if best is None or not _is_coarser(best, measured, 1.0):
            finest[column] = measured
    return replace(after, finest=finest)


def _is_coarser(before: Sensitivity, after: Sensitivity, ratio: float = COARSER) -> bool:
    pairs = ((before.window, after.window), (before.day, after.day))
    return any(
        old is not None and (new is None or new - after.before > ratio * (old - before.before)) for old, new in pairs
    )


def findings_of_sensitivity(calibration: Calibration) -> Iterator[Finding]:
    """Yield an inconclusive finding for each column whose sensitivity has decreased; it does not alert."""
    for column, now in calibration.sensitivity.items():
        before = calibration.finest.get(column)
        if before is not None and _is_coarser(before, now):
            reason = f"less_sensitive: detects {describe(now)}; an earlier baseline detected {describe(before)}"
            yield Finding("sensitivity", column, "sensitivity", None, Status.INCONCLUSIVE, reason, about="pipe")


def findings_of_calibration(calibration: Calibration) -> Iterator[Finding]:
    """Yield an inconclusive finding for each column with a statistic that has a separate, higher threshold."""
    methods: dict[str, list[str]] = {}
    for key in calibration.set_apart:
        check, column, method, segment = calibration.subjects[key]
        methods.setdefault(column or check, []).append(method if segment is None else f"{method} of {segment}")
    for column, several in sorted(methods.items()):
        named = ", ".join(several[:MOST_NAMED]) + (
            f" and {len(several) - MOST_NAMED} more" * (len(several) > MOST_NAMED)
        )
        reason = (
            f"set_apart: {named} was unusual on the baseline and has a separate threshold, with which it is less "
            "sensitive; other thresholds are not affected"
        )
        yield Finding("calibration", column, "calibration", None, Status.INCONCLUSIVE, reason, about="pipe")


def list_sensitivity(calibration: Calibration) -> list[dict[str, Any]]:
    """Return the smallest detectable change of each column as JSON types, with a description (``finds``)."""
    return [
        {"column": column, **asdict(one), "finds": describe(one)}
        for column, one in sorted(calibration.sensitivity.items())
    ]


def tabulate_sensitivity(
    calibration: Calibration, families: Mapping[str, Family]
) -> list[tuple[str, Family | None, str, str, str]]:
    """Return column, family, smallest detectable change within a window and within a day, and notes."""
    apart = {finding.column: finding.reason.partition(": ")[2] for finding in findings_of_calibration(calibration)}
    rows = []
    for column in sorted({*families, *calibration.sensitivity, *calibration.unusual, *filter(None, apart)}):
        sensitivity = calibration.sensitivity.get(column)
        window, day = (
            (_change(sensitivity, value) for value in (sensitivity.window, sensitivity.day))
            if sensitivity
            else ("", "")
        )
        notes = [apart[column]] if column in apart else []
        notes += [
            f"thresholds are not learnt from an unusual period, {start} to {end}"
            for start, end in calibration.unusual.get(column, ())
        ]
        rows.append((column, families.get(column), window, day, "; ".join(notes)))
    return rows


def describe(sensitivity: Sensitivity) -> str:
    """Describe the smallest detectable changes within a window and within a day.

    Examples
    --------
    >>> describe(Sensitivity("sd", 0.0, 0.41, 0.2))
    'a shift of 0.41 sd within a window, a shift of 0.2 sd within a day'
    >>> describe(Sensitivity("share", 0.001, None, 0.0043))
    'no change within a window, a rise from 0.1 % to 0.43 % within a day'
    """
    window, day = (_change(sensitivity, value) for value in (sensitivity.window, sensitivity.day))
    return f"{window} within a window, {day} within a day"


def _change(sensitivity: Sensitivity, value: float | None) -> str:
    if value is None:
        return "no change"
    if sensitivity.unit == "sd":
        return f"a shift of {value:.2g} sd"
    return f"a rise from {100 * sensitivity.before:.2g} % to {100 * value:.2g} %"
