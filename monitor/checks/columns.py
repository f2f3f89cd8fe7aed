"""Run the detectors on each column and segment of a window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from detectors import Criterion, Finding, Sequential, Status, assess
from detectors.sentence import describe
from monitor.checks.base import CheckTarget, missing_column
from monitor.checks.sequential import accumulate_target
from monitor.checks.window_comparison import WindowComparison

FEW_CLIENTS = 2.0
"""Variance inflation from which the reason of a finding mentions that few clients sent the rows."""


def evaluate_columns(comparison: WindowComparison) -> Iterator[Finding]:
    """Yield the findings of all targets by column, those of all rows before those of segments."""
    for target in comparison.targets():
        if isinstance(target.detector, Sequential):
            yield from accumulate_target(comparison, target, target.detector)
        else:
            yield from (_measure(comparison, target, segment) for segment in comparison.list_segments(target))


def _measure(comparison: WindowComparison, target: CheckTarget, segment: str | None) -> Finding:
    old, new = comparison.sides(target, segment)
    stated = target.finding(segment)
    if old is None or new is None:
        return missing_column(stated, old)
    baseline, window = comparison.baseline, comparison.window
    factor = 1.0 if target.late else comparison.noise_factors[segment]
    criterion = Criterion(target.threshold, baseline.calibration.of(stated), target.min_samples, factor)
    finding = assess(target.detector, old, new, column=target.column, segment=segment, criterion=criterion)
    if finding.status is Status.DRIFTED:
        finding = replace(finding, reason=describe(finding, target.detector, old, new))
    if target.owner is not None:
        finding = target.owner.complete(finding, target, baseline, window)
    finding = _mention_few_clients(finding, factor)
    return target.complete(finding, target.direction(old, new))


def _mention_few_clients(finding: Finding, factor: float) -> Finding:
    """Add the effective number of rows to the reason if few clients sent most of them."""
    rows = finding.detail.get("n_effective")
    if factor**2 < FEW_CLIENTS or rows is None:
        return finding
    text = f"; few clients sent most of the rows, so they count as {rows} independent rows"
    return replace(finding, reason=finding.reason + text)
