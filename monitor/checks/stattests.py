"""Run the statistical tests of Evidently on each column and segment of a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from detectors import Finding, Measurement, Profile, Status
from detectors.base import conclude
from detectors.sentence import describe
from monitor.checks.base import CheckTarget, missing_column
from monitor.checks.evidently import Request, StatTestResult, orient, request
from monitor.checks.targets import expand_stattests
from monitor.checks.window_comparison import WindowComparison
from monitor.config.stattests import P_VALUES, PREFIX

Stattests = Callable[[Sequence[Request]], Sequence[StatTestResult]]
"""Runs tests in the separate process of Evidently."""


def evaluate_stattests(comparison: WindowComparison, stattests: Stattests | None) -> Iterator[Finding]:
    """Run all tests of a window in one call to the process of Evidently, and yield their findings."""
    waiting: list[tuple[CheckTarget, Finding, Request, tuple[Profile, Profile]]] = []
    for target in expand_stattests(comparison.monitor, comparison.baseline.layouts):
        for segment in comparison.list_segments(target):
            old, new = comparison.sides(target, segment)
            stated = _add_sizes(target, segment, old, new)
            if stated.reason or old is None or new is None:
                yield stated
            elif stattests is None:
                yield replace(stated, reason="not_measured: stattests of Evidently are not run here")
            else:
                test = request(target.detector.name.removeprefix(PREFIX), old, new, target.column or "")
                waiting.append((target, stated, test, (old, new)))
    answers = stattests([test for _, _, test, _ in waiting]) if stattests and waiting else []
    for (target, stated, test, sides), answer in zip(waiting, answers, strict=True):
        finding = _evidently_finding(target, stated, test, answer)
        if finding.status is Status.DRIFTED:
            finding = replace(finding, reason=describe(finding, target.detector, *sides))
        yield target.complete(finding, stated.direction)


def _add_sizes(target: CheckTarget, segment: str | None, old: Profile | None, new: Profile | None) -> Finding:
    """Return the finding with its sample sizes, and with a reason if they are too small."""
    stated = target.finding(segment)
    if old is None or new is None:
        return missing_column(stated, old)
    stated = replace(stated, n_baseline=old.n, n_window=new.n, direction=target.direction(old, new))
    if min(old.n, new.n) >= max(1, target.min_samples):
        return stated
    side, size = ("baseline", old.n) if old.n < target.min_samples else ("window", new.n)
    return replace(stated, reason=f"too_few: the {side} has {size} usable values, {target.min_samples} needed")


def _evidently_finding(target: CheckTarget, stated: Finding, test: Request, answer: StatTestResult) -> Finding:
    """Compare Evidently's score with the configured threshold or Evidently's own, see :func:`orient`."""
    if answer.resting is not None:
        return replace(stated, reason=answer.resting)
    if answer.statistic is None or answer.threshold is None:
        return replace(stated, status=Status.ERROR, reason=f"evidently: {answer.error}")
    measurement = Measurement(
        orient(test.name, answer.statistic),
        p_value=answer.statistic if test.name in P_VALUES else None,
        detail={"rebuilt_baseline": len(test.baseline), "rebuilt_window": len(test.window)},
    )
    bound = orient(test.name, target.threshold or answer.threshold)
    return conclude(stated, target.detector, measurement, bound, None)
