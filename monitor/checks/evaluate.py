"""Evaluate all checks of a monitor on a bucket and on the window that ends with it."""

from __future__ import annotations

from detectors.base import Finding
from monitor.checks.detect import detect, evaluate_bucket
from monitor.checks.evaluation import Evaluation, Observed, StoredSums
from monitor.checks.monitor_plan import MonitorPlan
from monitor.checks.new_values import detect_new_values
from monitor.checks.objectives import count_events
from monitor.checks.result import conclude
from monitor.checks.stattests import Stattests
from monitor.checks.usage import usage_by_segment
from monitor.checks.window_sum import sum_window
from monitor.core.incident import Change
from monitor.core.tracing import traced


@traced("evaluate")
def evaluate(
    plan: MonitorPlan, observed: Observed, stored: StoredSums, stattests: Stattests | None = None
) -> Evaluation:
    """Run every check of a monitor on an observed bucket and on the window that ends with it.

    Parameters
    ----------
    plan
        The monitor and its baseline.
    observed
        The aggregates of the bucket.
    stored
        The stored aggregates of earlier buckets.
    stattests
        Runs the statistical tests of Evidently; without it, their findings are inconclusive.
    """
    monitor, bucket, profiled = plan.monitor, observed.bucket, observed.profiled
    reference = plan.reference(bucket)
    window, findings, changes = None, list[Finding](), list[Change]()
    if reference is not None and stored.window is not None:
        window = sum_window(monitor, reference, bucket, profiled, stored.window, observed.newest)
        findings = detect(monitor, reference, window, stattests)
        changes = detect_new_values(profiled.facts, reference)
    if stored.spending is not None:  # None for a bucket of the history, which no budget covers
        findings += evaluate_bucket(monitor, stored)
    result, reason = conclude(plan.baseline, plan.without_baseline, profiled, findings)
    comparisons = plan.comparisons.evaluate(bucket, profiled, stored.comparisons, observed.recounted)
    return Evaluation(
        findings=[*findings, *comparisons.findings],
        result=result,
        reason=reason,
        changes=changes,
        window=window,
        comparisons=comparisons,
        usage=usage_by_segment(monitor, window) if window else None,
        events=count_events(monitor, profiled),
    )
