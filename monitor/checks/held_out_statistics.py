"""Statistics of the detectors on the held-out windows of a baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from detectors import Detector, Sequential, Stack
from detectors.base import sample_size
from detectors.binning import COUNTED
from detectors.dispersion import design_effect
from detectors.outcome import OUTCOME
from detectors.performance.interval_calibration import ResidualHistory
from detectors.performance.measured import ESTIMATED, backtest_estimates
from detectors.quality.traffic import outside_span
from detectors.season import ALL_TIMES
from detectors.stack import sliding
from monitor.checks.base import CheckTarget
from monitor.checks.held_out import HeldOutWindows

SELDOM = ("missing", "mistyped", "range", "unseen")
"""Checks of rare events. Their variance inflation by clustered rows is estimated from the values of the column."""

Series = tuple[np.ndarray, np.ndarray]
"""Statistic and noise, float64 of shape (steps,), at the last step of each window; NaN if not measured."""


def measure_target(
    held_out: HeldOutWindows, target: CheckTarget, segment: str | None, stack: Stack, season: str
) -> Series:
    """Measure every window of a series, or fold its steps for a sequential detector."""
    detector = target.detector
    factor = np.ones(1) if target.late else held_out.noise_factor(segment)
    if isinstance(detector, Sequential):
        return _accumulate(held_out, detector, stack, season, target.min_samples, factor)
    statistic, noise = measure_windows(held_out, detector, stack, season, target.min_samples)
    return statistic, noise * factor


def measure_windows(
    held_out: HeldOutWindows, detector: Detector, stack: Stack, season: str, min_samples: int
) -> Series:
    """Compare every window with the rest of the baseline; NaN if either side has too few rows."""
    statistic, noise = np.full((2, held_out.timeline.steps), np.nan)
    windows = held_out.windows(stack)
    for group in held_out.groups(season):
        rest = held_out.rest(stack, group)
        now = windows.take(group.windows)
        sizes = sample_size(detector, rest), sample_size(detector, now)
        if sizes[0] < min_samples:
            continue
        enough = sizes[1] >= min_samples
        if not enough.any():
            continue
        at = group.windows[enough]
        measured = detector.measure(rest, now.take(enough))
        statistic[at], noise[at] = measured.statistic, measured.noise
    return statistic, noise


def _accumulate(
    held_out: HeldOutWindows, detector: Sequential, stack: Stack, season: str, min_samples: int, factor: np.ndarray
) -> Series:
    """Fold the scores of the steps of a series in order of time, each against the rest of the baseline."""
    scores: np.ndarray | None = None
    steps = held_out.timeline.steps
    enough = stack.n >= detector.fewest
    for group in held_out.groups(season):
        rest = held_out.rest(stack, group)
        at = group.windows[enough[group.windows]]
        if int(rest.n) >= min_samples and len(at):
            scored = detector.score(rest, stack.take(at))
            scores = np.full((steps, scored.shape[1]), np.nan) if scores is None else scores
            scores[at] = scored
    if scores is None:
        return np.full(steps, np.nan), np.full(steps, np.nan)
    course = detector.fold(detector.thin(scores, factor), {})
    return course.statistic, course.noise


def measure_volume(held_out: HeldOutWindows) -> Series:
    """Compare the row count of every window with those of the other windows."""
    timeline = held_out.timeline
    statistic, noise = np.full((2, timeline.steps), np.nan)
    sums = sliding(timeline.rows, held_out.length)
    for group in held_out.groups(ALL_TIMES):
        others = np.delete(sums, group.without)[np.delete(held_out.whole, group.without)]
        at = group.windows[sums[group.windows] > 0]
        if len(others):
            statistic[at], noise[at] = outside_span(sums[at], others.min(), others.max())
    return statistic, noise


def variance_inflation(stack: Stack) -> float:
    """Return the design effect: the variance inflation of a column by clustered rows."""
    return design_effect(stack) if stack.layout.kind in COUNTED else 1.0


def backtest_metrics(held_out: HeldOutWindows, targets: Sequence[CheckTarget]) -> dict[str, ResidualHistory]:
    """Estimate the metrics of non-overlapping labelled windows from the rest, and return the residuals by metric."""
    timeline = held_out.timeline
    stack = next((stack for series, stack in timeline.series() if series == (None, OUTCOME)), None)
    if stack is None:
        return {}
    ends = timeline.seconds() + timeline.step.total_seconds()
    at = ends / (held_out.length * timeline.step.total_seconds())
    return {
        metric: backtest_estimates(metric, at, _apart(held_out, stack, target.min_samples))
        for target in targets
        if target.column == OUTCOME and target.detector.name.startswith(ESTIMATED)
        for metric in [target.detector.name.removeprefix(ESTIMATED)]
    }


def _apart(held_out: HeldOutWindows, stack: Stack, least: int) -> Iterator[tuple[np.ndarray, Stack, Stack]]:
    """Yield the ends of non-overlapping windows, the sum of the rest, and the windows."""
    windows = held_out.windows(stack)
    for group in held_out.groups(ALL_TIMES):
        own = group.windows[(group.windows + 1) % held_out.length == 0]
        rest = held_out.rest(stack, group)
        enough = own[windows.n[own] >= least]
        if len(enough) and rest.n >= least:
            yield enough, rest, windows.take(enough)
