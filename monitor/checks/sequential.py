"""Run sequential detectors: fold the newest bucket of a window into the state of each column and segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from detectors import Finding, Measurement, Profile, Sequential, Status
from detectors.base import conclude
from detectors.direction import infer_direction, is_improvement
from detectors.quality.traffic import Traffic
from detectors.sentence import describe
from detectors.sequential import State
from monitor.checks.base import CheckTarget
from monitor.checks.baseline import Baseline
from monitor.checks.window import BucketSummary, Window
from monitor.checks.window_comparison import WindowComparison
from monitor.config.models import Monitor


def fold_sequential(
    monitor: Monitor,
    baseline: Baseline,
    profiles: Mapping[str | None, Mapping[str, Profile]],
    starts: Sequence[datetime],
    parts: Sequence[BucketSummary],
) -> dict[str, State]:
    """Return the state of sequential detectors, by finding key, after a run of stored buckets.

    Parameters
    ----------
    profiles
        The sum of a window, which determines its largest segments.
    starts, parts
        The buckets, oldest first.
    """
    sums: dict[str, State] = {}
    for place, part in enumerate(parts, start=1):
        window = Window(profiles, Traffic(), starts[:place], part.profiles, sums, parts=parts[:place])
        comparison = WindowComparison(monitor, baseline, window)
        findings = [
            finding
            for target in comparison.targets()
            if isinstance(target.detector, Sequential)
            for finding in accumulate_target(comparison, target, target.detector)
        ]
        states = {finding.key: finding.detail.get("state") for finding in findings}
        sums = {key: dict(state) for key, state in states.items() if isinstance(state, Mapping)}
    return sums


def accumulate_target(comparison: WindowComparison, target: CheckTarget, detector: Sequential) -> Iterator[Finding]:
    """Fold the newest bucket into the state of each segment; segments without rows keep their state."""
    if comparison.window.newest:
        yield from (_accumulate(comparison, target, detector, each) for each in comparison.list_segments(target))
    if target.segments:
        yield from _carry_state(comparison, target)


def _accumulate(
    comparison: WindowComparison, target: CheckTarget, detector: Sequential, segment: str | None
) -> Finding:
    """Fold the newest bucket into the state; a bucket with too few rows does not change it."""
    window = comparison.window
    old, new = comparison.before(target.column).get(segment), window.newest.get(segment, {}).get(target.column)
    stated = target.finding(segment)
    state = window.sums.get(stated.key, {})
    size = 0 if new is None else new.n
    if old is None or old.n < target.min_samples:
        usable = 0 if old is None else old.n
        reason = f"too_few: the baseline has {usable} usable values, {target.min_samples} needed"
        return replace(stated, reason=reason, detail={"state": state})
    if new is None or size < detector.fewest:
        reason = f"too_few: the bucket has {size} usable values, {detector.fewest} are needed to add it"
        return replace(stated, reason=reason, detail={"state": state})
    score = detector.thin(detector.score(old, new)[None], np.array([comparison.noise_factors[segment]]))
    course = detector.fold(score, state)
    measurement = Measurement(course.statistic[0], course.noise[0], detail={"state": course.state})
    side = infer_direction(target.better, is_improvement(target.better, course.lean)[0])
    sized = replace(stated, n_baseline=old.n, n_window=size)
    calibrated = comparison.baseline.calibration.of(stated)
    finding = conclude(sized, detector, measurement, target.threshold, calibrated)
    if finding.status is Status.DRIFTED:
        finding = replace(finding, reason=describe(finding, detector, old, new))
    return target.complete(finding, side)


def _carry_state(comparison: WindowComparison, target: CheckTarget) -> Iterator[Finding]:
    """Yield findings that keep the state of segments that are not measured in the window."""
    whole, sums = target.finding(None).key, comparison.window.sums
    for key in sums:
        segment = key.removeprefix(whole)
        if key.startswith(whole) and segment and segment not in comparison.segments and sums[key]:
            reason = "too_few: the segment is not among the largest of the window"
            yield replace(target.finding(segment), reason=reason, detail={"state": sums[key]})
