"""Measure one target of a check over all windows of a range at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from detectors.base import Finding, Measurement, Status, effective_threshold, sample_size
from detectors.direction import infer_direction, is_improvement
from detectors.profile import Profile
from detectors.sentence import describe
from detectors.sequential import Sequential, State
from detectors.stack import Stack
from monitor.checks.base import CheckTarget
from monitor.checks.baseline import Baseline
from monitor.checks.window_comparison import choose_reference
from monitor.jobs.replay_references import References

NEAR = 0.5
"""Findings below this share of their threshold cannot matter to a rule and are not reported."""


@dataclass
class StretchFindings:
    """Findings of each bucket of a stretch."""

    near: list[list[Finding]]
    measured: np.ndarray


class ComparedWindows:
    """The compared profiles of each window of a stretch, for the sentences of findings.

    Parameters
    ----------
    windows
        The windows, or the buckets of a sequential detector.
    factor
        Noise of each window relative to that of independent rows, shape (windows,) or (1,), or one for all.
    """

    def __init__(self, windows: Stack, factor: np.ndarray | float = 1.0) -> None:
        self.windows = windows
        self._factor = np.broadcast_to(factor, (len(windows),))
        self._references: list[tuple[np.ndarray, Profile, Mapping[str, object]]] = []
        self._reference_of = np.full(len(windows), -1)

    def add(self, places: np.ndarray, reference: Profile, detail: Mapping[str, object]) -> None:
        """Add the reference of some windows, ascending, with the details of their measurement."""
        self._reference_of[places] = len(self._references)
        self._references.append((places, reference, detail))

    def describe(self, finding: Finding, target: CheckTarget, place: int) -> str:
        """Return the sentence of a finding with the quantity of its column, as in a live evaluation."""
        places, reference, details = self._references[self._reference_of[place]]
        index = int(np.searchsorted(places, place))
        detail = {name: value[index] if isinstance(value, np.ndarray) else value for name, value in details.items()}
        window = self.windows.take(np.array([place])).sum().profile()
        if self._factor[place] > 1:
            detail["n_effective"] = round(sample_size(target.detector, window) / self._factor[place] ** 2)
        return describe(replace(finding, detail=detail), target.detector, reference, window)


def measure_target(
    references: References,
    question: CheckTarget,
    segment: str | None,
    stack: Stack,
    factor: np.ndarray,
    findings: StretchFindings,
    sums: dict[str, State],
) -> None:
    """Measure a target in one segment, and add the findings near its threshold."""
    monitor, timeline = references.monitor, references.timeline
    if isinstance(question.detector, Sequential):
        compared = ComparedWindows(stack)
        measurement, improved = _accumulate(references, question, question.detector, segment, compared, factor, sums)
        _note(references.baseline, question, segment, measurement, improved, compared, findings)
        return
    sides = stack.windows(timeline.length)
    compared = ComparedWindows(sides, factor)
    first, second = np.full((2, timeline.steps), np.nan)
    improved = np.zeros(timeline.steps, dtype=bool)
    for places in references.alike(question.column, np.arange(timeline.first, timeline.steps)):
        old = choose_reference(monitor, references.before(question.column, places), segment)
        if old is None or sample_size(question.detector, old) < question.min_samples:
            continue
        enough = places[sample_size(question.detector, sides)[places] >= question.min_samples]
        if len(enough):
            measurement = question.detector.measure(old, sides.take(enough))
            first[enough], second[enough] = measurement.statistic, measurement.noise
            improved[enough] = question.improves(old, sides.take(enough))
            compared.add(enough, old, measurement.detail)
    _note(references.baseline, question, segment, Measurement(first, second * factor), improved, compared, findings)


def _accumulate(
    references: References,
    question: CheckTarget,
    detector: Sequential,
    segment: str | None,
    compared: ComparedWindows,
    factor: np.ndarray,
    sums: dict[str, State],
) -> tuple[Measurement, np.ndarray]:
    """Update the state of a sequential detector, each bucket scored against its part of the baseline."""
    timeline, stack = references.timeline, compared.windows
    scores: np.ndarray | None = None
    for places in references.alike(question.column, np.arange(timeline.first, timeline.steps)):
        old = references.before(question.column, places).get(segment)
        enough = places[stack.n[places] >= detector.fewest]
        if old is None or old.n < question.min_samples or not len(enough):
            continue
        measurement = detector.score(old, stack.take(enough))
        scores = np.full((timeline.steps, measurement.shape[-1]), np.nan) if scores is None else scores
        scores[enough] = measurement
        compared.add(enough, old, {})
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
    compared: ComparedWindows,
    findings: StretchFindings,
) -> None:
    """Add the findings near their threshold; those that drifted have the sentence of a live finding."""
    detector, stated = question.detector, question.finding(segment)
    calibrated = None if question.threshold is not None else baseline.calibration.of(stated)
    bound = np.broadcast_to(
        effective_threshold(detector, measurement, question.threshold, calibrated), measurement.statistic.shape
    )
    findings.measured |= np.isfinite(measurement.statistic)
    for at in np.flatnonzero(measurement.statistic >= NEAR * bound).tolist():
        value, limit = float(measurement.statistic[at]), float(bound[at])
        result = replace(
            stated,
            status=Status.DRIFTED if value >= limit else Status.OK,
            statistic=value,
            threshold=limit,
            direction=infer_direction(question.better, improved[at]),
        )
        drifted = result.status is Status.DRIFTED
        reason = compared.describe(result, question, at) if drifted else describe(result, detector)
        findings.near[at].append(replace(result, reason=reason))
