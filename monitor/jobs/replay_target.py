"""One target of a check over all windows of a stretch at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.base import Finding, Measurement, Status, effective_threshold
from detectors.direction import infer_direction, is_improvement
from detectors.sentence import describe
from detectors.sequential import Sequential, State
from detectors.stack import Stack
from monitor.checks.base import CheckTarget
from monitor.checks.baseline import Baseline
from monitor.checks.window_comparison import choose_reference
from monitor.jobs.replay_references import References, sample_size

NEAR = 0.5
"""Findings below this share of their threshold cannot matter to a rule; they are not spelt out."""


@dataclass
class StretchFindings:
    """What is found of each bucket of a stretch."""

    near: list[list[Finding]]
    measured: np.ndarray


def measure_target(
    references: References,
    question: CheckTarget,
    segment: str | None,
    stack: Stack,
    factor: np.ndarray,
    findings: StretchFindings,
    sums: dict[str, State],
) -> None:
    """Measure a target in one segment, and note what comes near its threshold."""
    monitor, timeline = references.monitor, references.timeline
    if isinstance(question.detector, Sequential):
        measurement, improved = _accumulate(references, question, question.detector, segment, stack, factor, sums)
        _note(references.baseline, question, segment, measurement, improved, findings)
        return
    sides = stack.windows(timeline.length)
    first, second = np.full((2, timeline.steps), np.nan)
    improved = np.zeros(timeline.steps, dtype=bool)
    for places in references.alike(question.column, np.arange(timeline.first, timeline.steps)):
        old = choose_reference(monitor, references.before(question.column, places), segment)
        if old is None or sample_size(question, old) < question.min_samples:
            continue
        enough = places[sample_size(question, sides)[places] >= question.min_samples]
        if len(enough):
            measurement = question.detector.measure(old, sides.take(enough))
            first[enough], second[enough] = measurement.statistic, measurement.noise
            improved[enough] = question.improves(old, sides.take(enough))
    _note(references.baseline, question, segment, Measurement(first, second * factor), improved, findings)


def _accumulate(
    references: References,
    question: CheckTarget,
    detector: Sequential,
    segment: str | None,
    stack: Stack,
    factor: np.ndarray,
    sums: dict[str, State],
) -> tuple[Measurement, np.ndarray]:
    """Add the buckets to what is remembered, each scored against its part of the baseline."""
    timeline = references.timeline
    scores: np.ndarray | None = None
    for places in references.alike(question.column, np.arange(timeline.first, timeline.steps)):
        old = references.before(question.column, places).get(segment)
        enough = places[stack.n[places] >= detector.fewest]
        if old is None or old.n < question.min_samples or not len(enough):
            continue
        measurement = detector.score(old, stack.take(enough))
        scores = np.full((timeline.steps, measurement.shape[-1]), np.nan) if scores is None else scores
        scores[enough] = measurement
    if scores is None:
        return Measurement(*np.full((2, timeline.steps), np.nan)), np.zeros(timeline.steps, dtype=bool)
    key = question.finding(segment).key
    course = detector.fold(detector.thin(scores, factor), sums.get(key, {}))
    sums[key] = course.state
    return Measurement(course.statistic, course.noise), is_improvement(question.better, course.lean)


def _note(
    baseline: Baseline,
    question: CheckTarget,
    segment: str | None,
    measurement: Measurement,
    improved: np.ndarray,
    findings: StretchFindings,
) -> None:
    """Spell out what comes near its threshold."""
    detector, stated = question.detector, question.finding(segment)
    calibrated = None if question.threshold is not None else baseline.calibration.of(stated)
    bound = np.broadcast_to(
        effective_threshold(detector, measurement, question.threshold, calibrated), measurement.statistic.shape
    )
    findings.measured |= np.isfinite(measurement.statistic)
    for at in np.flatnonzero(measurement.statistic >= NEAR * bound):
        value, limit = float(measurement.statistic[at]), float(bound[at])
        result = replace(
            stated,
            status=Status.DRIFTED if value >= limit else Status.OK,
            statistic=value,
            threshold=limit,
            direction=infer_direction(question.better, improved[at]),
        )
        findings.near[at].append(replace(result, reason=describe(result, detector)))
