"""Read and evaluate a whole window like the daemon."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from monitor.checks.baseline import Baseline
from monitor.checks.comparisons import Comparisons
from monitor.checks.detect import evaluate_bucket
from monitor.checks.evaluate import evaluate
from monitor.checks.evaluation import Evaluation, StoredSums
from monitor.checks.monitor_plan import MonitorPlan
from monitor.checks.new_values import detect_new_values
from monitor.checks.row_values import RowStattests
from monitor.config.models import Monitor
from monitor.jobs.count_comparisons import count_comparisons
from monitor.jobs.observe_window import observe_window
from monitor.sources.base import Reader


def evaluate_window(reader: Reader, monitor: Monitor, baseline: Baseline, end: datetime) -> Evaluation:
    """Read a whole window and the newest one whose labels are due, and evaluate its last bucket like the daemon.

    Budgets and objectives are not evaluated: they need the sums of a month, which a single check does not read.
    """
    plan = MonitorPlan(monitor, Comparisons(monitor), baseline)
    observed, stored = observe_window(reader, monitor, baseline, end)
    states = count_comparisons(reader, plan.comparisons, observed.bucket)
    evaluation = evaluate(
        plan, observed, StoredSums(stored, None, states), RowStattests(reader, monitor, baseline, end)
    )
    facts = sum((part.facts for part in stored.parts), observed.profiled.facts)
    findings = [*evaluation.findings, *evaluate_bucket(monitor, StoredSums())]
    return replace(evaluation, findings=findings, changes=detect_new_values(facts, baseline), result=None)
