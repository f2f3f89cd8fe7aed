"""Decide incidents for a live bucket, from its evaluation and the stored alerting state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from monitor.alerting.alert_context import AlertContext
from monitor.alerting.change_point import Plateaus
from monitor.alerting.decide import decide
from monitor.alerting.decisions import Decisions
from monitor.alerting.second_shift import compare_with_plateaus
from monitor.alerting.verification import judge_effects
from monitor.checks.evaluation import Evaluation
from monitor.checks.monitor_plan import MonitorPlan
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket
from monitor.core.tracing import traced


@dataclass(frozen=True)
class AlertState:
    """The stored state that decisions about a bucket need.

    Parameters
    ----------
    history
        Incidents, silences, changes, versions and actions.
    plateaus
        Reference windows of the firing incidents, see :class:`~monitor.alerting.change_point.Plateau`.
    """

    history: AlertHistory = AlertHistory()
    plateaus: Plateaus = field(default_factory=dict)


@traced("decide")
def decide_bucket(plan: MonitorPlan, evaluation: Evaluation, state: AlertState, bucket: Bucket) -> Decisions:
    """Decide the incidents of a monitor from the evaluation of a bucket.

    Incidents with an effect are decided by the traffic after it, see :mod:`monitor.alerting.verification`.
    """
    monitor, baseline, history, window = plan.monitor, plan.active_baseline, state.history, evaluation.window
    findings, outcomes = judge_effects(monitor, baseline, window, evaluation.findings, history, bucket.end)
    shifts = compare_with_plateaus(monitor, baseline, history.open, state.plateaus, window)
    context = AlertContext(history, baseline, shifts, has_all_rules=True)
    return replace(decide(monitor, replace(evaluation, findings=findings), context, bucket), outcomes=outcomes)
